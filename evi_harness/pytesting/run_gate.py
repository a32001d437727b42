"""The gate of a whole test run: what all its replays measured, held to thresholds and compared with a baseline.

Each replay is measured under the name of its test, so that a test is compared with itself. Rules of living here: what crosses between the
processes of a test run is plain data; a comparison of nothing is refused, since it would let all pass.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Tuple

from evi_harness.acts.asked_of_gate import GateOptions
from evi_harness.acts.gate import gate_from
from evi_harness.acts.replay import ReplayResult
from evi_harness.dialects import dialect_of
from evi_harness.errors import EviHarnessError, value_of
from evi_harness.measure.baseline import Baseline, MeasuredRun, baseline_json, merged, read_baseline_json, renamed, run_of
from evi_harness.measure.measuring import measure
from evi_harness.measure.thresholds import PASSED
from evi_harness.pytesting.testing import client_threshold
from evi_harness.report.ci import gate_cases
from evi_harness.report.gate_report import GateReport, with_gate
from evi_harness.settings.configuration import load_configuration

__all__ = ["RunGate", "failed_cases", "lines_of", "measured_run"]


def measured_run(test: str, results: Iterable[ReplayResult]) -> Dict[str, Any]:
    """What the replays of one test measured, as plain data.

    Args:
        test: The test's name.
        results: Its replays, in order; each behind the first has its number behind the name. Failed ones are left out, and
            so is a replay to the built-in handler that no test named.
    """
    numbered = [(test if number == 1 else f"{test} ({number})", result) for number, result in enumerate(results, 1)]
    named = [(name, result) for name, result in numbered if result.passed and not result.report.names_no_handler]
    run = run_of([measure(result.session, dialect_of(result.session), name=name) for name, result in named])
    redact = {name: result.redactor.string for name, result in named}
    samples = tuple(replace(one, why=redact[one.session](one.why)) for one in run.samples)
    return baseline_json(Baseline((renamed(replace(run, samples=samples), lambda name: redact[name](name)),)))


class RunGate:
    """Takes what tests measured, and judges all of it at the end.

    Args:
        options: What the test run's command line asks for.
        folder: Where the search for the project's configuration begins. Its baseline is not used: that is one of sessions, and here each
            replay bears the name of its test.

    Raises:
        UsageError: A threshold cannot be read or is about the service; the configuration is invalid.
        EviHarnessError: The baseline cannot be read.
    """

    def __init__(self, options: GateOptions, folder: Path) -> None:
        for text in options.gate:
            # Refused as an assert of a test's refuses it: what a command would advise is no help here.
            with value_of("gate"):
                client_threshold(text)
        self._save_to = options.save_baseline
        self._gate = gate_from(options, replace(load_configuration(folder), baseline=None), is_replay=True)
        self._runs: Dict[str, List[MeasuredRun]] = {}

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to judge or to keep."""
        return self._gate.is_needed

    @property
    def has_measured(self) -> bool:
        """Whether any test measured a replay."""
        return bool(self._runs)

    def take(self, test: str, told: Mapping[str, Any]) -> None:
        """Take what one test measured; of a test that ran again, the last counts."""
        self._runs[test] = list(read_baseline_json(told, test).runs)

    def judge(self, *, unkept: str = "") -> GateReport:
        """Judge, and keep.

        Args:
            unkept: Why what was measured may not become a baseline, such as that tests failed; empty where it may.

        Raises:
            EviHarnessError: Nothing was measured; the file cannot be written.
        """
        if not self.has_measured:
            why = f" ({unkept})" if unkept else ""
            raise EviHarnessError(f"no test measured a replay{why}, so there is nothing to judge or to keep")
        run = merged([run for runs in self._runs.values() for run in runs])
        report = self._gate.judge_runs([run], keep=not unkept)
        return replace(report, not_saved=f"{self._save_to}: {unkept}") if unkept and self._save_to is not None else report


def lines_of(report: GateReport) -> List[str]:
    """What people are told of a gate, and last its verdict where it judged anything."""
    return with_gate((), report)


def failed_cases(report: GateReport) -> List[Tuple[str, str]]:
    """The cases of a gate that fail the run, each by its name and what there is to tell."""
    return [(one.name, one.what) for one in gate_cases(report) if one.outcome != PASSED and not one.is_let_pass]
