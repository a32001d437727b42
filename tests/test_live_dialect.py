"""A third dialect, of which there is a skeleton in tests/live: one made session of it meets itself, and the faults of apps are told."""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from textwrap import indent
from typing import Any, Dict, Iterator, List

import pytest

from evi_harness import dialects
from evi_harness.acts.replay import replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.dialects import dialect_named
from evi_harness.session.events import TEXT, Closed, Event, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.header import Anchor, Header
from evi_harness.session.session import Session
from evi_harness.storage.writer import write_session

HERE = Path(__file__).parent
SKELETON = HERE / "live" / "live_dialect.py"
PAGE = HERE.parent / "docs" / "how-to" / "adding-a-dialect.md"
MS = 1_000_000
FORMAT = {"format": {"type": "audio/pcm", "rate": 16_000}}
CALL = {"type": "function_call", "call_id": "call-1", "name": "weather", "arguments": '{"city": "Bath"}'}
OUTPUT = {"type": "function_call_output", "call_id": "call-1", "output": "rain"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The skeleton as an installed package brings it, with the entry point that the page shows."""
    (entry_points,) = [text for language, text in blocks() if language == "toml"]
    name, target = re.search(r'^([\w-]+) = "(.*)"$', entry_points, re.MULTILINE).groups()  # type: ignore[union-attr]
    folder = tmp_path_factory.mktemp("site")
    facts = folder / "live_dialect-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: live-dialect\nVersion: 1.0\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(f"[{dialects.GROUP}]\n{name} = {target}\n", encoding="utf-8")
    before = list(sys.path)
    sys.path[:0] = [str(folder), str(SKELETON.parent)]
    dialects.forget()
    yield
    sys.path[:] = before
    dialects.forget()
    sys.modules.pop("live_dialect", None)


def blocks() -> List[Any]:
    """The code of the page, with its language."""
    return re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def rows() -> Iterator[Any]:
    """What crosses, as (ms, who, message): a question by voice, a tool, an answer that is spoken, and the end that the app asks for."""
    sound = base64.b64encode(bytes(3200)).decode()
    yield 5, ">", {"type": "session.start", "session": {"model": "gpt-live-1", "audio": FORMAT}}
    yield 60, "<", {"type": "session.started", "event_id": "e1", "session": {"id": "live_1", "model": "gpt-live-1", "audio": FORMAT}}
    yield from ((100 * number, ">", {"type": "session.input_audio.append", "audio": sound}) for number in range(1, 40))
    yield 933, "<", {"type": "session.input_transcript.delta", "event_id": "e2", "delta": "Does it ", "start_ms": 300, "end_ms": 700}
    yield 1241, "<", {"type": "session.input_transcript.delta", "event_id": "e3", "delta": "rain?", "start_ms": 700, "end_ms": 1000}
    told = {"id": "d1", "type": "delegation", "target": "responses", "response_id": "r1"}
    yield 1312, "<", {"type": "session.delegation.created", "event_id": "e4", "delegation": told, "offset_ms": 1100}
    done = {"type": "response.output_item.done", "output_index": 0, "item": CALL}
    yield 1677, "<", {"type": "response.event", "event_id": "e5", "delegation_id": "d1", "event": done}
    yield 1843, ">", {"type": "response.item.create", "item": OUTPUT}
    yield 1844, ">", {"type": "response.create"}
    yield 2089, "<", {"type": "response.event", "event_id": "e6", "delegation_id": "d1", "event": {"type": "response.completed"}}
    for at_ms, words in ((2361, "Take an "), (2466, "umbrella.")):
        yield at_ms, "<", {"type": "session.output_transcript.delta", "event_id": words, "delta": words, "start_ms": 2200, "end_ms": 2300}
        yield at_ms + 1, "<", {"type": "session.output_audio.delta", "delta": sound}
    yield 2999, ">", {"type": "session.close"}
    yield 3125, "<", {"type": "session.closed", "event_id": "e7", "reason": "close_requested", "session": {}, "usage": {}}


@pytest.fixture(scope="module")
def folder(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The conversation, on disk."""
    frames = [(at_ms * MS, who, Frame(TEXT, json.dumps(message).encode())) for at_ms, who, message in rows()]
    events: List[Event] = [Opened(0, 0, Handshake("/v1/live/sessions"))]
    for seq, (at_ns, who, frame) in enumerate(sorted(frames, key=lambda row: row[0]), 1):
        events.append(Sent(seq, at_ns, frame) if who == ">" else Received(seq, at_ns, frame))
    events.append(Closed(len(events), 4000 * MS, "service", 1000))
    wall = "2026-11-01T00:00:00.000000Z"
    header = Header("live", "script", wall, "gpt-live", start=Anchor(0, wall), end=Anchor(4000 * MS, wall))
    place = tmp_path_factory.mktemp("sessions") / "rain"
    write_session(place, Session(header, tuple(events)), dialect_named("gpt-live"))
    return place


def test_the_session_meets_itself(folder: Path) -> None:
    """It is checked, replayed over a real client in virtual time, twice the same, and has the turn that was held."""
    assert check_session(folder) == []
    result = replay_session(folder, handler="recorded", twice=True)
    assert result.passed, "\n".join(result.lines())
    assert (result.report.twice, result.session.header.dialect) == ((), "gpt-live")
    (turn,) = dialect_named("gpt-live").turns(result.session.events)
    assert (turn.user_text, turn.reply_text, len(turn.tool_calls)) == ("Does it rain?", "Take an umbrella.", 1)


APP = """
import asyncio, json

async def main(websocket):
    async def send(**message):
        await websocket.send(json.dumps(message))

    await send(type="session.start", session={"model": "gpt-live-1", "audio": AUDIO})
    async for text in websocket:
        message = json.loads(text)
        if message.get("event", {}).get("type") == "response.output_item.done":
            await send(type="response.item.create", item={**OUTPUT, "call_id": message["event"]["item"]["call_id"]})
            await send(type="response.create")
        elif message.get("delta") == "umbrella.":
            await send(type="session.close")
"""


@pytest.mark.parametrize(
    ("right", "wrong", "kind"),
    [
        ("", "", None),
        ('            await send(type="response.create")\n', "", "missing"),
        ('["call_id"]}', '["call_id"] + "x"}', "different"),
        ('type="session.close")', 'type="session.close")\n            await send(type="session.close")', "unexpected"),
    ],
)
def test_an_app_is_judged(folder: Path, tmp_path: Path, right: str, wrong: str, kind: Any) -> None:
    """An app on the websockets library passes; each fault of it is one deviation."""
    source = APP.replace("AUDIO", repr(FORMAT)).replace("OUTPUT", repr(OUTPUT)).replace(right, wrong or right if kind is None else wrong)
    (tmp_path / "app.py").write_text(source, encoding="utf-8")
    result = replay_session(folder, handler=f"{tmp_path / 'app.py'}:main")
    assert [one.kind for one in result.verdict.deviations] == ([] if kind is None else [kind]), "\n".join(result.lines())


def test_it_is_a_skeleton() -> None:
    """It takes less than 300 lines, and the page's examples are parts of it, to the letter but for how far they are indented."""
    source = SKELETON.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 300
    shown = [text for language, text in blocks() if language == "python"]
    assert len(shown) >= 5
    assert [text for text in shown if not any(indent(text, " " * n) in source for n in (0, 4, 8, 12))] == []


def test_the_page_counts_lines() -> None:
    """Of both dialects, of the skeleton, and of what they share: within a quarter of what there is."""
    counted: Dict[str, int] = {
        name: int(n.replace(",", ""))
        for name, n in re.findall(r"^\| `([\w/.]+)` \|[^|]*\| ([\d,]+) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    }
    assert counted.keys() == {"evi_harness/evi", "evi_harness/openai_realtime", "evi_harness/json_dialects", "tests/live/live_dialect.py"}
    for name, n_lines in counted.items():
        place = HERE.parent / name
        files = [place] if place.is_file() else [*place.glob("*.py")]
        found = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
        assert abs(found - n_lines) <= n_lines / 4, name
