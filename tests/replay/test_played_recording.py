"""Tests of evi_harness.replay.played_recording: a recording on another axis of time."""

from __future__ import annotations

import base64
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.evi.dialect import EVI
from evi_harness.replay.played_recording import AS_RECORDED, MAX, Lengths, PlayedRecording, blocks, moved
from evi_harness.session import wav
from evi_harness.session.events import BINARY, TEXT, Frame, Received, Sent, order
from evi_harness.session.protocols import OPENED, POSITION, RECEIVED, SENT, Cause
from evi_harness.strategies import sessions

MS = 1_000_000


def unchanged(at_ns):
    """The axis as it is."""
    return at_ns


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**9))), st.one_of(st.none(), st.fractions("0.01", 1000, max_denominator=1000)))
def test_how_long_audio_lasts(lengths_ns, speed):
    """All together: divided by the speed and rounded down once, however it is cut up; as long as ever where nothing waits."""
    lengths = Lengths(speed)
    lasts_ns = [lengths.next_ns(length_ns) for length_ns in lengths_ns]
    assert [one is None for one in lasts_ns] == [one is None for one in lengths_ns]
    spoken_ns = sum(one or 0 for one in lengths_ns)
    assert sum(one or 0 for one in lasts_ns) == (spoken_ns if speed is None else int(spoken_ns / speed))


def test_what_was_not_got_out_answered_nothing(session_of):
    """A send that failed is no cause, as it was none when the plan was read off the session alone."""
    session = session_of([("sent", 5, {"type": "user_input", "text": "x"}), ("received", 9, {"type": "user_message", "from_text": True})])
    assert PlayedRecording.of(session, EVI).causes == {2: Cause(SENT, seq=1)}
    failed = replace(session, events=tuple(replace(event, outcome="failed") if event.seq == 1 else event for event in session.events))
    assert PlayedRecording.of(failed, EVI).causes == {2: Cause(OPENED)}


def test_what_cannot_have_got_out_did_not(session_of):
    """Behind the close, and text that is not UTF-8: nobody is to wait for it. A session of which all can have is the session itself."""
    typed = {"type": "user_input", "text": "x"}
    session = session_of(
        [("sent", 5, typed), ("sent", 6, b"\xff"), ("closed", 9, ("service", 1000, "")), ("sent", 10, typed), ("sent", 11, b"")]
    )
    odd = Sent(seq=6, at_ns=7 * MS, frame=Frame(TEXT, b"\xff"))
    session = replace(session, events=tuple(sorted((*session.events, odd), key=order)))
    recording = PlayedRecording.of(session, EVI)
    assert {event.seq for event in recording.session.sent if event.outcome == "sent"} == {1, 2}
    assert [event.frame for event in recording.session.sent] == [event.frame for event in session.sent]
    whole = session_of([("sent", 5, typed), ("closed", 9, ("service", 1000, ""))])
    assert PlayedRecording.of(whole, EVI).session is whole


@given(sessions())
def test_the_same_axis_is_the_same_recording(session):
    """Events, causes and positions come back as they were."""
    recording = PlayedRecording.of(session, EVI)
    assert moved(recording, EVI, unchanged, speed=AS_RECORDED) == recording


@given(sessions(), st.integers(1, 10**12))
def test_two_times_never_become_one(session, divisor):
    """However steep the axis: order is kept, equal times stay equal, and each comes at its time or a nanosecond behind the one before."""
    events = moved(PlayedRecording.of(session, EVI), EVI, lambda at_ns: at_ns // divisor, speed=AS_RECORDED).session.events
    assert list(events) == sorted(events, key=order)
    assert [event.seq for event in events] == [event.seq for event in session.events]
    before, at_ns = session.events[0], 0
    for then, now in zip(session.events[1:], events[1:]):
        at_ns = at_ns if then.at_ns == before.at_ns else max(then.at_ns // divisor, at_ns + 1)
        assert now.at_ns == at_ns
        before = then
    assert all(event.taken_ns is None or event.taken_ns >= event.at_ns for event in events if isinstance(event, Received))


@given(sessions(), st.data())
def test_what_is_left_out_is_nobody_s_cause(session, data):
    """Whatever is left out, each cause is there, came before its effect, and positions are reached by then."""
    recording = PlayedRecording.of(session, EVI)
    left_out = data.draw(st.sets(st.sampled_from([event.seq for event in session.events[1:]])))
    part = moved(recording, EVI, unchanged, left_out=left_out, speed=AS_RECORDED)
    events = {event.seq: event for event in part.session.events}
    assert events.keys() == {event.seq for event in session.events} - left_out
    assert part.causes.keys() == recording.causes.keys() & events.keys()
    audio = blocks(part.session, EVI, AS_RECORDED)
    for seq, cause in part.causes.items():
        if cause.kind == POSITION:
            assert next(block.at_ns for block in audio if block.position_ns >= cause.position_ns) <= events[seq].at_ns
        elif cause.seq is not None:
            assert order(events[cause.seq]) < order(events[seq])


def test_what_answered_something_left_out(session_of):
    """It answers what that one answered; what answered audio answers the audio before it; in the end there is the opening."""
    session = session_of(
        [
            ("sent", 1, {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 1000, "channels": 1}}),
            ("sent", 100, bytes(200)),
            ("sent", 200, bytes(200)),
            ("received", 210, {"type": "user_interruption", "time": 1}),
            ("sent", 220, {"type": "user_input", "text": "x"}),
            ("received", 300, {"type": "user_message", "from_text": True}),
            ("received", 310, {"type": "error", "code": "E1"}),
            ("received", 320, {"type": "error", "code": "E2"}),
        ]
    )
    recording = PlayedRecording.of(session, EVI)
    assert (recording.causes[7], recording.causes[8]) == (Cause(RECEIVED, seq=6), Cause(RECEIVED, seq=7))

    def causes(*left_out):
        return moved(recording, EVI, unchanged, left_out=set(left_out), speed=AS_RECORDED).causes

    assert causes(7)[8] == Cause(RECEIVED, seq=6)
    assert causes(6, 7)[8] == Cause(SENT, seq=5)
    assert causes(5, 6, 7)[8] == Cause(OPENED)
    assert causes()[4] == Cause(POSITION, position_ns=200 * MS)
    assert causes(3)[4] == Cause(POSITION, position_ns=100 * MS)
    assert causes(2, 3)[4] == Cause(OPENED)


@pytest.mark.parametrize(
    ("speed", "expected_us"), [(Fraction(2), 75_000), (Fraction(3), 50_000), (Fraction("0.5"), 300_000), (MAX, 150_000)]
)
def test_a_position_stays_within_its_block(session_of, speed, expected_us):
    """At a speed the position is the recorded one divided; where only the order counts, it is that of the audio alone."""
    session = session_of(
        [
            ("sent", 1, {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 1000, "channels": 1}}),
            *(("sent", at_ms, bytes(200)) for at_ms in (1000, 1100, 1200)),
            ("received", 1400, {"type": "user_message", "time": {"begin": 0, "end": 150}, "from_text": False}),
        ]
    )
    part = moved(
        PlayedRecording.of(session, EVI),
        EVI,
        lambda at_ns: 0 if speed is None else at_ns * speed.denominator // speed.numerator,
        speed=speed,
    )
    assert 0 <= expected_us * 1000 - part.causes[5].position_ns <= 5
    assert part.unhurried is session


def test_whose_header_gives_the_format_of_a_block(session_of):
    """Its own, or that of the frame before it that had one last; none where a message has given it since."""
    told = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 1000, "channels": 1}}
    blob = wav.header(wav.Pcm(1000, 1), 40) + bytes(40)
    in_text = {"type": "audio_input", "data": base64.b64encode(blob).decode()}
    sent = [
        told,
        bytes(40),
        blob,
        bytes(40),
        {"type": "session_settings", "system_prompt": "p"},
        bytes(40),
        in_text,
        bytes(40),
        told,
        bytes(40),
    ]
    session = session_of([("sent", 20 * number, one) for number, one in enumerate(sent)])
    found = [(block.seq, block.format_seq, block.length_ns) for block in blocks(session, EVI, AS_RECORDED)]
    assert found == [(seq, of, 20 * MS) for seq, of in ((2, None), (3, 3), (4, 3), (6, 3), (7, 7), (8, 7), (10, None))]


@given(sessions(audio=True))
def test_frames_that_are_files_are_the_same_recording(session):
    """Causes, lengths and positions are those of the same audio without headers."""
    audio = session.audio(EVI)

    def in_file(event):
        payload = event.frame.payload
        return replace(event, frame=Frame(BINARY, wav.header(audio.pcm(event.seq), len(payload)) + payload))

    def is_audio(event):
        return event.kind == "sent" and event.frame.opcode == BINARY

    as_files = replace(session, events=tuple(in_file(event) if is_audio(event) else event for event in session.events))
    assert EVI.causes(as_files.events) == EVI.causes(session.events)
    found = [blocks(one, EVI, AS_RECORDED) for one in (as_files, session)]
    assert [replace(block, format_seq=None) for block in found[0]] == [replace(block, format_seq=None) for block in found[1]]
    assert all(block.format_seq == block.seq for block in found[0] if block.length_ns)
