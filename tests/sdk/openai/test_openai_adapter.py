"""Tests of evi_harness.sdk.openai.openai_adapter: real sessions replayed through the installed SDK, in each form of a handler."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest
import yaml

from evi_harness.acts.commanding import app_command
from evi_harness.acts.imports.import_events import import_events
from evi_harness.acts.replay import ReplayResult, replay_session
from evi_harness.errors import SdkError, UsageError
from evi_harness.sdk.adapter import LiveTalkOptions
from evi_harness.sdk.openai.openai_adapter import REALTIME, Openai, OpenaiAbsent
from evi_harness.session.events import BINARY, TEXT, Frame, Received, Sent
from evi_harness.session.notes import HANDLER_ENTERED, MICROPHONE_OFF, SENT_AS_RECORDED
from evi_harness.verdicts.loading import load_session

pytest.importorskip("openai", reason="the extra openai is not installed")

CALL = "openai-tool_call_round"
SPOKEN = "openai-audio_in_server_vad_turn"
NAMES = (
    *("azure-audio_in_server_vad_transcribes", "azure-message_history_seeding", "azure-tool_call_round"),
    *("azure_voice_live-audio_in_server_vad_turn", "azure_voice_live-text_in_audio_out_turn", "azure_voice_live-tool_call_round"),
    *(SPOKEN, "openai-input_audio_retention_segments_three_server_vad_turns", "openai-message_history_seeding", CALL),
    *("openai_ws_sideband-webrtc_sideband_text_turn", "parity-history_seeding_parity-gateway-openai"),
    *("parity-text_tool_round_parity-openai-current", "parity-text_tool_round_parity-xai-current"),
    *("xai-audio_in_server_vad_turn", "xai-text_in_audio_out_turn", "xai-tool_call_round"),
)


@pytest.fixture
def rows(shared_data: Path, request: pytest.FixtureRequest) -> List[Dict[str, Any]]:
    """What crossed in a real session, both ways."""
    name = getattr(request, "param", CALL)
    text = (shared_data / "openai-realtime" / f"{name}.yaml").read_text(encoding="utf-8")
    rows: List[Dict[str, Any]] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["interactions"]
    return rows


@pytest.fixture
def session(rows: List[Dict[str, Any]], tmp_path: Path) -> Path:
    """The session of these."""
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder,) = import_events(file, out=tmp_path / "sessions").folders
    return folder


def as_recorded(rows: List[Dict[str, Any]]) -> Any:
    """A handler that sends what was sent once what came before it has come, through the SDK's own ``send``."""

    async def main(connection: Any) -> None:
        for row in rows:
            if row["direction"] == "sent":
                await connection.send(row["data"])
            else:
                event = await connection.recv()
                assert event.type == row["data"]["type"]
        async for _ in connection:
            pass

    return main


def sent(result: ReplayResult) -> List[Any]:
    """What crossed from the app, parsed."""
    return [json.loads(event.frame.payload) for event in result.session.events if isinstance(event, Sent)]


@pytest.mark.parametrize("rows", NAMES, indirect=True)
def test_a_real_session_meets_an_app_that_behaves_as_recorded(rows: List[Dict[str, Any]], session: Path) -> None:
    """Through the SDK it passes, twice alike: nothing is added, lost or changed by the SDK, and nobody else speaks."""
    result = replay_session(session, handler=as_recorded(rows), twice=True)
    assert result.passed, "\n".join(result.lines())
    assert sent(result) == [row["data"] for row in rows if row["direction"] == "sent"]


class Caller:
    """Answers the call as the recorded app did, with methods of the SDK's objects."""

    def __init__(self, rows: List[Dict[str, Any]]) -> None:
        messages = [row["data"] for row in rows if row["direction"] == "sent"]
        self.settings, self.question, self.answer = messages[0]["session"], messages[1]["item"], messages[3]["item"]
        self.seen: List[str] = []

    async def on_session_created(self, event: Any, connection: Any) -> None:
        await connection.session.update(session=self.settings)

    async def on_session_updated(self, event: Any, connection: Any) -> None:
        await connection.conversation.item.create(item=self.question)
        await connection.response.create()

    async def on_response_function_call_arguments_done(self, event: Any, connection: Any) -> None:
        answer = {**self.answer, "call_id": event.call_id}
        await connection.conversation.item.create(item=answer)

    async def on_response_done(self, event: Any, connection: Any) -> None:
        if event.response.output[0].type == "function_call":
            await connection.response.create()

    def on_event(self, event: Any) -> None:
        self.seen.append(event.type)


def by_function(caller: Caller) -> Any:
    """The same as one function."""

    async def on_event(event: Any, connection: Any) -> None:
        method = getattr(caller, "on_" + event.type.replace(".", "_"), None)
        if method is not None:
            await method(event, connection)

    return on_event


def by_registering(caller: Caller) -> Any:
    """The same as functions that the SDK calls."""

    def register(connection: Any) -> None:
        react = by_function(caller)

        async def given(event: Any) -> None:
            await react(event, connection)

        connection.on("event", given)

    return register


def by_iterating(caller: Caller) -> Any:
    """The same as a loop."""

    async def main(connection: Any) -> None:
        async for event in connection:
            await by_function(caller)(event, connection)

    return main


@pytest.mark.parametrize(
    "form", [lambda caller: caller, by_function, by_iterating, by_registering], ids=["object", "function", "main", "on"]
)
def test_each_form_of_a_handler(form: Any, rows: List[Dict[str, Any]], session: Path) -> None:
    """It passes, and what each event made of it is known."""
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

    if form is by_registering and not hasattr(AsyncRealtimeConnection, "dispatch_events"):
        pytest.skip("the installed openai package has no dispatch_events")
    caller = Caller(rows)
    result = replay_session(session, handler=form(caller))
    assert result.passed, "\n".join(result.lines())
    assert result.report.package == "openai"
    assert len(result.session.notes_of(HANDLER_ENTERED)) >= 45


def test_an_object_hears_every_event_once(rows: List[Dict[str, Any]], session: Path) -> None:
    """In order."""
    caller = Caller(rows)
    replay_session(session, handler=caller)
    assert caller.seen == [row["data"]["type"] for row in rows if row["direction"] == "received"]


def test_what_only_hears_has_all_sent_for_it(session: Path) -> None:
    """It has no connection; the replay says that it was not the app that sent."""
    seen = []
    result = replay_session(session, handler=lambda event: seen.append(event.type))
    assert result.passed, "\n".join(result.lines())
    assert "response.done" in seen
    assert len(result.session.notes_of(SENT_AS_RECORDED)) == 1


@pytest.mark.parametrize("rows", [SPOKEN], indirect=True)
def test_the_recorded_audio_is_sent_where_the_app_sends_none(rows: List[Dict[str, Any]], session: Path) -> None:
    """Its configuration is the app's to send, and is sent once."""
    settings = next(row["data"]["session"] for row in rows if row["data"]["type"] == "session.update")

    async def main(connection: Any) -> None:
        async for event in connection:
            if event.type == "session.created":
                await connection.session.update(session=settings)

    result = replay_session(session, handler=main)
    assert result.passed, "\n".join(result.lines())
    assert [one["type"] for one in sent(result)].count("session.update") == 1
    assert not result.session.notes_of(MICROPHONE_OFF)


@pytest.mark.parametrize("rows", [SPOKEN], indirect=True)
def test_audio_of_the_apps_own_is_the_only_audio(rows: List[Dict[str, Any]], session: Path) -> None:
    """Nobody else speaks then."""
    result = replay_session(session, handler=as_recorded(rows))
    assert len(result.session.notes_of(MICROPHONE_OFF)) == 1
    types = [one["type"] for one in sent(result)]
    assert types.count("input_audio_buffer.append") == sum(row["data"]["type"] == "input_audio_buffer.append" for row in rows)


def test_a_handler_that_raises_is_told_its_line(session: Path) -> None:
    """As in every SDK: what it raised, and where."""

    class Breaks:
        def on_response_done(self, event: Any) -> None:
            raise KeyError(event.type)

    result = replay_session(session, handler=Breaks)
    found = [one for one in result.verdict.findings if one.kind == "raised"]
    assert len(found) == 2
    assert "KeyError" in found[0].what
    assert found[0].places[0].function == "on_response_done"


def test_what_it_does_without() -> None:
    """No live conversation is held, and no handler is built in."""
    for refused in (lambda: REALTIME.live_conversation(LiveTalkOptions("http://x", "k")), lambda: REALTIME.built_in(print)):
        with pytest.raises(UsageError):
            refused()
    assert REALTIME.microphone_trouble()
    assert isinstance(REALTIME, Openai)


def test_the_user_who_begins_to_speak_interrupts() -> None:
    """By the message, or by the object that the SDK made of it."""
    speaks = Received(1, 0, frame=Frame(TEXT, b'{"type": "input_audio_buffer.speech_started"}'))
    other = Received(1, 0, frame=Frame(TEXT, b'{"type": "error", "message": "input_audio_buffer.speech_started"}'))
    assert REALTIME.is_interruption(speaks)
    assert not REALTIME.is_interruption(other)
    assert not REALTIME.is_interruption(Received(1, 0, frame=Frame(BINARY, b"\x00")))


def test_an_import_that_fails_is_about_the_version() -> None:
    """If it is of the SDK."""
    hint = REALTIME.import_hint(ImportError("x", name="openai.types.realtime"))
    assert hint is not None
    assert REALTIME.version() in hint
    assert REALTIME.import_hint(ImportError("x", name="another")) is None


async def _main(connection: Any) -> None:
    """Take the SDK's connection."""


async def _raw(websocket: Any) -> None:
    """Take one of websockets."""


def test_without_the_sdk_apps_on_websockets_run() -> None:
    """And all others are told what to install."""
    absent = OpenaiAbsent()
    assert absent.package == "websockets"
    assert absent.callbacks_of(_raw, "a.py:raw", {}).main is not None
    for handler in (_main, lambda event: None):
        with pytest.raises(SdkError) as refused:
            absent.callbacks_of(handler, "a.py:it", {})
        assert "openai" in str(refused.value.hint)


def test_a_session_says_what_it_was_replayed_with(session: Path) -> None:
    """The recording is of this dialect, and so is the replay."""
    assert load_session(session).header.dialect == "openai-realtime"
    assert replay_session(session, handler="recorded").passed


async def reads(connection: Any) -> None:
    """Only listen: what is missing of the app's messages is not what these tests are about."""
    async for _ in connection:
        pass


async def receives(connection: Any) -> None:
    """The same, and get the close as an exception."""
    from websockets.exceptions import ConnectionClosed

    while True:
        try:
            await connection.recv()
        except ConnectionClosed:
            return


async def hears(event: Any, connection: Any) -> None:
    """Take each event from the replay."""


async def below(websocket: Any) -> None:
    """Parse nothing."""
    async for _ in websocket:
        pass


def kinds(result: ReplayResult) -> List[str]:
    """The findings."""
    return [one.kind for one in result.verdict.findings]


def received(*messages: Any, code: int = 1000) -> List[Dict[str, Any]]:
    """A log in which nothing is sent, and the service closes."""
    rows = [{"direction": "received", "data": one} for one in (CREATED, *messages)]
    return [*rows, {"kind": "close", "direction": "received", "code": code}]


CREATED = {"type": "session.created", "event_id": "e", "session": {"type": "realtime", "id": "s"}}
PING = {"type": "ping", "event_id": "p"}
BARE = {"type": "response.output_text.delta", "event_id": "d", "delta": "a"}


@pytest.fixture
def logged(tmp_path: Path) -> Any:
    """Makes a session of rows."""

    def make(rows: List[Dict[str, Any]]) -> Path:
        file = tmp_path / "log.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (folder,) = import_events(file, out=tmp_path / "logged").folders
        return folder

    return make


@pytest.mark.parametrize("handler", [reads, hears])
def test_what_the_parser_hides_is_told_once(handler: Any, logged: Any) -> None:
    """Of another class, and without fields; it is a warning, and names the type."""
    result = replay_session(logged(received(PING, BARE, PING, BARE)), handler=handler)
    assert kinds(result) == ["misread", "misread"]
    assert result.passed, "\n".join(result.lines())
    (ping, bare) = (one.what for one in result.verdict.findings)
    assert "ping" in ping
    assert "item_id" in bare
    assert result.verdict.findings[0].places[0].function == handler.__name__


def test_the_last_message_is_told_too(logged: Any) -> None:
    """Also where the handler ends with it."""

    async def main(connection: Any) -> None:
        while (await connection.recv()).type != "ping":
            pass

    assert kinds(replay_session(logged(received(PING)), handler=main)) == ["misread"]


def test_who_parses_nothing_is_told_nothing(logged: Any) -> None:
    """Neither of classes nor of the close, which is no exception of the SDK's then."""
    assert kinds(replay_session(logged(received(PING, code=1001)), handler=below)) == []


@pytest.mark.parametrize(
    ("handler", "code", "found"),
    [(reads, 1001, ["cut_off"]), (reads, 1000, []), (receives, 1001, []), (hears, 1001, [])],
)
def test_a_session_that_the_service_cuts_off(handler: Any, code: int, found: List[str], logged: Any) -> None:
    """It is told where the SDK's iteration ends with it in silence."""
    result = replay_session(logged(received(code=code)), handler=handler)
    assert kinds(result) == found
    assert result.passed, "\n".join(result.lines())
    assert all("1001" in one.what and one.places[0].function == "reads" for one in result.verdict.findings)


COMMAND = """
import asyncio
from openai import AsyncOpenAI

async def main():
    async with AsyncOpenAI(api_key="any").realtime.connect(model="gpt-realtime") as connection:
        async for _ in connection:
            pass

asyncio.run(main())
"""


def test_an_unmodified_app_is_told_the_same(logged: Any, tmp_path: Path) -> None:
    """By the same findings, at its own line."""
    (tmp_path / "app.py").write_text(COMMAND, encoding="utf-8")
    result = replay_session(logged(received(PING, code=1001)), handler=app_command([sys.executable, str(tmp_path / "app.py")]))
    assert kinds(result) == ["misread", "cut_off"]
    assert result.verdict.findings[1].places[0].function == "main"


class Forgets(Caller):
    """Never asks for a response once the tool has answered."""

    async def on_response_done(self, event: Any, connection: Any) -> None:
        pass


class Mistakes(Caller):
    """Answers with the id of the item in the place of the call's."""

    async def on_response_function_call_arguments_done(self, event: Any, connection: Any) -> None:
        await connection.conversation.item.create(item={**self.answer, "call_id": event.item_id})


class Hurries(Caller):
    """Asks for a second response as soon as there is a first."""

    async def on_response_created(self, event: Any, connection: Any) -> None:
        if not self.seen.count("response.created"):
            await connection.response.create()


@pytest.mark.parametrize(
    ("broken", "deviations", "findings"),
    [(Forgets, ["missing"], []), (Mistakes, ["different"], []), (Hurries, [], ["rejected"])],
)
def test_a_broken_handler(broken: Any, deviations: List[str], findings: List[str], rows: List[Dict[str, Any]], session: Path) -> None:
    """One fault is one deviation or finding, whatever follows from it: what the service refuses and nobody recorded is told once."""
    verdict = replay_session(session, handler=broken(rows)).verdict
    assert [one.kind for one in verdict.deviations] == deviations
    assert [one.kind for one in verdict.findings] == findings
