"""Tests of evi_harness.replay.judging.verdict."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.verdict import Verdict, judge
from evi_harness.session.events import TEXT, Closed, Frame, Handshake, Note, Opened, Received, Sent
from evi_harness.session.header import Header, Recorded
from evi_harness.session.session import Session

MS = 1_000_000
HEADER = Header("id", "script", "now", "evi")


def sent(at_ms, kind, **fields):
    """A message that the app sent."""
    return Sent(0, at_ms * MS, frame=Frame(TEXT, json.dumps({"type": kind, **fields}).encode()))


def received(at_ms, kind, **fields):
    """A message that the app received."""
    return Received(0, at_ms * MS, frame=Frame(TEXT, json.dumps({"type": kind, **fields}).encode()))


def note(at_ms, name, of=None, **data):
    """A note of the replay."""
    return Note(0, at_ms * MS, name=name, of=of, data=data)


def session_of(*events, header=HEADER):
    """A session of these events, opened at 0, with seqs in their order."""
    return Session(header, tuple(replace(event, seq=seq) for seq, event in enumerate([Opened(0, 0), *events])))


RECORDED = session_of(
    received(10, "tool_call", tool_call_id="c"),
    sent(20, "tool_response", tool_call_id="c", content="sunny"),
    received(30, "assistant_end"),
    Closed(0, 40 * MS),
)
CALL = (received(10, "tool_call", tool_call_id="c"), note(10, "due", 1, due_ns=0, recorded_seq=1))
LEFT = note(15, "left_early", left=[3])


def found(*live):
    """The verdict on a replay of RECORDED."""
    return judge(RECORDED, session_of(*live), EVI)


def told(verdict):
    """Kind and consequences of each deviation and finding."""
    return [(one.kind, one.consequences) for one in (*verdict.deviations, *verdict.findings)]


def test_passed_is_that_nothing_was_found():
    """A verdict with nothing in it passes, and a replay like the recording has one."""
    assert judge(RECORDED, RECORDED, EVI) == Verdict((), ())
    assert Verdict((), ()).passed
    assert not found().passed


def test_an_app_that_leaves_is_one_deviation():
    """With all that did not happen since, messages and all."""
    verdict = found(*CALL, Closed(0, 15 * MS), LEFT)
    assert told(verdict) == [("closed_early", (3, 2))]
    assert (verdict.deviations[0].recorded_seq, verdict.deviations[0].live_seq) == (3, 3)
    assert re.search(r"at 0\.015 s; 1 recorded event\b", verdict.deviations[0].what)


def test_an_app_that_was_sent_too_much_leaves_for_that():
    """The message, its size and the limit stand in the one deviation."""
    large = received(13, "audio_output", id="a", index=0, data="A" * 1_100_000)
    (deviation,) = found(*CALL, large, Closed(0, 15 * MS, "app", 1009), LEFT).deviations
    assert deviation.kind == "closed_early"
    assert f"at 0.015 s with 1009: audio, chunk 0 (#{deviation.live_seq - 1}) of " in deviation.what
    assert re.search(rf" of {large.frame.size} bytes .*\b1048576 bytes; 1 recorded event", deviation.what)


def test_an_app_that_leaves_with_nothing_to_come():
    """It is told as that."""
    verdict = found(*RECORDED.events[1:4], Closed(0, 35 * MS), note(35, "left_early", left=[], early_ns=5))
    assert told(verdict) == [("closed_early", ())]
    assert "stayed longer" in verdict.deviations[0].what


def test_a_finding_that_ended_the_run_has_what_followed():
    """A handler that raised and so left is one finding, no deviation."""
    raised = note(12, "raised", 1, what="ValueError: no", ended=True)
    assert told(found(*CALL, raised, Closed(0, 15 * MS), LEFT)) == [("raised", (3, 2))]


def test_a_finding_that_ended_nothing_has_no_consequences():
    """Then the leaving is a deviation of its own."""
    blocked = note(12, "blocked", 1, what="blocked for 3 s")
    assert told(found(*CALL, blocked, Closed(0, 15 * MS), LEFT)) == [("closed_early", (3, 2)), ("blocked", ())]


def test_a_stuck_app_has_what_followed():
    """It is one deviation, with its stack and what it was busy with."""
    stuck = note(12, "stuck", 1, what="nothing moves", detail=["line"])
    verdict = found(*CALL, stuck, Closed(0, 15 * MS), LEFT)
    assert told(verdict) == [("stuck", (3, 2))]
    assert (verdict.deviations[0].detail, verdict.deviations[0].recorded_seq) == (("line",), 1)


def test_what_was_sent_is_not_compared_where_it_is_not_known():
    """A recording of the service's side alone finds nothing in what an app sends."""
    call = received(10, "tool_call", tool_call_id="c")
    recorded = session_of(call, header=replace(HEADER, recorded=Recorded(sent=False)))
    live = session_of(call, sent(20, "tool_response", tool_call_id="c", content="sunny"))
    assert judge(recorded, live, EVI).passed


@pytest.mark.parametrize(("severity", "deviations"), [("error", []), ("warning", ["unexpected"]), ("off", ["unexpected"])])
def test_an_unexpected_message_that_the_service_refuses_is_told_once(severity, deviations):
    """As a finding, as long as that fails the replay; else as a deviation."""
    live = session_of(*CALL, sent(30, "user_said", text="hi"), *RECORDED.events[len(CALL) + 1 :])
    verdict = judge(RECORDED, live, EVI, severities={"rejected": severity})
    assert [one.kind for one in verdict.deviations if one.kind == "unexpected"] == deviations
    assert [one.kind for one in verdict.findings if one.kind == "rejected"] == ([] if severity == "off" else ["rejected"])
    assert not verdict.passed


def test_findings_of_every_source_stand_in_time():
    """Those that were noted, and those that follow from the events."""
    wrong = sent(5, "user_said", text="hi")
    verdict = found(wrong, *CALL, note(12, "raised", 1, what="ValueError: no"), note(13, "leaked_task", what="feed"))
    assert [(one.kind, one.at_ns // MS) for one in verdict.findings] == [("rejected", 5), ("raised", 12), ("leaked_task", 13)]


def test_a_warning_fails_nothing():
    """Whether the table says so or somebody has set it; what is off is not there."""
    dry = note(35, "underrun", what="dry", at_ns=0)
    live = session_of(*RECORDED.events[1:], dry)
    assert [one.severity for one in judge(RECORDED, live, EVI).findings] == ["warning"]
    assert judge(RECORDED, live, EVI).passed
    assert not judge(RECORDED, live, EVI, severities={"underrun": "error"}).passed
    assert judge(RECORDED, live, EVI, severities={"underrun": "off"}).findings == ()


def test_a_warning_does_not_excuse_that_the_app_left():
    """What did not happen was not tested, and then nothing passes."""
    raised = note(12, "raised", 1, what="ValueError: no", ended=True)
    live = session_of(*CALL, raised, Closed(0, 15 * MS), LEFT)
    verdict = judge(RECORDED, live, EVI, severities={"raised": "warning"})
    assert told(verdict) == [("closed_early", (3, 2)), ("raised", ())]


def test_deviations_stand_in_time():
    """The first divergence comes first, by the recording's clock where it has a place there, else by the replay's."""
    recorded = session_of(sent(10, "user_input", text="a"), sent(90, "user_input", text="b"))
    live = session_of(sent(50, "assistant_input", text="c"), Closed(0, 99 * MS))
    verdict = judge(recorded, live, EVI)
    assert [one.kind for one in verdict.deviations] == ["missing", "unexpected", "missing"]


def test_only_the_apps_own_handshake_is_compared():
    """And only where the recording knows what was sent."""
    live = session_of(*RECORDED.events[1:])
    live = replace(live, events=(Opened(0, 0, Handshake("/", (("v", "2"),))), *live.events[1:]))
    assert judge(RECORDED, live, EVI).deviations == ()
    (deviation,) = judge(RECORDED, live, EVI, handshake_by_app=True).deviations
    assert [one.path for one in deviation.differences] == ["$.query.v"]
    capture = replace(RECORDED, header=replace(HEADER, recorded=Recorded(sent=False)))
    assert judge(capture, live, EVI, handshake_by_app=True).deviations == ()


def test_late_is_a_deviation_where_a_limit_is_set():
    """Without one it is only told."""
    answer = sent(29, "tool_response", tool_call_id="c", content="sunny")
    live = session_of(*CALL, answer, received(40, "assistant_end"), Closed(0, 50 * MS))
    assert [one.late_ns for one in judge(RECORDED, live, EVI).late] == [9 * MS]
    assert judge(RECORDED, live, EVI).deviations == judge(RECORDED, live, EVI, max_late_ns=9 * MS).deviations == ()
    (deviation,) = judge(RECORDED, live, EVI, max_late_ns=9 * MS - 1).deviations
    assert (deviation.kind, deviation.late_ns) == ("late", 9 * MS)
