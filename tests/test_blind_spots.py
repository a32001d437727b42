"""Every row of docs/reference/blind-spots.md: the condition is created, and the report is read.

A case is named by the first cell of its row; a row without a case, and a case without a row, fail.
"""

from __future__ import annotations

import asyncio
import base64
import ctypes
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Dict, List, Tuple

import jsonschema
import pytest
from websockets.sync.client import connect

from evi_harness.acts.replay import ReplayResult, replay_asked, replay_session
from evi_harness.errors import UsageError
from evi_harness.evi import compat
from evi_harness.pytesting.testing import CheckedServer, Replayer
from evi_harness.replay.judging.unseen import UNSEEN
from evi_harness.replay.player import Patience
from evi_harness.runs.app_command import AppCommand
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.sdk.hume.connection import websocket_of
from evi_harness.sdk.hume.installed_sdk import installed_version
from evi_harness.session import wav
from evi_harness.session.header import Recorded
from evi_harness.session.session import Session

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "reference" / "blind-spots.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "docs" / "reference" / "replay-report.schema.json").read_text(encoding="utf-8"))
QUERY = (("config_id", "weather-config"),)
# What may hold of the process in which the tests run, whatever they do.
OF_THE_PROCESS = ("c_sockets", "tracer")
Row = Tuple[str, int, Any]


@dataclass(frozen=True)
class World:
    """What cases make their conditions of.

    Attributes:
        rows: Of a good session.
        session_of: Makes a session of rows.
        folder: An empty folder.
        monkeypatch: Pytest's.
        in_real_time: Gives a replay on the machine's clock, the same one each time.
    """

    rows: List[Row]
    session_of: Callable[..., Session]
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    in_real_time: Callable[[], ReplayResult]

    def session(self, rows: Any = None, **header: Any) -> Session:
        """A session that nothing is missing in, of these rows or the good ones."""
        return self.session_of(self.rows if rows is None else rows, query=QUERY, **{"user_interrupt": "allowed", **header})

    def without(self, is_left_out: Callable[[str, Any], bool]) -> List[Row]:
        """The rows without those that are left out, by kind and what."""
        return [(kind, at_ms, what) for kind, at_ms, what in self.rows if not is_left_out(kind, what)]


class App:
    """Plays what it receives and answers the tool call; what it does besides, once, is ``act``."""

    content = "sunny, 21 degrees"

    def __init__(self) -> None:
        from hume import Stream

        self.byte_strs = Stream.new()
        self.socket: Any = None

    def set_socket(self, socket: Any) -> None:
        self.socket = socket

    async def act(self) -> None:
        pass

    async def on_message(self, message: Any) -> None:
        if message.type == "chat_metadata":
            await self.act()
        elif message.type == "audio_output":
            await self.byte_strs.put(base64.b64decode(message.data))
        elif message.type == "tool_call":
            await self.socket._send({"type": "tool_response", "tool_call_id": message.tool_call_id, "content": self.content})


def acting(act: Callable[[Any], Any]) -> type:
    """An app like ``App`` that does something besides."""
    return type("Acting", (App,), {"act": act})


def replayed(session: Any, handler: Any = App, **options: Any) -> ReplayResult:
    """The result of a replay."""
    return replay_session(session, handler=handler, write=lambda _: None, **options)


def unseen(result: ReplayResult) -> List[str]:
    """The kinds of what a report says was not seen; its text has a line for each, and its JSON is as the schema says."""
    told = result.json()
    jsonschema.validate(told, SCHEMA)
    # The JSON has the rest of the app, which no replay of a handler runs, as ``handshake_by``.
    of_every_replay = int(result.passed and result.report.has_app)
    assert len([line for line in result.lines() if line.startswith("not seen   ")]) == len(told["unseen"]) + of_every_replay
    assert all(one["what"] for one in told["unseen"])
    return [one["kind"] for one in told["unseen"] if one["kind"] not in OF_THE_PROCESS]


def of_the_process(result: ReplayResult) -> List[str]:
    """The kinds that are about the process."""
    return [one["kind"] for one in result.json()["unseen"] if one["kind"] in OF_THE_PROCESS]


def notes(result: ReplayResult) -> List[str]:
    """The names of all notes of a replay's session."""
    return [note.name for note in result.session.notes]


Case = Callable[[World], None]
CASES: Dict[str, Case] = {}


def condition(name: str) -> Callable[[Case], Case]:
    """The condition that a case is about: the first cell of its row."""

    def register(case: Case) -> Case:
        CASES[name] = case
        return case

    return register


def test_a_report_on_which_nothing_is_hidden_says_nothing(world: World) -> None:
    """A good app and a whole session: no line, no entry; nor where there is no app to be judged."""
    assert unseen(replayed(world.session())) == []
    assert unseen(replayed(world.session(), handler="recorded")) == []
    assert unseen(replayed(world.session(user_interrupt="unknown"), handler=None)) == []


@condition("the session is an import without its sent side")
def no_sent_side(world: World) -> None:
    """Nothing that was sent is compared."""
    rows = world.without(lambda kind, _: kind == "sent")
    result = replayed(world.session(rows, recorded=Recorded(sent=False)))
    assert result.json()["sent_compared"] is False
    assert "are unknown and" in result.lines()[0]
    assert unseen(result) == ["nobody_speaks"]


@condition("an import or a script made the times up")
def made_up(world: World) -> None:
    """No time of it is measured."""
    result = replayed(world.session(recorded=Recorded(times="synthesised")))
    assert result.json()["times"] == "synthesised"
    assert "made up, not" in result.lines()[0]


@condition("the recorder could not stamp received messages, and their times are those at which the app read them")
def taken(world: World) -> None:
    """Only the app's reading is known."""
    result = replayed(world.session(recorded=Recorded(times="taken")))
    assert result.json()["times"] == "taken"
    assert "have the times" in result.lines()[0]


@condition("the recording is incomplete or damaged")
def incomplete(world: World) -> None:
    """What is missing is listed, allowed or not."""
    folder = world.folder / "weather"
    shutil.copytree(ROOT / "sessions" / "weather", folder)
    audio = folder / "user.wav"
    audio.write_bytes(audio.read_bytes()[:-1] + b"\x7f")
    for is_allowed in (False, True):
        result = replayed(folder, handler="recorded", allow_incomplete=is_allowed)
        told = result.json()
        assert len(told["recorded"]["missing"]) == 1
        assert (told["incomplete"], told["passed"]) == (not is_allowed, is_allowed)


@condition("the recording does not say how it ended")
def no_end(world: World) -> None:
    """The service closes after the last event."""
    rows = world.without(lambda kind, _: kind == "closed")
    assert "end_unknown" in notes(replayed(world.session(rows, recorded=Recorded(closed=False))))


@condition("only a part is replayed (`--from`, `--until`)")
def part(world: World) -> None:
    """The part is named."""
    assert replayed(world.session(), first="t2").json()["recorded"]["axis"] == {"from": "t2"}


@condition("messages lack fields that the installed SDK requires, and `--upgrade` adds them")
def upgraded(world: World) -> None:
    """What was added is listed."""
    old = {"is_quick_response", "interim"}
    rows = [
        (kind, at_ms, {name: value for name, value in what.items() if name not in old} if isinstance(what, dict) else what)
        for kind, at_ms, what in world.rows
    ]
    session = world.session(rows)
    if not any(compat.upgrade(event.frame, installed_version()) for event in session.received):
        pytest.skip(f"hume {installed_version()} requires neither")
    assert replayed(session, upgrade=True).json()["upgraded"]


@condition("nobody speaks in the recording")
def nobody_speaks(world: World) -> None:
    """Only typed messages, if any."""
    rows = world.without(lambda kind, what: isinstance(what, bytes) or (kind == "sent" and "audio" in what))
    assert unseen(replayed(world.session(rows))) == ["nobody_speaks"]


@condition("the recording has no audio from the assistant")
def nothing_to_play(world: World) -> None:
    """The assistant's text alone."""
    rows = world.without(lambda kind, what: kind == "received" and what["type"] == "audio_output")
    assert unseen(replayed(world.session(rows))) == ["nothing_to_play"]


@condition("the recording does not say whether the app sent its microphone while the assistant played (`user_interrupt`)")
def interrupt_unknown(world: World) -> None:
    """What the header says is unknown."""
    assert unseen(replayed(world.session(user_interrupt="unknown"))) == ["user_interrupt"]


@condition("the SDK's microphone would not have sent the user's audio like this: another format, WAV headers, faster than real time")
def sent_as_recorded(world: World) -> None:
    """The recorded app never told its format."""
    rows = world.without(lambda kind, what: kind == "sent" and isinstance(what, dict) and "audio" in what)
    assert "sent_as_recorded" in notes(replayed(world.session(rows)))


def served(world: World, n: int) -> ReplayResult:
    """What a server says of the first conversation with an app that connects so many times."""
    with CheckedServer(ROOT / "sessions" / "typed", ReplayOptions(), lambda _: None) as server:
        url = server.url.replace("http", "ws", 1)
        for _ in range(n):
            with connect(f"{url}/v0/evi/chat?api_key=any", proxy=None) if TAKES_PROXY else connect(f"{url}/v0/evi/chat?api_key=any"):
                pass
        for number in range(1, n + 1):
            result = server.result(number)
        return result


@condition("a test runs its own app against `evi_server`")
def elsewhere(world: World) -> None:
    """No finding could be made."""
    assert "app_elsewhere" in unseen(served(world, 1))
    assert "other_conversation" not in unseen(served(world, 1))


def by_command(way: str) -> List[str]:
    """What is not seen of an app that a command started."""
    words = (sys.executable, str(ROOT / "fixtures" / "apps" / "leaving_app.py"), way)
    options = ReplayOptions(handler=AppCommand(words, (("api.hume.ai", None),)))
    return unseen(replay_asked(ROOT / "sessions" / "typed", options))


@condition("a command started the app, and it reads in several tasks, or not by the `recv` of websockets or aiohttp")
def reads_otherwise(world: World) -> None:
    """Two tasks take turns."""
    assert "app_command" in by_command("reads_twice")


@condition("a command started the app, and it hands messages on to tasks")
def hands_on(world: World) -> None:
    """A task for each; and in the end it is interrupted."""
    assert {"handed_on", "interrupted"} <= set(by_command("hands_on"))


@condition("a command started the app, and it was interrupted, as the recorded one was")
def interrupted(world: World) -> None:
    """One that ends by itself was not."""
    assert "interrupted" in by_command("stays")
    assert "interrupted" not in by_command("ends_soon")


def by_command_in_real_time(*words: str) -> List[str]:
    """What is not seen of a command that is replayed in real time, as fast as it can be."""
    command = AppCommand((sys.executable, *words), (("api.hume.ai", None),))
    options = ReplayOptions(handler=command, clock="real", speed=4, patience=Patience(message_ns=100_000_000, close_ns=100_000_000))
    return unseen(replay_asked(ROOT / "sessions" / "typed", options))


@condition("a command is replayed in real time")
def runs_in_real_time(world: World) -> None:
    """Whatever it does."""
    seen = by_command_in_real_time(str(ROOT / "fixtures" / "apps" / "leaving_app.py"), "ends_soon")
    assert {"app_real_time", "app_command"} <= set(seen)
    assert "app_not_python" not in seen


@condition("the same, and no process of it is a Python that reports in")
def not_python(world: World) -> None:
    """An isolated Python is like a program in another language."""
    program = "import os, websockets.sync.client as c; c.connect(os.environ['EVI_HARNESS_URL'].replace('http', 'ws') + '/v0/evi/chat')"
    assert {"app_real_time", "app_not_python"} <= set(by_command_in_real_time("-I", "-c", program))


@condition("that app connects more than once")
def connects_again(world: World) -> None:
    """The first conversation is all that is judged."""
    assert "other_conversation" in unseen(served(world, 2))


@condition("the app plays audio by other means than `byte_strs`, a `stream`, sounddevice, PyAudio or simpleaudio")
def plays_elsewhere(world: World) -> None:
    """A function of messages."""

    async def plays_elsewhere(message: Any) -> None:
        """Hand the audio to whoever knows what."""

    assert "playback" in unseen(replayed(world.session(), plays_elsewhere))


def loud(n: int) -> Dict[str, Any]:
    """A message with audio that is heard, 100 ms of it; no two are alike."""
    samples = b"".join((2000 + 7 * n + 3 * (at % 911)).to_bytes(2, "little") for at in range(2400))
    data = base64.b64encode(wav.header(wav.Pcm(24000, 1), len(samples)) + samples).decode()
    return {"type": "audio_output", "id": f"s-{n}", "index": 0, "data": data}


@condition("the app says how much of a reply was heard, and it plays elsewhere, changes the audio, or is replayed at another speed")
def truncates_unheard(world: World) -> None:
    """The good one at twice the speed; how the others are told is in the tests of what was heard."""
    fixtures = ROOT / "fixtures"
    result = replayed(fixtures / "realtime" / "interrupted", f"{fixtures / 'handlers' / 'voice.py'}:main", speed=2)
    assert "truncation" in unseen(result)


@condition("audio comes in the last second and is not played")
def last_audio(world: World) -> None:
    """The third of three messages is dropped, half a second before the close."""

    class Drops(App):
        n_played = 0

        async def on_message(self, message: Any) -> None:
            if message.type == "audio_output":
                self.n_played += 1
            if message.type != "audio_output" or self.n_played < 3:
                await super().on_message(message)

    rows = world.without(lambda kind, what: kind == "received" and what["type"] == "audio_output")
    rows[-1:-1] = [("received", at_ms, loud(at_ms)) for at_ms in (3810, 3900, 4000)]
    assert unseen(replayed(world.session(rows), Drops)) == ["last_audio"]
    assert unseen(replayed(world.session(rows))) == []


@condition("audio is not linear PCM, or is too short or has too little voice to be compared")
def unjudged(world: World) -> None:
    """MP3, which nobody decodes here."""
    data = base64.b64encode(b"ID3\x04" + bytes(200)).decode()
    rows = world.without(lambda kind, what: kind == "received" and what["type"] == "audio_output")
    rows.insert(-1, ("received", 3850, {"type": "audio_output", "id": "s-1", "index": 0, "data": data}))

    async def hears(message: Any) -> None:
        """Take each message."""

    result = replayed(world.session(rows), hears)
    assert [(one["kind"], one["severity"]) for one in result.json()["findings"]] == [("unjudged_audio", "warning")]


@condition("the app sends its own audio")
def own_audio(world: World) -> None:
    """Beside the microphone's."""

    async def act(self: Any) -> None:
        await websocket_of(self.socket).send(b"\x11\x22" * 1600)

    assert unseen(replayed(world.session(), acting(act))) == ["app_audio"]


@condition("the harness opens the connection")
def opened_by_us(world: World) -> None:
    """As for every handler."""
    assert replayed(world.session()).json()["handshake_by"] == "harness"


@condition("a message differs from the recording, and the difference was accepted (`--update`) or excluded (`--ignore`)")
def other_message(world: World) -> None:
    """The verdict is green, and the service answers as if it were the recorded one."""

    class Other(App):
        content = "snow"

    left_out = replayed(world.session(), Other, ignore=["tool_response:$.content"])
    assert (left_out.passed, unseen(left_out)) == (True, ["other_message"])
    assert left_out.json()["ignored"] == [{"path": "tool_response:$.content", "matched": True}]
    # A deviation says it itself.
    assert unseen(replayed(world.session(), Other)) == []
    folder = world.folder / "weather"
    shutil.copytree(ROOT / "sessions" / "weather", folder)
    for outcome in ("written", "compared"):
        accepted = replayed(folder, Other, update=outcome == "written")
        assert accepted.json()["expectation"]["outcome"] == outcome
        assert (accepted.passed, unseen(accepted)) == (True, ["other_message"])


@condition("the app calls a host that `--allow-host` allows")
def allowed_peer(world: World) -> None:
    """From a job, as virtual time has it."""
    with socket.create_server(("127.0.0.1", 0)) as peer:
        address = peer.getsockname()

        async def act(_: Any) -> None:
            await asyncio.to_thread(lambda: socket.create_connection(address).close())

        assert unseen(replayed(world.session(), acting(act), allow_hosts=[f"127.0.0.1:{address[1]}"])) == ["peer"]


@condition("the app calls any other host")
def other_peer(world: World) -> None:
    """Though the app swallows the error."""

    async def act(_: Any) -> None:
        try:
            socket.create_connection(("198.51.100.1", 9))
        except OSError:
            return

    result = replayed(world.session(), acting(act))
    assert [one["kind"] for one in result.json()["findings"]] == ["network"]
    assert not result.passed


def runs() -> None:
    """Run a program and wait for it."""
    subprocess.run([sys.executable, "-S", "-c", ""], check=True)


def spawns() -> None:
    """Start one in another way."""
    os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", ""], {}), 0)


def forks() -> None:
    """Have a copy of this process, which ends at once."""
    with warnings.catch_warnings():
        # Python 3.12 warns where there are threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


@condition("the app starts a program, or forks")
def program(world: World) -> None:
    """However it is started."""

    async def awaits(_: Any) -> None:
        await (await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", "")).wait()

    def at_once(call: Callable[[], None]) -> Callable[[Any], Any]:
        async def act(_: Any) -> None:
            call()

        return act

    for act in (at_once(runs), at_once(spawns), at_once(forks), at_once(lambda: os.system("true") and None), awaits):
        assert "program" in unseen(replayed(world.session(), acting(act)))


@condition("the app loads a package whose C code can open sockets (grpc, psycopg, pycurl, zmq …)")
def c_sockets(world: World) -> None:
    """By its name among the modules."""
    world.monkeypatch.setitem(sys.modules, "pycurl", ModuleType("pycurl"))
    result = replayed(world.session())
    assert "c_sockets" in of_the_process(result)
    assert any("pycurl" in one.what for one in result.report.unseen)


@condition("the handler runs in the process of the replay (`--no-child`, `child=False`)")
def no_child(world: World) -> None:
    """The default in Python and pytest."""
    assert replayed(world.session()).json()["options"]["child"] is False


@condition("a threshold is about the service or the network")
def conversation_metric(world: World) -> None:
    """It would judge the recording."""
    result = Replayer(ROOT / "sessions" / "weather", ReplayOptions(), lambda _: None)("recorded")
    with pytest.raises(UsageError, match="turn_gap is the service's"):
        result.assert_latency("turn_gap: max<1")


@condition("a job outlasts `--thread-wait`")
def overdue(world: World) -> None:
    """By the name of what it calls."""
    freed = threading.Event()

    class Waits(App):
        async def on_message(self, message: Any) -> None:
            if message.type == "chat_metadata":
                self.job = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(None, freed.wait, 60))
            elif message.type == "assistant_end":
                freed.set()
                await self.job
            await super().on_message(message)

    (job,) = replayed(world.session(), Waits, thread_wait_s=0.01).json()["overdue_jobs"]
    assert "wait" in job


@condition("in virtual time, a thread of the app wakes the event loop")
def own_thread(world: World) -> None:
    """Nothing says how long it takes."""

    async def act(_: Any) -> None:
        woken = asyncio.Event()
        thread = threading.Thread(target=asyncio.get_running_loop().call_soon_threadsafe, args=(woken.set,))
        thread.start()
        # Before the clock may move.
        thread.join()
        await woken.wait()

    assert "thread" in unseen(replayed(world.session(), acting(act)))


@condition("in virtual time, a call other than `time.sleep` waits on the event loop's thread: an event, a queue, a thread, a program")
def waits(world: World) -> None:
    """Nothing is charged for it; the line is named."""

    async def act(_: Any) -> None:
        threading.Event().wait(0.05)

    result = replayed(world.session(), acting(act), blocked_ms=10)
    assert "wait" in unseen(result)
    # On a busy machine a lock of somebody else's may be waited for as well.
    assert any(f"{__file__}:" in one["what"] for one in result.json()["unseen"] if one["kind"] == "wait")


@condition("in virtual time, the app runs its own event loop")
def own_loop(world: World) -> None:
    """In a job, say."""

    async def act(_: Any) -> None:
        await asyncio.to_thread(lambda: asyncio.run(asyncio.sleep(0)))

    found = replayed(world.session(), acting(act)).json()["findings"]
    assert {(one["kind"], one["severity"]) for one in found} == {("own_loop", "warning")}


@condition("in real time, a call waits in C, or the machine is busy with something else")
def waits_in_c(world: World) -> None:
    """Nobody knows which."""
    found = world.in_real_time().json()["findings"]
    assert ("maybe_blocked", "warning") in {(one["kind"], one["severity"]) for one in found}


@condition("in real time, the server's process is late")
def late(world: World) -> None:
    """As the server itself measured it."""
    assert world.in_real_time().json()["lateness_ns"]["n"] > 0


@condition("`--speed max`")
def fastest(world: World) -> None:
    """Faster than life is still judged."""
    assert "pace" in unseen(replayed(world.session(), speed="max"))
    assert "pace" not in unseen(replayed(world.session(), speed=4))


@condition("a debugger, a profiler or a coverage tool is active")
def followed(world: World) -> None:
    """On the thread of the replay."""
    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        result = replayed(world.session())
    finally:
        sys.settrace(before)
    assert "tracer" in of_the_process(result)


@condition("the app reads the time of day")
def time_of_day(world: World) -> None:
    """The app saw today."""
    asked = []

    async def act(_: Any) -> None:
        asked.append(time.time())

    assert replayed(world.session(), acting(act)).json()["options"]["wall_clock"] == "machine"
    # The session is of another day.
    assert abs(asked[0] - 1_767_323_045) > 24 * 3600


@condition("the app uses random numbers")
def random_app(world: World) -> None:
    """What it sent is left out of the comparison."""

    async def act(self: Any) -> None:
        self.content = str(random.random())

    result = replayed(world.session(), acting(act), ignore=["$.content"])
    assert result.json()["options"]["seed"] is None
    assert unseen(result) == ["other_message"]


@condition("the replay runs once")
def runs_once(world: World) -> None:
    """Unless it is asked for."""
    assert replayed(world.session()).json()["twice"] is None


TAKES_PROXY = "proxy" in (connect.__kwdefaults__ or {})


@pytest.fixture(scope="module")
def in_real_time(weather_rows: List[Row], session_of: Callable[..., Session]) -> Callable[[], ReplayResult]:
    """Replays a session of 0.2 s, once, to an app that waits in C for longer than that."""
    at_ms = {0: 10, 1: 15, 2: 20, 3: 30, 12: 60, 13: 80, 14: 100, 15: 130, 16: 140, 17: 160}
    rows = [(weather_rows[index][0], ms, weather_rows[index][2]) for index, ms in at_ms.items()] + [("closed", 200, ("app", 1000, ""))]

    async def act(_: Any) -> None:
        ctypes.CDLL(None).usleep(300_000)

    return cache(lambda: replayed(session_of(rows, query=QUERY, user_interrupt="allowed"), acting(act), clock="real"))


@pytest.fixture
def world(
    weather_rows: List[Row],
    session_of: Callable[..., Session],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_real_time: Callable[[], ReplayResult],
) -> World:
    """What a case needs."""
    return World(weather_rows, session_of, tmp_path, monkeypatch, in_real_time)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_report_says_so(world: World, name: str) -> None:
    """The condition of each row is created, and what the row says stands in the report."""
    CASES[name](world)


def rows_of_the_page() -> List[List[str]]:
    """The cells of each row of the page's tables."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| condition", "| ---"))]
    return [re.split(r"\s\|\s", line.strip("| ")) for line in lines]


def test_every_row_has_a_case_and_every_kind_a_row() -> None:
    """The page, the cases and the table of kinds name the same conditions."""
    rows = rows_of_the_page()
    assert {len(row) for row in rows} == {3}
    assert [row[0] for row in rows] == list(CASES)
    assert {kind for row in rows for kind in re.findall(r"`unseen` `(\w+)`", row[2])} == set(UNSEEN)
