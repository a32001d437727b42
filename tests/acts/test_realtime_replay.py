"""A conversation of the Realtime protocol, replayed to an app on the websockets library: as it is, and with what goes wrong in apps."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any, Dict, List, Sequence

import pytest

from evi_harness.acts.commanding import app_command
from evi_harness.acts.imports.import_events import import_events
from evi_harness.acts.replay import replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.dialects import dialect_of
from evi_harness.errors import NotAHandler
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.session.events import Sent
from evi_harness.session.session import Session
from evi_harness.verdicts.loading import load_session

APP = Path(__file__).resolve().parents[2] / "fixtures" / "apps" / "realtime_client.py"
CALL = {"response_id": "r", "item_id": "f", "call_id": "call-1"}
OUTPUT = {"type": "function_call_output", "call_id": "call-1", "output": "rain, 11 degrees"}


def rows(source: str) -> List[Dict[str, Any]]:
    """What crosses when the app talks to a service: what it sends is in its source."""
    names: Dict[str, Any] = {}
    exec(compile(source.partition("async def main")[0], str(APP), "exec"), names)
    session = {"type": "realtime", "output_modalities": ["text"], "tools": [names["WEATHER"]]}
    question = [{"type": "input_text", "text": "What is the weather in Bath?"}]
    item = {"id": "u", "type": "message", "role": "user", "content": question}
    return [
        {"type": "session.created", "session": {"id": "s", "model": "gpt-realtime"}},
        {"type": "session.update", "session": session},
        {"type": "conversation.item.create", "item": {name: value for name, value in item.items() if name != "id"}},
        {"type": "response.create"},
        {"type": "session.updated", "session": {"id": "s", **session}},
        {"type": "conversation.item.added", "item": item},
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.function_call_arguments.done", **CALL, "name": "weather", "arguments": '{"place": "Bath"}'},
        {"type": "conversation.item.create", "item": OUTPUT},
        {"type": "response.done", "response": {"id": "r", "status": "completed"}},
        {"type": "response.create"},
        {"type": "conversation.item.added", "item": {"id": "o", **OUTPUT}},
        {"type": "response.created", "response": {"id": "q"}},
        {"type": "response.output_text.done", "response_id": "q", "item_id": "a", "content_index": 0, "text": "Take an umbrella."},
        {"type": "response.done", "response": {"id": "q", "status": "completed"}},
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The conversation as a session, with times."""
    place = tmp_path_factory.mktemp("realtime")
    messages = rows(APP.read_text(encoding="utf-8"))
    logged = [{"time_ms": 40 * number, "data": one} for number, one in enumerate(messages)]
    logged.append({"time_ms": 700, "kind": "close", "direction": "sent", "code": 1000})
    (place / "bath.jsonl").write_text("\n".join(map(json.dumps, logged)), encoding="utf-8")
    (session,) = import_events(place / "bath.jsonl", out=place / "sessions").folders
    assert check_session(session) == []
    return session


def test_the_app_passes_and_is_the_same_twice(folder: Path) -> None:
    """In virtual time, through the libraries that it uses, at the host that it names."""
    result = replay_session(folder, handler=app_command([sys.executable, str(APP)]), twice=True)
    assert result.passed, "\n".join(result.lines())
    assert result.report.twice == ()
    (turn,) = dialect_of(result.session).turns(result.session.events)
    assert (turn.user_text, turn.reply_text, len(turn.tool_calls)) == ("What is the weather in Bath?", "Take an umbrella.", 1)


@pytest.mark.parametrize(
    ("right", "wrong", "path"),
    [
        ('event["call_id"], "output"', '"call-2", "output"', "$.item.call_id"),
        ("rain, 11 degrees", "snow", "$.item.output"),
        ('"output_modalities": ["text"]', '"output_modalities": ["audio"]', "$.session.output_modalities[0]"),
    ],
    ids=["wrong call", "other answer", "other settings"],
)
def test_what_a_broken_app_sends_otherwise(folder: Path, tmp_path: Path, right: str, wrong: str, path: str) -> None:
    """The first deviation names the field."""
    first = deviations(folder, tmp_path, right, wrong)[0]
    assert (first.kind, [one.path for one in first.differences]) == ("different", [path])


def test_a_response_that_is_not_asked_for_is_one_deviation(folder: Path, tmp_path: Path) -> None:
    """All that the service would have sent behind it is its consequence, and is not counted."""
    asks = '                is_answered = False\n                await send(type="response.create")\n'
    (only,) = deviations(folder, tmp_path, asks, "")
    session = load_session(folder)
    asked = session.events[only.recorded_seq or 0]
    assert isinstance(asked, Sent)
    assert (only.kind, json.loads(asked.frame.payload)) == ("missing", {"type": "response.create"})
    assert len(only.consequences) == 3


SYNCHRONOUS = """
from openai import OpenAI

WEATHER = {weather!r}

def main(connection):
    connection.session.update(session={{"type": "realtime", "output_modalities": ["text"], "tools": [WEATHER]}})
    question = [{{"type": "input_text", "text": "What is the weather in Bath?"}}]
    connection.conversation.item.create(item={{"type": "message", "role": "user", "content": question}})
    connection.response.create()
    is_answered = False
    for event in connection:
        if event.type == "response.function_call_arguments.done":
            output = {{"type": "function_call_output", "call_id": event.call_id, "output": "rain, 11 degrees"}}
            connection.conversation.item.create(item=output)
            is_answered = True
        elif event.type == "response.done":
            if not is_answered:
                break
            is_answered = False
            connection.response.create()

if __name__ == "__main__":
    with OpenAI(api_key="none").realtime.connect(model="gpt-realtime") as connection:
        main(connection)
"""


@pytest.mark.slow
def test_an_app_on_the_synchronous_client_is_replayed_in_real_time(folder: Path, tmp_path: Path) -> None:
    """As it runs, by its command; as a handler it is refused, with that command."""
    pytest.importorskip("openai", reason="the extra openai is not installed")
    names: Dict[str, Any] = {}
    exec(compile(APP.read_text(encoding="utf-8").partition("async def main")[0], str(APP), "exec"), names)
    app = tmp_path / "synchronous_app.py"
    app.write_text(SYNCHRONOUS.format(weather=names["WEATHER"]), encoding="utf-8")
    result = replay_session(folder, handler=app_command([sys.executable, str(app)]), clock="real")
    assert result.passed, "\n".join(result.lines())
    with pytest.raises(NotAHandler) as raised:
        replay_session(folder, handler=f"{app}:main")
    assert "--clock real -- python app.py" in str(raised.value.hint)


FIXTURES = APP.parents[1]
COMMAND = f"""
import asyncio, sys
sys.path.insert(0, {str(FIXTURES / "handlers")!r})
import websockets, APP as app

async def main():
    async with websockets.connect("wss://api.openai.com/v1/realtime?model=gpt-realtime") as connection:
        await app.main(connection)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("app", "findings"), [("voice", []), ("reads", []), ("truncates", ["wrong_truncation"])])
def test_an_app_with_sound_of_its_own(tmp_path: Path, app: str, findings: List[str]) -> None:
    """Its microphone says what the user said, sample by sample; what it plays is heard, and what it says was heard is judged by that."""
    folder = FIXTURES / "realtime" / "interrupted"
    (tmp_path / "app.py").write_text(COMMAND.replace("APP", app), encoding="utf-8")
    result = replay_session(folder, handler=app_command([sys.executable, str(tmp_path / "app.py")]), twice=True)
    assert (result.verdict.deviations, [one.kind for one in result.verdict.findings]) == ((), findings), "\n".join(result.lines())
    assert result.report.twice == ()
    then, now = (spoken(session) for session in (load_session(folder), result.session))
    assert len(now) > 100_000
    assert then.startswith(now)


def spoken(session: Session) -> bytes:
    """The user's audio, as it was sent."""
    sent = (json.loads(event.frame.payload) for event in session.sent)
    return b"".join(base64.b64decode(one["audio"]) for one in sent if one["type"] == "input_audio_buffer.append")


def deviations(folder: Path, place: Path, right: str, wrong: str) -> Sequence[Deviation]:
    """The deviations of the app with one thing in it changed."""
    source = APP.read_text(encoding="utf-8")
    assert source.count(right) == 1
    (place / "app.py").write_text(source.replace(right, wrong), encoding="utf-8")
    result = replay_session(folder, handler=app_command([sys.executable, str(place / "app.py")]))
    assert not result.passed
    return result.verdict.deviations
