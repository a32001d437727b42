from __future__ import annotations

import pytest

from evi_harness.carriers.thin_frames import ThinFrame
from evi_harness.errors import AudioMissing
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.session.protocols import SENT
from evi_harness.session.wav import Pcm, header

SETTINGS = Frame(TEXT, b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":16000,"channels":1}}')


@pytest.mark.parametrize(
    "frames",
    [
        [SETTINGS, *[Frame(BINARY, b"\1\0" * 320)] * 3],
        [SETTINGS, Frame(BINARY, b"R" * 640), Frame(BINARY, b"RIFF" * 160)],
        [Frame(BINARY, header(Pcm(48_000, 1), 9600) + b"\1\0" * 4800), Frame(BINARY, b"\2\0" * 480)],
        [Frame(BINARY, header(Pcm(48_000, 1), 0)), Frame(BINARY, b"\2\0" * 480)],
        [Frame(BINARY, b"OggS" + bytes(1000)), Frame(BINARY, bytes(100))],
        [Frame(BINARY, b""), Frame(BINARY, bytes(100))],
    ],
)
def test_how_long_audio_plays_is_known_without_it(frames):
    """Whatever it begins with: the same as with all of it."""
    whole, thin = EVI.reader(), EVI.reader()
    thinned = [frame if frame.is_text else ThinFrame(frame) for frame in frames]
    found = [(thin.read(SENT, frame), whole.read(SENT, other)) for frame, other in zip(thinned, frames)]
    assert [one and one.length_ns for one, _ in found] == [other and other.length_ns for _, other in found]
    assert [frame.size for frame in thinned] == [frame.size for frame in frames]


def test_whether_audio_is_the_same_is_known_without_it():
    """And whether it is silence."""
    one, other, silence = Frame(BINARY, b"\1\0" * 320), Frame(BINARY, b"\2\0" * 320), Frame(BINARY, bytes(640))
    assert ThinFrame(one).fingerprint == one.fingerprint != ThinFrame(other).fingerprint
    assert [ThinFrame(frame).is_blank for frame in (one, silence)] == [one.is_blank, silence.is_blank] == [False, True]


def test_what_is_not_kept_is_not_made_up():
    """Its payload is missing, as audio is that a folder does not hold."""
    with pytest.raises(AudioMissing):
        _ = ThinFrame(Frame(BINARY, b"x")).payload
