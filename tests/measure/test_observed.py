"""Tests of evi_harness.measure.observed: what was observed, of what sessions of each kind yield."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evi_harness.acts.replay import replay_session
from evi_harness.evi.dialect import EVI
from evi_harness.measure.baseline import MeasuredRun, run_of
from evi_harness.measure.measuring import measure
from evi_harness.measure.metrics import CLIENT, CONVERSATION, TABLE
from evi_harness.measure.observed import observed_in_both, observed_metrics
from evi_harness.session.header import Recorded

OF_APP, OF_SERVICE = ({row.id for row in TABLE if row.family == family} for family in (CLIENT, CONVERSATION))


def silent(_):
    """Print nothing."""


@pytest.fixture
def recording(weather):
    """A recording with a call of a tool, as a run."""
    return run_of([measure(weather, EVI)])


@pytest.fixture
def replayed(weather):
    """A replay of it, as a run."""
    return run_of([measure(replay_session(weather, write=silent).session, EVI)])


def test_each_kind_of_session_has_its_own(recording, replayed, weather):
    """A recording the service, and the app's tools; a replay the app alone; one with made-up times and no handler, nothing."""
    assert observed_metrics([recording]) == OF_SERVICE | {"tool.app"}
    assert observed_metrics([replayed]) == OF_APP
    assert observed_metrics([recording, replayed]) == OF_SERVICE | OF_APP
    made_up = replace(weather, header=replace(weather.header, recorded=Recorded(times="synthesised")))
    assert observed_metrics([run_of([measure(made_up, EVI)])]) == set()
    assert observed_metrics([MeasuredRun(())]) == set()


def test_what_has_no_value_was_observed_all_the_same(replayed):
    """Nobody interrupted, and that is seen."""
    assert not any(sample.metric == "interruption.taken" for sample in replayed.samples)
    assert "interruption.taken" in observed_metrics([replayed])


def test_only_what_is_alike_is_of_both(recording, replayed):
    """The tools of a recording are no partners of those of a replay."""
    assert observed_in_both([recording], [recording]) == OF_SERVICE | {"tool.app"}
    assert observed_in_both([replayed], [replayed]) == OF_APP
    assert observed_in_both([recording], [replayed]) == set()
    assert observed_in_both([recording, replayed], [replayed]) == OF_APP
