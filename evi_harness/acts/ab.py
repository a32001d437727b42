"""Compare two versions, run alternately in one job.

A machine that is slow today is slow for both. Which of the two begins changes from one alternation to the next, so that it is not always
the same that finds a warm cache. Rules of living here: a run that fails measures nothing, and ends the comparison; what was checked out
is taken away again, whatever happens.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Iterator, List, Mapping, Optional, Sequence, Tuple

from evi_harness.acts.asked_of_gate import GateOptions
from evi_harness.acts.checkouts import checkouts, git, passing_folder, run_here, worktrees
from evi_harness.acts.ci_outputs import without_ci
from evi_harness.acts.gate import SAVE_BASELINE, load_baseline, rules_for
from evi_harness.bounds import MOST_RUNS, RUNS, SOME_TIME, Bounds, require_number
from evi_harness.errors import EviHarnessError, Parameter, UsageError, Words, value_of
from evi_harness.measure.baseline import MeasuredRun, merged
from evi_harness.measure.comparison import compare_side_by_side
from evi_harness.measure.metrics import METRICS
from evi_harness.measure.thresholds import metrics_like
from evi_harness.report.gate_report import FAIL, GateReport
from evi_harness.runs.revision import Revision, environment_of
from evi_harness.settings.configuration import load_configuration

__all__ = ["ALLOW_INCOMPLETE", "OneSide", "commands", "compare_sides", "revisions"]

# Tells the commands that are run to take recordings that are incomplete or damaged as they are.
ALLOW_INCOMPLETE = "EVI_HARNESS_ALLOW_INCOMPLETE"
_SHOWN_LINES = 20


@dataclass(frozen=True)
class OneSide:
    """One of the two.

    Attributes:
        name: What reports call it.
        command: What is run.
        folder: Where; None for the current folder.
        environment: With which environment variables; None for those of this process.
    """

    name: str
    command: Tuple[str, ...]
    folder: Optional[Path] = None
    environment: Optional[Mapping[str, str]] = field(default=None, repr=False)

    @property
    def place(self) -> Optional[str]:
        """What errors call it besides its command: the revision that is checked out in a folder of its own."""
        return None if self.folder is None else self.name


def commands(a: str, b: str) -> Tuple[OneSide, OneSide]:
    """Two commands as sides.

    Args:
        a: The old one, as a shell has it; no shell is run.
        b: The new one.

    Raises:
        UsageError: One is empty, or a quotation mark in it is never closed.
    """
    with value_of("a"):
        old = OneSide(a, _words(a))
    with value_of("b"):
        return old, OneSide(b, _words(b))


def _words(command: str) -> Tuple[str, ...]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"{command!r} is not a command: {error}") from None
    if not words:
        raise UsageError("the command is empty", hint="Give a command, such as 'evi-harness replay …'.")
    return tuple(words)


@contextmanager
def revisions(a: str, b: str, command: Sequence[str]) -> Iterator[Tuple[OneSide, OneSide]]:
    """One command in two revisions of this repository, each checked out in a folder of its own while the block runs.

    Python finds the checkout's code before any other; a replay whose handler is still loaded from elsewhere is refused.

    Args:
        a: The old revision.
        b: The new one.
        command: What is run in both, in the folder of the checkout that the current one is of this.

    Raises:
        UsageError: There is no command.
        EviHarnessError: This is not a repository, there is no such revision, or it cannot be checked out.
    """
    if not command:
        hint = "Put it after --, as in: ab --a-rev main --b-rev HEAD -- evi-harness replay …"
        raise UsageError("there is no command to run in the revisions", hint=hint)
    top = Path(git("rev-parse", "--show-toplevel"))
    below = Path.cwd().resolve().relative_to(top.resolve())
    ids = [_commit(revision) for revision in (a, b)]
    # Before there are any of ours.
    others = worktrees()
    with checkouts(ids) as places:
        names = [f"{name} ({id_[:10]})" for name, id_ in zip((a, b), ids)]
        old, new = (_side(Revision(name, place, place / below, others), command) for name, place in zip(names, map(Path.resolve, places)))
        yield old, new


def _side(revision: Revision, command: Sequence[str]) -> OneSide:
    return OneSide(revision.name, tuple(command), revision.here, environment_of(revision, os.environ))


def _commit(revision: str) -> str:
    try:
        return git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except EviHarnessError:
        hint = "Name one that `git log` shows. In CI, fetch the history: a shallow clone has the last commit alone."
        raise EviHarnessError(f"there is no commit {revision!r} in this repository", hint=hint) from None


def compare_sides(
    sides: Tuple[OneSide, OneSide],
    *,
    n_runs: int = 20,
    n_warm: int = 1,
    metrics: Optional[Tuple[str, ...]] = None,
    options: Optional[GateOptions] = None,
    timeout_s: float = 600.0,
    allow_incomplete: bool = False,
    tell: Callable[[str], object] = lambda _: None,
) -> GateReport:
    """Run two sides in turns, and compare what they measure.

    Args:
        sides: The old one and the new one. Each must run ``evi-harness replay`` or ``evi-harness latency``, or pytest with replays in it,
            once or many times, itself or in what it runs.
        n_runs: How often each is run and counts.
        n_warm: How often each is run before that, uncounted: caches fill.
        metrics: What is compared; None for every metric that is measured.
        options: Seed, false alarm, least effect and what is done about the inconclusive; what it leaves open is read from pyproject.toml.
        timeout_s: After so many seconds a run is ended, and with it the comparison.
        allow_incomplete: Have recordings that are incomplete or damaged fail no run.
        tell: Takes a line on how far it is.

    Returns:
        The report.

    Raises:
        UsageError: The options are invalid; no run is asked for; there is no such metric.
        EviHarnessError: A run fails, takes too long or measures nothing.
    """
    require_number("n_runs", n_runs, RUNS)
    require_number("warm_up", n_warm, Bounds(least=0, most=MOST_RUNS))
    require_number("timeout_s", timeout_s, SOME_TIME)
    with value_of("metrics"):
        for metric in metrics or ():
            if metric not in METRICS:
                raise UsageError(f"there is no metric {metric!r}", hint=metrics_like(metric))
    asked = options or GateOptions()
    configured = load_configuration()
    rules = replace(rules_for(asked, configured), metrics=metrics)
    olds, news = _measured(sides, n_runs, n_warm, timeout_s, allow_incomplete, tell)
    comparisons = compare_side_by_side(olds, news, rules)
    if not comparisons:
        raise EviHarnessError(
            "neither version measured anything that can be compared",
            hint="See docs/reference/latency.md of evi-harness for what each metric needs.",
        )
    return GateReport(
        comparisons=comparisons,
        seed=rules.seed,
        false_alarm=rules.false_alarm,
        inconclusive=asked.inconclusive or configured.inconclusive or FAIL,
        old=sides[0].name,
        new=sides[1].name,
    )


def _measured(
    sides: Tuple[OneSide, OneSide], n_runs: int, n_warm: int, timeout_s: float, allow_incomplete: bool, tell: Callable[[str], object]
) -> Tuple[List[MeasuredRun], List[MeasuredRun]]:
    runs: Tuple[List[MeasuredRun], List[MeasuredRun]] = ([], [])
    for number in range(-n_warm, n_runs):
        tell(f"run {number + 1} of {n_runs} of each" if number >= 0 else "warming up")
        for index in (0, 1) if number % 2 == 0 else (1, 0):
            run = _run(sides[index], timeout_s, allow_incomplete)
            if number >= 0:
                runs[index].append(run)
    return runs


def _run(side: OneSide, timeout_s: float, allow_incomplete: bool) -> MeasuredRun:
    """One run of one side: what all that is measured in it comes to."""
    with passing_folder("evi-harness-run-") as folder:
        inherited = os.environ if side.environment is None else side.environment
        environment = {**without_ci(inherited), SAVE_BASELINE: str(folder), **({ALLOW_INCOMPLETE: "1"} if allow_incomplete else {})}
        _finish(side, environment, timeout_s)
        files = sorted(folder.glob("*.json"))
        if not files:
            hint = (
                "It must run `evi-harness replay`, `evi-harness latency` or pytest with replays in it, of a version that saves baselines."
            )
            raise EviHarnessError(f"{shlex.join(side.command)!r} measured nothing", hint=hint)
        return merged([run for file in files for run in load_baseline(file).runs])


def _finish(side: OneSide, environment: Mapping[str, str], timeout_s: float) -> None:
    told = shlex.join(side.command)
    try:
        done = run_here(
            side.command,
            cwd=side.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        hint = Words("Give ", Parameter("timeout_s"), " more.")
        raise EviHarnessError(f"{told!r} took longer than {timeout_s:g} s", where=side.place, hint=hint) from None
    except OSError as error:
        raise EviHarnessError(f"{told!r} cannot be run: {error.strerror or error}", where=side.place) from None
    if done.returncode:
        last = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-_SHOWN_LINES:])
        what = f"{told!r} exited with code {done.returncode}; a failed run is not measured"
        raise EviHarnessError(what, where=side.place, hint=f"Its last output:\n{last}" if last else None)
