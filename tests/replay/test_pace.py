"""Tests of evi_harness.replay.pace, and of every pace with every window: a recording that still meets itself."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evi_harness.errors import UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.replay.cutting import Window, cut
from evi_harness.replay.judging.verdict import judge
from evi_harness.replay.moments import EVENT, TIME, TURN, Moment
from evi_harness.replay.pace import Pace, max_gap_of, paced, speed_of
from evi_harness.replay.plan import Plan
from evi_harness.replay.played_recording import AS_RECORDED, MAX, PlayedRecording, blocks
from evi_harness.replay.player import Player
from evi_harness.replay.user import RecordedUser
from evi_harness.session.events import Frame, Sent, order
from evi_harness.session.protocols import POSITION, RECEIVED, SENT, Send
from evi_harness.session.turn import Speech
from evi_harness.strategies import sessions

MS = 1_000_000
SECOND = 1000 * MS

SPEEDS = st.one_of(st.sampled_from((AS_RECORDED, Fraction(2), Fraction(10**9), MAX)), st.fractions("0.01", 1000, max_denominator=1000))
PACES = st.builds(Pace, SPEEDS, st.sampled_from((None, 0, 1, 100 * MS, SECOND)))


def places_in(session):
    """Any place of a session, and none."""
    n_turns = len(EVI.turns(session.events))
    return st.one_of(
        st.none(),
        st.integers(0, session.duration_ns).map(lambda at_ns: Moment(TIME, at_ns, "a time")),
        st.sampled_from([event.seq for event in session.events]).map(lambda seq: Moment(EVENT, seq, "an event")),
        *([st.integers(1, n_turns).map(lambda number: Moment(TURN, number, "a turn"))] if n_turns else []),
    )


def part_drawn(session, data):
    """Any part of a session that is not empty."""
    recording = PlayedRecording.of(session, EVI)
    try:
        return cut(recording, EVI, data.draw(st.builds(Window, places_in(session), places_in(session))))
    except UsageError:
        assume(False)


# The options.


@pytest.mark.parametrize(
    ("text", "speed"),
    [
        ("2", Fraction(2)),
        ("0.5", Fraction(1, 2)),
        ("1.1", Fraction(11, 10)),
        ("4x", Fraction(4)),
        ("1", AS_RECORDED),
        ("max", MAX),
        (" MAX ", MAX),
    ],
)
def test_a_speed(text, speed):
    """A factor, exactly as it is written, or max."""
    assert speed_of(text) == speed


@pytest.mark.parametrize("text", ["", "0", "0.0", "-1", "x", "fast", "nan", "inf", "1/2", "1e3", "max x"])
def test_what_is_no_speed(text):
    """It is refused with what would be one."""
    with pytest.raises(UsageError, match=r"speed .* a speed") as raised:
        speed_of(text)
    assert "0.5, or max" in raised.value.hint


def test_a_longest_gap():
    """A length of time; 0 is one."""
    assert (max_gap_of("1.5s"), max_gap_of("0")) == (1500 * MS, 0)
    with pytest.raises(UsageError, match="max_gap"):
        max_gap_of("-1s")


@pytest.mark.parametrize("fields", [{"speed": Fraction(0)}, {"speed": Fraction(-1)}, {"max_gap_ns": -1}])
def test_what_is_no_pace(fields):
    """A speed is above 0, a gap not below."""
    with pytest.raises(ValueError, match="and"):
        Pace(**fields)


def test_a_pace_is_given_once(weather):
    """What has a speed gets no other."""
    recording = paced(PlayedRecording.of(weather, EVI), EVI, Pace(Fraction(2)))
    with pytest.raises(ValueError, match="already"):
        paced(recording, EVI, Pace(Fraction(2)))


# The axis.


@given(sessions())
def test_as_recorded_changes_nothing(session):
    """The plan is the same to the last position."""
    recording = paced(PlayedRecording.of(session, EVI), EVI, Pace())
    assert recording.session is session
    one, other = Plan.of(recording, EVI), Plan.of(session, EVI)
    assert (one.steps, one.messages, one.awaited, one.events, one.close, one.speed) == (
        *(other.steps, other.messages, other.awaited, other.events, other.close, other.speed),
    )
    assert vars(one.positions) == vars(other.positions)


@given(sessions(), st.fractions("0.01", 100, max_denominator=100))
def test_a_speed_divides_every_time(session, speed):
    """Rounded down, so a delay and a position are off by less than a nanosecond for each time and block in them."""
    recording = PlayedRecording.of(session, EVI)
    faster = paced(recording, EVI, Pace(speed))
    # Events of these sessions are further apart than a rounding could bring together.
    assert [event.at_ns for event in faster.session.events] == [int(event.at_ns / speed) for event in session.events]
    assert [event.frame for event in faster.session.sent] == [event.frame for event in session.sent]
    before, after = Plan.of(recording, EVI), Plan.of(faster, EVI)
    assert [step.cause.kind for step in after.steps] == [step.cause.kind for step in before.steps]
    assert all(abs(now.delay_ns - then.delay_ns / speed) < 1 for then, now in zip(before.steps, after.steps))
    causes = [(cause, faster.causes[seq]) for seq, cause in recording.causes.items() if cause.kind == POSITION]
    assert all(abs(now.position_ns - then.position_ns / speed) <= 8 for then, now in causes)
    assert (faster.unhurried, faster.speed) == (session, speed)


@given(sessions())
def test_at_the_greatest_speed_the_axis_is_the_order(session):
    """A nanosecond a step, whatever was between; nothing is left out."""
    fastest = paced(PlayedRecording.of(session, EVI), EVI, Pace(MAX))
    times = [event.at_ns for event in session.events]
    assert [event.at_ns for event in fastest.session.events] == [sorted({*times}).index(at_ns) for at_ns in times]
    assert (fastest.unhurried, fastest.speed) == (session, MAX)


def test_a_gap_is_shortened_before_it_goes_by_faster(session_of):
    """Its length is in recorded time: one second of it lasts half a second at twice the speed."""
    end = {"type": "assistant_end"}
    session = session_of([("received", 1000, end), ("received", 9000, end), ("closed", 9500, ("app", 1000, ""))])
    part = paced(PlayedRecording.of(session, EVI), EVI, Pace(Fraction(2), SECOND))
    assert [event.at_ns // MS for event in part.session.events] == [0, 500, 1000, 1250]
    assert [event.at_ns // MS for event in part.unhurried.events] == [0, 1000, 2000, 2500]


def test_speech_that_a_detector_found_is_no_gap(session_of):
    """What the service did not understand is kept, if someone says that it was speech."""
    audio = [("sent", 100 * number, bytes(200)) for number in range(1, 51)]
    form = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 1000, "channels": 1}}
    recording = PlayedRecording.of(session_of([("sent", 1, form), *audio, ("closed", 5000, ("app", 1000, ""))]), EVI)
    n_sent = [len(paced(recording, EVI, Pace(max_gap_ns=SECOND), speech).session.sent) for speech in ((), [Speech(2001 * MS, 3000 * MS)])]
    assert n_sent[1] - n_sent[0] >= 10


# Every pace and every part keep causality.


@given(sessions(), PACES, st.data())
def test_a_part_at_a_pace_meets_itself(converse, session, pace, data):
    """Every event comes at its new time, held by nothing; what was sent too; the end is the recorded one; nothing is remarked or found."""
    part = paced(part_drawn(session, data), EVI, pace)
    plan = Plan.of(part, EVI)
    talk = converse(Player(plan, EVI), RecordedUser(part.session, EVI, only_microphone=False, closes=True), part.session)
    assert [(event.at_ns, event.frame) for event in talk.session.received] == [
        (event.at_ns, event.frame) for event in part.session.received
    ]
    assert [(event.at_ns, event.frame) for event in talk.session.sent] == [(event.at_ns, event.frame) for event in part.session.sent]
    assert all(action.held_ns == 0 and action.due_ns == at_ns for at_ns, action in talk.sends.values())
    assert talk.remarks == []
    end, recorded_end = talk.session.closed, part.session.closed
    assert (end.at_ns, end.by, end.code, end.reason) == (recorded_end.at_ns, recorded_end.by, recorded_end.code, recorded_end.reason)
    assert judge(part.session, talk.session, EVI).passed


@given(sessions(), PACES, st.data())
def test_order_and_causes_are_kept(session, pace, data):
    """What is left is in order under its own numbers; each cause is left too, before what it caused; nothing else is awaited."""
    part = paced(part_drawn(session, data), EVI, pace)
    events = part.session.events
    assert list(events) == sorted(events, key=order)
    recorded = [event.seq for event in session.events]
    made = {event.seq for event in events} - {*recorded}
    assert made in (set(), {max(recorded) + 1})
    assert [event.seq for event in events if event.seq not in made] == [seq for seq in recorded if seq in {event.seq for event in events}]
    plan = Plan.of(part, EVI)
    assert all(step.delay_ns >= 0 for step in plan.steps)
    by_seq = {event.seq: event for event in events}
    assert {step.cause.seq for step in plan.steps if step.cause.kind in (SENT, RECEIVED)} <= by_seq.keys()
    assert {*plan.awaited} <= by_seq.keys()


@given(sessions(), PACES, st.data())
def test_a_late_answer_at_a_pace(converse, clockwork, session, pace, data):
    """However fast: what a late message caused is late by as much, and nothing comes before its cause."""
    part = paced(part_drawn(session, data), EVI, pace)
    said = [event for event in part.session.sent if event.frame.is_text and EVI.is_awaited(EVI.read(event.kind, event.frame))]
    frames = [event.frame for event in said]
    said = [event for event in said if frames.count(event.frame) == 1]
    assume(said)
    late = data.draw(st.sampled_from(said))
    sends = [(event.at_ns + 2 * SECOND * (event.seq == late.seq), Send(event.frame, due_ns=0)) for event in part.session.sent]
    talk = converse(Player(part, EVI), clockwork(sends), part.session)
    came = {seq: at_ns for seq, (at_ns, _) in talk.sends.items()}
    assert [*came] == [event.seq for event in part.session.received]
    for step in Plan.of(part, EVI).steps:
        if step.cause.seq == late.seq and step.event.seq in came:
            assert came[step.event.seq] >= late.at_ns + 2 * SECOND + step.delay_ns


def halved(event, half_ns):
    """A block of audio in two of half the size, each sent when it was whole."""
    half = event.frame.size // 4 * 2
    for at_ns, payload in ((event.at_ns - half_ns, event.frame.payload[:half]), (event.at_ns, event.frame.payload[half:])):
        frame = Frame(event.frame.opcode, payload)
        yield at_ns, Send(frame, due_ns=at_ns)


@given(sessions(audio=True), st.fractions("0.1", 50, max_denominator=50))
def test_at_a_speed_other_blocks_are_the_same_audio(converse, clockwork, session, speed):
    """With blocks of half the size nothing is later by more than the rounding, and nothing earlier by more than such a block."""
    part = paced(PlayedRecording.of(session, EVI), EVI, Pace(speed))
    audio = blocks(part.session, EVI, speed)
    half_ns = audio[0].length_ns // 2 if audio else 0
    assume(half_ns)
    said = [(event.at_ns, Send(event.frame, due_ns=event.at_ns)) for event in part.session.sent if event.frame.is_text]
    heard = [timed for event in part.session.sent if not event.frame.is_text for timed in halved(event, half_ns)]
    talk = converse(Player(part, EVI), clockwork([*said, *heard]), part.session)
    came = {seq: at_ns for seq, (at_ns, _) in talk.sends.items()}
    assert all(event.at_ns - half_ns - 3 <= came[event.seq] <= event.at_ns + 3 for event in part.session.received)


def test_many_players_share_a_plan(weather):
    """A plan is read once; who acts it out changes nothing in it."""
    plan = Plan.of(weather, EVI)
    for _ in range(2):
        player, user = Player(plan, EVI), RecordedUser(weather, EVI, only_microphone=False, closes=True)
        frames = []
        for event in weather.events:
            frames += [action.frame for action in player.due(event.at_ns)]
            user.take(event, event.at_ns)
            if isinstance(event, Sent) or event is weather.events[0]:
                player.take(event, event.at_ns)
        assert frames == [event.frame for event in weather.received]
