"""An app that is replayed by its command, beside the same app alone (its start-up), and beside the same code as a handler (ten minutes).

    python benchmarks/command_run.py [--rounds 7] [--turns 60]

Start-up is the time until the app's ``main`` begins: of ``python quickstart_app.py``, and of ``evi-harness replay SESSION -- python
quickstart_app.py``, which first loads itself and reads the session. ``in the app`` is the part of it that the app's own process spends.
Ten minutes are two commands on one made session: ``replay --handler quickstart_app.py:App`` and ``replay -- python quickstart_app.py``.

All runs take turns, with bytecode, as an installed package has it. Real time depends on what else the machine does, unless it is started
with a real-time priority (as root: ``chrt -r 5 python …``); the processor time of all processes of a run hardly does.

Bars: start-up at most 0.3 s more; ten minutes at most 1.3 times the handler's replay.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

from quickstart_app import STARTED

from evi_harness.evi.dialect import EVI
from evi_harness.storage.writer import write_session

ROOT = Path(__file__).resolve().parents[1]
APP = Path(__file__).with_name("quickstart_app.py")
REPLAY = [sys.executable, "-m", "evi_harness", "replay"]


def ran(words: List[str], folder: Path, **environment: str) -> Tuple[float, float]:
    """Run a command; gives its seconds, and those of the processor that it and its children took."""
    environment = {**os.environ, "HUME_API_KEY": "any", "PYTHONPYCACHEPREFIX": str(folder / "bytecode"), **environment}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    took_s, after = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    # An app that ends before it connects cannot be replayed, and has started all the same.
    assert done.returncode == (3 if STARTED in environment and "replay" in words else 0), done.stdout + done.stderr
    return took_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def started(words: List[str], folder: Path) -> Dict[str, float]:
    """Start the app; gives milliseconds until its ``main``, and what its process took of the processor until then."""
    note = folder / "started"
    began_ns = time.monotonic_ns()
    ran(words, folder, **{STARTED: str(note)})
    at_ns, used_ns = map(int, note.read_text(encoding="ascii").split())
    note.unlink()
    return {"start": (at_ns - began_ns) / 1e6, "in the app": used_ns / 1e6}


def show(name: str, values: List[float], unit: str, digits: int = 0) -> None:
    """Print one row."""
    low, high = min(values), max(values)
    print(f"  {name:<38} median {statistics.median(values):.{digits}f}{unit}, {low:.{digits}f} to {high:.{digits}f}", flush=True)


def compare_start(session: Path, folder: Path, n_rounds: int) -> None:
    """Start both in turns; the first round does not count."""
    alone = [sys.executable, str(APP)]
    pairs = [(started(alone, folder), started([*REPLAY, str(session), "--", *alone], folder)) for _ in range(n_rounds + 1)][1:]
    print(f"start-up, until the app's main, {n_rounds} rounds, load {os.getloadavg()[0]:.1f}")
    show("alone", [bare["start"] for bare, _ in pairs], " ms")
    show("replayed", [replayed["start"] for _, replayed in pairs], " ms")
    show("added", [replayed["start"] - bare["start"] for bare, replayed in pairs], " ms")
    show("processor in the app, alone", [bare["in the app"] for bare, _ in pairs], " ms")
    show("processor in the app, added", [replayed["in the app"] - bare["in the app"] for bare, replayed in pairs], " ms")


def compare_minutes(session: Path, folder: Path, n_rounds: int, n_turns: int) -> None:
    """Replay both in turns; the first round does not count."""
    ways = {
        "handler": [*REPLAY, str(session), "--handler", f"{APP}:App"],
        "command": [*REPLAY, str(session), "--", sys.executable, str(APP)],
    }
    rounds = [{name: ran(words, folder) for name, words in ways.items()} for _ in range(n_rounds + 1)][1:]
    print(f"{n_turns / 6:g} minutes, {n_rounds} rounds, load {os.getloadavg()[0]:.1f}")
    for place, what in enumerate(("real time", "processor")):
        for name in ways:
            show(f"{name}, {what}", [one[name][place] for one in rounds], " s", 2)
        show(f"ratio, {what}", [one["command"][place] / one["handler"][place] for one in rounds], "", 2)


def made(n_turns: int) -> Any:
    """The session of ``fixtures/ten_minutes.py``."""
    spec = importlib.util.spec_from_file_location("ten_minutes", ROOT / "fixtures" / "ten_minutes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ten_minutes(n_turns)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--turns", type=int, default=60, help="turns of ten seconds of the long session")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        compare_start(ROOT / "sessions" / "typed", folder, asked.rounds)
        compare_minutes(write_session(folder / "made", made(asked.turns), EVI), folder, asked.rounds, asked.turns)


if __name__ == "__main__":
    main()
