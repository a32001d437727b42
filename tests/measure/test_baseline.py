"""Tests of evi_harness.measure.baseline."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.errors import EviHarnessError
from evi_harness.measure.baseline import Baseline, Detector, MeasuredRun, baseline_json, merged, read_baseline_json
from evi_harness.measure.metrics import METRICS
from evi_harness.measure.origin import Origin
from evi_harness.measure.samples import Sample

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "reference" / "baseline.schema.json").read_text(encoding="utf-8"))

numbers = st.one_of(st.none(), st.integers(0, 10**9))
valued = st.builds(Sample, st.sampled_from(sorted(METRICS)), st.floats(allow_nan=False, allow_infinity=False), st.text(), numbers, numbers)
unavailable = st.builds(Sample, st.sampled_from(sorted(METRICS)), st.none(), st.text(), numbers, numbers, st.text(min_size=1))
axes = st.dictionaries(st.sampled_from(["--speed", "--from"]), st.text()).map(lambda told: tuple(sorted(told.items())))
origins = st.builds(Origin, st.text(), st.none() | st.text(), st.sampled_from(["virtual", "real", ""]), axes)
detectors = st.none() | st.builds(Detector, st.text(min_size=1), st.none() | st.text(), st.none() | st.floats(0, 1))


@st.composite
def runs(draw):
    """Runs, with samples metric by metric, as they are measured."""
    samples = sorted(draw(st.lists(valued | unavailable, max_size=8)), key=lambda sample: sample.metric)
    there = sorted({sample.metric for sample in samples})
    exact = draw(st.sets(st.sampled_from(there))) if there else set()
    return MeasuredRun(tuple(samples), frozenset(exact), draw(detectors), tuple(draw(st.lists(origins, unique_by=lambda one: one.session))))


@given(st.lists(runs(), min_size=1, max_size=3))
def test_what_is_written_is_read(some):
    """Through JSON text, whole; the text keeps to the published schema."""
    baseline = Baseline(tuple(some), "2026-11-22T10:00:00Z", "0.1.0")
    value = json.loads(json.dumps(baseline_json(baseline)))
    jsonschema.validate(value, SCHEMA)
    assert read_baseline_json(value, "b.json") == baseline


GOOD = baseline_json(Baseline((MeasuredRun((Sample("handle", 1.0, "s", 1, 2), Sample("handle", None, "s", 2, 3, "gone"))),)))
SAMPLES = ("runs", 0, "metrics", "handle", "samples")


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("format",), "other", "not a baseline"),
        (("format",), None, "format is missing"),
        (("version",), 2, "version 2, "),
        (("version",), True, ": version is"),
        (("runs",), [], "no runs"),
        (("runs",), {}, ": runs is"),
        (("runs", 0), 3, "runs[0].metrics"),
        (("runs", 0, "metrics", "handle", "exact"), 1, "runs[0].metrics.handle.exact"),
        ((*SAMPLES, 0, "value"), "1", "runs[0].metrics.handle.samples[0].value"),
        ((*SAMPLES, 0, "value"), float("inf"), "samples[0].value is"),
        ((*SAMPLES, 1, "why"), "", "samples[1].why is empty"),
        ((*SAMPLES, 0, "turn"), 1.5, "samples[0].turn"),
        (("runs", 0, "detector"), "silero", "runs[0].detector.name"),
    ],
)
def test_what_is_no_baseline_is_refused_with_its_place(place, value, words):
    """And the file; nothing of it is taken for a baseline with less in it."""
    bad = copy.deepcopy(GOOD)
    inner = bad
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    with pytest.raises(EviHarnessError) as refused:
        read_baseline_json(bad, "b.json")
    assert str(refused.value).startswith("b.json: ")
    assert words in str(refused.value)
    assert "--save-baseline" in str(refused.value)


def test_what_is_not_known_is_passed_over():
    """Members that a later version adds change nothing."""
    more = {**copy.deepcopy(GOOD), "more": 1}
    assert read_baseline_json(more, "b.json") == read_baseline_json(GOOD, "b.json")


def test_runs_of_different_things_are_one():
    """A metric stays exact only where it is in each that has a value of it."""
    one = MeasuredRun((Sample("handle", 1.0, "a", 1), Sample("queue", 1.0, "a", 1)), frozenset(["handle", "queue"]))
    two = MeasuredRun((Sample("handle", 1.0, "b", 1),), frozenset(), Detector("d", "1", 0.5))
    found = merged([one, two])
    assert len(found.samples) == 3
    assert found.exact == {"queue"}
    assert found.detector == two.detector
