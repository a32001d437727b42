"""The gate of a whole test run: what all its replays measured, held to thresholds and compared with a baseline.

Each replay is measured under the name of its test, so that a test is compared with itself. Rules of living here: what crosses between the
processes of a test run is plain data; a comparison of nothing is refused, since it would let all pass.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping

from evi_harness.errors import EviHarnessError
from evi_harness.evi.dialect import EVI
from evi_harness.harness.configuration import load_configuration
from evi_harness.harness.gate import GateOptions, gate_from
from evi_harness.harness.replay import ReplayResult
from evi_harness.measure.baseline import Baseline, Run, baseline_json, merged, read_baseline_json, run_of
from evi_harness.measure.measuring import measure
from evi_harness.report.gate import GateReport

__all__ = ["RunGate", "measured_run"]


def measured_run(test: str, results: Iterable[ReplayResult]) -> Dict[str, Any]:
    """What the replays of one test measured, as plain data.

    Args:
        test: The test's name.
        results: Its replays, in order; each behind the first has its number behind the name.
    """
    named = [(test if number == 1 else f"{test} ({number})", result) for number, result in enumerate(results, 1)]
    run = run_of([measure(result.session, EVI, name=name) for name, result in named])
    redact = {name: result.redactor.string for name, result in named}
    samples = tuple(replace(one, session=redact[one.session](one.session), why=redact[one.session](one.why)) for one in run.samples)
    return baseline_json(Baseline((replace(run, samples=samples),)))


class RunGate:
    """Takes what tests measured, and judges all of it at the end.

    Args:
        options: What the test run's command line asks for.
        folder: Where the search for the project's configuration begins. Its baseline is not used: that is one of sessions, and here each
            replay bears the name of its test.

    Raises:
        UsageError: A threshold cannot be read or is about the service; the configuration cannot be meant.
        EviHarnessError: The baseline cannot be read.
    """

    def __init__(self, options: GateOptions, folder: Path) -> None:
        self._gate = gate_from(options, replace(load_configuration(folder), baseline=None), is_replay=True)
        self._runs: Dict[str, List[Run]] = {}

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to judge or to keep."""
        return self._gate.is_needed

    def take(self, test: str, told: Mapping[str, Any]) -> None:
        """Take what one test measured; of a test that ran again, the last counts."""
        self._runs[test] = list(read_baseline_json(told, test).runs)

    def judge(self, *, keep: bool) -> GateReport:
        """Judge, and keep.

        Args:
            keep: Whether what was measured may become a baseline; not where tests failed, since what they measured is no measure.

        Raises:
            EviHarnessError: Nothing was measured; the file cannot be written.
        """
        if not self._runs:
            raise EviHarnessError("no test measured a replay, so there is nothing to judge or to keep")
        return self._gate.judge_runs([merged([run for runs in self._runs.values() for run in runs])], keep=keep)
