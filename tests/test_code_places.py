"""Every finding and every deviation says where in the developer's code it is: file, line, function, and the source around the line."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from evi_harness.acts.corpus import replay_corpus
from evi_harness.acts.replay import ReplayResult, replay_session
from evi_harness.evi.dialect import EVI
from evi_harness.guard.garbage import earlier_objects_set_aside
from evi_harness.replay.judging.findings import findings
from evi_harness.replay.judging.verdict import judge
from evi_harness.report.replay_report import ReplayReport, as_json, as_text
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.sdk.hume.connection import websocket_of
from evi_harness.session.places import Place
from evi_harness.session.session import Session
from evi_harness.storage.reader import read_session
from evi_harness.storage.writer import write_session

ROOT = Path(__file__).resolve().parents[1]
HANDLERS = ROOT / "fixtures" / "handlers"
WEATHER = ROOT / "sessions" / "weather"

# Handler of fixtures/, what it is told as → the line that is shown, by what stands in it, and the function that it is in.
BROKEN: Dict[Tuple[str, str], Tuple[str, str]] = {
    ("raises", "raised"): ("raise ValueError(", "on_message"),
    ("swallows", "swallowed"): ("raise LookupError(", "look_up"),
    ("blocks", "blocked"): ("time.sleep(2)", "weather"),
    ("computes", "blocked"): ("", "weather"),
    ("never_returns", "never_returns"): ("await ", "on_message"),
    ("leaks", "leaked_task"): ("asyncio.create_task(", "on_open"),
    ("leaves_thread", "leaked_thread"): ("threading.Thread(", "on_open"),
    ("forgets_await", "never_awaited"): ("self.save()", "on_message"),
    ("leaves_open", "open_socket"): ("socket.socket(", "on_open"),
    ("says_goodbye", "sends_after_close"): ("await send(message)", "send"),
    ("reaches_out", "network"): ("", "weather"),
    ("invents_call", "rejected"): ("await send(ToolErrorMessage(", "on_message"),
    ("sends_extra", "unexpected"): ("await send(", "on_message"),
    ("wrong_answer", "different"): ("await send(message)", "send"),
    ("late_answer", "late"): ("await send(message)", "send"),
    ("never_answers", "missing"): ("async def answer(", "answer"),
    ("spins", "stuck"): ("", "on_message"),
    ("turns_idle", "stuck"): ("await asyncio.sleep(0)", "on_message"),
}


@pytest.fixture(autouse=True)
def handlers_are_forgotten() -> Iterator[None]:
    """Forget the handlers' modules behind each test, and free what a broken one leaves open here, not in the middle of another test."""
    # Set aside are all the other tests, in which there is no garbage: looking through them takes as long as a replay.
    with earlier_objects_set_aside():
        yield
        for file in HANDLERS.glob("*.py"):
            sys.modules.pop(file.stem, None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


def told(result: ReplayResult) -> List[Tuple[str, Tuple[Place, ...]]]:
    """Each kind of what was found with its places."""
    return [(one.kind, one.places) for one in (*result.findings, *result.deviations)]


def shown(place: Place) -> str:
    """The line itself, of the source that a place holds."""
    return dict(place.source).get(place.line or 0, "")


def as_it_is(place: Place) -> bool:
    """Whether a place holds the lines around it as its file has them, two on either side; of a function those that it has."""
    lines = Path(place.file).read_text(encoding="utf-8").splitlines()
    line = place.line or 0
    if place.whole:
        return place.source == tuple((number, lines[number - 1]) for number, _ in place.source) and place.source[0].line == line
    first, last = max(1, line - 2), min(len(lines), line + 2)
    return place.source == tuple((number, lines[number - 1]) for number in range(first, last + 1))


@pytest.mark.slow
@pytest.mark.parametrize(("handler", "kind"), BROKEN, ids=[f"{handler}, {kind}" for handler, kind in BROKEN])
def test_a_broken_handler_is_shown_where_it_is_broken(handler: str, kind: str) -> None:
    """Each of fixtures/, in virtual time: the innermost place is in its own code, and all of them are as its files are."""
    text, function = BROKEN[handler, kind]
    options: Dict[str, Any] = {"max_late_ms": 10} if kind == "late" else {}
    timeout_s = 60.0
    if kind == "stuck":
        # What has to be loaded is then loaded, and no step takes a second on any machine, but for the handler's.
        replay_session(WEATHER, handler=f"{HANDLERS / 'weather'}.py:WeatherApp", write=lambda _: None)
        timeout_s = 1.0
    result = replay_session(WEATHER, handler=f"{HANDLERS / handler}.py:App", timeout_s=timeout_s, write=lambda _: None, **options)
    found = dict(told(result))
    first = found[kind][0]
    assert (text in shown(first), first.function) == (True, function)
    assert Path(first.file).parent == HANDLERS
    assert [place for _, places in told(result) for place in places if not as_it_is(place)] == []
    assert shown(first).strip() in "\n".join(result.lines())


class App:
    """Answers the tool call; what is broken in it is told by its subclasses."""

    def __init__(self) -> None:
        self.socket: Any = None

    def set_socket(self, socket: Any) -> None:
        """Keep the connection."""
        self.socket = socket

    async def on_message(self, message: Any) -> None:
        """Answer."""
        if message.type == "tool_call":
            await self.answer(message)

    async def answer(self, message: Any) -> None:
        """As the recorded app did."""
        await self.socket._send({"type": "tool_response", "tool_call_id": message.tool_call_id, "content": "sunny, 21 degrees"})


class Leaves(App):
    """Closes the connection in the middle."""

    async def answer(self, message: Any) -> None:
        """Leave instead."""
        await websocket_of(self.socket).close()


async def returns(socket: Any) -> None:
    """Take two messages and end."""
    async for message in socket:
        if message.type == "user_message":
            return


class Swaps(App):
    """Types two messages in the other order."""

    async def on_message(self, message: Any) -> None:
        """At the opening."""
        if message.type == "chat_metadata":
            for text in ("two", "one"):
                await self.socket._send({"type": "user_input", "text": text})


class OwnLoop(App):
    """Runs a loop of its own on a thread."""

    async def answer(self, message: Any) -> None:
        """Beside it."""
        await asyncio.to_thread(lambda: asyncio.run(asyncio.sleep(0)))
        await super().answer(message)


class OnAThread(App):
    """Sends from a thread of its own, which no callback is known to have started."""

    async def on_open(self) -> None:
        """Begin."""
        self.loop = asyncio.get_running_loop()

    async def answer(self, message: Any) -> None:
        """Answer elsewhere, and wrongly."""
        done = self.loop.create_future()
        thread = threading.Thread(target=self.work, args=(message.tool_call_id, done))
        thread.start()
        await done

    def work(self, call_id: str, done: Any) -> None:
        """Send what is wrong."""
        asyncio.run_coroutine_threadsafe(self.wrong(call_id), self.loop).result(10)
        self.loop.call_soon_threadsafe(done.set_result, None)

    async def wrong(self, call_id: str) -> None:
        """On the loop, on nobody's behalf."""
        await self.socket._send({"type": "tool_response", "tool_call_id": call_id, "content": "rain"})


class NeverEnds(App):
    """Goes on by a timer after timer, whatever ends."""

    async def answer(self, message: Any) -> None:
        """Wait for what never comes."""
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(100)


def unparsed(weather_rows: Any, session_of: Any) -> Session:
    """A session with a message that no SDK parses."""
    rows = [(*row[:2], {**row[2], "message": 3} if isinstance(row[2], dict) and "message" in row[2] else row[2]) for row in weather_rows]
    made: Session = session_of(rows)
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("handler", "kind", "text"),
    [
        (Leaves, "closed_early", "await websocket_of(self.socket).close()"),
        (returns, "closed_early", "async def returns("),
        (OwnLoop, "own_loop", "asyncio.run(asyncio.sleep(0))"),
        (OnAThread, "different", 'await self.socket._send({"type": "tool_response", "tool_call_id": call_id, "content": "rain"})'),
        (lambda message: None, "missing", "(lambda message: None"),
        (NeverEnds, "stuck", "await asyncio.sleep(100)"),
    ],
    ids=["closes", "returns", "a loop of its own", "sends from a thread", "a function", "never ends"],
)
def test_what_no_handler_of_fixtures_does(weather: Session, handler: Any, kind: str, text: str) -> None:
    """The same."""
    found = dict(told(replay_session(weather, handler=handler, write=lambda _: None)))
    assert text in shown(found[kind][0])
    assert as_it_is(found[kind][0])


def test_what_is_sent_at_another_place_in_the_order(session_of: Any) -> None:
    """By the place that sent it."""
    rows = [("received", 1, {"type": "chat_metadata", "chat_id": "c", "chat_group_id": "g", "request_id": "r"})]
    rows += [("sent", 2 + number, {"type": "user_input", "text": text}) for number, text in enumerate(("one", "two"))]
    result = replay_session(session_of([*rows, ("closed", 500, ("app", 1000, ""))]), handler=Swaps)
    found = dict(told(result))
    assert "self.socket._send" in shown(found["out_of_order"][0])


@pytest.mark.parametrize("handler", [App, returns], ids=["an object", "reads by itself"])
def test_what_the_sdk_cannot_parse(weather_rows: Any, session_of: Any, handler: Any) -> None:
    """It never reached the callback that was to handle it: that one is shown, or where the app itself read."""
    result = replay_session(unparsed(weather_rows, session_of), handler=handler)
    place = dict(told(result))["unparseable"][0]
    assert shown(place).strip() in ("async def on_message(self, message: Any) -> None:", "async for message in socket:")
    assert as_it_is(place)


class Everything(App):
    """Wrong in many ways at once, so that one run in real time is enough."""

    async def on_open(self) -> None:
        """Leave a task."""
        self.task = asyncio.ensure_future(asyncio.sleep(10_000))

    async def answer(self, message: Any) -> None:
        """Block, and answer wrongly."""
        time.sleep(0.6)  # noqa: ASYNC251 - what is to be seen
        await self.socket._send({"type": "tool_response", "tool_call_id": message.tool_call_id, "content": "rain"})
        raise LookupError("no weather")


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_on_both_clocks(weather: Session, clock: str) -> None:
    """The same places, the sample of a blocked loop too; and which callback handled which message."""
    result = replay_session(weather, handler=Everything, clock=clock, speed=4 if clock == "real" else None)
    # A busy machine may block a step in real time that is nobody's; that one has no place.
    found = [(kind, places) for kind, places in told(result) if places or clock == "virtual"]
    assert {(kind, shown(places[0]).partition("  #")[0].strip()) for kind, places in found} >= {
        ("blocked", "time.sleep(0.6)"),
        ("raised", 'raise LookupError("no weather")'),
        ("leaked_task", "self.task = asyncio.ensure_future(asyncio.sleep(10_000))"),
        ("different", 'await self.socket._send({"type": "tool_response", "tool_call_id": message.tool_call_id, "content": "rain"})'),
    }
    assert {kind for kind, _ in found} == {"blocked", "raised", "leaked_task", "different"}
    assert all(as_it_is(place) for _, places in found for place in places)
    entered = [note.data["places"] for note in result.session.notes if note.name == "handler_entered"]
    assert {place["function"] for (place,) in entered} == {"on_open", "set_socket", "on_message"}
    # Each source once.
    assert sum(bool(place["source"]) for (place,) in entered) == 3


def test_two_runs_have_the_same_places(weather: Session) -> None:
    """They are part of what is compared."""
    result = replay_session(weather, handler=Everything, twice=True)
    assert result.report.twice == ()


@pytest.mark.slow
def test_many_sessions_have_them_too(tmp_path: Path) -> None:
    """Replayed in other processes: in the JSON of each, in its lines, and on the line that is to be marked."""
    folders = [write_session(tmp_path / name, read_session(WEATHER), EVI) for name in ("a", "b")]
    handler = f"{HANDLERS / 'raises'}.py:App"
    report = replay_corpus(folders, ReplayOptions(handler=handler), n_jobs=2, keep_json=True)
    for one in report.outcomes:
        assert one.json is not None
        (finding,) = one.json["findings"]
        assert finding["places"][0]["function"] == "on_message"
        assert any("raise ValueError(" in line["text"] for line in finding["places"][0]["source"])
        assert any("> 14 " in line for line in one.lines)


def test_code_of_no_file_has_no_source(tmp_path: Path) -> None:
    """As after ``python -c``: its places are there."""
    code = f"""
import json
from evi_harness import replay_session

def crash(message):
    raise RuntimeError("no")

result = replay_session({str(WEATHER)!r}, handler=crash)
print(json.dumps(result.json()["findings"][0]["places"]))
assert any("<string>:6 in crash" in line for line in result.lines())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"file": "<string>", "line": 6, "function": "crash", "source": []}]


def test_a_report_opens_no_file_that_a_session_names(weather: Session, tmp_path: Path) -> None:
    """What a written session holds is all that is shown of it: not one line of a file that was there all along."""
    secret = tmp_path / "app.py"
    secret.write_text("SECRET = 1\n" * 5, encoding="utf-8")
    live = replay_session(weather, handler=Everything).session
    text = json.dumps([note.data for note in live.notes if note.name == "raised"])
    place = re.search(r'"line": (\d+)', text)
    assert place is not None
    folder = write_session(tmp_path / "s", live, EVI)
    events = folder / "events.jsonl"
    lines = events.read_text(encoding="utf-8").replace(__file__, str(secret))
    lines = re.sub(r'"source":\[[^\]]*\]', '"source":[]', lines)
    events.write_text(re.sub(r'"line":\d+,"function"', '"line":2,"function"', lines), encoding="utf-8")
    stranger = read_session(folder)
    verdict = judge(weather, stranger, EVI)
    report = ReplayReport(weather, stranger, handler="x", sdk="x", package="hume", verdict=verdict)
    assert {place.file for one in findings(stranger) for place in one.places} == {str(secret)}
    said = "\n".join(as_text(report, EVI)) + json.dumps(as_json(report, EVI))
    assert (f"{secret}:2 in answer" in said, "SECRET" in said) == (True, False)
