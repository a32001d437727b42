"""Tests of evi_harness.replay.judging.deviations, by hand; what players and apps make of drawn sessions is in test_player."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.deviations import DEVIATIONS, Late, compare_sent, handshake_deviation, late_deviations
from evi_harness.replay.judging.differences import Difference
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Note, Opened, Received, Sent
from evi_harness.session.header import Header
from evi_harness.session.session import Session
from evi_harness.strategies import sessions

MS = 1_000_000
HEADER = Header("id", "script", "now", "evi")


def sent(at_ms, kind, **fields):
    """A message that the app sent."""
    return Sent(0, at_ms * MS, frame=Frame(TEXT, json.dumps({"type": kind, **fields}).encode()))


def say(at_ms, text):
    """A text of the user."""
    return sent(at_ms, "user_input", text=text)


def answer(at_ms, call="c", content="sunny"):
    """A tool's result."""
    return sent(at_ms, "tool_response", tool_call_id=call, content=content)


def received(at_ms, kind, **fields):
    """A message that the app received."""
    return Received(0, at_ms * MS, frame=Frame(TEXT, json.dumps({"type": kind, **fields}).encode()))


def due(at_ms, of, recorded_seq):
    """The note on a received event that repeats a recorded one."""
    return Note(0, at_ms * MS, name="due", of=of, data={"due_ns": 0, "recorded_seq": recorded_seq})


def unmet(at_ms, awaited, *skipped):
    """The remark on an awaited message that did not come."""
    return Note(0, at_ms * MS, name="unmet", data={"awaited": awaited, "skipped": [*skipped]})


def session_of(*events):
    """A session of these events, opened at 0, with seqs in their order."""
    return Session(HEADER, tuple(replace(event, seq=seq) for seq, event in enumerate([Opened(0, 0), *events])))


def found(recorded, live, left=None):
    """The deviations between two lists of events, and what was unsent."""
    compared = compare_sent(session_of(*recorded), session_of(*live), EVI, left)
    return compared.deviations, compared.unsent


def told(recorded, live, left=None):
    """Kind, place on both sides and consequences of each deviation."""
    return [(one.kind, one.recorded_seq, one.live_seq, one.consequences) for one in found(recorded, live, left)[0]]


@given(sessions())
def test_a_session_does_not_deviate_from_itself(session):
    """Nothing is found, whatever it holds."""
    compared = compare_sent(session, session, EVI)
    assert (compared.deviations, compared.unsent, compared.late) == ((), (), ())


def test_each_kind():
    """Missing, unexpected, different and moved messages are told with their places, in words that name them."""
    recorded = [say(1, "a"), say(2, "b"), say(3, "c"), say(4, "d")]
    assert told(recorded, [say(1, "a"), say(3, "c"), say(4, "d")]) == [("missing", 2, None, ())]
    assert told(recorded, [*recorded, sent(5, "made_up")]) == [("unexpected", None, 5, ())]
    assert told(recorded, [say(1, "a"), say(2, "x"), say(3, "c"), say(4, "d")]) == [("different", 2, 2, ())]
    assert told(recorded, [say(2, "b"), say(3, "c"), say(4, "d"), say(5, "a")]) == [("out_of_order", 1, 4, ())]
    assert {"missing", "unexpected", "different", "out_of_order"} < {*DEVIATIONS}


def test_a_difference_says_only_what_differs():
    """The value on both sides and its path; ids that change from run to run are no difference."""
    recorded = [sent(1, "session_settings", system_prompt="a", context={"text": "x"}, custom_session_id="1")]
    live = [sent(1, "session_settings", system_prompt="a", context={"text": "y"}, custom_session_id="2")]
    (deviation,), _ = found(recorded, live)
    assert deviation.differences == (Difference("$.context.text", "x", "y"),)
    assert "$.context.text" in deviation.what


def test_an_error_for_an_answer_differs_in_its_type():
    """A tool's error in place of its result is one difference."""
    (deviation,), _ = found([answer(1)], [sent(1, "tool_error", tool_call_id="c", error="none")])
    assert (deviation.kind, deviation.differences[0]) == ("different", Difference("$.type", "tool_response", "tool_error"))


def test_an_unexpected_message_names_the_nearest_expected_one():
    """Of the same type, the one that differs least; none where there is none."""
    recorded = [sent(1, "session_settings", system_prompt="a", voice_id="b"), sent(2, "session_settings", system_prompt="c")]
    (deviation,), _ = found(recorded, [*recorded, sent(3, "session_settings", system_prompt="a", voice_id="x")])
    assert deviation.detail[0].startswith("nearest expected message: #1 ")
    assert (deviation.nearest_seq, deviation.differences) == (1, (Difference("$.voice_id", "b", "x"),))
    (strange,), _ = found(recorded, [*recorded, sent(3, "made_up")])
    assert (strange.nearest_seq, strange.differences) == (None, ())
    assert "of its type" in " ".join(strange.detail)


def test_audio_and_failed_sends_are_not_compared():
    """Neither frames of audio in any form nor what the app did not get out."""
    sounds = [
        Sent(0, 1, frame=Frame(BINARY, b"ab")),
        sent(2, "audio_input", data="AAAA"),
        replace(say(3, "a"), outcome="failed"),
        replace(say(4, "b"), outcome="cancelled"),
    ]
    assert told(sounds, []) == told([], sounds) == []


def test_what_was_given_up_is_missing_with_what_hung_on_it():
    """The events that did not come, and the messages that these would have prompted, stand under it and are not counted."""
    recorded = [say(1, "a"), received(2, "tool_call", tool_call_id="c"), answer(3), received(4, "assistant_end"), say(5, "b")]
    live = [unmet(30, 1, 2), unmet(40, 3, 4), say(50, "b")]
    assert told(recorded, live) == [("missing", 1, None, (2, 3, 4))]
    assert told(recorded, live[:2]) == [("missing", 1, None, (2, 3, 4, 5))]


def test_what_was_given_up_and_came_too_late_is_one_deviation():
    """The late message is named and is not unexpected; an equal one that was not given up is met by the other."""
    recorded = [say(1, "a"), received(2, "assistant_end"), say(3, "a"), received(4, "assistant_end")]
    late = [unmet(30, 1, 2), say(31, "a"), received(32, "assistant_end"), say(33, "a")]
    ((kind, recorded_seq, live_seq, consequences),) = told(recorded, late)
    assert (kind, recorded_seq, consequences) == ("missing", 1, (2,))
    assert live_seq in (2, 4)
    assert told(recorded, [unmet(30, 1, 2), say(33, "a")]) == [("missing", 1, None, (2,))]


def test_of_two_equal_messages_that_released_nothing_the_order_tells_which_is_missing():
    """The second was sent, at its place, and was taken for the first while the replay ran: the first is missing, and that is all."""
    pause, settings = sent(2, "pause_assistant_message"), sent(3, "session_settings", context=None)
    recorded = [say(1, "a"), pause, settings, say(4, "a")]
    assert told(recorded, [pause, settings, say(4, "a"), unmet(30, 4)]) == [("missing", 1, None, ())]


@pytest.mark.parametrize(("sent_at", "missing"), [((2, 103), 3), ((2, 203), 2), ((103, 203), 1)])
def test_of_neighbours_that_say_the_same_the_time_tells_which_is_missing(sent_at, missing):
    """Order alone would take the last of them, and tell of those before it that they came late."""
    recorded = [sent(at_ms, "pause_assistant_message") for at_ms in (2, 102, 202)]
    live = [sent(at_ms, "pause_assistant_message") for at_ms in sent_at]
    assert told(recorded, live) == [("missing", missing, None, ())]
    late = compare_sent(session_of(*recorded), session_of(*live), EVI).late
    assert [one.late_ns for one in late] == [MS] * sum(at_ms % 100 == 3 for at_ms in sent_at)


def test_an_answer_to_another_call_differs_in_whom_it_answers():
    """It was sent while the right one was waited for, so it is that one; what waited for it did not happen. Sent later it is another."""
    recorded = [received(1, "tool_call", tool_call_id="c"), answer(3), received(4, "assistant_end")]
    wrong = sent(3, "tool_response", tool_call_id="d", content="x")
    assert told(recorded, [wrong, unmet(30, 2, 3)]) == [("different", 2, 1, (3,))]
    assert told(recorded, [unmet(30, 2, 3), replace(wrong, at_ns=31 * MS)]) == [("missing", 2, None, (3,)), ("unexpected", None, 2, ())]


def test_what_came_after_the_close_is_told():
    """What is missing did not come before the close; how many messages came behind it is said."""
    recorded = [received(1, "tool_call", tool_call_id="c"), answer(3)]
    live = [unmet(30, 2, 3), Closed(0, 40 * MS), Note(0, 41 * MS, name="sent_after_close", data={"opcode": TEXT, "n_bytes": 40})]
    (deviation,), _ = found(recorded, live)
    assert re.search(r"\bbefore the close, .*\b1 message was sent", deviation.what)


def test_of_two_equal_messages_the_one_that_could_be_sent_was():
    """Where one of them hung on what did not come, the other is not missing."""
    pause = sent(3, "pause_assistant_message")
    recorded = [say(1, "a"), received(2, "assistant_end"), pause, received(4, "chat_metadata"), replace(pause, at_ns=5 * MS)]
    assert told(recorded, [unmet(30, 1, 2), replace(pause, at_ns=31 * MS)]) == [("missing", 1, None, (2, 3))]
    assert told(recorded, [unmet(30, 1, 2), pause, pause, pause]) == [("missing", 1, None, (2,)), ("unexpected", None, 4, ())]


def test_what_the_app_could_not_send_since_it_had_left():
    """A message whose prompt did not come, or whose time was after the close, is unsent; one before that is missing."""
    recorded = [received(1, "chat_metadata"), say(10, "a"), say(100, "b"), received(200, "assistant_end"), say(210, "c")]
    live = [received(51, "chat_metadata"), due(51, 1, 1), Closed(0, 120 * MS)]
    deviations, unsent = found(recorded, live, left=[4])
    assert [(one.kind, one.recorded_seq) for one in deviations] == [("missing", 2)]
    assert unsent == (3, 5)


def test_what_was_not_sent_by_an_app_that_stayed_is_missing():
    """With nobody gone early, nothing excuses it, and its prompt is named by what it says."""
    recorded = [received(1, "chat_metadata"), say(10, "a")]
    (deviation,), unsent = found(recorded, [received(1, "chat_metadata"), due(1, 1, 1), Closed(0, 5 * MS)])
    assert (deviation.kind, unsent) == ("missing", ())
    assert re.search(r"was not sent; .* chat null \(#1\)$", deviation.what)


def test_text_that_is_no_json_is_compared():
    """Two texts that differ differ, and the same are the same."""
    hello, world = (Sent(0, 1, frame=Frame(TEXT, payload)) for payload in (b"hello", b"world"))
    assert told([hello], [hello]) == []
    (deviation,), _ = found([hello], [world])
    assert deviation.kind == "different"
    assert [(one.recorded, one.live) for one in deviation.differences] == [("hello", "world")]


def late(recorded, live):
    """What was sent late: seqs, and by how many milliseconds."""
    compared = compare_sent(session_of(*recorded), session_of(*live), EVI)
    return [(one.recorded_seq, one.live_seq, one.late_ns / MS) for one in compared.late]


def test_how_late_a_message_was():
    """Against when what prompted it came, as long after it as then; sooner is not late, and what came by the clock is due by it."""
    recorded = [say(5, "a"), received(10, "assistant_end"), say(30, "b"), pause(40)]
    came = [received(110, "assistant_end"), due(110, 2, 2)]
    assert late(recorded, [say(5, "a"), *came, say(130, "b"), pause(140)]) == []
    assert late(recorded, [say(9, "a"), *came, say(137, "B"), pause(139)]) == [(1, 1, 4), (3, 4, 7)]
    # What prompted it did not come, or it was sent elsewhere.
    assert late(recorded, [say(5, "a"), say(99, "b"), pause(100)]) == []
    assert late(recorded, [*came[:0], say(99, "b"), say(100, "a"), pause(101)]) == []


def pause(at_ms):
    """A message that nobody answers."""
    return sent(at_ms, "pause_assistant_message")


def test_too_late_is_a_deviation():
    """From more than is allowed on, with what it was."""
    lateness = [Late("a", 1, 11, 5 * MS), Late("b", 2, 12, 5 * MS + 1)]
    (deviation,) = late_deviations(lateness, 5 * MS)
    assert (deviation.kind, deviation.recorded_seq, deviation.live_seq, deviation.late_ns) == ("late", 2, 12, 5 * MS + 1)
    assert re.fullmatch(r"b was sent 5\.000001 ms .*; 5 ms .*", deviation.what)


def asking(*query):
    """A session that was opened with a query."""
    return replace(session_of(), events=(Opened(0, 0, Handshake("/", query)),))


def test_handshakes_that_differ_are_one_deviation():
    """With what differs, and no secret of it."""
    recorded, live = asking(("a", "1"), ("b", "2"), ("api_key", "k")), asking(("a", "3"), ("b", "4"), ("api_key", "l"))
    deviation = handshake_deviation(recorded, live, EVI)
    assert (deviation.kind, deviation.recorded_seq, deviation.live_seq) == ("different", 0, 0)
    assert [one.path for one in deviation.differences] == ["$.query.a", "$.query.b"]
    assert re.fullmatch(r".*\bhandshake .* \$\.query\.a, \$\.query\.b", deviation.what)
    assert handshake_deviation(recorded, recorded, EVI) is None
    assert handshake_deviation(recorded, Session(HEADER, ()), EVI) is None


def test_many_places_are_not_all_named():
    """The sentence stays a sentence."""
    (deviation,), _ = found([sent(1, "x", **{f"a{n}": 0 for n in range(9)})], [sent(1, "x")])
    assert deviation.what.endswith("$.a0, $.a1, $.a2, $.a3, $.a4 and 4 more places")
    assert len(deviation.differences) == 9


def test_of_messages_that_differ_alike_the_nearest_in_time_is_named():
    """And many messages cost little."""
    recorded = [sent(n, "session_settings", system_prompt=str(n)) for n in range(200)]
    (deviation,), _ = found(recorded, [*recorded, sent(150, "session_settings", system_prompt="x")])
    assert deviation.nearest_seq == 151
