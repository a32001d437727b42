"""From an empty folder to a green replay of a new app: the time of the documented commands, after the installation.

    python benchmarks/first_replay.py [--install]

A new app (``fixtures/apps/current_quickstart.py``, with the SDK's microphone and playback) is put into an empty folder, recorded there
against the simulator, with a spoken question as its microphone, and replayed by its command, twice in one run. The commands are those of
docs/how-to/proxy.md and docs/how-to/commands.md. The replay has to pass. With ``--install``, evi-harness is installed into an empty
environment first, with bytecode, as pip leaves it; that takes the package index, and does not count.

Bar: 60 s in all. Recording is in real time: the question takes 4 s, and the app is interrupted 3 s after the reply.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Dict, List, Tuple

ROOT = Path(__file__).resolve().parents[1]
NEW_APP = ROOT / "fixtures" / "apps" / "current_quickstart.py"
QUESTION = ROOT / "fixtures" / "speech" / "user-1.flac"
BAR_S = 60
# A recording ends with the exit code of its app, which Ctrl+C ends.
INTERRUPTED = 130
LAST_LINES = 4


def installed(folder: Path) -> Path:
    """Install this checkout into an empty environment; gives its folder of programs."""
    venv.create(folder / "environment", with_pip=True)
    programs = folder / "environment" / "bin"
    subprocess.run([str(programs / "python"), "-m", "pip", "install", "--quiet", f"{ROOT}[pytest]"], check=True)
    return programs


def ran(words: List[str], code: int, folder: Path, programs: Path) -> Tuple[float, float]:
    """Run a command in a folder, with an environment of its own, up to its exit code; gives its seconds, and the processor's."""
    environment: Dict[str, str] = {"PATH": f"{programs}{os.pathsep}{os.defpath}", "HOME": str(folder), "HUME_API_KEY": "none"}
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    took_s, after = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    print("$", *words)
    print(*(f"  {line}" for line in (done.stdout + done.stderr).splitlines()[-LAST_LINES:]), sep="\n", flush=True)
    if done.returncode != code:
        sys.exit(f"exit code {done.returncode}, and not {code}:\n{done.stdout}{done.stderr}")
    return took_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Run the commands and print their times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="into an empty environment; else the one of this Python is used")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        programs = installed(folder) if asked.install else Path(sys.executable).parent
        work = folder / "work"
        work.mkdir()
        shutil.copy(NEW_APP, work / "app.py")
        shutil.copy(QUESTION, work / "question.flac")
        record = ["evi-harness", "record", "--mic", "question.flac", "--simulate", "--", "python", "app.py"]
        took = {"record": ran(record, INTERRUPTED, work, programs)}
        (session,) = (work / "sessions").iterdir()
        replay = ["evi-harness", "replay", str(session.relative_to(work)), "--twice", "--", "python", "app.py"]
        took["replay --twice"] = ran(replay, 0, work, programs)
    for name, (real_s, processor_s) in took.items():
        print(f"{name:<16} {real_s:6.1f} s, {processor_s:5.1f} s of processor time")
    total_s = sum(real_s for real_s, _ in took.values())
    print(f"{'in all':<16} {total_s:6.1f} s; the bar is {BAR_S} s; load {os.getloadavg()[0]:.1f}")
    sys.exit(total_s > BAR_S)


if __name__ == "__main__":
    main()
