from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.session.events import BINARY, TEXT, Frame, Handshake
from evi_harness.session.protocols import Mark
from evi_harness.session.wav import Pcm, header
from evi_harness.simulate.turn_detection import Spoken, TurnDetection
from evi_harness.simulate.uplink import Formats, Unheard, Uplink

MS = 1_000_000
QUERY = tuple(
    (f"session_settings[audio][{name}]", value) for name, value in (("encoding", "linear16"), ("sample_rate", "1000"), ("channels", "1"))
)


class Attentive:
    """Keeps what it was given to hear; a mark a piece, speech where anything is."""

    name = "attentive 1"

    def __init__(self):
        self.heard = []

    def hear(self, samples, pcm, start_ns):
        self.heard.append((samples, pcm, start_ns // MS))
        end_ns = start_ns + pcm.length_ns(len(samples))
        return [Mark(start_ns, end_ns, float(any(samples)))] if samples else []


def uplink(query=QUERY):
    """An uplink of 1 kHz, so that a frame is a millisecond, and its hearing."""
    hearing = Attentive()
    return Uplink(hearing, TurnDetection(), Handshake("/", query)), hearing


def counted(first, n_frames):
    """Frames that say which they are."""
    return b"".join((1 + place).to_bytes(2, "little") for place in range(first, first + n_frames))


def test_a_place_is_a_position():
    """Audio in binary frames and in messages lies on one axis; where the microphone was silent it leaps."""
    line, hearing = uplink()
    line.take(Frame(BINARY, counted(0, 20)), 0)
    message = {"type": "audio_input", "data": base64.b64encode(counted(20, 20)).decode()}
    line.take(Frame(TEXT, json.dumps(message).encode()), 20 * MS)
    line.take(Frame(BINARY, counted(40, 20)), 5000 * MS)
    line.take(Frame(BINARY, counted(60, 20)), 5020 * MS)
    assert [start for _, _, start in hearing.heard] == [0, 20, 5000, 5020]
    line.take(Frame(BINARY, counted(80, 20)), 5041 * MS)
    assert [start for _, _, start in hearing.heard] == [0, 20, 5000, 5020, 5040]
    assert line.position_ns == 5061 * MS
    assert line.reached_at_ns(30 * MS) == 20 * MS
    assert line.reached_at_ns(6000 * MS) is None


@pytest.mark.parametrize(
    ("late_ms", "n_late", "starts"),
    [
        (500, 25, [20 * place for place in range(25)]),
        (500, 30, [20 * place for place in range(30)]),
        (500, 10, [*range(320, 520, 20)]),
        (500, 1, [500]),
    ],
    ids=["all of it", "more than all", "the end of it", "nothing"],
)
@pytest.mark.parametrize("every_ms", [0, 1])
def test_a_burst_after_a_pause_is_what_was_spoken_in_it(late_ms, n_late, starts, every_ms):
    """An app that was blocked sends late what its microphone had gathered: it lies before the end of the burst, not behind the pause."""
    line, hearing = uplink()
    line.take(Frame(BINARY, counted(0, 20)), 0)
    for place in range(n_late):
        line.take(Frame(BINARY, counted(0, 20)), (late_ms + 20 - every_ms * (n_late - 1 - place)) * MS)
    while line.settles_at_ns is not None:
        line.settle()
    found = [start for _, _, start in hearing.heard][1:]
    assert found == [20 + start for start in starts]


def test_a_burst_is_over_half_a_frame_later():
    """Where nothing comes behind it, somebody has to look."""
    line, hearing = uplink()
    line.take(Frame(BINARY, counted(0, 20)), 0)
    assert line.settles_at_ns is None
    line.take(Frame(BINARY, counted(0, 20)), 500 * MS)
    line.take(Frame(BINARY, counted(0, 20)), 505 * MS)
    assert line.settles_at_ns == 515 * MS
    assert len(hearing.heard) == 1
    line.take(Frame(BINARY, counted(0, 20)), 515 * MS)
    assert line.settles_at_ns is None
    assert len(hearing.heard) == 4


def test_before_any_audio_the_position_is_zero():
    """And it is reached by nothing."""
    line, _ = uplink()
    assert line.position_ns == 0
    assert line.reached_at_ns(0) is None


@given(st.integers(200, 2000), st.integers(1, 60))
def test_the_sound_of_an_utterance_is_cut_to_the_frame(begin_ms, step):
    """From the padding before its first speech to a little behind its last, whatever the pieces."""
    line, _ = uplink()
    samples = counted(0, 3000)
    for start in range(0, 3000, step):
        line.take(Frame(BINARY, samples[2 * start : 2 * (start + step)]), start * MS)
    sound = line.sound(Spoken(begin_ms * MS, (begin_ms + 500) * MS, (begin_ms + 1300) * MS))
    assert sound.samples == samples[2 * max(0, begin_ms - 300) : 2 * (begin_ms + 600)]
    assert sound.pcm == Pcm(1000, 1)


def test_frames_cut_anywhere_are_heard_whole():
    """A sample that is cut between two frames is put together."""
    line, hearing = uplink()
    samples = counted(0, 30)
    for start, stop in ((0, 7), (7, 8), (8, 60)):
        line.take(Frame(BINARY, samples[start:stop]), start * MS // 2)
    assert b"".join(heard for heard, _, _ in hearing.heard) == samples
    assert all(len(heard) % 2 == 0 for heard, _, _ in hearing.heard)


def test_silence_is_not_kept():
    """However long the user says nothing, no more is kept than a beginning may need."""
    line, _ = uplink()
    for number in range(1000):
        line.take(Frame(BINARY, bytes(200)), number * 100 * MS)
        line.forget()
    assert len(line._kept) <= 5


def test_a_wav_header_gives_the_format():
    """At the start of the stream, and on each piece of those who send whole files."""
    pcm = Pcm(48_000, 2)
    line, hearing = uplink(query=())
    samples = bytes(range(1, 193))
    line.take(Frame(BINARY, header(pcm, 0xFFFFFFFF) + samples), 0)
    line.take(Frame(BINARY, samples), MS)
    line.take(Frame(BINARY, header(pcm, len(samples)) + samples), 2 * MS)
    assert [heard[:2] for heard in hearing.heard] == [(samples, pcm)] * 3


def test_files_of_changing_formats_are_heard_as_what_they_are():
    """Each at its place; half a sample at the end of one is not put before the next, and a header that cannot be read is no sound."""
    one, other, third = Pcm(1000, 1), Pcm(2000, 2), Pcm(4000, 1, 1)
    line, hearing = uplink()
    line.take(Frame(BINARY, counted(0, 20) + b"\7"), 0)
    line.take(Frame(BINARY, header(other, 160) + counted(20, 80)), 20 * MS)
    line.take(Frame(BINARY, header(third, 40) + b"abcd" * 10), 40 * MS)
    line.take(Frame(BINARY, b"abcd" * 10), 50 * MS)
    line.take(Frame(BINARY, header(one, 0)), 60 * MS)
    line.take(Frame(BINARY, counted(100, 10)), 60 * MS)
    assert hearing.heard == [
        (counted(0, 20), one, 0),
        (counted(20, 80), other, 20),
        (b"abcd" * 10, third, 40),
        (b"abcd" * 10, third, 50),
        (b"", one, 60),
        (counted(100, 10), one, 60),
    ]
    assert line.position_ns == 70 * MS + MS // 2
    (unheard,) = line.take(Frame(BINARY, header(one, 40).replace(b"fmt \x10\0\0\0\1", b"fmt \x10\0\0\0\3") + bytes(40)), 70 * MS)
    assert isinstance(unheard, Unheard)


@pytest.mark.parametrize("data", [counted(0, 20), b"OggS" + bytes(60), b"\x1aE\xdf\xa3" + bytes(60), b"RIFF" + bytes(60)])
def test_what_has_no_known_format_is_not_heard(data):
    """Nothing announced and no header that can be read: it says so, and the hearing is not asked."""
    line, hearing = uplink(query=())
    (unheard,) = line.take(Frame(BINARY, data), 0)
    assert isinstance(unheard, Unheard)
    assert "no format" in unheard.why
    assert hearing.heard == []


def test_settings_give_the_format():
    """As the SDK's microphone sends them first."""
    line, hearing = uplink(query=())
    settings = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 44_100, "channels": 2}}
    line.heed(Frame(TEXT, json.dumps(settings).encode()))
    line.take(Frame(BINARY, bytes(400)), 0)
    assert hearing.heard[0][1] == Pcm(44_100, 2)


def test_no_audio_is_no_audio():
    """An empty frame moves nothing."""
    line, hearing = uplink()
    assert line.take(Frame(BINARY, b""), 0) == []
    assert hearing.heard == []


def test_noise_is_not_heard():
    """What can be no sound is told with what it seems to be."""
    line, _ = uplink()
    found = [one for number in range(12) for one in line.take(Frame(BINARY, b"text" * 50), number * 100 * MS)]
    assert any(isinstance(one, Unheard) and one.why == "it is text" for one in found)


@pytest.mark.parametrize(
    ("pcm", "why"),
    [
        # The dialect takes these for no format at all.
        (Pcm(1, 1), "no format"),
        (Pcm(999_999_999, 1), "no format"),
        (Pcm(7_999, 1), r"sample rate .*\b7999 Hz .* 8000 .* 192000 Hz"),
        (Pcm(192_001, 1), r"sample rate .*\b192001 Hz .* 8000 .* 192000 Hz"),
        (Pcm(48_000, 33), r"33 channels .*\b32"),
        (Pcm(8_000, 1), None),
        (Pcm(192_000, 32), None),
    ],
)
@pytest.mark.parametrize("by", ["settings", "header"])
def test_a_format_that_nobody_has_is_not_heard(pcm, why, by):
    """However it is given; nothing of the audio is looked at, since at 1 Hz a kilobyte would be minutes of sound."""
    hearing = Attentive()
    line = Uplink(hearing, TurnDetection(), Handshake("/"), Formats())
    samples = bytes(pcm.frame_bytes * 100)
    if by == "settings":
        audio = {"encoding": "linear16", "sample_rate": pcm.rate, "channels": pcm.channels}
        line.heed(Frame(TEXT, json.dumps({"type": "session_settings", "audio": audio}).encode()))
    else:
        samples = header(pcm, len(samples)) + samples
    said = line.take(Frame(BINARY, samples), 0)
    assert [type(one) for one in said] == [Unheard] * (why is not None)
    assert all(re.search(why, one.why) for one in said)
    assert len(hearing.heard) == (why is None)


def test_no_utterance_fills_the_memory():
    """Of one that goes on and on, the latest is kept."""
    line, _ = uplink((*QUERY[:1], ("session_settings[audio][sample_rate]", "48000"), QUERY[2]))
    piece = b"\1\0" * (1 << 20)
    for place in range(12):
        line.take(Frame(BINARY, piece), place * 22_000 * MS)
        line.forget()
    assert sum(len(one.sound.samples) for one in line._kept) <= 8 * 1024 * 1024
