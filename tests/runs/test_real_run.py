from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import re
import select
import threading
import time

import pytest

from evi_harness.acts.replay import replay_asked, replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.clocks import steps
from evi_harness.errors import HandlerError, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.replay.player import Patience
from evi_harness.runs.real_run import run_in_real_time
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.runs.run import BUILT_IN, RunOptions
from evi_harness.sdk.hume.connection import websocket_of
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.session.events import Closed, Note, Received
from evi_harness.verdicts.loading import load_session

MS = 1_000_000
SUNNY = "sunny, 21 degrees"
SHORT = Patience(message_ns=100 * MS, close_ns=60_000 * MS)


@pytest.fixture(scope="module")
def rows(weather_rows):
    """The first turn of the weather, at ten times the speed: settings, audio, a tool call and its answer, and the app's close."""
    at_ms = {0: 10, 1: 15, 2: 20, 3: 30, 12: 60, 13: 80, 14: 100, 15: 130, 16: 140, 17: 160}
    return [(weather_rows[index][0], ms, weather_rows[index][2]) for index, ms in at_ms.items()] + [("closed", 200, ("app", 1000, ""))]


@pytest.fixture(scope="module")
def short(session_of, rows):
    """A session of 0.2 s."""
    return session_of(rows, query=(("config_id", "weather-config"),))


class Answers:
    """Answers the tool call: content, after how many seconds."""

    content = SUNNY
    after_s = 0.0

    def set_socket(self, socket):
        self.socket = socket

    async def on_message(self, message):
        if message.type == "tool_call":
            await asyncio.sleep(self.after_s)
            await self.socket._send({"type": "tool_response", "tool_call_id": message.tool_call_id, "content": self.content})


def answering(**changes):
    """A class like ``Answers`` with other attributes."""
    return type("Answers", (Answers,), changes)


def replayed(session, handler, **options):
    """The result of a replay in real time."""
    return replay_session(session, handler=handler, clock="real", **{"write": lambda line: None, **options})


def found(result):
    """Kinds of findings and deviations. What only the wall clock says is the machine's."""
    return [one.kind for one in result.verdict.findings if one.kind != "maybe_blocked"], [one.kind for one in result.verdict.deviations]


def types(events):
    """The types of the received messages, in order."""
    return [EVI.read(event.kind, event.frame).type for event in events if isinstance(event, Received)]


def messages(session):
    """What was sent but for audio, in a fixed order."""
    texts = [json.loads(event.frame.payload) for event in session.sent if event.frame.is_text]
    return sorted(texts, key=lambda fields: fields["type"])


def handled(session, name="handler_entered"):
    """The event that each note of a callback on_message is about, in order."""
    events = {event.seq: event for event in session.events}
    notes = [note for note in session.notes if note.name == name and note.data["callback"] == "on_message"]
    return [(note, events[note.of]) for note in notes]


@pytest.mark.parametrize("handler", [Answers, Answers(), None, "recorded"], ids=["class", "object", "built in", "recorded"])
def test_a_handler_that_does_what_was_recorded_passes(short, handler):
    """All is sent and received, in the recorded order, and the app closes as it did."""
    result = replayed(short, handler)
    live = result.session
    assert found(result) == ([], [])
    assert types(live.events) == types(short.events)
    assert messages(live) == messages(short)
    assert (live.closed.by, live.closed.code) == ("app", 1000)
    assert not any(note.name == "closed_by_grace" for note in live.notes)
    assert live.events[0].kind == "opened"
    assert [event.seq for event in live.events] == list(range(len(live.events)))
    assert [event.at_ns for event in live.events] == sorted(event.at_ns for event in live.events)


def test_a_function_hears_every_message(session_of, rows):
    """Its user is the recording; the answer that it does not give is one deviation, with what hung on it."""
    # The answer is all that is awaited: nothing that a busy machine may be late with.
    called_ms = next(ms for _, ms, what in rows if isinstance(what, dict) and what.get("type") == "tool_call")
    short = session_of([row for row in rows if row[0] != "sent" or row[1] > called_ms], query=(("config_id", "weather-config"),))
    heard = []
    asked = ReplayOptions(handler=lambda message: heard.append(message.type), clock="real", patience=SHORT)
    result = replay_asked(short, asked, write=lambda _: None)
    assert heard == types(short.events)[:3]
    assert found(result) == ([], ["missing"])
    assert len(result.verdict.deviations[0].consequences) == 3


def test_notes_refer_to_what_the_handler_took(short):
    """Each callback is about its own message, behind it in time; so is each due note."""
    heard = []

    class Hears(Answers):
        async def on_message(self, message):
            heard.append(message.type)
            await super().on_message(message)

    live = replayed(short, Hears).session
    entered, returned = handled(live), handled(live, "handler_returned")
    assert types(event for _, event in entered) == heard == types(live.events)
    assert all(event.at_ns <= before.at_ns <= after.at_ns for (before, event), (after, _) in zip(entered, returned))
    assert [note.of for note in live.notes if note.name == "due"] == [event.seq for event in live.received]


def test_a_late_answer_moves_what_hangs_on_it_and_the_close(short):
    """The app closes after all that came, not at the recorded time: an answer that is late is no deviation."""
    result = replayed(short, answering(after_s=0.3))
    live = result.session
    assert found(result) == ([], [])
    assert types(live.events) == types(short.events)
    answered = next(event for event in live.sent if b"tool_response" in event.frame.payload)
    assert [event.seq > answered.seq for event in live.received] == [False] * 3 + [True] * 3
    assert live.closed.seq > live.received[-1].seq
    assert live.closed.by == "app"


def test_what_a_handler_raises_is_a_finding_of_the_right_message(short):
    """And the next message follows; so is what a task raises that nobody awaits."""

    class Raises(Answers):
        async def on_message(self, message):
            await super().on_message(message)
            if message.type == "chat_metadata":
                self.task = asyncio.ensure_future(self.fails())
                del self.task
            elif message.type == "tool_call":
                raise ValueError("no")

        async def fails(self):
            raise ValueError("unseen")

    result = replayed(short, Raises)
    assert found(result) == (["swallowed", "raised"], [])
    unseen, raised = [one for one in result.verdict.findings if one.kind != "maybe_blocked"]
    assert "unseen" in unseen.what
    assert "on_message raised ValueError: no" in raised.what
    assert raised.recorded_seq == next(event.seq for event in short.received if b'"tool_call"' in event.frame.payload)


def test_a_message_that_the_sdk_cannot_parse_is_told_with_its_fields(session_of, rows):
    """It ends the reading as in an app; what was still to come is listed under it."""
    bad = [*rows[:5], ("received", 80, {"type": "tool_call", "name": "get_weather"}), *rows[6:]]
    result = replayed(session_of(bad), Answers)
    assert found(result)[0] == ["unparseable"]
    (finding,) = [one for one in result.verdict.findings if one.kind == "unparseable"]
    assert "tool_call_id" in finding.what
    assert (finding.recorded_seq, finding.ended) == (6, True)
    (note,) = [note for note in result.session.notes if note.name == "unparseable"]
    assert "tool_call_id" in note.data["fields"]


def test_a_blocked_loop_is_told_with_the_callback_and_its_message(short):
    """It is a sample; the server's own messages go out meanwhile."""

    class Blocks(Answers):
        async def on_message(self, message):
            if message.type == "user_message":
                time.sleep(0.4)  # noqa: ASYNC251 - that is what is wrong with it
                # However long it takes the server: the next message is there.
                transport = websocket_of(self.socket).transport
                assert select.select([transport.get_extra_info("socket")], [], [], 120)[0]
            await super().on_message(message)

    live = replayed(short, Blocks).session
    events = {event.seq: event for event in live.events}
    blocked = [note for note in live.notes if note.name == "blocked" and "on_message" in note.data["what"]]
    assert "user_message" in types(events[note.of] for note in blocked)
    assert all(note.data["sample"] for note in live.notes if note.name in ("blocked", "longest_block", "longest_step"))
    # The tool call was sent while the handler slept.
    slept = next(after for after, event in handled(live, "handler_returned") if types([event]) == ["user_message"])
    assert next(event for event in live.received if b'"tool_call"' in event.frame.payload).seq < slept.seq


def computes():
    """Use the processor for 300 ms."""
    until_ns = time.thread_time_ns() + 300 * MS
    while time.thread_time_ns() < until_ns:
        pass


def does_both():
    """Compute for half of it and wait for the other half."""
    time.sleep(0.15)
    until_ns = time.thread_time_ns() + 150 * MS
    while time.thread_time_ns() < until_ns:
        pass


def waits_in_c():
    """Wait in C that nobody knows, which lets other threads run and uses no processor."""
    ctypes.CDLL(None).usleep(300_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "kind", "exit_code"),
    [
        (computes, "blocked", 1),
        (lambda: time.sleep(0.3), "blocked", 1),
        (lambda: threading.Event().wait(0.3), "blocked", 1),
        (does_both, "blocked", 1),
        (waits_in_c, "maybe_blocked", 0),
    ],
    ids=["computes", "sleeps", "waits for an event", "does both", "waits in C"],
)
def test_a_step_is_blocked_by_computing_and_by_calls_that_are_known_to_wait(short, act, kind, exit_code):
    """What neither explains is a warning, which leaves the verdict as it is."""

    class Acts(Answers):
        async def on_message(self, message):
            if message.type == "chat_metadata":
                act()
            await super().on_message(message)

    result = replayed(short, Acts)
    assert kind in [one.kind for one in result.findings if "in on_message" in one.what]
    assert result.exit_code == exit_code
    assert replayed(short, Acts, severities={kind: "error"}).exit_code == 1


class Bent:
    """The clocks of the steps: the real ones, and beside them what a test adds."""

    def __init__(self):
        self.wall_ns = self.cpu_ns = 0

    def perf_counter_ns(self):
        return time.perf_counter_ns() + self.wall_ns

    def thread_time_ns(self):
        return time.thread_time_ns() + self.cpu_ns


@pytest.fixture
def bent(monkeypatch):
    """Clocks of the steps that a test may move."""
    clocks = Bent()
    monkeypatch.setattr(steps, "time", clocks)
    return clocks


def test_a_handler_from_which_the_machine_takes_the_processor_is_not_accused(short, bent):
    """Time that passes while it neither computes nor waits: told, as what it is."""

    class Preempted(Answers):
        async def on_close(self):
            bent.wall_ns += 900 * MS

    result = replayed(short, Preempted)
    # The journal has the machine's own clock, and so may name another callback; and the machine may have taken more.
    findings = [one for one in result.findings if re.search(r"\((9\d\d|\d{4,}) ms\)", one.what)]
    assert {(one.kind, one.severity) for one in findings} == {("maybe_blocked", "warning")}
    assert result.exit_code == 0
    assert replayed(short, Preempted, severities={"maybe_blocked": "error"}).exit_code == 1


def test_what_the_harness_looks_for_at_the_end_is_in_nobodys_step(short, bent, monkeypatch):
    """However long it takes, and though it computes: it runs right behind ``on_close``."""
    real, looked = gc.get_objects, []

    def slow():
        bent.wall_ns += 900 * MS
        bent.cpu_ns += 900 * MS
        looked.append(1)
        return real()

    monkeypatch.setattr(gc, "get_objects", slow)
    result = replayed(short, type("Closes", (Answers,), {"on_close": lambda self: None}))
    assert looked == [1]
    assert found(result) == ([], [])
    (longest,) = [note for note in result.session.notes if note.name == "longest_block"]
    assert longest.data["blocked_ns"] < 900 * MS


def test_a_handler_that_never_returns_is_stuck_where_it_is(short, stands_still):
    """The watchdog interrupts it; the run yields what it has."""

    class Spins(Answers):
        async def on_message(self, message):
            if message.type == "tool_call":
                stands_still()
                while True:
                    pass

    result = replayed(short, Spins)
    assert "stuck" in found(result)[1]
    (stuck,) = [one for one in result.verdict.deviations if one.kind == "stuck"]
    assert any("on_message" in line for line in stuck.detail)
    assert stuck.recorded_seq == 6
    assert result.exit_code == 1


@pytest.mark.parametrize(("by", "code", "reason"), [("app", 4000, "bye"), ("service", 1011, "over"), ("network", None, "")])
def test_whoever_closed_closes_again(session_of, rows, by, code, reason):
    """With the recorded code and reason."""
    run = run_in_real_time(session_of([*rows[:-1], ("closed", 200, (by, code, reason))]), Answers, RunOptions(EVI, HUME))
    (closed,) = [event for event in run.events if isinstance(event, Closed)]
    assert (closed.by, closed.code, closed.reason) == (by, code, reason)


def test_what_a_handler_sends_behind_the_close_is_no_finding(session_of, rows):
    """So does every app's microphone; the session is over."""

    class SendsOn(Answers):
        async def on_message(self, message):
            await super().on_message(message)
            if message.type == "assistant_end":
                await asyncio.sleep(0.3)
                await self.socket._send({"type": "user_input", "text": "still there?"})

    result = replayed(session_of([*rows[:-1], ("closed", 170, ("service", 1000, ""))]), SendsOn)
    assert found(result) == ([], [])


def test_a_run_is_called_after_its_handler(session_of):
    """And is told as real in the session's header and in the report, with how late the server was."""
    session = session_of([("received", 5, {"type": "assistant_end"}), ("closed", 10, ("app", 1000, ""))])
    result = replayed(session, None)
    told = result.json()
    assert (told["handler"], told["clock"]) == (BUILT_IN, "real")
    assert told["lateness_ns"]["n"] == 1
    assert told["lateness_ns"]["max"] >= 0
    assert "in real time" in result.lines()[1]
    assert re.match(r"late +the server .*\b1 message: p50 ", result.lines()[2])
    source = result.session.header.source
    assert (source["clock"], source["deterministic"]) == ("real", False)


def test_the_replays_session_can_be_written(short, tmp_path):
    """What was merged is a session like any other."""
    result = replayed(short, Answers, out=tmp_path)
    folder = result.report.folder
    assert check_session(folder) == []
    kept = load_session(folder)
    assert [(event.seq, event.kind) for event in kept.events] == [(event.seq, event.kind) for event in result.session.events]
    assert [note.of for note in kept.events if isinstance(note, Note)] == [note.of for note in result.session.notes]


def test_a_handler_at_fault_is_told_before_anything_runs(short):
    """As in virtual time, with its cause."""
    with pytest.raises(HandlerError) as raised:
        replayed(short, type("Broken", (Answers,), {"__init__": lambda self: 1 / 0}))
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_two_runs_in_real_time_are_not_compared(short):
    """They differ by nature: a usage error."""
    with pytest.raises(UsageError, match="real"):
        replayed(short, Answers, twice=True)


def test_there_are_two_clocks(short):
    """Another is a usage error that names them."""
    with pytest.raises(UsageError, match="virtual, real"):
        replay_session(short, clock="wall")


def test_a_replay_does_not_start_inside_a_running_loop(short):
    """It needs the thread's loop for itself; no process is left behind."""

    async def main():
        replayed(short, Answers)

    with pytest.raises(UsageError, match="running event loop"):
        asyncio.run(main())
