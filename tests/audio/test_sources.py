from __future__ import annotations

import base64
import json
import struct
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.audio.sources import FileSource, PcmSource, SilenceSource, UserTrack
from evi_harness.errors import SessionUnreadable, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.session import wav
from evi_harness.session.wav import Pcm

MS = 1_000_000
NARROW = Pcm(16000, 1)


def all_of(source, n_frames=999):
    """All samples of a source, read in blocks; every block but the last is whole."""
    parts = []
    while True:
        part = source.read(n_frames)
        if not part:
            return b"".join(parts)
        assert not parts or len(parts[-1]) == n_frames * source.pcm.frame_bytes
        parts.append(part)


def test_samples_from_memory():
    """They come out as they are, a broken last frame left out; nothing behind the end."""
    stereo = Pcm(48000, 2)
    source = PcmSource(bytes(range(1, 23)), stereo)
    assert source.pcm == stereo
    assert [source.read(3), source.read(3), source.read(3), source.read(3)] == [bytes(range(1, 13)), bytes(range(13, 21)), b"", b""]


@pytest.mark.parametrize("width", [1, 3, 4])
def test_samples_of_another_width_are_refused(width):
    """A microphone of the SDK has 16 bits."""
    with pytest.raises(UsageError, match=f"{width * 8} bits"):
        PcmSource(b"", Pcm(48000, 1, width))


def test_silence_never_ends():
    """As much as is asked for, in the format asked for."""
    source = SilenceSource(Pcm(8000, 2))
    assert [source.read(3), source.read(1)] == [bytes(12), bytes(4)]
    assert SilenceSource().pcm == Pcm(48000, 1)


def tone(n_frames, n_channels):
    """A loud sound, another one in each channel."""
    at = np.arange(n_frames)[:, None] * (1 + np.arange(n_channels))
    return np.rint(30000 * np.sin(at / 20)).astype("<i2")


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize(
    ("name", "options", "rate"),
    [
        ("a.wav", {}, 16000),
        ("a.wav", {"subtype": "PCM_24"}, 44100),
        ("a.wav", {"subtype": "PCM_32"}, 48000),
        ("a.wav", {"subtype": "FLOAT"}, 16000),
        ("a.wav", {"subtype": "DOUBLE"}, 8000),
        ("a.wav", {"format": "WAVEX"}, 48000),
        ("a.flac", {}, 22050),
        ("a.flac", {"subtype": "PCM_24"}, 96000),
        ("a.w64", {}, 16000),
        ("a.aiff", {}, 16000),
    ],
)
def test_lossless_files_come_out_as_their_samples(tmp_path, name, options, rate, n_channels):
    """Rate and channels are the file's; 16-bit samples are not one bit off, whatever the file stores them as."""
    samples = tone(2500, n_channels)
    stored = samples / 32768 if options.get("subtype") in ("FLOAT", "DOUBLE") else samples
    soundfile.write(str(tmp_path / name), stored, rate, **options)
    source = FileSource(tmp_path / name)
    assert source.pcm == Pcm(rate, n_channels)
    assert all_of(source) == samples.tobytes()
    assert source.read(1) == b""


@pytest.mark.parametrize(
    ("name", "options", "rate"),
    [
        ("a.ogg", {"subtype": "VORBIS"}, 44100),
        ("a.ogg", {"subtype": "OPUS"}, 48000),
        ("a.mp3", {"format": "MP3"}, 48000),
        ("a.wav", {"subtype": "IMA_ADPCM"}, 16000),
        ("a.wav", {"subtype": "GSM610"}, 8000),
        ("a.wav", {"subtype": "ULAW"}, 8000),
        ("a.wav", {"subtype": "PCM_U8"}, 16000),
    ],
)
def test_lossy_files_sound_as_they_did(tmp_path, name, options, rate):
    """What comes out is the sound that went in, as loud."""
    samples = tone(rate, 1)
    soundfile.write(str(tmp_path / name), samples, rate, **options)
    played = np.frombuffer(all_of(FileSource(tmp_path / name)), "<i2").astype(float)
    # An encoder's delay moves the sound; each tenth of a steady one is as loud wherever it is cut.
    for cut in (slice(start, start + rate // 10) for start in range(rate // 10, rate * 8 // 10, rate // 10)):
        assert np.sqrt(np.mean(played[cut] ** 2)) == pytest.approx(np.sqrt(np.mean(samples[cut].astype(float) ** 2)), rel=0.05)


def test_what_is_too_loud_is_clipped(tmp_path):
    """A float file may hold more than 16 bits can; it does not wrap around."""
    soundfile.write(str(tmp_path / "loud.wav"), np.array([1.5, -1.5, 1.0, -1.0, 0.0]), 8000, subtype="FLOAT")
    assert struct.unpack("<5h", all_of(FileSource(tmp_path / "loud.wav"))) == (32767, -32768, 32767, -32768, 0)


def test_mixed_to_one_channel(tmp_path):
    """The channels' mean; loud ones do not overflow, and one channel stays what it is."""
    soundfile.write(str(tmp_path / "two.wav"), np.array([[100, 300], [32767, 32767], [-32768, -32768], [5, -5]], "int16"), 8000)
    soundfile.write(str(tmp_path / "one.wav"), np.array([1, -2, 3], "int16"), 8000)
    mixed = FileSource(tmp_path / "two.wav", mono=True)
    assert mixed.pcm == Pcm(8000, 1)
    assert struct.unpack("<4h", all_of(mixed)) == (200, 32767, -32768, 0)
    assert struct.unpack("<3h", all_of(FileSource(tmp_path / "one.wav", mono=True))) == (1, -2, 3)


@pytest.mark.parametrize(("name", "form"), [("empty.wav", "WAV"), ("empty.ogg", "OGG")])
@pytest.mark.parametrize("mono", [False, True])
def test_a_file_without_a_sample_is_told(tmp_path, name, form, mono):
    """It is audio, but there is nothing to play: with its name and what is in it."""
    soundfile.write(str(tmp_path / name), np.zeros((0, 2), "int16"), 8000)
    with pytest.raises(UsageError, match=f"{name} holds no audio: it is {form}, 8000 Hz, 2 channels, and 0 s long"):
        FileSource(tmp_path / name, mono=mono)


def test_one_sample_is_audio(tmp_path):
    """However much shorter than a block of the microphone's."""
    soundfile.write(str(tmp_path / "one.wav"), np.ones(1, "int16"), 8000)
    assert FileSource(tmp_path / "one.wav").read(10) == b"\1\0"


@pytest.mark.parametrize("name", ["a.wav", "a.ogg"])
def test_a_file_can_be_closed_early(tmp_path, name):
    """Nothing comes behind that."""
    soundfile.write(str(tmp_path / name), tone(100, 1), 8000)
    source = FileSource(tmp_path / name)
    source.close()
    assert source.read(10) == b""


@pytest.mark.parametrize(("name", "content"), [("gone.wav", None), ("text.wav", b"no audio"), ("empty.flac", b""), ("a.raw", b"\0\0")])
def test_what_is_no_audio_is_told(tmp_path, name, content):
    """With the file's name and what to give instead."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=f"(?s){name}.*FLAC"):
        FileSource(tmp_path / name)


def test_a_human_voice(shared_data):
    """A real recording comes out as the standard library reads it."""
    path = shared_data / "speech" / "jfk.wav"
    assert all_of(FileSource(path)) == wav.split(path.read_bytes()).samples


SETTINGS: Any = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 16000, "channels": 1}}


def frames(begin, n_frames):
    """Samples of which no two are alike, and none silent."""
    return b"".join((number % 65535 + 1).to_bytes(2, "little") for number in range(begin, begin + n_frames))


def track(session_of, rows, settings_message=SETTINGS):
    """All that a user track plays, and its format."""
    source = UserTrack(session_of([("sent", 0, settings_message), *rows]), EVI)
    return all_of(source, 777), source.pcm


def test_a_contiguous_track_comes_out_as_it_was_sent(session_of):
    """Frames of 100 ms every 100 ms, from the first of them on."""
    rows = [("sent", 500 + 100 * number, frames(number * 1600, 1600)) for number in range(5)]
    assert track(session_of, rows) == (frames(0, 8000), NARROW)


def test_silence_stands_where_nothing_was_sent(session_of):
    """What the SDK dropped while the assistant played is silence, exactly as long."""
    rows = [("sent", at_ms, frames(at_ms * 16, 1600)) for at_ms in (100, 200, 300, 2350, 2450)]
    heard, _ = track(session_of, rows)
    assert heard == frames(1600, 4800) + bytes(2 * 16 * (2350 - 400)) + frames(2350 * 16, 3200)


@given(delays=st.lists(st.integers(0, 40), min_size=1, max_size=30))
@settings(max_examples=50)
def test_jitter_makes_no_holes(session_of, delays):
    """Frames that were sent a little late, each by its own time, are contiguous."""
    times = []
    for number, delay in enumerate(delays):
        times.append(max(100 * number + delay, times[-1] if times else 0))
    rows = [("sent", at_ms, frames(number * 1600, 1600)) for number, at_ms in enumerate(times)]
    assert track(session_of, rows)[0] == frames(0, 1600 * len(delays))


def test_what_a_busy_loop_sent_late_stands_where_it_was_heard(session_of):
    """After a stall the frames come in a burst; they belong to the time of the stall, not behind it."""
    times = [0, 100, 200, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1100, 1200]
    rows = [("sent", at_ms, frames(number * 1600, 1600)) for number, at_ms in enumerate(times)]
    assert track(session_of, rows)[0] == frames(0, 1600 * len(times))


def test_a_client_that_sends_a_file_at_once(session_of):
    """What was sent faster than time passes is contiguous too."""
    rows = [("sent", 7, frames(number * 1600, 1600)) for number in range(20)]
    assert track(session_of, rows)[0] == frames(0, 32000)


def test_audio_in_messages(session_of):
    """Base64 in JSON, as it may stand there: escaped, url-safe, without padding; a WAV with its header is its samples."""
    piece = b"\xff\xff\xfe\xfb" * 801
    plain, safe = base64.b64encode(piece).decode(), base64.urlsafe_b64encode(piece).decode().rstrip("=")
    rows = [
        ("sent", 0, {"type": "audio_input", "data": plain}),
        ("sent", 100, {"type": "audio_input", "data": safe}),
        ("sent", 200, json.dumps({"type": "audio_input", "data": plain}).replace("/", "\\/")),
    ]
    assert track(session_of, rows) == (piece * 3, NARROW)
    whole = wav.header(Pcm(8000, 2), 400) + frames(0, 200)
    rows = [("sent", 0, {"type": "audio_input", "data": base64.b64encode(whole).decode()})]
    assert track(session_of, rows) == (frames(0, 200), Pcm(8000, 2))


def test_no_audio_is_no_error(session_of):
    """A session in which only text was sent plays nothing, in the usual format."""
    assert track(session_of, [("sent", 10, {"type": "user_input", "text": "Hi."})]) == (b"", Pcm(48000, 1))


NARROWER = {**SETTINGS, "audio": {**SETTINGS["audio"], "sample_rate": 8000}}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("sent", 0, b"\x1aE\xdf\xa3" * 10)], "is no 16-bit PCM at event 2"),
        ([("sent", 0, wav.header(Pcm(16000, 1, 4), 8) + bytes(8))], "is no 16-bit PCM at event 2"),
        ([("sent", 0, bytes(320)), ("sent", 5, NARROWER), ("sent", 10, bytes(320))], "changes its format at event 4"),
    ],
)
def test_what_no_microphone_plays_is_told(session_of, rows, words):
    """With the event, before anything is played."""
    with pytest.raises(SessionUnreadable, match=words):
        track(session_of, rows)


def test_hours_of_silence_are_not_held(session_of):
    """A gap of three hours is given piece by piece."""
    source = UserTrack(session_of([("sent", 0, SETTINGS), ("sent", 0, bytes(320)), ("sent", 10_800_000, b"\1\0" * 160)]), EVI)
    n_frames = 0
    while not any(part := source.read(16000)):
        assert len(part) == 32000
        n_frames += 16000
    assert n_frames == 10_800 * 16000


@pytest.mark.parametrize(
    ("rows", "began_ms", "block_frames", "ahead_ms"),
    [
        ([("sent", 135, bytes(3200)), ("sent", 235, bytes(3200))], 35, 1600, 0),
        ([("sent", 20, bytes(640)), ("sent", 40, bytes(640)), ("sent", 60, bytes(320)), ("sent", 3050, bytes(320))], 0, 320, 0),
        ([("sent", 50, bytes(3200))], 0, 1600, 0),
        ([("sent", 100, bytes(3200))] * 5, 0, 1600, 400),
    ],
    ids=["steady", "two sizes alike, one after a gap", "longer than the session was", "all at once"],
)
def test_what_a_track_says_of_its_microphone(session_of, rows, began_ms, block_frames, ahead_ms):
    """When it began to hear, its usual block, and how far what was sent ran ahead of the clock; the events that hold the audio."""
    source = UserTrack(session_of([("sent", 0, SETTINGS), *rows]), EVI)
    assert (source.began_at_ns, source.block_frames, source.ahead_ns) == (began_ms * 10**6, block_frames, ahead_ms * 10**6)
    assert source.seqs == set(range(2, 2 + len(rows)))


def test_a_track_with_no_audio_says_nothing_of_a_microphone(session_of):
    """There was none."""
    source = UserTrack(session_of([("sent", 0, SETTINGS)]), EVI)
    assert (source.began_at_ns, source.block_frames, source.ahead_ns, source.seqs) == (None, None, 0, frozenset())
