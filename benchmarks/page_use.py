"""How long a page of 30 minutes takes in a browser: until it can be used, to draw what is in view, and between two frames while it plays.

Run it with ``python benchmarks/page_use.py``, where playwright (the extra ``browser``) and a Chromium are. The session is that of
fixtures/ten_minutes.py with 180 turns; the page is made first, and the time for that is printed too, or ``--page FILE`` is taken. Usable:
from the start of the navigation until all parts are there, the first picture is drawn and the audio can be sought in. Drawing: the layer
that is kept, at six zooms, and the layer of the play head, which is what playback draws. The bars: usable in at most 2 s, drawn in at most
16 ms.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fixtures"))

from ten_minutes import ten_minutes

from evi_harness.acts.paging.page_making import page_of_session, write_page

# When all is there: the audio too, and a frame has been shown since.
USABLE = """async () => {
  const next = () => new Promise((shown) => requestAnimationFrame(shown));
  while (typeof page === 'undefined' || !page || !page.player.voices.every((one) => one.audio.readyState >= 2)) await next();
  await next();
  return performance.now();
}"""
DRAWN = """(rounds) => [1, 2, 5, 20, 100, 1000].map((zoom) => {
  const {stage} = page;
  const spanMs = stage.axis.durationMs / zoom;
  const took = [];
  for (let round = 0; round < rounds; round += 1) {
    stage.axis.show((stage.axis.durationMs - spanMs) * round / rounds, spanMs);
    const begun = performance.now();
    stage.drawBase();
    stage.base.getContext('2d').getImageData(0, 0, 1, 1);
    took.push(performance.now() - begun);
  }
  return [zoom, took];
})"""
HEAD = """(rounds) => {
  page.stage.zoomToWhole();
  const took = [];
  for (let round = 0; round < rounds; round += 1) {
    const begun = performance.now();
    page.player.seek(page.data.length_ms * round / rounds);
    page.stage.top.getContext('2d').getImageData(0, 0, 1, 1);
    took.push(performance.now() - begun);
  }
  return took;
}"""
FRAMES = """async (seconds) => {
  const between = [];
  let last = performance.now();
  const end = last + seconds * 1000;
  page.player.playFrom(60000);
  while (last < end) {
    const now = await new Promise((shown) => requestAnimationFrame(shown));
    between.push(now - last);
    last = now;
  }
  page.player.pause();
  return between.slice(2);
}"""


def show(what: str, all_ms: List[float]) -> None:
    """Print one row."""
    ordered = sorted(all_ms)
    late = ordered[int(len(ordered) * 0.95)]
    print(f"{what:34} median {statistics.median(ordered):7.1f} ms   95% {late:7.1f} ms   worst {ordered[-1]:7.1f} ms")


def measure(browser: Any, file: Path, rounds: int) -> None:
    """Open the page anew for each round, and draw it in the last one."""
    usable = []
    for _ in range(3):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(file.resolve().as_uri(), wait_until="commit")
        usable.append(page.evaluate(USABLE))
    show("usable", usable)
    for zoom, took in page.evaluate(DRAWN, rounds):
        show(f"drawn, 1/{zoom} of it in view", took)
    show("head moved", page.evaluate(HEAD, rounds))
    show("between frames while it plays", page.evaluate(FRAMES, 10))


def made(n_turns: int, file: Path) -> Path:
    """A page of a made session."""
    begun = time.perf_counter()
    write_page(page_of_session(ten_minutes(n_turns)), file)
    print(f"made in {time.perf_counter() - begun:.1f} s")
    return file


def main() -> None:
    """Make the page, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=180, help="how many turns of ten seconds the session has")
    parser.add_argument("--page", type=Path, help="a page that is there already")
    parser.add_argument("--rounds", type=int, default=40, help="how often each view is drawn")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        file = options.page or made(options.turns, Path(folder) / "page.html")
        print(f"{file.stat().st_size / 1e6:.1f} MB, load {os.getloadavg()[0]:.1f}")
        with sync_playwright() as playwright:
            flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
            measure(browser, file, options.rounds)
            browser.close()


if __name__ == "__main__":
    main()
