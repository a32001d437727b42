"""What the replays of a whole test run measured, kept as a baseline and compared with one.

Each replay is measured under the name of its test, so that a test is compared with itself. Rules of living here: what crosses between the
processes of a test run is plain data; a comparison of nothing is refused, since it would let all pass.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional

from evi_harness.errors import EviHarnessError
from evi_harness.evi.dialect import EVI
from evi_harness.harness.configuration import load_configuration
from evi_harness.harness.gate import GateOptions, load_baseline, rules_for, save_baseline
from evi_harness.harness.replay import ReplayResult
from evi_harness.measure.baseline import Baseline, Run, baseline_json, merged, read_baseline_json, run_of
from evi_harness.measure.comparison import compare_jobs
from evi_harness.measure.measuring import measure
from evi_harness.report.gate import FAIL, GateReport

__all__ = ["Baselining", "measured_run"]


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


class Baselining:
    """Takes what tests measured, and judges all of it at the end.

    Args:
        baseline: The file to compare with, None for none.
        save_to: The file to write what was measured to, None for none.
        folder: Where the search for the project's configuration begins: it says how to compare.

    Raises:
        UsageError: The configuration cannot be meant.
        EviHarnessError: The baseline cannot be read.
    """

    def __init__(self, baseline: Optional[Path], save_to: Optional[Path], folder: Path) -> None:
        configured = load_configuration(folder)
        self._rules = rules_for(GateOptions(), configured)
        self._inconclusive = configured.inconclusive or FAIL
        self._file = baseline
        self._old = None if baseline is None else load_baseline(baseline)
        self._save_to = save_to
        self._runs: Dict[str, List[Run]] = {}

    def take(self, test: str, told: Mapping[str, Any]) -> None:
        """Take what one test measured; of a test that ran again, the last counts."""
        self._runs[test] = list(read_baseline_json(told, test).runs)

    def judge(self, *, keep: bool) -> GateReport:
        """Compare, and keep.

        Args:
            keep: Whether what was measured may become a baseline; not where tests failed, since what they measured is no measure.

        Raises:
            EviHarnessError: Nothing was measured; the file cannot be written.
        """
        if not self._runs:
            raise EviHarnessError("no test measured a replay, so there is nothing to compare or to keep")
        run = merged([run for runs in self._runs.values() for run in runs])
        saved = save_baseline(self._save_to, [run]) if self._save_to is not None and keep else None
        return GateReport(
            comparisons=() if self._old is None else compare_jobs(self._old.runs, [run], self._rules),
            seed=self._rules.seed,
            false_alarm=self._rules.false_alarm,
            inconclusive=self._inconclusive,
            old=str(self._file or ""),
            new="this run",
            saved=None if saved is None else str(saved),
        )
