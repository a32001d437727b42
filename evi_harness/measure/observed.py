"""Which metrics were observed at all in the measured sessions.

In a replay what its service takes is not; in a recording nothing of the app's own code is, but the calls of its tools.

Rules of living here: a metric without values may still have been observed. One that was not is recognised by the reasons that hold for its
whole family.
"""

from __future__ import annotations

from typing import FrozenSet, Sequence

from evi_harness.measure import reasons
from evi_harness.measure.baseline import MeasuredRun
from evi_harness.measure.metrics import TABLE, Metric

__all__ = ["observed_in_both", "observed_metrics"]

_OF_A_FAMILY = frozenset({reasons.SYNTHESISED, reasons.TAKEN, reasons.PLAYED, reasons.NO_REPLAY, reasons.NO_HANDLER})


def observed_metrics(runs: Sequence[MeasuredRun]) -> FrozenSet[str]:
    """Ids of the metrics that were observed in any of the runs: those of a family that was, and single ones besides.

    Args:
        runs: What was measured.
    """
    families = _families(runs)
    return _told(runs) | {row.id for row in TABLE if row.family in families}


def observed_in_both(old: Sequence[MeasuredRun], new: Sequence[MeasuredRun]) -> FrozenSet[str]:
    """Ids of the metrics that were observed in the same way in two measurements, so that a comparison has something to say of them.

    Args:
        old: The one.
        new: The other. The calls of tools in a replay are no partners of those in a recording.
    """
    unlike = _families(old) ^ _families(new)
    return observed_metrics(old) & observed_metrics(new) - {row.id for row in TABLE if row.family in unlike}


def _told(runs: Sequence[MeasuredRun]) -> FrozenSet[str]:
    return frozenset(sample.metric for run in runs for sample in run.samples if sample.why not in _OF_A_FAMILY)


def _families(runs: Sequence[MeasuredRun]) -> FrozenSet[str]:
    """The families that were observed as a whole."""
    told = _told(runs)
    return frozenset(row.family for row in TABLE if row.id in told and _speaks_for_its_family(row))


def _speaks_for_its_family(row: Metric) -> bool:
    """Whether the metric is observed only where its whole family is: ``tool.app`` is in recordings, too."""
    return bool({reasons.PLAYED, reasons.NO_REPLAY} & set(row.unavailable))
