"""Tests of evi_harness.replay.silences."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.evi.dialect import EVI
from evi_harness.replay.played_recording import AS_RECORDED, PlayedRecording, blocks
from evi_harness.replay.silences import silences, with_short_silences
from evi_harness.replay.speech_positions import SpeechPositions
from evi_harness.session import wav
from evi_harness.session.events import Sent
from evi_harness.session.protocols import POSITION
from evi_harness.session.turn import Speech
from evi_harness.strategies import sessions

MS = 1_000_000
FORMAT = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 1000, "channels": 1}}
BLOCK = bytes(200)


def speaks(n_ms):
    """A piece of the assistant's audio."""
    samples = bytes(2 * n_ms)
    return {
        "type": "audio_output",
        "id": "a",
        "index": 0,
        "data": base64.b64encode(wav.header(wav.Pcm(1000, 1), len(samples)) + samples).decode(),
    }


def heard(begin_ms, end_ms, **fields):
    """A final message of the user, by speech."""
    message = {"role": "user", "content": "Hi."}
    return {"type": "user_message", "message": message, "time": {"begin": begin_ms, "end": end_ms}, "from_text": False, **fields}


def recording_of(session_of, *rows):
    """A recording of these rows."""
    return PlayedRecording.of(session_of(sorted(rows, key=lambda row: row[1])), EVI)


def found(recording, *speech):
    """Its silences, in milliseconds."""
    return [(start_ns // MS, stop_ns // MS) for start_ns, stop_ns in silences(recording, EVI, speech)]


AUDIO = [("sent", 1, FORMAT), *(("sent", 100 * number, BLOCK) for number in range(1, 51))]
END = ("closed", 5000, ("app", 1000, ""))


def test_messages_and_what_they_play(session_of):
    """Nothing is silent while a message crosses or the assistant's audio plays, one piece behind the other; audio sent is no message."""
    rows = [("received", 1000, speaks(500)), ("received", 1100, speaks(500)), ("sent", 3000, {"type": "pause_assistant_message"})]
    assert found(recording_of(session_of, *AUDIO, *rows, END)) == [(0, 1), (1, 1000), (2000, 3000), (3000, 5000)]


def test_what_the_service_says_was_spoken(session_of):
    """The user speaks from the sending of the audio in which it says so to the sending of the last of it."""
    rows = [("received", 2500, heard(1010, 1390))]
    assert found(recording_of(session_of, *AUDIO, *rows, END)) == [(0, 1), (1, 1100), (1400, 2500), (2500, 5000)]


def test_what_a_detector_says_was_spoken(session_of):
    """Speech that the caller knows of counts besides."""
    rows = [("received", 2500, heard(1010, 1390))]
    speech = (Speech(3001 * MS, 3100 * MS), Speech(4950 * MS, 9000 * MS), Speech(8000 * MS, 9000 * MS))
    assert found(recording_of(session_of, *AUDIO, *rows, END), *speech)[3:] == [(2500, 3100), (3100, 5000)]


@pytest.mark.parametrize("end_ms", [0, 99_000])
def test_words_without_a_time_may_be_anywhere(session_of, end_ms):
    """From the end of the turn before them to their receipt nothing is known to be silent."""
    rows = [("received", 500, heard(110, 190)), ("received", 700, {"type": "assistant_end"}), ("received", 2500, heard(0, end_ms))]
    spans = found(recording_of(session_of, *AUDIO, *rows, END))
    assert [span for span in spans if span[1] > 700] == [(2500, 5000)]


def test_typed_words_are_not_spoken(session_of):
    """Before them it is silent."""
    rows = [
        ("sent", 2000, {"type": "user_input", "text": "x"}),
        ("received", 2100, {"type": "user_message", "message": {"role": "user", "content": "x"}, "from_text": True}),
    ]
    assert (1, 2000) in found(recording_of(session_of, *AUDIO, *rows, END))


def test_a_hint_of_speech_without_words(session_of):
    """An interruption that no words followed counts from the message before it."""
    rows = [("received", 1000, {"type": "assistant_end"}), ("received", 3000, {"type": "user_interruption", "time": 1})]
    assert found(recording_of(session_of, *AUDIO, *rows, END)) == [(0, 1), (1, 1000), (3000, 5000)]


def test_audio_of_unknown_length(session_of):
    """The assistant's may play to the end; the user's may be speech whenever some is sent."""
    rows = [("received", 1000, {"type": "audio_output", "id": "a", "index": 0, "data": base64.b64encode(b"ID3 and so on").decode()})]
    assert found(recording_of(session_of, *AUDIO, *rows, END)) == [(0, 1), (1, 1000)]
    opaque = [("sent", 100 * number, b"OggS" + bytes(40)) for number in (5, 6, 30)]
    assert found(recording_of(session_of, *opaque, END)) == [(0, 500), (500, 600), (600, 3000), (3000, 5000)]


def test_a_silence_with_audio_running_through_it(session_of):
    """Its middle goes, with the audio in it; the first audio stays, and time does not run ahead of what was sent."""
    recording = recording_of(session_of, *AUDIO, ("received", 2500, {"type": "assistant_end"}), END)
    part = with_short_silences(recording, EVI, 600 * MS)
    kept = [event.at_ns // MS for event in part.session.sent if not event.frame.is_text]
    left_out = {event.seq for event in recording.session.sent} - {event.seq for event in part.session.sent}
    times = [event.at_ns // MS for event in recording.session.events if event.seq in left_out]
    # 301 to 2200, and 2800 to 4700.
    assert times == [*range(400, 2200, 100), *range(2900, 4700, 100)]
    assert kept[:4] == [100, 200, 300, 400]
    assert all(later - earlier in (99, 100, 101) for earlier, later in zip(kept, kept[1:]))


@given(sessions(), st.sampled_from((0, 1, 100 * MS, 500 * MS, 2000 * MS)))
def test_only_silence_goes(session, longest_ns):
    """Nothing but audio is left out, none in which the user spoke, nor what an answer waited for; no time is longer than it was."""
    recording = PlayedRecording.of(session, EVI)
    part = with_short_silences(recording, EVI, longest_ns)
    kept = {event.seq: event for event in part.session.events}
    gone = [event for event in session.events if event.seq not in kept]
    assert all(isinstance(event, Sent) and not event.frame.is_text for event in gone)
    audio = blocks(session, EVI, AS_RECORDED)
    said = [turn.speech for turn in EVI.turns(session.events) if turn.speech is not None]
    for block in (block for block in audio if block.seq not in kept):
        assert not any(one.begin_ns < block.position_ns <= one.end_ns for one in said)
    spoken = SpeechPositions(audio)
    waited_for = {spoken.reached_at_ns(cause.position_ns) for cause in recording.causes.values() if cause.kind == POSITION}
    assert waited_for <= {block.at_ns for block in audio if block.seq in kept}
    pairs = [(event, kept[event.seq]) for event in session.events if event.seq in kept]
    assert all(
        0 <= now.at_ns - now_before.at_ns <= then.at_ns - then_before.at_ns
        for (then_before, now_before), (then, now) in zip(pairs, pairs[1:])
    )


@given(sessions(audio=False), st.sampled_from((1, 100 * MS, 500 * MS)))
def test_without_the_user_s_audio_it_is_exact(session, longest_ns):
    """Every silence is as long as it may be at most, or as it was."""
    recording = PlayedRecording.of(session, EVI)
    before = [stop_ns - start_ns for start_ns, stop_ns in silences(recording, EVI)]
    after = [stop_ns - start_ns for start_ns, stop_ns in silences(with_short_silences(recording, EVI, longest_ns), EVI)]
    assert after == [min(length_ns, longest_ns) for length_ns in before]


@given(sessions(audio=True), st.sampled_from((0, 100 * MS, 500 * MS)))
def test_audio_stays_in_step(session, longest_ns):
    """What was sent never runs ahead of the time that passed where it did not before: the position is the clock of both."""
    recording = PlayedRecording.of(session, EVI)
    before, after = (blocks(one.session, EVI, AS_RECORDED) for one in (recording, with_short_silences(recording, EVI, longest_ns)))
    assert ahead(after) <= max(ahead(before), 0)


def ahead(audio):
    """How far at most the audio sent runs ahead of the time that passed; at most nothing by the first block itself."""
    sent_ns, most_ns = 0, 0
    for block in audio:
        sent_ns += block.length_ns
        most_ns = max(most_ns, sent_ns - block.length_ns - (block.at_ns - audio[0].at_ns))
    return most_ns


@pytest.mark.parametrize("at", [5, 25, 45])
def test_a_header_that_is_needed_is_not_left_out(session_of, at):
    """The frame with it stays where the audio behind the silence has none, wherever in the silence it is; nothing else does."""
    stream = wav.header(wav.Pcm(1000, 1), 0xFFFFFFFF) + BLOCK
    audio = [("sent", 100 * number, stream if number == at else BLOCK) for number in range(1, 51)]
    recording = recording_of(session_of, ("sent", 1, FORMAT), *audio, ("sent", 4950, {"type": "user_input", "text": "x"}), END)
    short = with_short_silences(recording, EVI, 1000 * MS)
    assert short.session.duration_ns < recording.session.duration_ns / 2
    kept = blocks(short.session, EVI, AS_RECORDED)
    assert at + 1 in {block.seq for block in kept}
    assert {block.length_ns for block in kept} == {100 * MS}


def test_audio_with_a_header_each_is_left_out_as_any(session_of):
    """Nothing of it is needed for the rest."""
    each = wav.header(wav.Pcm(1000, 1), len(BLOCK)) + BLOCK
    lengths = []
    for block in (BLOCK, each):
        audio = [("sent", 100 * number, block) for number in range(1, 51)]
        recording = recording_of(session_of, ("sent", 1, FORMAT), *audio, ("sent", 4950, {"type": "user_input", "text": "x"}), END)
        short = with_short_silences(recording, EVI, 1000 * MS)
        lengths.append([(event.seq, event.at_ns) for event in short.session.events])
    assert lengths[0] == lengths[1]
