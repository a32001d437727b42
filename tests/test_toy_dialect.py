"""A dialect that evi-harness does not know, from the first recording to the gate: brought by an entry point, spoken by a plain client.

tests/toy has the dialect, apps that speak it, and the service. Recording goes over a real socket; all else through the acts and the command
line, as for a session of EVI's.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st

from evi_harness import dialects
from evi_harness.acts.latency import measure_sessions
from evi_harness.acts.record_connection import record
from evi_harness.acts.replay import replay_session
from evi_harness.acts.serve.serving import served
from evi_harness.acts.sessions import check_session
from evi_harness.errors import NotAHandler, UsageError
from evi_harness.session.events import TEXT, Event, Frame, Received, Sent
from evi_harness.session.session_audio import SessionAudio
from evi_harness.verdicts.loading import load_session

HERE = Path(__file__).parent / "toy"
APPS = HERE / "toy_apps.py"
KEY = "the-badge-of-somebody"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The toy dialect as an installed package brings it: a folder with its entry point, for this process and for those that it starts."""
    folder = tmp_path_factory.mktemp("site")
    facts = folder / "toy_dialect-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-dialect\nVersion: 1.0\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(f"[{dialects.GROUP}]\ntoy = toy_dialect:TOY\n", encoding="utf-8")
    before = list(sys.path)
    sys.path[:0] = [str(folder), str(HERE)]
    dialects.forget()
    yield folder
    sys.path[:] = before
    dialects.forget()
    for name in ("toy_dialect", "toy_apps"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def visit(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A visit, recorded as it happened."""
    return asyncio.run(_recorded(tmp_path_factory.mktemp("sessions")))


async def _recorded(out: Path) -> Path:
    # No package that is declared: it is found where the fixture has put it.
    toy_apps = import_module("toy_apps")
    async with websockets.serve(toy_apps.desk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with websockets.connect(f"ws://127.0.0.1:{port}/desk?badge={KEY}&lang=en") as websocket:
            recording = record(websocket, out=out, name="visit", dialect="toy").start()
            await toy_apps.visit(websocket)
        recording.stop()
    assert recording.is_complete
    assert recording.folder is not None
    return recording.folder


def command(installed: Path, *words: Any) -> Tuple[int, str]:
    """Run a command as a user does; its exit code and all that it prints."""
    path = os.pathsep.join([str(installed), str(HERE), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "evi_harness", *map(str, words)], capture_output=True, text=True, check=False, env=environment, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def types_of(events: Any) -> List[str]:
    """The types of messages, in order."""
    return [json.loads(event.frame.payload)["type"] for event in events]


def test_it_is_recorded_whole(visit: Path) -> None:
    """With its dialect, what the service called the visit, and without the secret that only this dialect knows to be one."""
    session = load_session(visit, verify=True)
    assert (session.header.dialect, session.header.ids, session.missing) == ("toy", {"visit": "v-1"}, ())
    assert types_of(session.sent) == ["hello", "rename", "ask", "result", "ask", "bye"]
    assert types_of(session.received) == ["welcome", "renamed", "call", "word", "word", "done", "word", "word", "done"]
    assert session.handshake is not None
    assert dict(session.handshake.query) == {"badge": "[redacted]", "lang": "en"}
    assert not any(KEY.encode() in file.read_bytes() for file in visit.rglob("*") if file.is_file())


def test_it_is_checked_and_shown(installed: Path, visit: Path) -> None:
    """There is nothing wrong with it, and its timeline is in the words of its dialect."""
    assert check_session(visit) == []
    assert command(installed, "check", visit)[0] == 0
    code, told = command(installed, "show", visit, "--events")
    assert code == 0
    assert "ask what time is it" in told


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_the_same_app_passes(visit: Path, clock: str) -> None:
    """It sends what was recorded, on either clock."""
    result = replay_session(visit, handler=f"{APPS}:visit", clock=clock)
    assert result.passed, "\n".join(result.lines())
    assert result.session.header.dialect == "toy"
    assert types_of(result.session.sent) == types_of(load_session(visit).sent)


def test_an_app_that_sends_otherwise_deviates(visit: Path) -> None:
    """The verdict names the message, and what differs in it."""
    result = replay_session(visit, handler=f"{APPS}:lost")
    (deviation,) = result.verdict.deviations
    assert not result.passed
    assert [(one.path, one.recorded, one.live) for one in deviation.differences] == [("$.is", "Oslo", "Rome")]
    assert replay_session(visit, handler=f"{APPS}:lost", ignore=["result:$.is"]).passed


def test_an_app_with_a_mistake_is_told_its_line(visit: Path) -> None:
    """As an app of an SDK is."""
    result = replay_session(visit, handler=f"{APPS}:breaks")
    finding = next(one for one in result.verdict.findings if one.kind == "raised")
    assert "KeyError" in finding.what
    assert any(place.file.endswith("toy_apps.py") for place in finding.places)


def test_its_recording_meets_itself(visit: Path) -> None:
    """The null test: what was sent is what is sent."""
    assert replay_session(visit, handler="recorded", twice=True).passed


def test_there_is_nobody_to_stand_in_for_the_app(visit: Path) -> None:
    """A dialect without an SDK has no quickstart, and what is no coroutine function is no handler."""
    with pytest.raises(UsageError, match="no built-in handler"):
        replay_session(visit)
    with pytest.raises(NotAHandler, match="a coroutine function"):
        replay_session(visit, handler=print)


def test_it_is_replayed_from_the_command_line(installed: Path, visit: Path) -> None:
    """What it runs on is named by its name; a deviation exits with 1."""
    code, told = command(installed, "replay", visit, "--handler", f"{APPS}:visit")
    assert (code, f"on websockets {websockets.__version__}" in told) == (0, True), told
    code, told = command(installed, "replay", visit, "--handler", f"{APPS}:lost")
    assert (code, "Rome" in told, "hume" in told) == (1, True, False), told


def test_a_live_service_that_is_not_there_is_told(installed: Path, visit: Path) -> None:
    """By its address, and with no word of what stands in the query."""
    code, told = command(installed, "replay", visit, "--live", "--base-url", "127.0.0.1:1", "--yes")
    assert (code, "no connection to http://127.0.0.1:1" in told, "badge" in told) == (3, True, False), told


def test_it_is_served(visit: Path) -> None:
    """A service that acts the recording out, for any app that connects."""
    visitor = import_module("toy_apps").visit

    async def ask() -> None:
        async with websockets.connect(f"{server.url.replace('http', 'ws', 1)}/desk?lang=en") as websocket:
            await visitor(websocket)

    with served(visit) as server:
        asyncio.run(ask())
    assert types_of(event for event in server.events if event.kind == "received") == types_of(load_session(visit).received)


def test_it_is_measured_and_gated(installed: Path, visit: Path, tmp_path: Path) -> None:
    """What a tool took is known of any dialect: by the recording the service's side, by a replay the app's. A gate holds, or does not."""
    assert replay_session(visit, handler=f"{APPS}:visit", out=tmp_path).passed
    (replayed,) = tmp_path.iterdir()
    for folder, metric in ((visit, "tool.service"), (replayed, "tool.app")):
        (measured,) = measure_sessions([folder]).measured
        assert metric in {sample.metric for sample in measured.samples if sample.value is not None}
        assert command(installed, "latency", folder, "--gate", f"{metric}: max<5000")[0] == 0
        assert command(installed, "latency", folder, "--gate", f"{metric}: min>5000")[0] == 1


def test_what_a_session_states_is_not_assumed(visit: Path) -> None:
    """The desk's patience is in the session: latency is measured by it, and not by what is assumed of sessions that state nothing."""
    session = load_session(visit)
    welcome = next(event for event in session.received if b'"welcome"' in event.frame.payload)
    fields = {**json.loads(welcome.frame.payload), "sounds": {"rate": 8_000, "law": "mu", "patience_ms": 250}}
    told = replace(welcome, frame=Frame(TEXT, json.dumps(fields).encode()))
    events = tuple(told if event is welcome else event for event in session.events)
    one, other = measure_sessions([replace(session, events=events), session], end_of_turn_ms=400, detector="none").measured
    assert (one.assumed.end_of_turn_ns, one.assumed.states_end_of_turn) == (250_000_000, True)
    assert (other.assumed.end_of_turn_ns, other.assumed.states_end_of_turn) == (400_000_000, False)


def test_whoever_does_not_have_the_package_is_told(visit: Path) -> None:
    """Its session is refused by the name of the dialect, with those that are known."""
    done = subprocess.run(
        [sys.executable, "-m", "evi_harness", "show", str(visit)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 3
    assert re.search("dialect, is 'toy', .* 'evi'", done.stderr)


# What crosses: sound in so many places, of so many bytes each, by whom; or the desk's word on how all sound is written from here on.
_SOUNDS = st.tuples(st.sampled_from((Sent, Received)), st.lists(st.integers(0, 400), min_size=1, max_size=3))
_FORMS = st.tuples(st.sampled_from((8_000, 16_000)), st.sampled_from(("linear", "mu", "a")), st.integers(1, 900))


def _plays_ns(size: int, form: Any, *, is_said: bool) -> Any:
    """How long so many bytes play; nothing at all is known to be nothing only where it is the user's."""
    if form is None:
        return 0 if is_said and not size else None
    rate, law, _ = form
    return size * 1_000_000_000 // (rate * (2 if law == "linear" else 1))


@given(st.lists(st.one_of(_SOUNDS, _FORMS), max_size=12))
def test_sound_anywhere_in_a_format_that_the_service_sets(installed: Path, crossed: List[Any]) -> None:
    """Several places in one message, nested or not; the format holds from the message that gives it, for both sides, until the next."""
    events: List[Event] = []
    expected = {}
    form: Any = None
    for seq, (one, two, *more) in enumerate(crossed):
        if more:
            form = one, two, more[0]
            said = {"type": "welcome", "sounds": {"rate": one, "law": two, "patience_ms": more[0]}}
            events.append(Received(seq, seq, Frame(TEXT, json.dumps(said).encode())))
            continue
        sounds = [base64.b64encode(bytes(size)).decode() for size in two]
        said = {"type": "ask" if one is Sent else "word", "sound": sounds[0], "parts": [{"in": {"sound": sound}} for sound in sounds[1:]]}
        events.append(one(seq, seq, Frame(TEXT, json.dumps(said).encode())))
        lengths = [_plays_ns(size, form, is_said=one is Sent) for size in two]
        expected[seq] = len(two), None if None in lengths else sum(lengths)
    audio = SessionAudio(events, import_module("toy_dialect").TOY.reader)
    assert {seq: (len(one.places), one.length_ns) for seq, one in audio.frames.items()} == expected
    assert audio.told.end_of_turn_ns == (None if form is None else form[2] * 1_000_000)
    assert list(audio.said) == [event for event in events if isinstance(event, Sent)]
