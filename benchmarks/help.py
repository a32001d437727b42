"""How long ``evi-harness --help`` takes, beside a Python that starts and does nothing.

Run it with ``python benchmarks/help.py``. Both are started in turns, as processes of their own, and timed from their start to their end, in
pairs: what the command adds is the difference of each pair. ``without site`` is Python with ``-I -S -c pass``, for what the installation
itself takes. The bar for ``added``: at most 0.25 s. What the command imports, a test holds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from typing import Dict, List

COMMANDS: Dict[str, List[str]] = {
    "without site": ["-I", "-S", "-c", "pass"],
    "bare": ["-c", "pass"],
    "--help": ["-m", "evi_harness", "--help"],
}


def took(words: List[str]) -> float:
    """Milliseconds that one run of Python takes."""
    began = time.perf_counter_ns()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter_ns() - began) / 1e6


def show(name: str, all_ms: List[float]) -> None:
    """Print one row."""
    print(f"{name:12}  median {statistics.median(all_ms):6.1f} ms   best {min(all_ms):6.1f} ms   worst {max(all_ms):6.1f} ms", flush=True)


def main() -> None:
    """Start each in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="how often each is started")
    options = parser.parse_args()
    # Once before it counts: the first run fills the disk's cache and may write bytecode.
    for words in COMMANDS.values():
        took(words)
    rounds = [{name: took(words) for name, words in COMMANDS.items()} for _ in range(options.rounds)]
    for name in COMMANDS:
        show(name, [one[name] for one in rounds])
    show("added", [one["--help"] - one["bare"] for one in rounds])


if __name__ == "__main__":
    main()
