"""Building a page of 5 and of 30 minutes: of a session alone, and of its replay beside its recording.

    python benchmarks/page.py [--minutes 5 30]

The session is that of fixtures/ten_minutes.py, at other lengths, on disk; the replay is of the built-in handler in virtual time. What is
timed is the page, from sessions that are loaded to a file that is there. The bar is 5 MB for 5 minutes, and 20 s and 25 MB for 30; what the
page does in a browser its tests look at.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))

from ten_minutes import TURN_MS, ten_minutes

from evi_harness.acts.paging.page_making import PageSubject, page_of_replay, page_of_session, write_page
from evi_harness.acts.replay import replay_session
from evi_harness.evi.dialect import EVI
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.loading import load_session

BARS_MB = {5: 5.0, 30: 25.0}
BARS_S = {30: 20.0}


def subjects(folder: Path) -> Iterator[Tuple[str, PageSubject]]:
    """What the pages are of."""
    yield "session alone", page_of_session(load_session(folder), folder)
    yield "replay beside its recording", page_of_replay(replay_session(folder, write=lambda _: None))


def timed(act: Callable[[], object]) -> Tuple[float, float]:
    """How many seconds something takes, by the wall and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Build each page once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, nargs="+", default=[5, 30])
    args = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    for minutes in args.minutes:
        with tempfile.TemporaryDirectory() as place:
            folder = write_session(Path(place) / "made", ten_minutes(minutes * 60_000 // TURN_MS), EVI)
            for name, subject in subjects(folder):
                page = Path(place) / "page.html"
                wall_s, cpu_s = timed(lambda subject=subject, page=page: write_page(subject, page))
                size_mb, peak_mb = page.stat().st_size / 1e6, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                told = f"{wall_s:.1f} s ({cpu_s:.1f} s of the processor), {size_mb:.1f} MB, peak memory so far {peak_mb:.0f} MB"
                bars = [*(f"{BARS_S[minutes]:g} s" for _ in [0] if minutes in BARS_S), f"{BARS_MB.get(minutes, 0):g} MB"]
                print(f"{minutes} minutes, {name}: {told}; bar {', '.join(bars)}")


if __name__ == "__main__":
    main()
