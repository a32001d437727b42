"""Tests of evi_harness.replay.cutting."""

from __future__ import annotations

import base64

import pytest

from evi_harness.errors import UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.replay.cutting import Window, cut
from evi_harness.replay.moments import place_of
from evi_harness.replay.plan import Plan
from evi_harness.replay.played_recording import AS_RECORDED, PlayedRecording, blocks
from evi_harness.session import wav
from evi_harness.session.events import Closed, order
from evi_harness.session.protocols import OPENED, SENT, Cause

MS = 1_000_000

FORMAT = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 1000, "channels": 1}}
PROMPT = {"type": "session_settings", "system_prompt": "Be brief."}
END = {"type": "assistant_end"}
BLOCK = bytes(200)


def typed(text):
    """What the user typed, and the service's repetition of it."""
    return {"type": "user_input", "text": text}, {"type": "user_message", "message": {"role": "user", "content": text}, "from_text": True}


def call(identity):
    """A call of a tool and its answer."""
    return (
        {"type": "tool_call", "tool_call_id": identity, "name": "get_weather", "parameters": "{}"},
        {"type": "tool_response", "tool_call_id": identity, "content": "sunny"},
    )


ROWS = [
    ("received", 100, {"type": "chat_metadata", "chat_id": "c"}),  # 1
    ("sent", 110, FORMAT),
    ("received", 200, {"type": "assistant_message", "id": "g", "message": {"role": "assistant", "content": "Hello."}}),  # 3
    ("sent", 210, PROMPT),
    ("received", 240, PROMPT),  # 5
    ("received", 250, END),
    ("sent", 1000, typed("one")[0]),  # 7
    ("received", 1100, typed("one")[1]),
    ("received", 1200, call("a")[0]),  # 9
    ("sent", 1400, call("a")[1]),
    ("received", 1500, END),  # 11
    ("sent", 1600, {"type": "session_settings", "context": {"text": "It rains.", "type": "temporary"}}),
    ("sent", 1700, FORMAT),  # 13
    ("sent", 2000, BLOCK),
    ("received", 2100, {"type": "user_interruption", "time": 1}),  # 15
    ("sent", 3000, typed("two")[0]),
    ("received", 3100, typed("two")[1]),  # 17
    ("received", 3200, call("b")[0]),
    ("sent", 3300, BLOCK),  # 19
    ("sent", 3400, call("b")[1]),
    ("received", 3500, END),  # 21
    ("closed", 4000, ("app", 4001, "bye")),
]
SETTING_UP = [0, 1, 2, 4, 5]


@pytest.fixture
def recording(session_of):
    """A greeting, two turns with a tool each, and settings on the way."""
    return PlayedRecording.of(session_of(ROWS), EVI)


def part_of(recording, first=None, last=None):
    """The part from one place to another."""
    places = [None if text is None else place_of(text, option) for text, option in ((first, "first"), (last, "last"))]
    return cut(recording, EVI, Window(*places))


def seqs(part):
    """What is left."""
    return [event.seq for event in part.session.events]


def times(part):
    """When, in milliseconds."""
    return {event.seq: event.at_ns // MS for event in part.session.events}


def test_no_window_is_the_recording(recording):
    """It comes back as it is."""
    assert cut(recording, EVI, Window()) is recording


def test_from_keeps_what_sets_the_session_up(recording):
    """The metadata, settings and their echo as they came before the user said anything, and the audio's format; the greeting goes."""
    assert seqs(part_of(recording, "turn 3")) == [*SETTING_UP, 13, 16, 17, 18, 19, 20, 21, 22]


def test_what_lies_within_follows_at_once(recording):
    """What sets the session up keeps its times; the window begins where the last of it was."""
    before = {0: 0, 1: 100, 2: 110, 4: 210, 5: 240}
    within = {13: 240, 16: 240, 17: 340, 18: 440, 19: 540, 20: 640, 21: 740, 22: 1240}
    assert times(part_of(recording, "turn 3")) == {**before, **within}


def test_from_within_what_sets_it_up(recording):
    """What came before the place and sets nothing up goes; what is within follows on the last of what came before."""
    part = part_of(recording, "0.22s")
    assert seqs(part) == [0, 1, 2, *range(4, 23)]
    assert times(part) == {seq: at_ms - 10 * (seq > 4) for seq, at_ms in times(recording).items() if seq != 3}


def test_until_ends_as_if_the_app_had_closed(recording):
    """Both places are within; the close has a number of its own."""
    part = part_of(recording, None, "#11")
    assert seqs(part) == [*range(12), 23]
    assert part.session.closed == Closed(23, 1500 * MS, by="app", code=1000)
    assert part.unhurried == part.session


@pytest.mark.parametrize("last", ["4s", "60s", "turn 3", "#22"])
def test_until_the_end_is_the_recorded_end(recording, last):
    """Where nothing is cut off behind it the recorded close stays."""
    assert part_of(recording, None, last).session == recording.session


@pytest.mark.parametrize(("last", "closes_ms"), [("1.25s", 1250), ("turn 1", 999), ("turn 2", 2999)])
def test_until_a_time_or_a_turn_lasts_that_long(recording, last, closes_ms):
    """Silence at the end is kept: the session ends at the time, or where the next turn would begin."""
    assert part_of(recording, None, last).session.duration_ns // MS == closes_ms


def test_a_call_and_its_answer_are_cut_together(recording):
    """An answer whose call is cut off goes too, and a call whose answer is; what came of it comes at its time."""
    part = part_of(recording, "1.3s", "3.35s")
    assert seqs(part) == [*SETTING_UP, 11, 12, 13, 14, 15, 16, 17, 19, 23]
    assert part.causes[11] == Cause(OPENED)
    assert part.causes[17] == Cause(SENT, seq=16)


def test_what_waited_for_something_cut_off_waits_for_nothing(recording):
    """Nothing is awaited that is not there, and every delay is that of the new times."""
    plan = Plan.of(part_of(recording, "#8"), EVI)
    assert plan.awaited == (2, 10, 16, 20)
    assert plan.steps[2].cause == Cause(OPENED)
    assert plan.steps[2].delay_ns == plan.steps[2].event.at_ns == 240 * MS + 1


def test_a_position_that_was_reached_before(recording):
    """What answered audio that is cut off answers the opening; what answered audio within still answers it."""
    assert part_of(recording, "2.05s").causes[15] == Cause(OPENED)
    assert part_of(recording, "1.9s").causes[15] == recording.causes[15]


@pytest.mark.parametrize(("first", "last"), [("5s", None), ("2s", "1s"), ("turn 3", "turn 1"), ("#10", "#9"), ("4.1s", "9s")])
def test_nothing_within(recording, first, last):
    """It is refused by what was given."""
    with pytest.raises(UsageError, match="event is within first") as raised:
        part_of(recording, first, last)
    assert "lasts 4.000 s" in raised.value.hint


def test_a_part_of_a_recording_without_its_sent_side(session_of):
    """What is known of it is cut all the same."""
    rows = [row for row in ROWS if row[0] != "sent"]
    part = part_of(PlayedRecording.of(session_of(rows), EVI), "turn 3")
    assert [order(event) for event in part.session.events] == sorted(map(order, part.session.events))
    assert {cause.kind for cause in part.causes.values()} <= {OPENED, "received"}


STREAM = wav.header(wav.Pcm(1000, 1), 0xFFFFFFFF) + BLOCK


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ([STREAM, BLOCK, BLOCK, BLOCK], {1}),
        ([BLOCK, STREAM, BLOCK, BLOCK], {2}),
        ([STREAM, STREAM, BLOCK, BLOCK], {2}),
        ([STREAM, STREAM, STREAM, STREAM], set()),
        ([STREAM, FORMAT, BLOCK, BLOCK], {2}),
        ([STREAM, {"type": "audio_input", "data": base64.b64encode(STREAM).decode()}, BLOCK, BLOCK], {2}),
    ],
    ids=["at the start", "in the middle", "twice", "on each", "told since", "in a message"],
)
def test_the_header_of_the_audio_is_kept(session_of, sent, kept):
    """Where the format comes from a frame that is cut off, that frame stays, and the audio has its length."""
    rows = [("sent", 1000 * number, what) for number, what in enumerate(sent, 1)]
    recording = PlayedRecording.of(session_of([*rows, ("closed", 5000, ("app", 1000, ""))]), EVI)
    part = part_of(recording, "2.5s")
    assert {*seqs(part)} == {0, 3, 4, 5, *kept}
    assert [block.length_ns for block in blocks(part.session, EVI, AS_RECORDED) if block.seq in (3, 4)] == [100 * MS] * 2
