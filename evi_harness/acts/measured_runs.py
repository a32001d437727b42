"""Measurable results of replays, as runs for a gate."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, List, Union

from evi_harness.acts.latency import measure_session
from evi_harness.acts.repeating import RepeatedReplay
from evi_harness.acts.replay import ReplayResult
from evi_harness.measure.baseline import MeasuredRun, is_played, merged, run_of
from evi_harness.report.corpus_report import CorpusReport
from evi_harness.report.drift_report import LiveReport
from evi_harness.report.migration_table import MigrationTable
from evi_harness.session.session import Session
from evi_harness.verdicts.speech import AUTO

__all__ = ["Replayed", "called_by", "run_of_session", "runs_of_result"]

# What ``evi-harness replay`` yields: of one session, of one several times, of many, of one with a live service, of many with one of another
# dialect.
Replayed = Union[ReplayResult, RepeatedReplay, CorpusReport, LiveReport, MigrationTable]


def called_by(result: Replayed, spoken: Callable[[str], str]) -> Replayed:
    """What was replayed, where errors of many sessions call parameters as whoever asked for them does.

    Args:
        result: What was replayed.
        spoken: Makes plain text of a sentence with parameters.
    """
    if not isinstance(result, CorpusReport):
        return result
    outcomes = (replace(one, verdict=spoken(one.verdict), lines=tuple(map(spoken, one.lines))) for one in result.outcomes)
    return replace(result, outcomes=tuple(outcomes))


def run_of_session(session: Session) -> MeasuredRun:
    """Measure one session, as a run: what a replay yielded, or what was recorded now.

    Nobody listens to the user of a replay: there, only the app's own code is news.
    """
    return run_of([measure_session(session, detector="none" if is_played(session) else AUTO)])


def runs_of_result(result: Replayed) -> List[MeasuredRun]:
    """What was measured in what was replayed.

    Returns:
        A run for each time; many sessions replayed once are one.
    """
    if isinstance(result, CorpusReport):
        return [merged([outcome.run for outcome in result.outcomes if outcome.run is not None])]
    if isinstance(result, MigrationTable):
        return [merged([run_of_session(one.live) for one in result.reports])]
    if isinstance(result, RepeatedReplay):
        return [run_of_session(one.session) for one in result.results]
    return [run_of_session(result.live if isinstance(result, LiveReport) else result.session)]
