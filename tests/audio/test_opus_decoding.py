"""Tests of ``opus_decoding``: what is decoded piece by piece is what libsndfile decodes from the whole file."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest
import soundfile
from container_files import decoded, opus_ogg

from evi_harness.audio.opus_decoding import OpusDecoder
from evi_harness.containers.ogg_stream import OggStream
from evi_harness.errors import ContainerError

VOICE = Path(__file__).resolve().parents[2] / "fixtures" / "speech" / "user-1.flac"


@pytest.fixture(scope="module", params=[1, 2])
def file(request):
    """A voice as Ogg Opus, in one channel and in two."""
    with soundfile.SoundFile(str(VOICE)) as sound:
        samples = array("h", bytes(sound.buffer_read(dtype="int16")))
    # Faster and higher than it was spoken: libsndfile decodes a file at the rate that was encoded.
    return opus_ogg(array("h", (sample for sample in samples for _ in range(request.param))).tobytes(), 48_000, request.param)


@pytest.mark.parametrize("n_packets", [1, 3, 17, 1000])
def test_pieces_are_decoded_as_the_whole_is(file, n_packets):
    """Each sample differs by one step at most, and none is missing or too many at a seam; the last packet is not cut as the file says."""
    (run,) = OggStream().feed(file)
    decoder = OpusDecoder(run.head)
    pieces = [run.packets[at : at + n_packets] for at in range(0, len(run.packets), n_packets)]
    heard, whole = array("h", b"".join(map(decoder.decode, pieces))), array("h", decoded(file))
    assert 0 <= len(heard) - len(whole) < 2 * 960 * run.head.channels
    assert max(abs(one - other) for one, other in zip(heard, whole)) <= 1
    assert (decoder.pcm.rate, decoder.pcm.channels, decoder.pcm.width) == (48_000, run.head.channels, 2)


def test_what_cannot_be_decoded_is_an_error():
    """A header of channels that no decoder is made for."""
    file = opus_ogg(bytes(48_000))
    (run,) = OggStream().feed(file)
    with pytest.raises(ContainerError) as caught:
        OpusDecoder(run.head.__class__(9, 0, 0, b"\x01\xff\xff" + bytes(9))).decode(run.packets)
    assert "decoded" in caught.value.what
