"""Convert linear PCM between formats: rate, channels and width.

Rules of living here: each frame of output belongs to the instant that its index gives, so nothing is shifted; a stream holds back a few
milliseconds until it knows what follows them, and ``finish`` gives them out. Output is 16-bit. Several channels become one by their mean.
numpy and soxr are imported when they are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from evi_harness.errors import UsageError
from evi_harness.session.wav import Pcm

if TYPE_CHECKING:
    import numpy

__all__ = ["Resampler", "convert"]

# What the user's voice is heard through: it lags 20 ms at most where soxr's better filters lag 40, and speech loses nothing by it.
LISTENING = "LQ"
# What is played to people.
PLAYING = "HQ"


class Resampler:
    """A stream of PCM of one format, turned into 16-bit mono of one rate.

    Args:
        pcm: The format that comes in; any rate, number of channels and width from 1 to 4.
        rate: Frames a second that go out; a fraction of one where only its ratio to ``pcm.rate`` counts.
        quality: soxr's name of a quality.
    """

    def __init__(self, pcm: Pcm, rate: float, quality: str = LISTENING) -> None:
        self._pcm = pcm
        self._broken = b""
        self._stream: Optional[Any] = None
        if pcm.rate != rate:
            import soxr

            self._stream = soxr.ResampleStream(pcm.rate, rate, 1, dtype="float32", quality=quality)

    def push(self, samples: bytes) -> bytes:
        """Turn the next piece.

        Args:
            samples: Any number of bytes; a frame that is cut at the end waits for its rest.

        Returns:
            What is certain by now, possibly nothing.
        """
        data = self._broken + samples
        whole = len(data) - len(data) % self._pcm.frame_bytes
        self._broken = data[whole:]
        return self._turn(_mono(data[:whole], self._pcm), last=False)

    def finish(self) -> bytes:
        """Give out what was held back. Nothing can be pushed behind it; a cut frame is dropped."""
        return self._turn(_mono(b"", self._pcm), last=True)

    def _turn(self, frames: numpy.ndarray, *, last: bool) -> bytes:
        if self._stream is not None:
            frames = self._stream.resample_chunk(frames, last=last)
        return _bytes16(frames)


def convert(samples: bytes, pcm: Pcm, to: Pcm) -> bytes:
    """Convert a whole piece of audio.

    Args:
        samples: Whole frames; a cut one at the end is dropped.
        pcm: Their format.
        to: The format wanted: 16-bit; as many channels as ``pcm`` has, or one, or any number where ``pcm`` has one.

    Returns:
        Whole frames of ``to``; the very samples where the formats are one.

    Raises:
        UsageError: ``to`` is not 16-bit, or has a number of channels that does not follow from those of ``pcm``.
    """
    whole = samples[: len(samples) - len(samples) % pcm.frame_bytes]
    if pcm == to:
        return whole
    if to.width != 2 or (to.channels != pcm.channels and 1 not in (to.channels, pcm.channels)):
        raise UsageError(f"audio of {pcm} cannot be converted to {to}", hint="Ask for 16-bit audio with one channel.")
    import numpy
    import soxr

    frames = _channels(whole, pcm)
    if to.channels != pcm.channels:
        frames = numpy.repeat(frames.mean(axis=1, keepdims=True), to.channels, axis=1)
    if to.rate != pcm.rate and len(frames):
        frames = soxr.resample(frames, pcm.rate, to.rate, quality=PLAYING)
    return _bytes16(frames)


def _mono(samples: bytes, pcm: Pcm) -> numpy.ndarray:
    import numpy

    frames = _channels(samples, pcm)
    return frames[:, 0] if pcm.channels == 1 else frames.mean(axis=1, dtype=numpy.float32)


def _channels(samples: bytes, pcm: Pcm) -> numpy.ndarray:
    """The samples as floats from -1 to 1, a row a frame, a column a channel."""
    import numpy

    if pcm.width == 1:
        flat = (numpy.frombuffer(samples, "u1").astype(numpy.float32) - 128) / 128
    elif pcm.width == 3:
        # Three bytes become the upper three of four, so the sign comes along.
        padded = numpy.zeros((len(samples) // 3, 4), "u1")
        padded[:, 1:] = numpy.frombuffer(samples, "u1").reshape(-1, 3)
        flat = padded.view("<i4").reshape(-1).astype(numpy.float32) / 2**31
    elif pcm.width in (2, 4):
        flat = numpy.frombuffer(samples, f"<i{pcm.width}").astype(numpy.float32) / 2 ** (8 * pcm.width - 1)
    else:
        raise UsageError(f"audio with {pcm.width} bytes a sample is not a supported form of PCM", hint="Use 16-bit audio.")
    return flat.reshape(-1, pcm.channels)


def _bytes16(frames: numpy.ndarray) -> bytes:
    import numpy

    return bytes(numpy.clip(numpy.rint(frames * 32768), -32768, 32767).astype("<i2").tobytes())
