"""Replay many times: does it pass every time?

Rules of living here: every run is a separate replay, judged alone; the total includes all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple, Union

from evi_harness.acts.commanding import check_command
from evi_harness.acts.replay import ReplayResult, replay_asked
from evi_harness.bounds import RUNS, require_number
from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.report.replay_report import WITH_BUILT_IN, ReplayReport
from evi_harness.report.result import verdict_line
from evi_harness.runs.replay_options import AS_ASKED, ReplayOptions
from evi_harness.session.json_value import Json
from evi_harness.session.session import Session
from evi_harness.verdicts.invoking import Command

__all__ = ["RepeatedReplay", "check_runs", "replay_repeatedly"]


@dataclass(frozen=True)
class RepeatedReplay:
    """What several replays of one session found.

    Attributes:
        results: One a run, in order.
        seeds: What chance was seeded with in each, None where it was not.
    """

    results: Tuple[ReplayResult, ...]
    seeds: Tuple[Optional[int], ...]

    @property
    def passed(self) -> bool:
        """Whether every run passed."""
        return all(result.passed for result in self.results)

    @property
    def exit_code(self) -> int:
        """0 if every run passed, 1 if not."""
        return 0 if self.passed else 1

    @property
    def report(self) -> ReplayReport:
        """The report of the first run that failed, of the first one where none did."""
        return self.shown.report

    @property
    def verdict_text(self) -> str:
        """How many runs passed or failed."""
        n_runs, n_failed = len(self.results), sum(not result.passed for result in self.results)
        if not n_failed:
            told = f"passed: {n_runs} of {n_runs} runs"
        else:
            told = f"failed: all {n_runs} runs" if n_failed == n_runs else f"failed: flaky, {n_failed} of {n_runs} runs"
        return f"{told}{WITH_BUILT_IN if self.report.is_built_in else ''}"

    def lines(self) -> List[str]:
        """The report for people: that of the first run that failed, and the sum."""
        return [*self.body(), verdict_line(self.verdict_text)]

    def body(self) -> List[str]:
        """The report for people without its last line, the sum."""
        failed = [number for number, result in enumerate(self.results, 1) if not result.passed]
        lines = self.shown.body()
        if failed and self.seeds[failed[0] - 1] is not None:
            lines.append(f"{'next':<11}--seed {self.seeds[failed[0] - 1]} repeats the first that failed")
        if failed:
            lines.append(f"{'runs':<11}failed: {', '.join(map(str, failed))}; the report above is from run {failed[0]}")
        return lines

    def json(self) -> Dict[str, Json]:
        """The report for programs: that of each run."""
        runs = [{"seed": seed, "report": result.json()} for seed, result in zip(self.seeds, self.results)]
        return {"passed": self.passed, "n_failed": sum(not result.passed for result in self.results), "runs": runs}

    @property
    def shown(self) -> ReplayResult:
        """The result whose report is shown: of the first run that failed, of the first one where none did."""
        return next((result for result in self.results if not result.passed), self.results[0])


def check_runs(n_runs: int, asked: ReplayOptions) -> None:
    """Refuse an invalid number of runs.

    Args:
        n_runs: The number.
        asked: The options of each.

    Raises:
        UsageError: See ``replay_repeatedly``.
    """
    require_number("n_runs", n_runs, RUNS)
    check_command(asked, n_runs)
    if n_runs > 1 and asked.update:
        raise UsageError(
            "expected.jsonl cannot be updated from several runs",
            hint=Words("Leave out ", Parameter("n_runs"), ", or ", Parameter("update"), "."),
        )


def replay_repeatedly(
    session: Union[str, Path, Session],
    n_runs: int = 1,
    asked: ReplayOptions = AS_ASKED,
    *,
    write: Callable[[str], object] = print,
    on_part: Callable[[float], object] = id,
    command: Optional[Command] = None,
) -> Union[ReplayResult, RepeatedReplay]:
    """Replay a session N times.

    Args:
        session: A session, or its folder.
        n_runs: How many times; for 1 the result is that of ``replay_asked``.
        asked: The options. Where they have a seed, it is that of the first run; the next one has one more, and so on.
        write: See ``replay_asked``.
        on_part: Likewise, of all runs.
        command: Likewise.

    Raises:
        UsageError: ``n_runs`` is out of its bounds, or what the replays are compared with is to be updated by several of them.
        EviHarnessError: What ``replay_session`` raises; then nothing is told of the runs before.
    """
    check_runs(n_runs, asked)
    if n_runs == 1:
        return replay_asked(session, asked, write=write, on_part=on_part, command=command)
    seeds = tuple(None if asked.seed is None else asked.seed + number for number in range(n_runs))

    def run(number: int) -> ReplayResult:
        one = replace(asked, seed=seeds[number])
        on_part(number / n_runs)
        return replay_asked(session, one, write=write, on_part=lambda share: on_part((number + share) / n_runs), command=command)

    # What was heard is on disk where it was asked for; in memory, that of all runs would be too much, and is kept of the one that is shown.
    results: List[ReplayResult] = []
    for one in map(run, range(n_runs)):
        is_first_failed = not one.passed and all(other.passed for other in results)
        if is_first_failed:
            results = [replace(other, heard=None) for other in results]
        results.append(one if is_first_failed or not results else replace(one, heard=None))
    return RepeatedReplay(tuple(results), seeds)
