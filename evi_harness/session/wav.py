"""RIFF/WAVE taken apart and put together, as bytes.

Rules of living here: ``split`` never loses a byte (``head + samples + tail`` is what it was given) and never raises on odd input: what
it cannot read as linear PCM is None. Headers from the wire lie about lengths (a stream's are 0 or all ones), so a length is a hint.
Formats: https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Optional, Tuple

__all__ = ["Pcm", "Wav", "header", "split"]

_PCM = 1
_EXTENSIBLE = 0xFFFE
# What a streaming writer puts where it does not know the length yet.
_UNKNOWN_LENGTHS = (0, 0x7FFFFFFF, 0xFFFFFFFF)


@dataclass(frozen=True)
class Pcm:
    """A linear PCM format: frames a second, channels, bytes a sample (little-endian, signed but for width 1)."""

    rate: int
    channels: int
    width: int = 2

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.width

    def length_ns(self, n_bytes: int) -> int:
        """How long so many bytes play, in nanoseconds, rounded down."""
        return n_bytes * 1_000_000_000 // (self.frame_bytes * self.rate)


@dataclass(frozen=True)
class Wav:
    """A WAV file in three pieces.

    Attributes:
        pcm: The format.
        head: All before the samples.
        samples: The samples: whole frames.
        tail: All behind them, padding and a broken last frame included.
    """

    pcm: Pcm
    head: bytes
    samples: bytes
    tail: bytes


def split(data: bytes) -> Optional[Wav]:
    """Take a RIFF/WAVE blob of linear PCM apart.

    Args:
        data: The whole blob.

    Returns:
        Its pieces, or None where it is no WAV of linear PCM with a ``data`` chunk. Any sample width is linear PCM.
    """
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return None
    pcm: Optional[Pcm] = None
    at = 12
    while at + 8 <= len(data):
        name = data[at : at + 4]
        (length,) = struct.unpack_from("<I", data, at + 4)
        start = at + 8
        if name == b"fmt ":
            pcm = _format(data[start : start + length])
        elif name == b"data":
            return _cut(data, start, length, pcm) if pcm is not None else None
        # Chunks are padded to even lengths.
        at = start + length + (length & 1)
    return None


def header(pcm: Pcm, n_bytes: int) -> bytes:
    """The 44 bytes that stand before so many bytes of samples in a WAV file.

    Args:
        pcm: The format.
        n_bytes: Length of the samples; capped at what the 32-bit fields hold.
    """
    n_bytes = min(n_bytes, 0xFFFFFFFF - 36)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + n_bytes,
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        pcm.channels,
        pcm.rate,
        pcm.rate * pcm.frame_bytes,
        pcm.frame_bytes,
        pcm.width * 8,
        b"data",
        n_bytes,
    )


def _format(chunk: bytes) -> Optional[Pcm]:
    if len(chunk) < 16:
        return None
    tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    if tag != _PCM or bits not in (8, 16, 24, 32) or not rate or block != channels * bits // 8 or not block:
        return None
    return Pcm(rate=rate, channels=channels, width=bits // 8)


def _cut(data: bytes, start: int, length: int, pcm: Pcm) -> Wav:
    there = len(data) - start
    if length in _UNKNOWN_LENGTHS or length > there:
        length = there
    length -= length % pcm.frame_bytes
    head, samples, tail = _pieces(data, start, start + length)
    return Wav(pcm=pcm, head=head, samples=samples, tail=tail)


def _pieces(data: bytes, start: int, stop: int) -> Tuple[bytes, bytes, bytes]:
    return data[:start], data[start:stop], data[stop:]
