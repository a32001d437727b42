"""Tests of evi_harness.replay.player: the player against apps that do what was recorded, and apps that do not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Dict, List, Optional

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evi_harness.evi.dialect import EVI
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.replay.judging.verdict import judge
from evi_harness.replay.plan import Plan
from evi_harness.replay.player import Patience, Player
from evi_harness.replay.user import RecordedUser
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Opened, Received, Sent, order
from evi_harness.session.header import Header, Recorded
from evi_harness.session.notes import CLOSED_BY_GRACE
from evi_harness.session.protocols import NO_STATUS, POSITION, RECEIVED, SENT, Abort, Close, Remark, Send
from evi_harness.session.session import Session
from evi_harness.strategies import sessions

MS = 1_000_000
SECOND = 1000 * MS
HEADER = Header("recorded", "script", "2026-01-01T00:00:00Z", "evi")
FOR_EVER = Patience(message_ns=10**15, close_ns=10**15)

# Recordings by hand: times in ms; an app that says nothing unless asked.


def text(**fields):
    """A text frame."""
    return Frame(TEXT, json.dumps(fields).encode())


def to(at_ms, kind, **fields):
    """A message that the app sent."""
    return Sent(0, at_ms * MS, frame=text(type=kind, **fields))


def audio(at_ms, n_ms=100):
    """A block of audio."""
    return Sent(0, at_ms * MS, frame=Frame(BINARY, bytes(2 * n_ms)))


def by(at_ms, kind, **fields):
    """A message that the service sent."""
    return Received(0, at_ms * MS, frame=text(type=kind, **fields))


def spoken(at_ms, end_ms):
    """A final message of the user, by speech."""
    return by(
        at_ms, "user_message", message={"role": "user", "content": "Hi."}, time={"begin": 0, "end": end_ms}, from_text=False, interim=False
    )


def closed(at_ms, by="app", code: Optional[int] = 1000, reason=""):
    """The end."""
    return Closed(0, at_ms * MS, by=by, code=code, reason=reason)


def recording(*events, header=HEADER):
    """A session of these events, opened at 0, with seqs in their order."""
    ordered = sorted([Opened(0, 0), *events], key=lambda event: event.at_ns)
    return Session(header, tuple(replace(event, seq=seq) for seq, event in enumerate(ordered)))


FORMAT = to(1, "session_settings", audio={"encoding": "linear16", "sample_rate": 1000, "channels": 1})
ASKED = (
    by(100, "tool_call", tool_call_id="c1", name="weather"),
    to(300, "tool_response", tool_call_id="c1", content="sunny"),
    by(700, "assistant_message", id="m1"),
    by(900, "assistant_end"),
)


def everything(session, change=lambda event: [event]):
    """What an app sends that goes by the clock: all that was sent, each changed to what replaces it; it never closes."""
    sent = [new for event in session.sent for new in change(event)]
    return [(event.at_ns, Send(event.frame, due_ns=event.at_ns)) for event in sent]


def later(event, d_ns):
    """An event at a later time."""
    return replace(event, at_ns=event.at_ns + d_ns)


def lost(seq):
    """A change that leaves one message out."""
    return lambda event: [] if event.seq == seq else [event]


def is_audio(event):
    """Whether a sent event is audio: here all audio is binary."""
    return not event.frame.is_text


def read(event):
    """What an event says."""
    return EVI.read(event.kind, event.frame)


def messages(session):
    """What was sent but for audio."""
    return [event for event in session.sent if not is_audio(event)]


def awaited(session):
    """The messages that the service answered or answers by its nature, and that no other message equals."""
    answered = {cause.seq for cause in EVI.causes(session.events).values()}
    found = [event for event in messages(session) if EVI.is_awaited(read(event)) or event.seq in answered]
    return [event for event in found if [other.frame for other in messages(session)].count(event.frame) == 1]


def drawn_from(data, items):
    """One of these, if there is any."""
    assume(items)
    return data.draw(st.sampled_from(items))


def came_at(talk):
    """When each received event came, by its recorded seq."""
    return {seq: at_ns for seq, (at_ns, _) in talk.sends.items()}


def recorded_at(session):
    """When each received event was recorded."""
    return {event.seq: event.at_ns for event in session.received}


def expected_sends(session, shift_of):
    """When each received event must be due and come, worked out anew: by its cause's shift, never before the one before it.

    Args:
        session: The recording.
        shift_of: How much later than recorded a cause that is no received event came.
    """
    causes, came, floor_ns = EVI.causes(session.events), {}, 0
    found: Dict[int, Any] = {}
    for event in session.received:
        cause = causes[event.seq]
        shift_ns = came[cause.seq] if cause.kind == RECEIVED else shift_of(cause)
        due_ns = event.at_ns + shift_ns
        floor_ns = max(floor_ns, due_ns)
        came[event.seq] = floor_ns - event.at_ns
        found[event.seq] = (floor_ns, due_ns, floor_ns - due_ns)
    return found


def sends(talk):
    """When each received event came, when it was due, and how long it was held, by its recorded seq."""
    return {seq: (at_ns, action.due_ns, action.held_ns) for seq, (at_ns, action) in talk.sends.items()}


# The app does what was recorded.


@given(sessions())
def test_a_recording_meets_itself(converse, session):
    """Every received event comes at its recorded time, held by nothing; the end is the recorded one; nothing is remarked or found."""
    talk = converse(Player(session, EVI), RecordedUser(session, EVI, only_microphone=False, closes=True), session)
    assert [(event.at_ns, event.frame) for event in talk.session.received] == [(event.at_ns, event.frame) for event in session.received]
    assert [(event.at_ns, event.frame) for event in talk.session.sent] == [(event.at_ns, event.frame) for event in session.sent]
    assert all(action.held_ns == 0 and action.due_ns == at_ns for at_ns, action in talk.sends.values())
    assert talk.remarks == []
    end, recorded_end = talk.session.closed, session.closed
    assert (end.at_ns, end.by, end.code, end.reason) == (recorded_end.at_ns, recorded_end.by, recorded_end.code, recorded_end.reason)
    assert judge(session, talk.session, EVI).passed


def test_what_changes_nothing_changes_nothing():
    """A carrier need not ask behind what the player says changes nothing: most of the audio, and nothing but audio."""
    session = recording(FORMAT, *(audio(100 + n * 100) for n in range(20)), spoken(1500, end_ms=1000), closed(3000))
    player, said = Player(session, EVI), []
    for event in session.events:
        if isinstance(event, (Opened, Sent, Closed)):
            next_ns = player.next_at_ns()
            while next_ns is not None and next_ns <= event.at_ns:
                player.due(next_ns)
                next_ns = player.next_at_ns()
            changes = player.take(event, event.at_ns)
            if changes is False:
                assert (player.next_at_ns(), player.due(event.at_ns)) == (next_ns, [])
            said.append((event.kind, changes))
    # The format, the first block, and the block with which the user has spoken to the end.
    n_changes = sum(changes is not False for kind, changes in said if kind == SENT)
    assert n_changes == 3
    assert len(said) == 1 + 21 + 1


@given(sessions(), st.booleans())
def test_a_recording_without_its_sent_side_goes_by_its_times(converse, clockwork, session, sends_something):
    """Where what was sent is not known, every event is due at its time whatever the app does, and nothing that it sends is compared."""
    kept = tuple(event for event in session.events if not isinstance(event, Sent))
    imported = Session(replace(session.header, recorded=Recorded(sent=False)), kept)
    talk = converse(Player(imported, EVI), clockwork(everything(session) if sends_something else []), imported)
    assert came_at(talk) == recorded_at(session)
    assert judge(imported, talk.session, EVI).passed


# The app is late.


@given(sessions(), st.data())
def test_a_late_tool_answer_moves_what_it_caused(converse, clockwork, session, data):
    """Two seconds late is two seconds for what the answer caused, nothing for what it did not, and the hold is told to the nanosecond."""
    answer = drawn_from(data, [event for event in messages(session) if EVI.family(read(event)) == "tool_answer"])
    app = clockwork(everything(session, lambda event: [later(event, 2 * SECOND) if event.seq == answer.seq else event]))
    talk = converse(Player(session, EVI), app, session)
    expected = expected_sends(session, lambda cause: 2 * SECOND if cause.seq == answer.seq else 0)
    assert sends(talk) == expected
    assert 2 * SECOND in {due_ns - event.at_ns for event in session.received for _, due_ns, _ in [expected[event.seq]]}
    overtaken = any(answer.at_ns < event.at_ns < answer.at_ns + 2 * SECOND for event in messages(session))
    assert [one.kind for one in judge(session, talk.session, EVI).deviations] == ["out_of_order"] * overtaken


@given(sessions(audio=True), st.integers(0, 1999))
def test_audio_that_begins_late_moves_what_positions_caused(converse, clockwork, session, late_ms):
    """Audio that begins later by so much makes what answers it later by exactly so much, but for what order holds back."""
    app = clockwork(everything(session, lambda event: [later(event, late_ms * MS) if is_audio(event) else event]))
    talk = converse(Player(session, EVI), app, session)
    assert sends(talk) == expected_sends(session, lambda cause: late_ms * MS if cause.kind == POSITION else 0)
    assert talk.remarks in ([], [("closed_by_grace", {})])
    assert judge(session, talk.session, EVI).deviations == ()


def block_ns(session):
    """How long the blocks of audio are, which are all alike; 0 where there are none."""
    audio = session.audio(EVI)
    return max((audio.length_ns(event.seq) or 0 for event in session.sent), default=0)


def halved(event, half_ns):
    """A block of audio in two blocks of half the size, each sent when it was whole."""
    if not is_audio(event):
        return [event]
    half = event.frame.size // 2
    first, second = Frame(BINARY, event.frame.payload[:half]), Frame(BINARY, event.frame.payload[half:])
    return [replace(event, at_ns=event.at_ns - half_ns, frame=first), replace(event, frame=second)]


@given(sessions(audio=True))
def test_smaller_blocks_are_the_same_audio(converse, clockwork, session):
    """With blocks of half the size nothing is later, and nothing earlier by more than such a block."""
    half_ns = block_ns(session) // 2
    assume(half_ns)
    talk = converse(Player(session, EVI), clockwork(everything(session, lambda event: halved(event, half_ns))), session)
    came = came_at(talk)
    assert all(event.at_ns - half_ns <= came[event.seq] <= event.at_ns for event in session.received)


SPEECH = recording(FORMAT, *(audio(100 * n) for n in range(1, 11)), spoken(1300, 450), closed(2000))


@pytest.mark.parametrize(
    ("dropped", "came_ms"),
    [((), 1300), ((2, 3), 1300), ((5,), 1400), ((5, 6, 7), 1600), ((1,), 1400), ((9, 10), 1300)],
    ids=str,
)
def test_dropped_microphone_frames(converse, clockwork, dropped, came_ms):
    """Frames that the microphone drops move nothing, but where a position is only reached with the next frame that is sent."""
    app = clockwork(everything(SPEECH, lambda event: [] if event.at_ns in [100 * MS * n for n in dropped] else [event]))
    talk = converse(Player(SPEECH, EVI), app, SPEECH)
    assert [event.at_ns for event in talk.session.received] == [came_ms * MS]


def test_audio_patience_counts_from_where_the_audio_began(converse, clockwork):
    """Audio that began late has two seconds from the time at which the position would have been reached then."""
    app = clockwork([(at_ms * MS, Send(audio(0).frame, due_ns=0)) for at_ms in (2000, 4399)])
    talk = converse(Player(SPEECH, EVI), app, SPEECH)
    assert [name for name, _ in talk.remarks] == ["closed_by_grace"]
    assert sends(talk) == {12: (5199 * MS, 5199 * MS, 0)}


def test_the_handshake_may_give_the_format_of_the_audio(converse, clockwork):
    """Where no message gives it, positions count in bytes by what the query says, on both sides."""
    query = tuple(
        (f"session_settings[audio][{name}]", value)
        for name, value in (("encoding", "linear16"), ("sample_rate", "1000"), ("channels", "1"))
    )
    events = (Opened(0, 0, handshake=Handshake("/", query)), audio(100), audio(100), spoken(400, 150), closed(500))
    session = Session(HEADER, tuple(replace(event, seq=seq) for seq, event in enumerate(events)))
    talk = converse(Player(session, EVI), clockwork(everything(session)), session)
    assert (came_at(talk), [name for name, _ in talk.remarks]) == ({3: 400 * MS}, ["closed_by_grace"])


@given(sessions(audio=True), st.integers(0, 3000))
def test_audio_that_never_comes(converse, clockwork, session, patience_ms):
    """Each position counts as reached after the patience; all comes in order, late by no more than that, and it is no deviation."""
    app = clockwork(everything(session, lambda event: [] if is_audio(event) else [event]))
    talk = converse(Player(session, EVI, Patience(audio_ns=patience_ms * MS)), app, session)
    came = came_at(talk)
    assert [*came] == [event.seq for event in session.received]
    assert all(event.at_ns <= came[event.seq] <= event.at_ns + patience_ms * MS for event in session.received)
    assert all(at_ns == due_ns + held_ns for at_ns, due_ns, held_ns in sends(talk).values())
    positions = {step.cause.position_ns for step in Plan.of(session, EVI).steps if step.cause.kind == POSITION}
    assert {data["position_ns"] for name, data in talk.remarks if name == "audio_patience"} <= positions
    assert judge(session, talk.session, EVI).deviations == ()


def test_audio_patience_says_what_and_until_when(converse, clockwork):
    """The remark has the position and the time at which it counted as reached: two seconds after the recording had it."""
    talk = converse(Player(SPEECH, EVI), clockwork(everything(SPEECH, lambda event: [] if is_audio(event) else [event])), SPEECH)
    assert talk.remarks[0] == ("audio_patience", {"position_ns": 450 * MS, "waited_until_ns": 2500 * MS})
    assert sends(talk) == {12: (2500 * MS, 1300 * MS, 1200 * MS)}


# The app sends less, more, or something else.


@given(sessions(), st.data())
def test_an_awaited_message_that_never_comes(converse, clockwork, session, data):
    """One deviation names it, what hung on it stands under it, the rest goes on, and it ends."""
    missing = drawn_from(data, awaited(session))
    talk = converse(Player(session, EVI), clockwork(everything(session, lost(missing.seq))), session)
    verdict = judge(session, talk.session, EVI)
    assert [(deviation.kind, deviation.recorded_seq) for deviation in verdict.deviations] == [("missing", missing.seq)]
    assert {*talk.sends, *verdict.deviations[0].consequences} == {event.seq for event in session.received}
    assert not {*talk.sends} & {*verdict.deviations[0].consequences}
    assert all(at_ns == due_ns + held_ns for at_ns, due_ns, held_ns in sends(talk).values())


@given(sessions(), st.data())
def test_an_app_that_waits_for_what_never_comes(converse, session, data):
    """Also where the app itself goes on only when it is answered there is one deviation; what it could not send stands under it."""
    missing = drawn_from(data, awaited(session))
    without = replace(session, events=tuple(event for event in session.events if event.seq != missing.seq))
    talk = converse(Player(session, EVI), RecordedUser(without, EVI, only_microphone=False, closes=True), session)
    verdict = judge(session, talk.session, EVI)
    assert [(deviation.kind, deviation.recorded_seq) for deviation in verdict.deviations] == [("missing", missing.seq)]
    assert {*talk.sends} | {*verdict.deviations[0].consequences} >= {event.seq for event in session.received}


def test_a_tool_call_that_is_never_answered(converse, clockwork):
    """Thirty seconds after the answer was due it is given up, with all that it caused; then the app may close."""
    session = recording(*ASKED, closed(2000))
    talk = converse(Player(session, EVI), clockwork([]), session)
    assert talk.remarks == [("unmet", {"awaited": 2, "skipped": [3, 4]}), ("closed_by_grace", {})]
    assert [note.at_ns for note in talk.session.notes if note.name == "unmet"] == [30_300 * MS]
    assert talk.session.closed.at_ns == 35_300 * MS
    deviation = judge(session, talk.session, EVI).deviations[0]
    assert (deviation.kind, deviation.recorded_seq, deviation.consequences) == ("missing", 2, (3, 4))
    assert "not sent" in deviation.what


def test_a_tool_call_that_is_answered_too_late(converse, clockwork):
    """What was given up and comes all the same is missing, told as too late, and nothing besides."""
    session = recording(*ASKED, closed(60_000))
    app = clockwork(everything(session, lambda event: [later(event, 31 * SECOND)]))
    talk = converse(Player(session, EVI), app, session)
    assert [(name, data) for name, data in talk.remarks if name == "unmet"] == [("unmet", {"awaited": 2, "skipped": [3, 4]})]
    deviations = judge(session, talk.session, EVI).deviations
    assert [(one.kind, one.recorded_seq, one.consequences) for one in deviations] == [("missing", 2, (3, 4))]
    assert deviations[0].live_seq == talk.session.sent[0].seq
    assert "too late" in deviations[0].what


def test_the_service_does_not_close_before_the_app_has_had_its_time(converse, clockwork):
    """What was held back comes at once; what the app then sends as long after it as it did still comes before the close."""
    session = recording(
        to(100, "user_input", text="one"),
        by(200, "user_message", message={"role": "user", "content": "one"}, from_text=True),
        by(300, "session_settings"),
        to(900, "pause_assistant_message"),
        by(950, "chat_metadata"),
        closed(1000, "service"),
    )
    without = replace(session, events=tuple(event for event in session.events if event.seq != 1))
    talk = converse(Player(session, EVI), RecordedUser(without, EVI, only_microphone=False, closes=True), session)
    assert [event.at_ns for event in talk.session.sent] == [30_700 * MS]
    assert talk.session.closed.at_ns == 30_700 * MS
    assert [one.kind for one in judge(session, talk.session, EVI).deviations] == ["missing"]


def test_what_waits_behind_a_message_given_up_is_held_until_then(converse, clockwork):
    """An event of another cause that order kept behind the lost one is late by as long as it was waited, and says so."""
    session = recording(
        to(100, "user_input", text="one"),
        by(200, "user_message", message={"role": "user", "content": "one"}, from_text=True),
        to(300, "user_input", text="two"),
        by(400, "user_message", message={"role": "user", "content": "two"}, from_text=True),
        closed(1000),
    )
    talk = converse(Player(session, EVI), clockwork(everything(session, lost(1))), session)
    assert sends(talk) == {4: (30_100 * MS, 400 * MS, 29_700 * MS)}


def with_field(event):
    """A message with one field more."""
    return replace(event, frame=text(**json.loads(event.frame.payload), zzz=1))


@given(sessions(), st.data())
def test_an_altered_message(converse, clockwork, session, data):
    """It differs in that field and releases what the recorded one did: all comes at its time."""
    altered = drawn_from(data, messages(session))
    app = clockwork(everything(session, lambda event: [with_field(event) if event.seq == altered.seq else event]))
    talk = converse(Player(session, EVI), app, session)
    assert came_at(talk) == recorded_at(session)
    deviations = judge(session, talk.session, EVI).deviations
    assert [(one.kind, one.recorded_seq, [d.path for d in one.differences]) for one in deviations] == [
        ("different", altered.seq, ["$.zzz"])
    ]


def test_an_altered_message_releases_one_answer(converse, clockwork):
    """What stood in for one message stands in for no other: the next one is missed."""
    session = recording(
        to(100, "user_input", text="one"),
        by(200, "user_message", message={"role": "user", "content": "one"}, from_text=True),
        to(300, "user_input", text="two"),
        by(400, "user_message", message={"role": "user", "content": "two"}, from_text=True),
        closed(1000),
    )
    app = clockwork(everything(session, lambda event: [with_field(event)] if event.seq == 1 else []))
    talk = converse(Player(session, EVI), app, session)
    assert came_at(talk) == {2: 200 * MS}
    deviations = judge(session, talk.session, EVI).deviations
    assert [(one.kind, one.recorded_seq) for one in deviations] == [("different", 1), ("missing", 3)]


@given(sessions(closed_by=("app",)), st.data())
def test_two_messages_in_each_other_s_place(converse, clockwork, session, data):
    """Two neighbours exchanged are one deviation that says so."""
    said = messages(session)
    first, second = drawn_from(data, [*zip(said, said[1:])])
    assume(first.frame != second.frame)
    other = {first.seq: second.frame, second.seq: first.frame}
    app = clockwork(everything(session, lambda event: [replace(event, frame=other.get(event.seq, event.frame))]))
    talk = converse(Player(session, EVI, FOR_EVER), app, session)
    deviations = judge(session, talk.session, EVI).deviations
    assert [one.kind for one in deviations] == ["out_of_order"]
    assert session.events[0].kind == "opened"
    place = next(event for event in session.sent if event.seq == deviations[0].recorded_seq)
    assert place.frame in (first.frame, second.frame)


# And what is said of each: what the service would not take is told as that, and not as one too many besides.
EXTRA = (
    (text(type="user_input", text="never recorded"), "unexpected"),
    (text(type="assistant_input", text="never recorded"), "unexpected"),
    (text(type="tool_response", tool_call_id="no such call", content="sunny"), "rejected"),
    (text(type="session_settings", system_prompt="never recorded"), "unexpected"),
    (text(type="resume_assistant_message", zzz=1), "unexpected"),
    (text(type="made_up"), "rejected"),
    (Frame(TEXT, b"no JSON"), "rejected"),
)


@given(sessions(), st.sampled_from(EXTRA), st.floats(0, 1, exclude_max=True))
def test_a_message_too_many(converse, clockwork, session, extra, part):
    """It is one deviation, or finding, and releases nothing: all comes at its recorded time."""
    frame, kind = extra
    at_ns = int(session.duration_ns * part)
    talk = converse(Player(session, EVI), clockwork([*everything(session), (at_ns, Send(frame, due_ns=at_ns))]), session)
    assert came_at(talk) == recorded_at(session)
    verdict = judge(session, talk.session, EVI)
    found = [*verdict.deviations, *(one for one in verdict.findings if one.kind == "rejected")]
    assert [one.kind for one in found] == [kind]
    assert next(event.frame for event in talk.session.sent if event.seq == found[0].live_seq) == frame


WAIT = (to(100, "assistant_input", text="wait"), to(600, "assistant_input", text="wait"), by(900, "assistant_message"), closed(2000))


@pytest.mark.parametrize("gone_at_ms", [100, 600])
@pytest.mark.parametrize("between", [[to(300, "pause_assistant_message")], [by(300, "chat_metadata")]], ids=["sent", "received"])
def test_which_of_two_equal_messages_came(converse, between, gone_at_ms):
    """The one whose turn it is: without the first, which released nothing, the second is answered at its time; without the second, not."""
    session = recording(*WAIT, *between)
    gone = next(event.seq for event in session.sent if event.at_ns == gone_at_ms * MS)
    without = replace(session, events=tuple(event for event in session.events if event.seq != gone))
    talk = converse(Player(session, EVI), RecordedUser(without, EVI, only_microphone=False, closes=True), session)
    assert came_at(talk) == {seq: at_ns for seq, at_ns in recorded_at(session).items() if at_ns < 900 * MS or gone_at_ms == 100}
    assert [(one.kind, one.recorded_seq) for one in judge(session, talk.session, EVI).deviations] == [("missing", gone)]


@pytest.mark.parametrize(
    "between", [[], [to(300, "pause_assistant_message")], [by(300, "chat_metadata")]], ids=["none", "sent", "received"]
)
def test_the_first_of_two_equal_messages_is_not_taken_for_the_second(converse, clockwork, between):
    """Where it came before what lies between them, the second is answered when it comes itself, however late."""
    session = recording(*WAIT, *between)
    app = clockwork(everything(session, lambda event: [later(event, SECOND if event.at_ns == 600 * MS else 50 * MS)]))
    talk = converse(Player(session, EVI), app, session)
    assert came_at(talk) == {seq: 1900 * MS if at_ns == 900 * MS else at_ns for seq, at_ns in recorded_at(session).items()}
    assert judge(session, talk.session, EVI).passed


def test_a_close_does_not_wait_for_what_a_lost_event_would_have_prompted():
    """It is expected as long after the event before it as it was then, however late what prompted the lost one came."""
    session = recording(
        to(100, "user_input", text="one"),
        by(200, "user_message", message={"role": "user", "content": "one"}, from_text=True),
        by(300, "tool_call", tool_call_id="c1", name="weather"),
        to(400, "tool_response", tool_call_id="c1", content="sunny"),
        by(500, "assistant_message", id="m1"),
        to(8000, "pause_assistant_message"),
        by(9000, "chat_metadata"),
        closed(9100),
    )
    player = Player(session, EVI, Patience(message_ns=6 * SECOND))
    player.take(Opened(0, 0), 0)
    player.take(session.sent[0], 5100 * MS)
    assert [action.recorded_seq for action in player.due(5300 * MS)] == [2, 3]
    remark, metadata = player.due(11_400 * MS)
    assert (remark.data, metadata.recorded_seq) == ({"awaited": 4, "skipped": [5]}, 7)
    assert player.app_closes_at_ns == 11_500 * MS


def test_a_message_that_is_not_awaited_and_does_not_come(converse, clockwork):
    """Nothing waits for it, and it is missing all the same."""
    session = recording(by(100, "chat_metadata"), to(200, "pause_assistant_message"), by(900, "assistant_end"), closed(1000))
    talk = converse(Player(session, EVI), clockwork([]), session)
    assert came_at(talk) == recorded_at(session)
    assert [(one.kind, one.recorded_seq) for one in judge(session, talk.session, EVI).deviations] == [("missing", 2)]


def test_a_send_that_failed_is_waited_for_by_nobody(converse, clockwork):
    """What the recorded app did not get out was answered by nobody; neither messages nor audio of that kind count."""
    failed = [replace(event, outcome="failed") for event in (to(150, "user_input", text="never"), audio(160))]
    session = recording(FORMAT, audio(100), *failed, spoken(400, 0), by(500, "assistant_end"), closed(1000))
    talk = converse(Player(session, EVI), clockwork(everything(session, lambda event: [event] if event.outcome == "sent" else [])), session)
    assert came_at(talk) == recorded_at(session)
    assert judge(session, talk.session, EVI).passed


# The end.


@pytest.mark.parametrize("code", [1000, 1011, None])
def test_the_service_closes_as_it_did(converse, clockwork, code):
    """A close by the service is repeated at its time, with its code and reason; one without a code without one."""
    session = recording(by(100, "chat_metadata"), closed(900, "service", code, "bye"))
    end = converse(Player(session, EVI), clockwork([]), session).session.closed
    assert (end.at_ns, end.by, end.code, end.reason) == (900 * MS, "service", NO_STATUS if code is None else code, "bye")


def test_the_network_ends_as_it_did(converse, clockwork):
    """A connection that broke off breaks off at its time, with no close frame."""
    session = recording(by(100, "chat_metadata"), closed(900, "network", None))
    player = Player(session, EVI)
    player.take(Opened(0, 0), 0)
    assert [type(action) for action in player.due(900 * MS)] == [Send, Abort]
    assert player.next_at_ns() is None


@pytest.mark.parametrize(("grace_s", "end_ms"), [(5, 5900), (0, 900)])
def test_an_app_that_never_closes(converse, clockwork, grace_s, end_ms):
    """After the grace the service closes with 1000 and a note; it is no deviation."""
    session = recording(by(100, "chat_metadata"), closed(900))
    talk = converse(Player(session, EVI, Patience(close_ns=grace_s * SECOND)), clockwork([]), session)
    assert talk.remarks == [("closed_by_grace", {})]
    end = talk.session.closed
    assert (end.at_ns, end.by, end.code) == (end_ms * MS, "service", 1000)
    assert judge(session, talk.session, EVI).passed


def test_the_grace_begins_when_the_last_awaited_message_has_come(converse, clockwork):
    """An answer that is late, but not too late, leaves the app its time to close."""
    session = recording(by(100, "tool_call", tool_call_id="c1"), to(300, "tool_response", tool_call_id="c1"), closed(900))
    app = clockwork(everything(session, lambda event: [later(event, 20 * SECOND)]))
    talk = converse(Player(session, EVI), app, session)
    assert talk.session.closed.at_ns == 25_300 * MS


def test_a_recording_that_does_not_know_its_end(converse, clockwork):
    """After its last event the service closes, and says that the recording does not."""
    session = recording(by(100, "chat_metadata"), by(700, "assistant_end"))
    talk = converse(Player(session, EVI), clockwork([]), session)
    assert talk.remarks == [("end_unknown", {})]
    assert (talk.session.closed.at_ns, talk.session.closed.by) == (700 * MS, "service")


def test_a_recording_that_was_cut_behind_what_the_app_sent(converse, clockwork):
    """The service does not close before the app has sent the last that is there."""
    session = recording(to(300, "session_settings"), to(900, "session_settings"))
    talk = converse(Player(session, EVI), clockwork(everything(session)), session)
    assert talk.remarks == [("end_unknown", {})]
    assert talk.session.closed.at_ns == 901 * MS
    assert judge(session, talk.session, EVI).passed


def test_a_recording_with_nothing_in_it(converse, clockwork):
    """It ends at once."""
    session = Session(HEADER, ())
    talk = converse(Player(session, EVI), clockwork([]), session)
    assert (talk.remarks, talk.session.closed.at_ns) == ([("end_unknown", {})], 0)


@given(sessions(), st.floats(0, 1, exclude_max=True))
def test_an_app_that_leaves_early(converse, clockwork, session, part):
    """What was still to come is one closed_early; nothing that it did not send any more is counted besides."""
    at_ns = int(session.duration_ns * part)
    app = clockwork([*(timed for timed in everything(session) if timed[0] < at_ns), (at_ns, Close())])
    talk = converse(Player(session, EVI), app, session)
    left = [seq for seq, due_ns in recorded_at(session).items() if due_ns > at_ns] + [
        event.seq for event in session.events if isinstance(event, Closed) and event.by != "app"
    ]
    assume(left)
    assert talk.remarks == [("left_early", {"left": left})]
    verdict = judge(session, talk.session, EVI)
    assert [(one.kind, one.recorded_seq) for one in verdict.deviations] == [("closed_early", left[0])]
    unsent = {event.seq for event in messages(session) if event.at_ns >= at_ns}
    assert {*verdict.deviations[0].consequences} == {*left, *unsent}


@pytest.mark.parametrize(("at_ms", "remarks"), [(2000, ["left_early"]), (4000, []), (8000, []), (9000, [])])
def test_an_app_that_closes_a_little_early_or_late(converse, clockwork, at_ms, remarks):
    """Where nothing was still to come, closing earlier is told from the grace on, as closing later is."""
    session = recording(by(100, "chat_metadata"), closed(8000))
    talk = converse(Player(session, EVI), clockwork([(at_ms * MS, Close(1000, "bye"))]), session)
    assert [name for name, _ in talk.remarks] == remarks
    assert [one.kind for one in judge(session, talk.session, EVI).deviations] == ["closed_early"] * len(remarks)


@pytest.mark.parametrize(
    ("recorded_ms", "at_ms", "remarks"),
    [
        (703, 700, []),
        (5700, 700, []),
        (5701, 700, [("left_early", {"left": [], "early_ns": 5_001 * MS})]),
        (703, 699, [("left_early", {"left": [2]})]),
    ],
)
def test_an_app_that_does_not_wait_for_what_is_no_part_of_the_conversation(converse, clockwork, recorded_ms, at_ms, remarks):
    """Such as how much is left of the limits, which crossed with its close: what counts is how long the recorded app stayed."""
    session = recording(by(100, "session.created"), by(700, "response.done"), by(702, "rate_limits.updated"), closed(recorded_ms))
    talk = converse(Player(session, OPENAI_REALTIME), clockwork([(at_ms * MS, Close(1000, ""))]), session)
    assert talk.remarks == remarks
    assert [one.kind for one in judge(session, talk.session, OPENAI_REALTIME).deviations] == ["closed_early"] * len(remarks)


def test_when_the_app_should_close():
    """Known once all has been sent and all that is awaited has come, as long after the last event as it was then; else None."""
    session = recording(*ASKED, closed(2000))
    player = Player(session, EVI)
    assert player.app_closes_at_ns is None
    player.take(Opened(0, 0), 0)
    player.due(100 * MS)
    player.take(replace(session.sent[0], seq=0), 400 * MS)
    player.due(999 * MS)
    assert player.app_closes_at_ns is None
    player.due(1000 * MS)
    assert player.app_closes_at_ns == 2100 * MS
    assert player.recorded_close == session.closed
    player.take(Closed(0, 2100 * MS), 2100 * MS)
    assert player.is_over
    assert (player.app_closes_at_ns, player.next_at_ns(), player.due(2100 * MS)) == (None, None, [])


# Always.


@given(sessions(), st.data())
def test_it_always_ends_and_next_at_ns_never_lies(converse, clockwork, session, data):
    """Whatever an app leaves out, delays or repeats: each time is announced, each action handed out once, and there is an end."""
    fates = st.sampled_from((None, 0, 0, 0, 50, 1500, 20_000, 40_000))

    def change(event) -> List[Sent]:
        fate = None if is_audio(event) and event.seq % 3 else data.draw(fates)
        return [] if fate is None else [later(event, fate * MS)] * (2 if fate == 50 else 1)

    actions = everything(session, change)
    if data.draw(st.booleans()):
        actions.append((data.draw(st.integers(0, 2 * session.duration_ns)), Close()))
    talk = converse(Player(session, EVI), clockwork(actions), session)
    assert talk.session.closed is not None
    events = [event for event in talk.session.events if isinstance(event, Received)]
    assert [event.frame for event in events] == [action.frame for _, action in talk.sends.values()]
    assert [*talk.sends] == sorted(talk.sends, key=lambda seq: order(next(e for e in session.events if e.seq == seq)))
    judge(session, talk.session, EVI)


def test_actions_that_are_due_together_come_together_and_once():
    """A carrier that asks late is handed all that was due, in order; asked again, nothing."""
    session = recording(by(100, "chat_metadata"), by(100, "assistant_end"), by(200, "assistant_end"), closed(300))
    player = Player(session, EVI)
    player.take(Opened(0, 0), 0)
    assert player.next_at_ns() == 100 * MS
    assert [action.due_ns for action in player.due(250 * MS)] == [100 * MS, 100 * MS, 200 * MS]
    assert player.due(250 * MS) == []
    assert player.due(5300 * MS) == [Remark(CLOSED_BY_GRACE), Close(1000, "")]


def test_a_cause_is_told_with_what_it_caused(converse, clockwork):
    """Each action says when its cause was in live time, so that a report can measure from there."""
    session = recording(*ASKED, closed(2000))
    app = clockwork(everything(session, lambda event: [later(event, 500 * MS)]))
    talk = converse(Player(session, EVI), app, session)
    assert [action.cause_ns for _, action in talk.sends.values()] == [0, 800 * MS, 800 * MS]
    assert EVI.causes(session.events)[3].kind == SENT
