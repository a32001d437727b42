"""Sample formats of sound streams, and their conversion to and from 16 bits, in which software sound keeps everything.

Rules of living here: what was 16 bits before comes back as the same 16 bits; no numpy, which an app that opens raw streams may not have.
"""

from __future__ import annotations

import sys
from array import array
from typing import Mapping, Optional, Sequence, Union

__all__ = ["SAMPLE_BYTES", "from_16_bits", "sample_format", "to_16_bits"]

# The formats of PortAudio, by sounddevice's names, with the bytes of a sample.
SAMPLE_BYTES: Mapping[str, int] = {"float32": 4, "int32": 4, "int24": 3, "int16": 2, "int8": 1, "uint8": 1}
_FULL = 32768
_MOST = 32767

Buffer = Union[bytes, bytearray, memoryview]


def sample_format(dtype: object) -> Optional[str]:
    """The name of a format, however an app gives it: by name, or as a type of numpy's.

    Args:
        dtype: What a stream was opened with.

    Returns:
        The name, None where there is no such format.
    """
    numpy = sys.modules.get("numpy")
    name = dtype
    if numpy is not None:
        try:
            name = numpy.dtype(dtype).name
        except (TypeError, ValueError):
            # Such as int24, which numpy does not have.
            name = dtype
    return name if isinstance(name, str) and name in SAMPLE_BYTES else None


def from_16_bits(samples: bytes, name: str) -> bytes:
    """Samples of 16 bits in another format.

    Args:
        samples: Whole samples, little-endian.
        name: The format.
    """
    if name == "int16":
        return samples
    if name == "float32":
        return array("f", [value / _FULL for value in array("h", samples)]).tobytes()
    width = SAMPLE_BYTES[name]
    converted = bytearray(len(samples) // 2 * width)
    if width > 1:
        converted[width - 2 :: width], converted[width - 1 :: width] = samples[0::2], samples[1::2]
        return bytes(converted)
    upper = samples[1::2]
    return upper if name == "int8" else upper.translate(_FLIPPED)


def to_16_bits(samples: Buffer, name: str) -> bytes:
    """Samples of a format in 16 bits; of a float beyond full scale the nearest there is.

    A float says nothing of what it was scaled by: apps divide by 32768 or by 32767. Of the two, the one is taken by which the samples come
    nearer to whole numbers, so that what was received as 16 bits is heard as it was received.

    Args:
        samples: Whole samples, little-endian.
        name: The format.
    """
    raw = bytes(samples)
    if name == "int16":
        return raw
    if name == "float32":
        return _rounded(array("f", raw))
    width = SAMPLE_BYTES[name]
    converted = bytearray(len(raw) // width * 2)
    if width > 1:
        converted[0::2], converted[1::2] = raw[width - 2 :: width], raw[width - 1 :: width]
    else:
        converted[1::2] = raw if name == "int8" else raw.translate(_FLIPPED)
    return bytes(converted)


# Unsigned samples are signed ones with the first bit turned over.
_FLIPPED = bytes(value ^ 0x80 for value in range(256))


def _rounded(values: Sequence[float]) -> bytes:
    finite = [value if -1.0 <= value <= 1.0 else (1.0 if value > 0 else -1.0 if value < 0 else 0.0) for value in values]
    scale = min((_FULL, _MOST), key=lambda one: _distance(finite, one))
    return array("h", [min(round(value * scale), _MOST) for value in finite]).tobytes()


def _distance(values: Sequence[float], scale: int) -> float:
    """How far samples are from whole numbers, at a scale."""
    return max((abs(value * scale - round(value * scale)) for value in values), default=0.0)
