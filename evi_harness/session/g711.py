"""G.711, as telephony has it: µ-law and A-law samples decoded to 16 bits, and encoded (ITU-T G.711, tables 1a to 2b)."""

from __future__ import annotations

import functools
import struct
from bisect import bisect_left
from typing import List, Tuple

from evi_harness.session.wav import A_LAW, LINEAR, MU_LAW, Pcm

__all__ = ["encoded_samples", "linear_samples"]


def linear_samples(samples: bytes, pcm: Pcm) -> Tuple[bytes, Pcm]:
    """Decode samples to a linear format.

    Args:
        samples: The samples.
        pcm: Their format.

    Returns:
        The same sound in ``pcm.linear``: as it was given where that is linear already, else 16-bit samples, little-endian.
    """
    if pcm.encoding == LINEAR:
        return samples, pcm
    return b"".join(map(_table(pcm.encoding).__getitem__, samples)), pcm.linear


def encoded_samples(samples: bytes, pcm: Pcm) -> bytes:
    """Encode samples of ``pcm.linear`` in a format: each as the nearest value that the format has.

    Args:
        samples: 16-bit samples, little-endian, where the format is G.711.
        pcm: The format.
    """
    if pcm.encoding == LINEAR:
        return samples
    values, codes = _nearest(pcm.encoding)
    return bytes(codes[bisect_left(values, value)] for (value,) in struct.iter_unpack("<h", samples))


@functools.lru_cache(maxsize=2)
def _nearest(encoding: str) -> Tuple[List[int], bytes]:
    """The largest value that each code stands for, rising, and the codes."""
    decoded = sorted((struct.unpack("<h", value)[0], code) for code, value in enumerate(_table(encoding)))
    tops = [(one[0] + other[0]) // 2 for one, other in zip(decoded, decoded[1:])]
    return [*tops, 32_767], bytes(code for _, code in decoded)


@functools.lru_cache(maxsize=2)
def _table(encoding: str) -> Tuple[bytes, ...]:
    decoded = {MU_LAW: _from_mu_law, A_LAW: _from_a_law}[encoding]
    return tuple(struct.pack("<h", decoded(code)) for code in range(256))


def _from_mu_law(code: int) -> int:
    # All bits are inverted on the line. 132 is the bias that the encoder added: 33 in 14 bits.
    code = ~code & 0xFF
    size = ((((code & 0x0F) << 3) + 132) << (code >> 4 & 7)) - 132
    return -size if code & 0x80 else size


def _from_a_law(code: int) -> int:
    # Even bits are inverted on the line. The half step added puts a value in the middle of its interval.
    code ^= 0x55
    segment, size = code >> 4 & 7, ((code & 0x0F) << 4) + 8
    if segment:
        size = (size + 256) << (segment - 1)
    return size if code & 0x80 else -size
