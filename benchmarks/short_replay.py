"""What a short replay takes: warm in one process, also beside two million objects that it has nothing to do with, and from the shell.

    python benchmarks/short_replay.py [--runs 200] [--pairs 11]

``sdk`` is what the SDK takes to parse the messages of that session: all apps pay for it, and no bar counts it apart. From the shell,
``added`` is the command less a Python that only imports the SDK, in pairs. Times in one process are wall clock and time of the
processor; where they differ much, the machine was busy. The bars: a warm replay in a median of 12 ms, with two million objects as
without, and at most 0.4 s added.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import hume.empathic_voice.chat.socket_client as sdk

from evi_harness.acts.replay import replay_session
from evi_harness.verdicts.loading import load_session

TYPED = Path(__file__).resolve().parent.parent / "sessions" / "typed"
N_OBJECTS = 2_000_000

COMMANDS: Dict[str, List[str]] = {
    "import": ["-c", "import hume; from hume import AsyncHumeClient"],
    "command": ["-m", "evi_harness", "replay", str(TYPED)],
}


def replayed() -> None:
    """One replay; fails unless it passes."""
    result = replay_session(TYPED, write=lambda _: None)
    assert result.passed, "\n".join(result.lines())


def parsed() -> Callable[[], None]:
    """What parses the messages of the session as the SDK does."""
    messages = [json.loads(event.frame.payload) for event in load_session(TYPED).received]
    parse: Any = getattr(sdk, "parse_obj_as")  # noqa: B009 - the SDK's own, which it does not export
    kind: Any = getattr(sdk, "SubscribeEvent")  # noqa: B009 - likewise

    def act() -> None:
        for message in messages:
            parse(kind, message)

    return act


def measured(act: Callable[[], None], n_runs: int) -> Tuple[List[float], List[float]]:
    """Milliseconds of the wall clock and of the processor, one of each a run; some runs before them do not count."""
    wall, cpu = [], []
    for number in range(-10, n_runs):
        began, began_cpu = time.perf_counter(), time.process_time()
        act()
        if number >= 0:
            wall.append((time.perf_counter() - began) * 1e3)
            cpu.append((time.process_time() - began_cpu) * 1e3)
    return wall, cpu


def show(name: str, wall: List[float], cpu: List[float]) -> None:
    """Print one row."""
    low, _, high = statistics.quantiles(wall, n=4)
    print(
        f"{name:<22} median {statistics.median(wall):6.1f} ms (half of them {low:.1f} to {high:.1f}), best {min(wall):.1f}; "
        f"processor: median {statistics.median(cpu):6.1f} ms, best {min(cpu):.1f}",
        flush=True,
    )


def took(words: List[str], bytecode: str) -> Tuple[float, float]:
    """Milliseconds that one run of Python takes, with bytecode kept in a folder: wall clock and processor."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, began = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, env={**environment, "PYTHONPYCACHEPREFIX": bytecode})
    wall_ms, after = (time.perf_counter() - began) * 1e3, os.times()
    return wall_ms, (after.children_user + after.children_system - before.children_user - before.children_system) * 1e3


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="warm replays (default 200)")
    parser.add_argument("--pairs", type=int, default=11, help="how often each command is started (default 11)")
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}")
    show("sdk", *measured(parsed(), options.runs))
    show("warm", *measured(replayed, options.runs))
    held = [[] for _ in range(N_OBJECTS)]  # type: List[List[int]]
    show(f"beside {len(held):,} objects", *measured(replayed, options.runs))
    del held
    with tempfile.TemporaryDirectory() as bytecode:
        # Once before it counts: the first run fills the disk's cache and writes the bytecode that an installed package has.
        for words in COMMANDS.values():
            took(words, bytecode)
        pairs = [{name: took(words, bytecode) for name, words in COMMANDS.items()} for _ in range(options.pairs)]
    for name in COMMANDS:
        show(name, *map(list, zip(*(pair[name] for pair in pairs))))
    show("added", *([pair["command"][at] - pair["import"][at] for pair in pairs] for at in (0, 1)))


if __name__ == "__main__":
    main()
