"""G.711, as telephony has it: µ-law and A-law samples decoded to 16 bits (ITU-T G.711, tables 1a to 2b)."""

from __future__ import annotations

import functools
import struct
from typing import Tuple

from evi_harness.session.wav import A_LAW, LINEAR, MU_LAW, Pcm

__all__ = ["linear_samples"]


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
