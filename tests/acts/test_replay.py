from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import random
import re
import subprocess
import time
from pathlib import Path

import jsonschema
import pytest

from evi_harness.acts.import_capture import import_capture
from evi_harness.acts.replay import replay_asked, replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.clocks import watchdog
from evi_harness.clocks.watchdog import Watchdog
from evi_harness.errors import HandlerError, NotAHandler, SessionUnreadable, SessionUnwritable, SpecError, UsageError
from evi_harness.evi import compat
from evi_harness.evi.dialect import EVI
from evi_harness.replay.player import Patience
from evi_harness.runs import handler_run
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.sdk.hume.connection import websocket_of
from evi_harness.sdk.hume.installed_sdk import installed_version
from evi_harness.session.events import Sent
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.loading import load_session

SECOND = 1_000_000_000
SUNNY = "sunny, 21 degrees"
TYPED = Path(__file__).resolve().parents[2] / "sessions" / "typed"


class Answers:
    """Answers the tool call: content, after how many seconds."""

    content = SUNNY
    after_s = 0.2

    def set_socket(self, socket):
        self.socket = socket

    async def on_message(self, message):
        if message.type == "tool_call":
            await asyncio.sleep(self.after_s)
            await self.socket._send({"type": "tool_response", "tool_call_id": message.tool_call_id, "content": self.content})


def answering(**changes):
    """A class like ``Answers`` with other attributes."""
    return type("Answers", (Answers,), changes)


def ignores(message):
    """Hears and does nothing."""


def kinds(result):
    """What was found: kinds of findings and of deviations."""
    return [one.kind for one in result.verdict.findings], [one.kind for one in result.verdict.deviations]


def sent_texts(session):
    """What the app sent besides audio."""
    return [event.frame.payload for event in session.sent if event.frame.is_text]


def times(result, recorded):
    """Live time of each repeated event less its recorded time, in nanoseconds, by recorded seq."""
    live = {event.seq: event.at_ns for event in result.session.events}
    then = {event.seq: event.at_ns for event in recorded.events}
    due = [note for note in result.session.notes if note.name == "due"]
    return {note.data["recorded_seq"]: live[note.of] - then[note.data["recorded_seq"]] for note in due}


@pytest.mark.parametrize("handler", [Answers, Answers(), None, "recorded"], ids=["class", "object", "built in", "recorded"])
def test_a_handler_that_does_what_was_recorded_passes(weather, handler):
    """Every received event comes at its recorded time, and every message of the app's is sent."""
    result = replay_session(weather, handler=handler, write=lambda line: None)
    assert kinds(result) == ([], [])
    assert (result.passed, result.exit_code) == (True, 0)
    assert set(times(result, weather).values()) == {0}
    assert list(map(json.loads, sent_texts(result.session))) == list(map(json.loads, sent_texts(weather)))
    assert re.fullmatch(f"verdict +passed{', .*built-in handler' if handler is None else ''}", result.lines()[-1])
    # What the recorded app did at its end is done again.
    assert (result.session.closed.by, result.session.closed.at_ns) == ("app", weather.closed.at_ns)


def test_a_function_hears_every_message_and_its_user_is_the_recording(weather):
    """The recorded audio and its settings are sent; the tool call that nobody answers is one deviation."""
    heard = []
    result = replay_session(weather, handler=lambda message: heard.append(message.type))
    assert [name for name in heard if name == "tool_call"] == ["tool_call"]
    assert [event.frame for event in result.session.sent if not event.frame.is_text] == [
        event.frame for event in weather.sent if not event.frame.is_text
    ]
    assert sent_texts(result.session) == sent_texts(weather)[:1]
    (deviation,) = result.verdict.deviations
    assert (deviation.kind, deviation.recorded_seq) == ("missing", 15)
    assert "tool response call-1" in deviation.what
    # The answers to it did not come, and are no deviations of their own.
    assert deviation.consequences == (16, 17, 18)


def test_the_built_in_handler_prints_the_transcript(weather):
    """Line by line, through write."""
    written = []
    replay_session(weather, write=written.append)
    assert [line.split(":")[0] for line in written] == ["user", "tool call", "assistant", "user", "assistant"]


def test_a_strangers_words_are_printed_harmless(session_of, weather_rows):
    """Control characters in a transcript are escaped before they are written."""
    rows = json.loads(json.dumps(weather_rows[12][2]))
    rows["message"]["content"] = "hello\x1b[2J\nverdict    passed"
    written = []
    replay_session(session_of([("received", 10, rows)]), write=written.append)
    assert written[0].startswith("user: hello\\x1b[2J\\nverdict")


def test_a_folder_and_a_session_are_replayed_alike(weather, tmp_path):
    """What is on disk is what was written."""
    write_session(tmp_path / "weather", weather, EVI)
    result = replay_session(tmp_path / "weather", handler="recorded")
    assert result.passed
    assert [event.frame for event in result.session.received] == [event.frame for event in weather.received]


@pytest.mark.parametrize(("after_s", "late_ns"), [(2.2, 2 * SECOND), (0.0, -SECOND // 5)], ids=["two seconds later", "sooner"])
def test_what_an_answer_caused_moves_with_it_and_nothing_else(weather, after_s, late_ns):
    """By exactly as much; the next turn stays where it was, but for what the order of events holds back."""
    result = replay_session(weather, handler=answering(after_s=after_s))
    moved = times(result, weather)
    assert {seq: moved[seq] for seq in (16, 17, 18)} == dict.fromkeys((16, 17, 18), late_ns)
    held = {note.data["recorded_seq"]: note.data["held_ns"] for note in result.session.notes if note.name == "due"}
    assert {seq: moved[seq] for seq in moved if seq not in (16, 17, 18)} == {seq: held[seq] for seq in held if seq not in (16, 17, 18)}
    assert result.passed


def test_another_answer_is_one_deviation_with_what_differs(weather):
    """The conversation goes on; only the field is shown, with both values and both places."""
    result = replay_session(weather, handler=answering(content="rain"))
    (deviation,) = result.verdict.deviations
    assert (deviation.kind, deviation.recorded_seq) == ("different", 15)
    assert isinstance(next(event for event in result.session.events if event.seq == deviation.live_seq), Sent)
    assert [(one.path, one.recorded, one.live) for one in deviation.differences] == [("$.content", SUNNY, "rain")]
    assert len(result.session.received) == len(weather.received)
    assert result.exit_code == 1


def test_what_was_not_recorded_is_unexpected_and_releases_nothing(weather):
    """It is told with its place in the replay."""

    class Chatty(Answers):
        async def on_message(self, message):
            if message.type == "chat_metadata":
                await self.socket._send({"type": "user_input", "text": "hello"})
            await super().on_message(message)

    result = replay_session(weather, handler=Chatty)
    assert kinds(result) == ([], ["unexpected"])
    assert set(times(result, weather).values()) == {0}


def test_leaving_early_is_a_deviation(weather):
    """With what was still to come."""

    class Leaves(Answers):
        async def on_message(self, message):
            if message.type == "tool_call":
                await websocket_of(self.socket).close()

    result = replay_session(weather, handler=Leaves)
    assert "closed_early" in kinds(result)[1]
    assert result.exit_code == 1


@pytest.mark.parametrize("patience_s", [1, 30])
def test_patience_is_how_long_an_answer_is_awaited(weather, patience_s):
    """In session time: given up exactly so long after its recorded time."""
    result = replay_asked(weather, ReplayOptions(handler=ignores, patience=Patience(message_ns=patience_s * SECOND)))
    (unmet,) = [note for note in result.session.notes if note.name == "unmet"]
    assert unmet.at_ns == 1_600_000_000 + patience_s * SECOND


def test_two_runs_are_identical(weather):
    """Events and notes, byte for byte."""
    result = replay_session(weather, handler=Answers, twice=True)
    assert result.report.twice == ()
    assert result.json()["twice"] == {"identical": True, "first_difference": []}
    assert result.passed


def test_a_handler_that_is_not_deterministic_is_told(weather):
    """The verdict fails though neither run deviates, and the first difference is shown."""
    seconds = iter([0.2, 0.3])

    class Wavers(Answers):
        def __init__(self):
            self.after_s = next(seconds) + random.random() / 10

    result = replay_session(weather, handler=Wavers, twice=True)
    assert kinds(result) == ([], [])
    assert (result.passed, result.exit_code) == (False, 1)
    assert len(result.report.twice) == 2
    assert result.report.twice[0] != result.report.twice[1]
    assert re.fullmatch("verdict +failed: .*runs differ", result.lines()[-1])


def test_the_first_difference_of_two_runs_says_what_was_sent(weather):
    """Which run, where, and the words: a digest alone tells nobody anything."""
    words = iter(["this", "that"])

    class Differs(Answers):
        async def on_message(self, message):
            await super().on_message(message)
            if message.type == "chat_metadata":
                await self.socket._send({"type": "user_input", "text": next(words)})

    first, second = replay_session(weather, handler=Differs, twice=True).report.twice
    assert first.startswith("first: #")
    assert re.search(r'at 0\.050000000 s, sent .*"this" \(sha256 ', first)
    assert second.startswith("second: #")
    assert 'user types: "that"' in second


def test_a_raising_handler_is_a_finding_with_its_line(weather):
    """The next messages follow; the finding names the message."""

    def raises(message):
        if message.type == "user_message":
            raise ValueError("no")

    result = replay_session(weather, handler=raises)
    findings = result.verdict.findings
    assert [(one.kind, one.recorded_seq) for one in findings] == [("raised", 13), ("raised", 25)]
    assert findings[0].detail[0] == f"{__file__}:{raises.__code__.co_firstlineno + 2} in raises"
    assert result.exit_code == 1


def test_a_failed_task_that_nobody_awaits_is_a_finding(weather, capfd):
    """asyncio would only log it."""

    class Forgets(Answers):
        async def on_message(self, message):
            await super().on_message(message)
            if message.type == "chat_metadata":
                self.task = asyncio.ensure_future(self.fail())
            elif message.type == "tool_call":
                del self.task

        async def fail(self):
            raise ValueError("in the background")

    result = replay_session(weather, handler=Forgets)
    (found,) = result.verdict.findings
    assert re.fullmatch("a task .*never awaited, .*on_message, raised ValueError: in the background", found.what)
    assert capfd.readouterr().err == ""


def test_a_blocking_handler_is_a_finding_with_its_line_and_time(weather):
    """Exactly the slept time, in virtual time: nothing really sleeps."""

    def blocks(message):
        if message.type == "tool_call":
            time.sleep(0.25)
            time.sleep(0.5)

    result = replay_session(weather, handler=blocks)
    (finding,) = result.verdict.findings
    assert (finding.kind, finding.recorded_seq) == ("blocked", 14)
    # The longer of the two.
    line = blocks.__code__.co_firstlineno + 3
    assert re.search(rf"blocked .*\b1\.400 to 2\.150 s \(750 ms\) by {re.escape(__file__)}:{line}\b", finding.what)
    assert (finding.places[0].file, finding.places[0].line, finding.places[0].function) == (__file__, line, "blocks")
    (note,) = [note for note in result.session.notes if note.name == "blocked"]
    assert note.data["blocked_ns"] == 750_000_000


def test_a_short_sleep_is_no_finding(weather):
    """Below a tenth of a second."""
    assert kinds(replay_asked(weather, ReplayOptions(handler=lambda message: time.sleep(0.0999), patience=Patience(message_ns=0))))[0] == []


def test_a_handler_that_spins_is_stuck_at_its_line(weather, stands_still):
    """The stack leads to it; nothing hangs."""

    def spins(message):
        if message.type == "tool_call":
            stands_still()
            while True:
                pass

    result = replay_session(weather, handler=spins)
    (stuck,) = [one for one in result.verdict.deviations if one.kind == "stuck"]
    # Whether its interruption falls on the loop's line or on the one in it depends on the interpreter and on the moment.
    lines = [f'File "{__file__}", line {spins.__code__.co_firstlineno + offset}, in spins' for offset in (3, 4)]
    assert any(line in stuck.detail for line in lines), stuck.detail
    assert result.exit_code == 1


@pytest.fixture
def time_is_over(monkeypatch):
    """Called by a handler, has the time of its run be over: on a busy machine nobody knows how far a run gets in a second."""
    dogs = []

    class Kept(Watchdog):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            dogs.append(self)

    monkeypatch.setattr(handler_run, "Watchdog", Kept)
    return lambda: setattr(dogs[-1], "_ends_ns", 0)


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_run_that_moves_for_ever_is_ended(time_is_over, clock):
    """It is no standstill: time goes on. The report says so, has what there was, and does not pass; what was sent cannot be accepted."""

    async def polls(message):
        time_is_over()
        for _ in itertools.count():
            await asyncio.sleep(1e-6)

    result = replay_session(TYPED, handler=polls, max_run_s=600, clock=clock)
    (over,) = [one for one in result.verdict.deviations if one.kind == "over_time"]
    assert re.search(r"\b600 s of real\b", over.what)
    assert result.exit_code == 1
    assert result.session.received
    assert "over_time" in [deviation["kind"] for deviation in result.json()["deviations"]]
    again = replay_session(TYPED, handler=polls, max_run_s=600, clock=clock, update=True, dry_run=True)
    assert again.proposal is None
    assert "took too long" in "".join(again.lines())


def test_a_run_that_blocks_is_ended_too(time_is_over, monkeypatch):
    """By an interrupt, which the report says the place of."""
    monkeypatch.setattr(watchdog, "END_NS", 0)

    def spins(message):
        time_is_over()
        while True:
            pass

    result = replay_session(TYPED, handler=spins, max_run_s=600)
    (over,) = [one for one in result.verdict.deviations if one.kind == "over_time"]
    assert any("in spins" in line for line in over.detail), over.detail


def test_a_run_that_is_over_in_time_is_not_touched():
    """However short it is, and without a limit of its own."""
    assert replay_session(TYPED, max_run_s=600).passed
    for wrong in (0, -1, math.inf, math.nan):
        with pytest.raises(UsageError, match=r"^invalid value for max_run_s"):
            replay_session(TYPED, max_run_s=wrong)


def test_a_handler_that_waits_for_ever_never_returns(weather):
    """In virtual time that takes no time; it is told with the line where it waits."""

    async def waits(message):
        await asyncio.Event().wait()

    result = replay_session(weather, handler=waits)
    (finding,) = [one for one in result.verdict.findings if one.kind == "never_returns"]
    assert finding.detail[0] == f"{__file__}:{waits.__code__.co_firstlineno + 1} in waits"


def test_an_interrupt_in_a_handler_ends_the_replay(weather, capfd):
    """Ctrl+C comes out as it went in, and asyncio logs nothing."""
    # From outside, as a terminal sends it. Begun before: one that is interrupted while it is begun would be waited for by nobody.
    words = ["sh", "-c", f"read word; kill -INT {os.getpid()}"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as outside:

        def interrupted(message):
            outside.stdin.close()
            outside.wait()

        with pytest.raises(KeyboardInterrupt):
            replay_session(weather, handler=interrupted)
    assert capfd.readouterr().err == ""


def test_an_interrupt_of_the_handlers_own_is_its_end(weather, capfd):
    """One that it raises itself is a finding, and the replay has its report."""

    def interrupts(message):
        raise KeyboardInterrupt

    (finding,) = [one for one in replay_session(weather, handler=interrupts).findings if one.kind == "exits"]
    assert [place.function for place in finding.places] == ["interrupts"]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("handler", ["recorded", Answers, ignores], ids=["recorded", "class", "function"])
def test_what_is_written_reads_back_equal(weather, tmp_path, handler):
    """Every event and note, but for the key in the handshake; and check finds nothing."""
    result = replay_session(weather, handler=handler, out=tmp_path)
    folder = result.report.folder
    stored = load_session(folder)
    assert stored.events[1:] == result.session.events[1:]
    assert [name for name, _ in stored.handshake.query] == [name for name, _ in result.session.handshake.query]
    assert check_session(folder) == []
    assert stored.header.made_by == "replay"
    assert stored.header.source["session"] == weather.header.id
    # A replay is a session: it can be replayed.
    assert replay_session(folder, handler="recorded").passed


@pytest.mark.parametrize(
    ("handler", "error", "code"),
    [
        ("no spec", SpecError, 2),
        ("gone.py:App", HandlerError, 3),
        (5, NotAHandler, 2),
        (object, NotAHandler, 2),
        (type("Broken", (Answers,), {"__init__": lambda self: 1 / 0}), HandlerError, 3),
    ],
)
def test_a_handler_at_fault_ends_it_before_anything_is_written(weather, tmp_path, handler, error, code):
    """The error is the developer's, and there is no folder."""
    with pytest.raises(error) as raised:
        replay_session(weather, handler=handler, out=tmp_path / "out")
    assert raised.value.exit_code == code
    assert not (tmp_path / "out").exists()


def test_a_session_that_cannot_be_read_ends_it(tmp_path):
    """So does an out that cannot be written."""
    with pytest.raises(SessionUnreadable):
        replay_session(tmp_path)


def test_an_out_that_cannot_be_written_is_told(weather, tmp_path):
    """A file stands where the folder should be made."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionUnwritable):
        replay_session(weather, handler="recorded", out=tmp_path / "file")


@pytest.fixture(scope="module")
def capture(shared_data, tmp_path_factory):
    """The real capture, imported."""
    return load_session(import_capture(next(shared_data.glob("evi-capture-*.jsonl")), out=tmp_path_factory.mktemp("out")))


def is_refused(session):
    """Whether the installed SDK cannot parse what this session holds."""
    return any(compat.upgrade(event.frame, installed_version()) for event in session.received)


def test_the_real_capture_is_refused_with_message_and_field(capture):
    """The installed SDK insists on a field that was not there then; the hint says how to go on."""
    if not is_refused(capture):
        pytest.skip(f"hume {installed_version()} parses the capture as it is")
    result = replay_session(capture, handler=ignores)
    (finding,) = result.verdict.findings
    assert (finding.kind, finding.ended) == ("unparseable", True)
    assert "is_quick_response is missing" in finding.what
    assert installed_version() in finding.what
    first = next(event for event in capture.received if compat.upgrade(event.frame, installed_version()))
    assert finding.recorded_seq == first.seq
    assert result.verdict.deviations == ()
    assert result.exit_code == 1
    assert "--upgrade" in result.report.hints[0]


def test_the_upgraded_capture_passes_and_is_otherwise_the_captures(capture, shared_data):
    """Without what was added, each frame that the handler got is a line of the file, byte for byte."""
    heard = []
    result = replay_session(capture, handler=heard.append, upgrade=True)
    assert result.passed
    assert replay_session(capture, handler=ignores, upgrade=True, twice=True).passed
    added = b',"is_quick_response":false'
    lines = [line for line in next(shared_data.glob("evi-capture-*.jsonl")).read_bytes().splitlines() if line.strip()]
    frames = [event.frame.payload for event in result.session.received]
    assert [frame.replace(added, b"") for frame in frames] == lines
    assert len(heard) == len(lines)
    upgraded = [seq for seq, _ in result.report.upgraded]
    assert upgraded == [event.seq for event, frame in zip(capture.received, frames) if added in frame]


def test_the_capture_meets_itself(capture):
    """The null test needs no SDK to parse anything."""
    result = replay_session(capture, handler="recorded")
    assert result.passed
    assert [event.frame for event in result.session.received] == [event.frame for event in capture.received]


SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "reference" / "replay-report.schema.json").read_text())


def closed(schema):
    """A schema that forbids members it does not name."""
    if isinstance(schema, dict):
        schema = {name: closed(inner) for name, inner in schema.items()}
        return {**schema, "additionalProperties": False} if "properties" in schema and "title" in schema else schema
    return [closed(inner) for inner in schema] if isinstance(schema, list) else schema


def fails(message):
    """Raises at every message of the user."""
    if message.type == "user_message":
        raise ValueError("no")


class Greets(Answers):
    """Says something that the recording does not have."""

    async def on_message(self, message):
        if message.type == "chat_metadata":
            await self.socket._send({"type": "user_input", "text": "hello"})
        await super().on_message(message)


REPORTS = {
    "passed": {"handler": Answers},
    "missing": {"handler": ignores},
    "different": {"handler": answering(content="rain")},
    "unexpected": {"handler": Greets},
    "late": {"handler": answering(after_s=3.0), "max_late_ms": 100},
    "findings": {"handler": fails},
    "two runs": {"handler": Answers, "twice": True},
    "how": {"handler": Answers, "strict": True, "ignore": ["$.content", "$.nothing"]},
    "written": {"handler": answering(content="rain"), "update": True},
    "refused": {"handler": ignores, "update": True},
    "unchanged": {"handler": Answers, "update": True},
    "proposed": {"handler": answering(content="rain"), "update": True, "dry_run": True},
    "real": {"handler": "recorded", "clock": "real"},
}


@pytest.mark.parametrize("case", REPORTS)
def test_reports_are_as_their_schema_says(weather, session_of, tmp_path, case):
    """Of replays of every outcome; also where no member is allowed that it does not name."""
    options = REPORTS[case]
    session = (
        weather if "clock" not in options else session_of([("received", 10, {"type": "assistant_end"}), ("closed", 20, ("app", 1000, ""))])
    )
    write_session(tmp_path / "s", session, EVI)
    told = replay_session(tmp_path / "s", **options, out=tmp_path / "out").json()
    jsonschema.Draft202012Validator(closed(SCHEMA)).validate(json.loads(json.dumps(told, allow_nan=False)))


def test_what_is_left_out_is_no_deviation(weather):
    """Of the message's fields; the path that matched nothing is told."""
    handler = answering(content="rain")
    assert kinds(replay_session(weather, handler=handler))[1] == ["different"]
    for paths in (["$.content"], ["tool_response:$.content"], ["$..content", "$.x"], ["$"]):
        result = replay_session(weather, handler=handler, ignore=paths)
        assert result.passed
        assert [re.search(r"--ignore (\S+) matched nothing", line)[1] for line in result.lines() if "matched nothing" in line] == (
            ["$.x"] if "$.x" in paths else []
        )


def test_strict_compares_what_is_given_anew(weather):
    """An id of this run alone."""

    class Marks(Answers):
        async def on_message(self, message):
            if message.type == "tool_call":
                answer = {"type": "tool_response", "tool_call_id": message.tool_call_id, "content": SUNNY, "custom_session_id": "anew"}
                await asyncio.sleep(0.2)
                await self.socket._send(answer)

    assert replay_session(weather, handler=Marks).passed
    (deviation,) = replay_session(weather, handler=Marks, strict=True).deviations
    assert [one.path for one in deviation.differences] == ["$.custom_session_id"]
    assert replay_session(weather, handler=Marks, strict=True, ignore=["$.custom_session_id"]).passed


@pytest.mark.parametrize(("max_late_ms", "is_late"), [(None, False), (1800, False), (1799.999999, True), (0, True)])
def test_how_late_a_message_may_be(weather, max_late_ms, is_late):
    """Exact in virtual time: the answer comes 2 s after the call, and was due 200 ms after it."""
    result = replay_session(weather, handler=answering(after_s=2.0), max_late_ms=max_late_ms)
    assert [one.late_ns for one in result.verdict.late] == [1_800_000_000]
    assert [one.kind for one in result.deviations] == (["late"] if is_late else [])
    assert any(re.search(r"later than .*#15 by 1800 ms", line) for line in result.lines()) is not is_late


@pytest.mark.parametrize("options", [{"ignore": ["content"]}, {"max_late_ms": -1}, {"max_late_ms": float("nan")}])
def test_what_cannot_be_meant_is_told_before_anything_runs(weather, options):
    """A path that is none, and times that are none."""
    with pytest.raises(UsageError):
        replay_session(weather, handler=lambda message: pytest.fail("it ran"), **options)


def test_shortcuts(weather):
    """Deviations and findings of the verdict."""
    result = replay_session(weather, handler=ignores)
    assert (result.deviations, result.findings) == (result.verdict.deviations, result.verdict.findings)
    assert [one.kind for one in result.deviations] == ["missing"]
