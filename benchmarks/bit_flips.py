"""How many flipped bits of a session go unnoticed: each session complete, and as a killed writer leaves it.

Run it with ``python benchmarks/bit_flips.py``. One bit is flipped at a time, at places that a seed chooses, in every file. The session is
then opened as a replay opens it. ``refused``: it cannot be opened. ``told``: something is missing that was not before, so that a replay
fails and says what. ``unnoticed``: neither; a replay would pass. The bar is none.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Counter as Counted

from evi_harness.errors import SessionError
from evi_harness.evi.dialect import EVI
from evi_harness.storage.writer import SessionWriter, write_session
from evi_harness.verdicts.loading import load_session

SESSIONS = Path(__file__).resolve().parent.parent / "sessions"


def complete(source: Path, folder: Path) -> None:
    """Write a session anew, in the present version of the format."""
    write_session(folder, load_session(source), EVI)


def killed(source: Path, folder: Path) -> None:
    """Write the first two thirds of a session, and never come to its end."""
    session = load_session(source)
    writer = SessionWriter(folder, session.header, EVI)
    for event in sorted(session.events, key=lambda one: one.seq)[: len(session.events) * 2 // 3]:
        writer.write(event)


def noticed(folder: Path, before: frozenset[str]) -> str:
    """What becomes of a flip."""
    try:
        missing = load_session(folder, verify=True).missing
    except SessionError:
        return "refused"
    return "told" if set(missing) - before else "unnoticed"


def flip(path: Path, chance: random.Random, folder: Path, before: frozenset[str]) -> str:
    """Flip one bit of a file, see what becomes of it, and flip it back."""
    data = path.read_bytes()
    at = chance.randrange(len(data))
    path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
    found = noticed(folder, before)
    path.write_bytes(data)
    return found


def main() -> None:
    """Flip and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=500, help="how many of each file")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    whole: Counted[str] = Counter()
    for name in ("typed", "weather", "demo"):
        for make in (complete, killed):
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place) / name
                make(SESSIONS / name, folder)
                before = frozenset(load_session(folder, verify=True).missing)
                for path in sorted(folder.iterdir()):
                    counted = Counter(flip(path, chance, folder, before) for _ in range(options.flips))
                    whole += counted
                    told = ", ".join(f"{counted[kind]} {kind}" for kind in ("refused", "told", "unnoticed"))
                    print(f"{name:8} {make.__name__:9} {path.name:14} {options.flips} flips: {told}", flush=True)
    print(f"{sum(whole.values())} flips: {whole['unnoticed']} unnoticed")


if __name__ == "__main__":
    main()
