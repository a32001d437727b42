"""Read and write RIFF/WAVE, as bytes.

Rules of living here: ``split`` never loses a byte (``head + samples + tail`` is what it was given) and never raises on odd input: what
it cannot read as linear PCM is None. Headers from the wire lie about lengths (a stream's are 0 or all ones), so a length is a hint; what is
made of it, for blobs and files alike, is decided in ``data_chunk``.
Formats: https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Callable, Iterator, NamedTuple, Optional, Tuple

__all__ = [
    "A_LAW",
    "LINEAR",
    "MU_LAW",
    "PLAUSIBLE_CHANNELS",
    "PLAUSIBLE_RATES",
    "DataChunk",
    "Pcm",
    "Wav",
    "data_chunk",
    "header",
    "is_wave",
    "samples_in",
    "split",
]

_PCM = 1
_EXTENSIBLE = 0xFFFE
# What sound has, and then some: a frame a second would make days of a few kilobytes.
PLAUSIBLE_RATES = range(400, 768_001)
PLAUSIBLE_CHANNELS = range(1, 257)
# What a streaming writer puts where it does not know the length yet.
_UNKNOWN_LENGTHS = (0, 0x7FFFFFFF, 0xFFFFFFFF)
# Of these only RIFF is read: big-endian samples and lengths of 64 bits are rare on a wire.
_FORMS = (b"RIFF", b"RIFX", b"RF64", b"BW64")


# How samples are written. LINEAR is little-endian, signed but for a width of 1; the others are G.711's, a byte a sample.
LINEAR = "linear"
MU_LAW = "mu-law"
A_LAW = "a-law"
_SILENT = {MU_LAW: b"\xff", A_LAW: b"\xd5"}


@dataclass(frozen=True)
class Pcm:
    """A PCM format: frames per second, channels, bytes per sample, and one of ``LINEAR``, ``MU_LAW`` and ``A_LAW``."""

    rate: int
    channels: int
    width: int = 2
    encoding: str = LINEAR

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.width

    def length_ns(self, n_bytes: int) -> int:
        """How long so many bytes play, in nanoseconds, rounded down."""
        return n_bytes * 1_000_000_000 // (self.frame_bytes * self.rate)

    @property
    def linear(self) -> Pcm:
        """The linear format that its samples are decoded to: itself, or 16 bits where it is G.711."""
        return self if self.encoding == LINEAR else Pcm(self.rate, self.channels)

    def silence(self, n_bytes: int) -> bytes:
        """So many bytes of silence: zeros, but for G.711 and for linear samples of one byte, which have no sign."""
        return _SILENT.get(self.encoding, b"\x80" if self.width == 1 else b"\0") * n_bytes


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


class DataChunk(NamedTuple):
    """Where the samples of a WAV file are.

    Attributes:
        start: Offset of the first byte of samples.
        stated: How many bytes of them the header says there are.
        length: How many there are, which differs where the header could not know, or says more than is there.
    """

    start: int
    stated: int
    length: int


def is_wave(data: bytes) -> bool:
    """Whether a blob begins as a WAV file does, of linear PCM or of anything else."""
    return data[:4] in _FORMS and data[8:12] == b"WAVE"


def split(data: bytes) -> Optional[Wav]:
    """Take a RIFF/WAVE blob of linear PCM apart.

    Args:
        data: The whole blob.

    Returns:
        Its pieces, or None where it is not a WAV of linear PCM with a ``data`` chunk. Any sample width is linear PCM.
    """
    # Nearly all audio of an app has no header.
    found = samples_in(data, len(data)) if data[:4] == b"RIFF" else None
    if found is None:
        return None
    pcm, start, length = found
    return Wav(pcm, data[:start], data[start : start + length], data[start + length :])


def samples_in(head: bytes, size: int) -> Optional[Tuple[Pcm, int, int]]:
    """Find the samples of a RIFF/WAVE blob of linear PCM by its first bytes.

    Args:
        head: The blob's first bytes: all before the samples, and all behind them if there is anything.
        size: The blob's length in bytes.

    Returns:
        The format, the offset of the samples, and their length in bytes: whole frames. None as for ``split``.
    """
    chunk = data_chunk(lambda at, n_bytes: head[at : at + n_bytes], size)
    pcm = None if chunk is None else _format_before(head, chunk.start)
    if chunk is None or pcm is None:
        return None
    return pcm, chunk.start, chunk.length - chunk.length % pcm.frame_bytes


def data_chunk(read: Callable[[int, int], bytes], size: int) -> Optional[DataChunk]:
    """Find the ``data`` chunk of a RIFF/WAVE blob or file, in whatever encoding its samples are.

    Args:
        read: Gives so many bytes from an offset on, fewer at the end.
        size: The length of the whole in bytes.

    Returns:
        The chunk. A length of 0 or all ones, as a stream has it and a recorder that was killed, and one that goes beyond the end reach to
        the end. None where this is not RIFF/WAVE, or has no such chunk.
    """
    form = read(0, 12)
    if form[:4] != b"RIFF" or form[8:] != b"WAVE":
        return None
    for name, start, stated in _chunks(read):
        if name == b"data":
            # An empty file says 0 truly: what is behind its samples is other chunks.
            is_known = (stated == 0 and _are_chunks(read, start, size)) or (stated not in _UNKNOWN_LENGTHS and stated <= size - start)
            return DataChunk(start, stated, stated if is_known else max(0, size - start))
    return None


def header(pcm: Pcm, n_bytes: int) -> bytes:
    """The 44 bytes that stand before so many bytes of samples in a WAV file.

    Args:
        pcm: The format; a linear one.
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
    if tag != _PCM or bits not in (8, 16, 24, 32) or block != channels * bits // 8:
        return None
    if rate not in PLAUSIBLE_RATES or channels not in PLAUSIBLE_CHANNELS:
        return None
    return Pcm(rate=rate, channels=channels, width=bits // 8)


def _chunks(read: Callable[[int, int], bytes]) -> Iterator[Tuple[bytes, int, int]]:
    """Each chunk's name, where its contents begin, and its length as it is stated."""
    at = 12
    while True:
        head = read(at, 8)
        if len(head) < 8:
            return
        name, length = struct.unpack("<4sI", head)
        yield name, at + 8, length
        # Chunks are padded to even lengths.
        at += 8 + length + (length & 1)


def _are_chunks(read: Callable[[int, int], bytes], at: int, size: int) -> bool:
    """Whether there are chunks from a place on, and nothing but chunks to the end."""
    start = at
    while at < size:
        head = read(at, 8)
        if len(head) < 8 or not (head[:4].isascii() and head[:4].decode().isprintable()):
            return False
        (length,) = struct.unpack_from("<I", head, 4)
        at += 8 + length + (length & 1)
    # The last one may lack its padding.
    return start < size <= at <= size + 1


def _format_before(head: bytes, stop: int) -> Optional[Pcm]:
    """The format that the last format chunk before a place gives."""
    pcm = None
    for name, start, length in _chunks(lambda at, n_bytes: head[at : min(at + n_bytes, stop)]):
        if name == b"fmt ":
            pcm = _format(head[start : start + length])
    return pcm
