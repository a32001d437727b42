"""Tests of evi_harness.replay.moments."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given

from evi_harness.errors import UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.replay.moments import EVENT, TIME, TURN, Moment, beginning_of, end_of, place_of
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.session.events import order
from evi_harness.strategies import sessions

MS = 1_000_000

FORMAT = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 1000, "channels": 1}}
BLOCK = bytes(200)


def said(begin_ms, end_ms):
    """A final message of the user, by speech."""
    message = {"role": "user", "content": "Hi."}
    return {"type": "user_message", "message": message, "time": {"begin": begin_ms, "end": end_ms}, "from_text": False, "interim": False}


def typed(text):
    """The service's repetition of what the user typed."""
    return {"type": "user_message", "message": {"role": "user", "content": text}, "from_text": True, "interim": False}


END = {"type": "assistant_end"}
# A greeting; spoken words, interrupted; words that came without a time; typed words.
ROWS = [
    ("sent", 1, FORMAT),
    ("received", 10, {"type": "assistant_message", "id": "g", "message": {"role": "assistant", "content": "Hello."}}),
    ("received", 20, END),
    *(("sent", 100 * number, BLOCK) for number in range(1, 31)),
    ("received", 550, said(110, 390)),
    ("received", 600, {"type": "assistant_message", "id": "a", "message": {"role": "assistant", "content": "Well."}}),
    ("received", 1250, {"type": "user_interruption", "time": 1100}),
    ("received", 1350, END),
    ("received", 1600, said(1010, 1400)),
    ("received", 1700, END),
    ("received", 2250, {**said(0, 0), "time": {"begin": 0, "end": 99_000}}),
    ("received", 2300, END),
    ("sent", 2450, {"type": "user_input", "text": "bye"}),
    ("received", 2550, typed("bye")),
    ("received", 2650, END),
    ("closed", 3100, ("app", 1000, "")),
]


@pytest.fixture
def recording(session_of):
    """All kinds of turns."""
    return PlayedRecording.of(session_of(sorted(ROWS, key=lambda row: row[1])), EVI)


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        *(("12.5s", TIME, 12_500 * MS), ("1m3s", TIME, 63_000 * MS), ("7", TIME, 7000 * MS), ("0", TIME, 0)),
        *(("#123", EVENT, 123), ("#0", EVENT, 0)),
        *(("turn 3", TURN, 3), ("t3", TURN, 3), ("T3", TURN, 3), ("turn3", TURN, 3), (" Turn  12 ", TURN, 12)),
    ],
)
def test_a_place(text, kind, number):
    """A time, an event by its number or a turn by its."""
    place = place_of(text, "first")
    assert (place.kind, place.number) == (kind, number)
    assert place.text == f"first {text}"


@pytest.mark.parametrize("text", ["", "#", "#x", "turn", "t", "t-1", "turns 3", "3t", "event 3", "-5", "# 3"])
def test_what_is_no_place(text):
    """It is refused by the name of its option, with all three forms."""
    with pytest.raises(UsageError, match=r"last .* a place") as raised:
        place_of(text, "last")
    assert all(form in raised.value.hint for form in ("12.5s", "#123", "turn 3"))


def test_a_time_and_an_event_hold_all_that_is_there(recording):
    """A time begins before and ends behind all of its instant; an event is one among those of its instant."""
    assert beginning_of(Moment(TIME, 5 * MS, ""), recording, EVI) == (5 * MS, -1)
    assert end_of(Moment(TIME, 5 * MS, ""), recording, EVI) == (5 * MS, inf)
    event = recording.session.events[7]
    assert (
        beginning_of(Moment(EVENT, event.seq, ""), recording, EVI) == end_of(Moment(EVENT, event.seq, ""), recording, EVI) == order(event)
    )


@pytest.mark.parametrize(("number", "begin_ms", "end_ms"), [(1, 10, 199), (2, 200, 1350), (3, 1100, 1700), (4, 1700, 2449), (5, 2450, inf)])
def test_where_turns_begin_and_end(recording, number, begin_ms, end_ms):
    """With the first audio of the user's words, or what was typed, or the assistant's own; to the next, or the last of an interrupted one.

    Where nobody says when the user began, it is what follows on the turn before.
    """
    place = Moment(TURN, number, "")
    assert beginning_of(place, recording, EVI)[0] // MS == begin_ms
    end = end_of(place, recording, EVI)[0]
    assert (end if end == inf else end // MS) == end_ms


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        (Moment(EVENT, 900, "first #900"), "#0 to #"),
        (Moment(TURN, 6, "first t6"), "5 turns"),
        (Moment(TURN, 0, "first t0"), "the first is 1"),
    ],
)
def test_a_place_that_is_not_there(recording, place, hint):
    """The error says which there are."""
    for find in (beginning_of, end_of):
        with pytest.raises(UsageError, match=place.text) as raised:
            find(place, recording, EVI)
        assert hint in raised.value.hint


@given(sessions())
def test_a_turn_holds_its_events(session):
    """Whatever the session: a turn begins before the first of its events and ends behind the last, and in order."""
    recording = PlayedRecording.of(session, EVI)
    events = {event.seq: event for event in session.events}
    turns = EVI.turns(session.events)
    bounds = [
        (beginning_of(Moment(TURN, turn.number, ""), recording, EVI), end_of(Moment(TURN, turn.number, ""), recording, EVI))
        for turn in turns
    ]
    for turn, (begin, end) in zip(turns, bounds):
        seqs = [seq for seq in (turn.user, *turn.reply, turn.interrupted_by, turn.end) if seq is not None]
        assert all(begin <= order(events[seq]) <= end for seq in seqs)
    assert bounds == sorted(bounds)
