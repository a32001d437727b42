"""Samples of 16 bits in the formats of sound streams, and back."""

from __future__ import annotations

import struct
import sys
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.audio.sample_formats import SAMPLE_BYTES, from_16_bits, sample_format, to_16_bits

ALL = array("h", range(-32768, 32768)).tobytes()
SAMPLES = st.lists(st.integers(-32768, 32767), max_size=50).map(lambda values: array("h", values).tobytes())


@pytest.mark.parametrize("name", ["float32", "int32", "int24", "int16"])
def test_every_sample_comes_back(name: str) -> None:
    """Of a format that has as many bits or more."""
    there = from_16_bits(ALL, name)
    assert len(there) == 65536 * SAMPLE_BYTES[name]
    assert to_16_bits(there, name) == ALL


@pytest.mark.parametrize("scale", [32768, 32767])
@given(samples=SAMPLES)
def test_whatever_an_app_divides_by(scale: int, samples: bytes) -> None:
    """The sample that was received is the one that is heard, but for what is beyond full scale."""
    values = [max(value, -scale) for value in array("h", samples)]
    divided = array("f", [value / scale for value in values]).tobytes()
    assert to_16_bits(divided, "float32") == array("h", values).tobytes()


@pytest.mark.parametrize(
    ("name", "raw", "upper"), [("int8", b"\x00\x80\x7f", (0, -32768, 32512)), ("uint8", b"\x80\x00\xff", (0, -32768, 32512))]
)
def test_formats_of_eight_bits(name: str, raw: bytes, upper: tuple[int, ...]) -> None:
    """They are the upper ones of sixteen; unsigned, silence is in the middle."""
    assert to_16_bits(raw, name) == struct.pack("<3h", *upper)
    assert from_16_bits(struct.pack("<3h", *upper), name) == raw


def test_what_is_no_sound_does_no_harm() -> None:
    """Beyond full scale is full scale, and what is no number is silence."""
    values = array("f", [2.0, -2.0, float("inf"), float("-inf"), float("nan")]).tobytes()
    assert to_16_bits(values, "float32") == struct.pack("<5h", 32767, -32768, 32767, -32768, 0)


def test_formats_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """By numpy's types too, where the app has numpy."""
    import numpy as np

    assert [sample_format(one) for one in ("int24", np.int16, np.dtype("float32"), "<i4", "f8", object())] == [
        *("int24", "int16", "float32", "int32"),
        *(None, None),
    ]
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert [sample_format(one) for one in ("int16", "<i2", np.int16, 5)] == ["int16", None, None, None]
