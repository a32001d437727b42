"""Tests of evi_harness.measure.metrics: the table, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from evi_harness.measure import reasons
from evi_harness.measure.metrics import CLIENT, CONVERSATION, EXACT, METRICS, NOT_MEASURED, SAMPLED, TABLE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "latency.md").read_text(encoding="utf-8")


def test_every_metric_has_one_row_and_one_family():
    """Ids are their own; a service has nothing to measure in virtual time, an app has."""
    assert len(METRICS) == len(TABLE)
    for row in TABLE:
        assert row.family in (CONVERSATION, CLIENT)
        assert row.in_virtual_time in ((NOT_MEASURED,) if row.family == CONVERSATION else (EXACT, SAMPLED))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.id)
def test_the_page_has_the_row_as_it_is(row):
    """Every column of it."""
    star = "\\*" if row.is_assumed else ""
    line = f"| `{row.id}`{star} | {row.family} | {row.per} | {row.begins} | {row.ends} | {row.needs} | {row.in_virtual_time} |"
    assert line in PAGE.splitlines()


@pytest.mark.parametrize("name", reasons.__all__)
def test_every_reason_is_some_metrics_and_on_the_page(name):
    """None is left over, and none is kept from the reader."""
    why = getattr(reasons, name)
    assert any(why in row.unavailable for row in TABLE)
    assert f"| {why} |" in PAGE


def test_a_part_belongs_to_the_family_of_what_it_is_a_part_of():
    """But for a tool, which has a half in each, and the interruption, which the app has to heed."""
    for row in TABLE:
        head, _, tail = row.id.partition(".")
        if tail and head in METRICS and head != "interruption":
            assert METRICS[head].family == row.family
