from __future__ import annotations

import base64
import json
import os
import struct
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.audio import sources
from evi_harness.audio.sources import FileSource, PcmSource, SilenceSource, UserSound, UserTrack
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
    with pytest.raises(UsageError, match=f"{name} .*no audio: .*{form}, 8000 Hz, 2 channels, and 0 s long"):
        FileSource(tmp_path / name, mono=mono)


def test_one_sample_is_audio(tmp_path):
    """However much shorter than a block of the microphone's."""
    soundfile.write(str(tmp_path / "one.wav"), np.ones(1, "int16"), 8000)
    assert FileSource(tmp_path / "one.wav").read(10) == b"\1\0"


# Lengths that a header may give of samples of 5000 bytes, and what it then says of the whole.
UNTRUE = {"zero": (0, 0), "zero, of a whole that is known": (0, None), "all ones": (0xFFFFFFFF, 0xFFFFFFFF), "beyond the end": (5001, None)}


@pytest.mark.parametrize("mono", [False, True])
@pytest.mark.parametrize(("stated", "of_the_whole"), UNTRUE.values(), ids=UNTRUE)
@pytest.mark.parametrize(
    "options",
    [{}, {"format": "WAVEX"}, {"subtype": "FLOAT"}, {"subtype": "ULAW"}, {"subtype": "PCM_24"}],
    ids=lambda options: str([*options.values()]),
)
@pytest.mark.parametrize("before", [b"", b"LIST\x0e\0\0\0INFOISFT\2\0\0\0a\0", b"junk\3\0\0\0abc\0"], ids=["", "LIST", "junk"])
def test_a_file_is_as_long_as_its_samples(tmp_path, stated, of_the_whole, options, before, mono):
    """A header that could not know its length, as a recorder leaves it that was killed, or says too much: the file is played to its end."""
    soundfile.write(str(tmp_path / "a.wav"), tone(2500, 1), 8000, **options)
    plain = (tmp_path / "a.wav").read_bytes()
    start = plain.index(b"fmt ")
    blob = plain[:start] + before + plain[start:]
    at, stated = blob.index(b"data") + 4, stated and stated + len(blob)
    length = len(blob) - 8 if of_the_whole is None else of_the_whole
    changed = blob[:4] + struct.pack("<I", length) + blob[8:at] + struct.pack("<I", min(stated, 0xFFFFFFFF)) + blob[at + 4 :]
    (tmp_path / "b.wav").write_bytes(changed)
    source = FileSource(tmp_path / "b.wav", mono=mono)
    assert source.pcm == Pcm(8000, 1)
    assert all_of(source) == all_of(FileSource(tmp_path / "a.wav"))
    assert source.read(1) == b""
    source.close()


def test_a_recording_that_ends_within_a_frame_is_played_to_the_last_whole_one(tmp_path):
    """A recorder may be killed anywhere."""
    samples = tone(100, 2).tobytes()
    for cut in range(5):
        (tmp_path / "cut.wav").write_bytes(wav.header(Pcm(8000, 2), 0) + samples[: len(samples) - cut])
        assert all_of(FileSource(tmp_path / "cut.wav")) == samples[: len(samples) - cut - -cut % 4]


@pytest.mark.parametrize("behind", [b"", b"LIST\4\0\0\0INFO"], ids=["nothing", "a chunk"])
def test_an_empty_file_is_not_taken_for_one_that_was_cut(tmp_path, behind):
    """Its length of 0 is true."""
    (tmp_path / "empty.wav").write_bytes(wav.header(Pcm(8000, 1), 0) + behind)
    with pytest.raises(UsageError, match="holds no audio"):
        FileSource(tmp_path / "empty.wav")


def test_errors_of_such_a_file_name_it(tmp_path):
    """Whatever it was read through."""
    (tmp_path / "odd.wav").write_bytes(wav.header(Pcm(8000, 1), 0).replace(b"fmt \x10\0\0\0\1", b"fmt \x10\0\0\0\x77") + bytes(20))
    with pytest.raises(UsageError, match=r"odd\.wav' ?: |odd\.wav'") as raised:
        FileSource(tmp_path / "odd.wav")
    assert "object at" not in str(raised.value)


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


def test_a_pipe_is_no_file(tmp_path):
    """It is refused, and nobody waits for what may never be written to it."""
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(UsageError, match="this is a pipe"):
        FileSource(tmp_path / "pipe.wav")


def test_a_compressed_file_of_hours_is_refused(tmp_path, monkeypatch):
    """Before it is read: a few bytes may be days of silence. What is to be done is said; a shorter one plays."""
    soundfile.write(str(tmp_path / "long.ogg"), np.zeros(16_000), 8000, format="OGG", subtype="VORBIS")
    assert len(all_of(FileSource(tmp_path / "long.ogg"))) == 32_000
    monkeypatch.setattr(sources, "_MOST_SAMPLES", 15_999)
    with pytest.raises(UsageError, match="0 minutes long") as raised:
        FileSource(tmp_path / "long.ogg")
    assert "FLAC" in raised.value.hint


def test_what_comes_in_pieces_is_whole(tmp_path, monkeypatch):
    """A file that is read at once is converted piece by piece, and nobody hears where."""
    samples = np.sin(np.arange(1000) / 7).reshape(500, 2) * 1.2
    soundfile.write(str(tmp_path / "x.wav"), samples, 8000, subtype="FLOAT")
    whole = [all_of(FileSource(tmp_path / "x.wav", mono=mono)) for mono in (False, True)]
    monkeypatch.setattr(sources, "_PIECE_FRAMES", 7)
    assert [all_of(FileSource(tmp_path / "x.wav", mono=mono)) for mono in (False, True)] == whole


@pytest.mark.parametrize("rate", [1, 399, 768_001])
def test_a_rate_that_no_sound_has(tmp_path, rate):
    """Is refused: a second of it would be hours of another."""
    (tmp_path / "x.wav").write_bytes(wav.header(wav.Pcm(rate, 1), 200) + bytes(200))
    with pytest.raises(UsageError, match=f"{rate} Hz, .* channels 1"):
        FileSource(tmp_path / "x.wav")


def test_samples_that_are_no_numbers_are_silence(tmp_path):
    """And infinite ones are as loud as can be."""
    soundfile.write(str(tmp_path / "x.wav"), np.array([np.nan, np.inf, -np.inf, 0.5]), 8000, subtype="FLOAT")
    assert np.frombuffer(all_of(FileSource(tmp_path / "x.wav")), "<i2").tolist() == [0, 32767, -32768, 16384]


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


def in_files(pieces, put=bytes):
    """Rows of audio, every piece a WAV file: (when, format, samples)."""
    return [("sent", at_ms, put(wav.header(pcm, len(samples)) + samples)) for at_ms, pcm, samples in pieces]


def in_message(blob):
    """The same audio in a message."""
    return {"type": "audio_input", "data": base64.b64encode(blob).decode()}


@pytest.mark.parametrize("put", [bytes, in_message])
@pytest.mark.parametrize("has_settings", [True, False])
def test_a_header_on_each_piece_is_no_sound(session_of, put, has_settings):
    """The samples come out as without it, and pieces do not drift by what the headers take."""
    pieces = [(100 + 20 * number, NARROW, frames(320 * number, 320)) for number in range(500)]
    session = session_of([*([("sent", 0, SETTINGS)] if has_settings else []), *in_files(pieces, put)])
    source = UserTrack(session, EVI)
    assert (source.pcm, source.block_frames, source.ahead_ns, source.began_at_ns) == (NARROW, 320, 0, 80 * MS)
    assert source.has_headers
    assert all_of(source, 777) == frames(0, 320 * 500)


def test_a_header_only_where_the_stream_begins(session_of):
    """The samples behind it are in its format, also where a message had told another."""
    rows = [("sent", 100, wav.header(Pcm(8000, 2), 0xFFFFFFFF) + frames(0, 320)), ("sent", 120, frames(320, 320))]
    assert track(session_of, rows) == (frames(0, 640), Pcm(8000, 2))


def test_sound_of_changing_formats_lies_where_it_was_said(session_of):
    """Each piece in its own; silence stands where nothing was sent, and an empty piece is none."""
    wide = Pcm(48000, 2)
    pieces = [
        (20, NARROW, frames(0, 320)),
        (40, wide, frames(0, 1920)),
        (40, Pcm(8000, 1), b""),
        (60, Pcm(8000, 1, 1), b"abcd" * 40),
        (2080, NARROW, frames(0, 320)),
    ]
    sound = UserSound(session_of(in_files(pieces)), EVI)
    assert (sound.began_at_ns, sound.seqs) == (0, {1, 2, 3, 4, 5})
    assert list(sound.stretches()) == [
        (frames(0, 320), NARROW),
        (frames(0, 1920), wide),
        (b"abcd" * 40, Pcm(8000, 1, 1)),
        (bytes(32000), NARROW),
        (bytes(32000), NARROW),
        (frames(0, 320), NARROW),
    ]


@given(
    st.lists(st.tuples(st.sampled_from([8000, 16000, 22050, 44100, 48000]), st.integers(1, 2), st.integers(1, 40)), min_size=1, max_size=40)
)
@settings(max_examples=50)
def test_formats_leave_no_hole_and_no_overlap(session_of, pieces):
    """Pieces sent as they were heard follow one another, whatever their formats and lengths."""
    rows, at_ms = [], 0
    for rate, n_channels, length_ms in pieces:
        at_ms += length_ms
        pcm = Pcm(rate, n_channels)
        rows.append((at_ms, pcm, frames(0, rate * length_ms // 1000 * n_channels)))
    found = list(UserSound(session_of(in_files(rows)), EVI).stretches())
    assert found == [(samples, pcm) for _, pcm, samples in rows]


@pytest.mark.parametrize(
    "odd",
    [b"OggS" + bytes(40), wav.header(NARROW, 8).replace(b"fmt \x10\0\0\0\1", b"fmt \x10\0\0\0\3") + bytes(8)],
    ids=["a container", "floats"],
)
def test_sound_that_cannot_be_told_is_refused(session_of, odd):
    """With the event from which on nothing is known."""
    rows = [("sent", 0, SETTINGS), ("sent", 20, bytes(640)), ("sent", 40, odd)]
    with pytest.raises(SessionUnreadable, match=r"not linear PCM .*event 3"):
        UserSound(session_of(rows), EVI)


def test_what_is_no_base64_is_no_sound(session_of):
    """As an app may send it by mistake."""
    with pytest.raises(SessionUnreadable, match="at event 2"):
        UserSound(session_of([("sent", 0, SETTINGS), ("sent", 20, {"type": "audio_input", "data": "?"})]), EVI)


NARROWER = {**SETTINGS, "audio": {**SETTINGS["audio"], "sample_rate": 8000}}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("sent", 0, b"\x1aE\xdf\xa3" * 10)], "is not 16-bit PCM at event 2"),
        ([("sent", 0, wav.header(Pcm(16000, 1, 4), 8) + bytes(8))], "is not 16-bit PCM at event 2"),
        ([("sent", 0, bytes(320)), ("sent", 5, NARROWER), ("sent", 10, bytes(320))], "changes its format at event 4"),
        ([("sent", 0, bytes(320)), *in_files([(10, Pcm(8000, 1), bytes(160))])], "changes its format at event 3"),
        (in_files([(0, NARROW, bytes(320)), (10, Pcm(16000, 2), bytes(320))]), "changes its format at event 3"),
        (in_files([(0, NARROW, bytes(320)), (10, Pcm(16000, 1, 3), bytes(480))]), "is not 16-bit PCM at event 3"),
    ],
)
def test_what_no_microphone_plays_is_told(session_of, rows, words):
    """With the event, before anything is played."""
    with pytest.raises(SessionUnreadable, match=words):
        track(session_of, rows)


@pytest.mark.slow
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
