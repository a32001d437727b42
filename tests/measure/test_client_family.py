"""Tests of evi_harness.measure.client_family: what the notes of a replay say of the app's own code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.measure import reasons
from evi_harness.measure.measuring import measure
from evi_harness.measure.metrics import METRICS
from evi_harness.session.events import Note, order
from evi_harness.session.notes import KINDS

MS = 1_000_000
SOURCE = {"clock": "virtual", "handler": "h", "deterministic": True}


@pytest.fixture
def replay(session_of, weather_rows):
    """Makes a replay of ``weather`` with an interruption in its second reply, and of notes: (milliseconds, name, of, data)."""
    rows = [*weather_rows[:-2], ("received", 3700, {"type": "user_interruption", "time": 3}), *weather_rows[-2:]]

    def make(*notes, clock="virtual", handler="h"):
        session = session_of(rows, made_by="replay", service="player", source={**SOURCE, "clock": clock, "handler": handler})
        seqs = {(event.at_ns // MS): event.seq for event in session.events}
        last = max(event.seq for event in session.events)
        made = [
            Note(seq=last + index, at_ns=round(at_ms * MS), name=name, of=seqs[of] if of is not None else None, data=data)
            for index, (at_ms, name, of, data) in enumerate(notes, 1)
        ]
        return replace(session, events=tuple(sorted([*session.events, *made], key=order)))

    return make


def found(session, metric):
    """The values and reasons of a metric, by when the message came."""
    came_ms = {event.seq: event.at_ns // MS for event in session.events}
    mine = [one for one in measure(session, EVI).samples if one.metric == metric]
    for one in mine:
        assert one.value is not None or one.why in METRICS[metric].unavailable
    return {came_ms.get(one.of): one.why or one.value for one in mine}


def due(of, ms, held_ms=0):
    """The note of when a message was due, and for how long others held it back."""
    return of, "due", of, {"due_ns": round((ms - held_ms) * MS), "held_ns": held_ms * MS, "cause_ns": 0, "recorded_seq": of}


def ran(of, begun_ms, ended_ms):
    """The notes of a callback."""
    return (
        (begun_ms, "handler_entered", of, {"callback": "on_message"}),
        (ended_ms, "handler_returned", of, {"callback": "on_message"}),
    )


def test_a_message_is_late_from_when_it_was_due(replay):
    """What blocked the loop delays the sending too, so a message that came at 2000 may have been due at 1900."""
    session = replay(due(2000, 1900), *ran(2000, 2010, 2050), due(2100, 2100, held_ms=700), *ran(2100, 2150, 2150))
    assert found(session, "queue")[2000] == 110
    assert found(session, "handle")[2000] == 150
    assert found(session, "handle.own")[2000] == 40
    # What the messages before it held it back is no fault of the app's.
    assert found(session, "queue")[2100] == 50


def test_a_message_without_a_due_note_counts_from_its_coming(replay):
    """Then nothing better is known."""
    assert found(replay(*ran(2000, 2010, 2050)), "queue")[2000] == 10


def test_what_was_never_begun_or_never_ended(replay):
    """A callback that is missing is a reason, and so is one that did not return."""
    session = replay(due(2000, 2000), ran(2000, 2010, 2050)[0])
    assert found(session, "queue")[2000] == 10
    assert found(session, "handle")[2000] == found(session, "handle.own")[2000] == reasons.NOT_RETURNED
    assert found(session, "queue")[2100] == found(session, "handle")[2100] == reasons.NOT_BEGUN


def test_the_answer_to_a_call_counts_from_when_the_call_was_due(replay):
    """A blocked loop makes the app late with its answer, not the call."""
    assert found(replay(due(1400, 1300)), "tool.app") == {1400: 300}
    assert found(replay(), "tool.app") == {1400: 200}


def test_how_soon_an_interruption_is_heeded(replay):
    """When its callback has returned no more audio may be handed on; where some was, nobody saw the end of it."""
    heeded = (due(3700, 3690), *ran(3700, 3700, 3720))
    assert found(replay(*heeded), "interruption.taken") == {3700: 30}
    played_on = (3750, "plays_on", 3700, {"what": "", "late_ns": 1, "held_ns": 1})
    assert found(replay(*heeded, played_on), "interruption.taken") == {3700: reasons.PLAYED_ON}
    assert found(replay(), "interruption.taken") == {3700: reasons.NOT_BEGUN}
    assert found(replay(heeded[1]), "interruption.taken") == {3700: reasons.NOT_RETURNED}


def test_how_soon_an_interruption_is_silence(replay):
    """The end of what was heard of the reply; without that, what the SDK's player still had; without that, nobody knows."""
    heard = (4400, "heard", 3600, {"at_ns": 3610 * MS, "until_ns": 3950 * MS})
    tail = (3720, "player_tail", 3700, {"what": "", "tail_ns": 80 * MS})
    assert found(replay(due(3700, 3700), heard, tail), "interruption.silent") == {3700: 250}
    assert found(replay(due(3700, 3700), tail), "interruption.silent") == {3700: 100}
    assert found(replay(due(3700, 3700)), "interruption.silent") == {3700: reasons.NOT_NOTED_SOUND}
    # A reply that had been heard to its end by then was silent already.
    early = (4400, "heard", 3600, {"at_ns": 3610 * MS, "until_ns": 3650 * MS})
    assert found(replay(early), "interruption.silent") == {3700: 0}


def test_audio_on_its_way_to_the_speaker(replay):
    """From when it was due to its first sample; audio that was not heard as it came says so."""
    session = replay(due(2100, 2090), (4400, "heard", 2100, {"at_ns": 2130 * MS, "until_ns": 2230 * MS}))
    assert found(session, "to_speaker") == {2100: 40, 3600: reasons.NOT_HEARD}
    assert set(found(replay(), "to_speaker").values()) == {reasons.NOT_NOTED_SOUND}


def test_audio_that_waits_for_other_audio_is_not_late(replay):
    """Until that has been heard no app could play it; from then on it could."""
    first = (4400, "heard", 2100, {"at_ns": 2130 * MS, "until_ns": 3700 * MS})
    for begun_ms, waited in ((3700, 0), (3725, 25), (3650, 0)):
        second = (4400, "heard", 3600, {"at_ns": begun_ms * MS, "until_ns": 3900 * MS})
        assert found(replay(due(3600, 3600), first, second), "to_speaker")[3600] == waited


def test_the_longest_stall_counts(replay):
    """The handler's doing or the SDK's, the loop stood still; a sample of the processor's time is none."""
    notes = [
        (2000, "blocked", 2000, {"what": "", "blocked_ns": 300 * MS}),
        (2100, "playback_stall", None, {"what": "", "blocked_ns": 400 * MS}),
        (2200, "blocked", None, {"what": "", "sample": True, "cpu_ns": 900 * MS}),
    ]
    assert found(replay(*notes), "stall") == {None: 400}
    assert found(replay(*notes[:1]), "stall") == {2000: 300}
    assert found(replay(notes[2]), "stall") == {None: reasons.NOT_NOTED_BLOCK}
    assert found(replay((2200, "longest_block", None, {"blocked_ns": 7 * MS})), "stall") == {None: 7}


def test_time_of_the_processor_is_told_by_message(replay):
    """A sample for each callback that had a message."""
    notes = [(4400, "handler_cpu", of, {"sample": True, "cpu_ns": cpu_ms * MS}) for of, cpu_ms in ((2100, 3), (2300, 1))]
    assert found(replay(*notes), "cpu") == {2100: 3, 2300: 1}
    assert found(replay(), "cpu") == {None: reasons.NOT_NOTED_CPU}


def test_a_replay_without_a_handler_has_nothing_to_measure(replay):
    """The recording that met itself has no callbacks."""
    session = replay(handler="recorded")
    assert found(session, "queue") == found(session, "stall") == {None: reasons.NO_HANDLER}


def test_how_late_the_harness_was_is_told_in_real_time_alone(replay):
    """In virtual time a late sending is the app's doing; in real time it is the server's own."""
    notes = (due(2000, 1999.5), due(2100, 2100))
    assert measure(replay(*notes, clock="real"), EVI).late_ns == (MS // 2, 0)
    assert measure(replay(*notes), EVI).late_ns == ()


@pytest.mark.parametrize("data", [{}, dict.fromkeys((name for kind in KINDS.values() for name in kind.facts.types), "damaged")])
def test_a_note_that_says_nothing_is_passed_over(replay, data):
    """Whatever its kind: its facts are not there, or are no numbers where they should be."""
    damaged = replay(*((2000, name, 2000, data) for name in KINDS))
    assert found(damaged, "queue")[2000] == 0
    assert set(found(damaged, "to_speaker").values()) == {reasons.NOT_HEARD}
    assert (found(damaged, "stall"), found(damaged, "cpu")) == ({None: reasons.NOT_NOTED_BLOCK}, {None: reasons.NOT_NOTED_CPU})
