"""How often the gate is right, in jobs that are made up: `evi-harness ab`'s comparison on samples of known truth.

Run it with ``python benchmarks/gate.py``. The model of a job: a machine that is faster or slower than others (lognormal, 26%), ten turns
whose usual response is lognormal(0.3) about 800 ms, and noise of 2.7% on every sample. Old and new run in turns, 20 times, and what is
changed in the new version is known. ``+10% on p50`` makes every turn a tenth slower; ``+100 ms on p95`` makes the two slowest of the ten
turns, which a run's p95 lies between, 100 ms slower on any machine; ``least effect on p50`` makes every turn slower by just what matters at
the median. The bars: same code regressed in at most 1% of 2,000 jobs; each of +10% and +100 ms found in at least 95%. With fewer runs the
verdict is mostly inconclusive, and says how many more would decide: those are then made, and counted is what is decided after them.
Seeded: the same figures at every run.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist, median
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from evi_harness.measure.baseline import MeasuredRun
from evi_harness.measure.comparison import INCONCLUSIVE, REGRESSED, Comparison, ComparisonRules, compare_side_by_side
from evi_harness.measure.effect import LEAST_EFFECT
from evi_harness.measure.samples import Sample

METRIC = "response"
N_TURNS = 10
USUAL_MS = 800.0
TURNS, NOISE, JOBS = 0.3, 0.027, 0.26

# What the new version does to the usual responses of the turns, given the machine's slowness.
Change = Callable[[List[float]], List[float]]


def same(turns: List[float]) -> List[float]:
    """Nothing."""
    return turns


def share_slower(share: float, turns: List[float]) -> List[float]:
    """Every turn is slower by a share."""
    return [turn * (1 + share) for turn in turns]


def least_slower(turns: List[float]) -> List[float]:
    """Every turn is slower by what just matters at the median."""
    least_ms = LEAST_EFFECT.beside(median(turns))
    return [turn + least_ms for turn in turns]


def slowest_later(n_slowest: int, turns: List[float]) -> List[float]:
    """So many of the slowest turns are 100 ms slower."""
    least = sorted(turns)[-n_slowest]
    return [turn + 100 if turn >= least else turn for turn in turns]


@dataclass(frozen=True)
class Scenario:
    """One row: what is changed, and the comparison that must see it."""

    name: str
    change: Change
    seen_by: Optional[str] = None


SCENARIOS: Tuple[Scenario, ...] = (
    Scenario("same code", same),
    Scenario("+2% everywhere", partial(share_slower, 0.02)),
    Scenario("the least effect on p50", least_slower, "med"),
    Scenario("+10% on p50", partial(share_slower, 0.10), "med"),
    Scenario("+100 ms on p95", partial(slowest_later, 2), "p(95)"),
    Scenario("+100 ms on the slowest turn alone", partial(slowest_later, 1), "p(95)"),
    Scenario("-10% everywhere", partial(share_slower, -0.10), "med"),
)


class Job:
    """One job, which can be asked for more runs."""

    def __init__(self, seed: str, change: Change) -> None:
        self._random = random.Random(seed)
        slowness = math.exp(self._random.gauss(0, JOBS))
        self._old = [slowness * USUAL_MS * math.exp(self._random.gauss(0, TURNS)) for _ in range(N_TURNS)]
        self._new = change(self._old)
        self.old_runs: List[MeasuredRun] = []
        self.new_runs: List[MeasuredRun] = []

    def go_on(self, n_runs: int) -> None:
        """Make so many more runs of each."""
        for _ in range(n_runs):
            self.old_runs.append(self._run(self._old))
            self.new_runs.append(self._run(self._new))

    def _run(self, turns: Sequence[float]) -> MeasuredRun:
        taken = [turn * (1 + self._random.gauss(0, NOISE)) for turn in turns]
        return MeasuredRun(tuple(Sample(METRIC, ms, "s", number) for number, ms in enumerate(taken, 1)))

    def compare(self) -> Tuple[Comparison, ...]:
        """The gate's own comparison."""
        return compare_side_by_side(self.old_runs, self.new_runs, ComparisonRules())


def verdict_of(found: Sequence[Comparison], seen_by: Optional[str]) -> str:
    """The job's verdict: what was found by one comparison, or the worst by any."""
    verdicts = [one.verdict for one in found if seen_by in (None, one.statistic)]
    return next(one for one in (REGRESSED, INCONCLUSIVE, "improved", "passed") if one in verdicts)


def judge(number: int, scenario: Scenario, n_runs: int) -> Tuple[str, str, int]:
    """One job: its verdict, its verdict after as many more runs as were asked for, and how many these were."""
    job = Job(f"{scenario.name} {number}", scenario.change)
    job.go_on(n_runs)
    compared = job.compare()
    first = verdict_of(compared, scenario.seen_by)
    more = max((one.more_runs or 0 for one in compared), default=0) if first == INCONCLUSIVE else 0
    if not more:
        return first, first, 0
    job.go_on(more)
    return first, verdict_of(job.compare(), scenario.seen_by), more


def interval(count: int, n: int) -> Tuple[float, float]:
    """Where the share lies with 95% (Wilson)."""
    z = NormalDist().inv_cdf(0.975)
    share, half = count / n, z / n * math.sqrt(count * (1 - count / n) + z * z / 4)
    middle, scale = share + z * z / (2 * n), 1 + z * z / n
    return max((middle - half) / scale, 0.0), (middle + half) / scale


def told(count: int, n: int) -> str:
    """A share with its interval."""
    low, high = interval(count, n)
    return f"{count / n:.2%} ({low:.2%} to {high:.2%})"


def row(scenario: Scenario, n_runs: int, n_jobs: int, pool: ProcessPoolExecutor) -> str:
    """Simulate one scenario; a row of the table."""
    found = list(pool.map(partial(judge, scenario=scenario, n_runs=n_runs), range(n_jobs), chunksize=50))
    firsts: Dict[str, int] = Counter(first for first, _, _ in found)
    asked = [more for _, _, more in found if more]
    decided = sum(second != INCONCLUSIVE for _, second, more in found if more)
    after = f"{median(asked):g} ({told(decided, len(asked))})" if asked else "-"
    shares = " | ".join(f"{firsts[name] / n_jobs:.2%}" for name in ("passed", "improved", INCONCLUSIVE))
    return f"| {scenario.name} | {n_runs} | {told(firsts[REGRESSED], n_jobs)} | {shares} | {after} |"


def main() -> None:
    """Simulate all and print the table of docs/explanation/statistics.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000, help="how many jobs are made up for each row")
    parser.add_argument("--runs", type=int, nargs="+", default=[20, 10, 5], help="how many runs of each version a job has")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    print("| truth | runs | regressed | passed | improved | inconclusive | more runs asked for (decided after them) |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with ProcessPoolExecutor(options.processes) as pool:
        for n_runs in options.runs:
            for scenario in SCENARIOS:
                print(row(scenario, n_runs, options.jobs, pool), flush=True)


if __name__ == "__main__":
    main()
