"""Tests of evi_harness.measure.samples: a value or a reason."""

from __future__ import annotations

import pytest

from evi_harness.measure.samples import Sample


@pytest.mark.parametrize(("value", "why"), [(None, ""), (0.0, "no reply came")])
def test_a_sample_has_a_value_or_a_reason(value, why):
    """Neither both nor none: what is unavailable is not 0."""
    with pytest.raises(ValueError, match="a value or"):
        Sample("response", value, "s", why=why)


def test_zero_is_a_value():
    """Where something took no time."""
    assert Sample("response", 0.0, "s").value == 0
