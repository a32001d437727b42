"""A page's sound track: compressed for the browser's player, with the peaks of its waveform.

Rules of living here: sound goes through a second at a time, so a long track needs no more memory than what comes out of it; and never more
than ten seconds at once, since libsndfile crashes when a long piece of Vorbis is written in one call.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Callable, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from evi_harness.audio.mixing import Part, Voice, mono
from evi_harness.errors import EviHarnessError
from evi_harness.session.wav import Pcm

__all__ = ["FORMATS", "MIME_TYPES", "OGG", "Drawn", "PageTrack", "right_side", "track_of"]

OGG = "ogg"
FLAC = "flac"
FORMATS = (OGG, FLAC)
MIME_TYPES: Mapping[str, str] = {OGG: "audio/ogg; codecs=vorbis", FLAC: "audio/flac"}
_WRITTEN_AS: Mapping[str, Tuple[str, str]] = {OGG: ("OGG", "VORBIS"), FLAC: ("FLAC", "PCM_16")}

# Peaks are taken over so many milliseconds; each further level sums up eight bins of the one before.
_BIN_MS = 10
_LEVELS = 3
_BINS_A_LEVEL = 8
_FULL_SCALE = 32768


class Drawn(NamedTuple):
    """A waveform at one zoom.

    Attributes:
        bin_ms: How much time one byte stands for.
        peaks: The greatest absolute sample in each bin, 255 for full scale.
    """

    bin_ms: int
    peaks: bytes


@dataclass(frozen=True)
class PageTrack:
    """One track.

    Attributes:
        rate: Frames a second.
        n_frames: How many it has.
        drawn: Its waveform, the finest first.
        digest: Of its samples: two tracks that sound the same have the same.
        sound: The compressed file; None where it was only to be drawn.
    """

    rate: int
    n_frames: int
    drawn: Tuple[Drawn, ...]
    digest: str
    sound: Optional[bytes] = None

    @property
    def length_ns(self) -> int:
        """How long it is."""
        return self.n_frames * 1_000_000_000 // self.rate


def track_of(
    voices: Iterable[Voice], rate: int, lasts_ns: int, form: Optional[str] = OGG, on_second: Callable[[], object] = lambda: None
) -> PageTrack:
    """Mix some voices and make a track of them.

    Args:
        voices: What sounds, on the axis of the session.
        rate: Frames a second of the track, a multiple of 100.
        lasts_ns: How long it lasts at least.
        form: One of ``FORMATS``; None to draw it only.
        on_second: Called for each second that is done.

    Raises:
        EviHarnessError: It cannot be compressed.
    """
    file = io.BytesIO()
    peaks, digest, n_frames = bytearray(), hashlib.sha256(b"%d" % rate), 0
    out = None if form is None else _opened(file, rate, form)
    try:
        for block in mono(voices, rate, lasts_ns):
            digest.update(block)
            peaks += _peaks(block, rate * _BIN_MS // 1000)
            n_frames += len(block) // 2
            if out is not None:
                out.buffer_write(block, "int16")
            on_second()
    finally:
        if out is not None:
            out.close()
    return PageTrack(rate, n_frames, _drawn(bytes(peaks)), digest.hexdigest(), None if out is None else file.getvalue())


def _opened(file: io.BytesIO, rate: int, form: str):  # type: ignore[no-untyped-def] # soundfile has no types
    import soundfile

    kind, subtype = _WRITTEN_AS[form]
    try:
        return soundfile.SoundFile(file, "w", rate, 1, format=kind, subtype=subtype)
    except (RuntimeError, ValueError) as error:
        raise EviHarnessError(
            f"the sound of the page cannot be compressed: {error}", hint="Is libsndfile built with Vorbis and FLAC?"
        ) from None


def _peaks(block: bytes, step: int) -> bytes:
    import numpy

    samples = numpy.abs(numpy.frombuffer(block, "<i2").astype(numpy.int32))
    whole = numpy.zeros(-(-len(samples) // step) * step, numpy.int32)
    whole[: len(samples)] = samples
    greatest = whole.reshape(-1, step).max(axis=1) if len(whole) else whole
    # What is not silent is never drawn as silence.
    return bytes(numpy.minimum(255, -(-greatest * 255 // _FULL_SCALE)).astype(numpy.uint8).tobytes())


def _drawn(finest: bytes) -> Tuple[Drawn, ...]:
    levels: List[Drawn] = [Drawn(_BIN_MS, finest)]
    while len(levels) < _LEVELS:
        before = levels[-1]
        peaks = bytes(max(before.peaks[at : at + _BINS_A_LEVEL]) for at in range(0, len(before.peaks), _BINS_A_LEVEL))
        levels.append(Drawn(before.bin_ms * _BINS_A_LEVEL, peaks))
    return tuple(levels)


def right_side(pcm: Pcm, n_bytes: int, piece: Callable[[int, int], bytes]) -> Voice:
    """The right channel of stereo samples that begin at time 0: what was heard, in a session's heard.wav.

    Args:
        pcm: Their format: 16-bit stereo.
        n_bytes: How many bytes there are.
        piece: Reads bytes, by where they begin and how many they are.

    Raises:
        EviHarnessError: They are not 16-bit stereo.
    """
    if (pcm.channels, pcm.width) != (2, 2) or pcm.rate < 1:
        raise EviHarnessError(
            f"the audio that was heard is not 16-bit stereo: {pcm.rate} Hz, {pcm.channels} channels, {pcm.width * 8} bits"
        )
    n_whole = n_bytes - n_bytes % pcm.frame_bytes

    def parts() -> Iterator[Part]:
        step = pcm.rate * pcm.frame_bytes
        for at in range(0, n_whole, step):
            right = memoryview(piece(at, min(step, n_whole - at))).cast("h")[1::2].tobytes()
            yield Part(Pcm(pcm.rate, 1), Fraction(pcm.rate), right, Fraction(0) if at == 0 else None)

    return Voice(Fraction(0), Fraction(pcm.length_ns(n_whole)), parts)
