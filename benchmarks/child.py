"""What it costs to run a handler in a child process: the same replay in this process and in a forked child, alternately.

    python benchmarks/child.py [SESSION] [--rounds 20]

The handler is the built-in one. Printed are the medians in milliseconds, and their difference.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Dict, List

from evi_harness.acts.replay import replay_session

TYPED = Path(__file__).resolve().parents[1] / "sessions" / "typed"


def measured(session: Path, rounds: int) -> Dict[bool, List[float]]:
    """Milliseconds of each replay, by whether it ran in a child; the first of each kind loads what both need and is left out."""
    found: Dict[bool, List[float]] = {False: [], True: []}
    for _ in range(rounds + 1):
        for child, times in found.items():
            began_s = time.perf_counter()
            result = replay_session(session, child=child, write=lambda _: None)
            times.append((time.perf_counter() - began_s) * 1e3)
            assert result.passed
    return {child: times[1:] for child, times in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("session", nargs="?", type=Path, default=TYPED)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    medians = {child: statistics.median(times) for child, times in measured(options.session, options.rounds).items()}
    difference = medians[True] - medians[False]
    sys.stdout.write(f"here {medians[False]:.1f} ms, in a child {medians[True]:.1f} ms: {difference:.1f} ms more\n")


if __name__ == "__main__":
    main()
