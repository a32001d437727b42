"""Tries many hostile inputs on every parser, and prints what becomes of them: ``python tests/fuzzing/many.py [N [SEED [TARGET…]]]``.

The same seed gives the same inputs. A fault is shown with its input; the exit code is then 1.
"""

from __future__ import annotations

import random
import resource
import sys
import time
import traceback
from typing import Dict, List, Tuple

import targets

# Of an input that is shown.
SHOWN_BYTES = 300


def main() -> int:
    """Try them, and tell.

    Returns:
        1 if there was a fault, else 0.
    """
    n_each = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = sys.argv[2] if len(sys.argv) > 2 else "1"
    chosen = {name: target for name, target in targets.TARGETS.items() if name in sys.argv[3:] or not sys.argv[3:]}
    n_faults = 0
    print(f"{'target':<16}{'inputs':>8}{'taken':>8}{'refused':>9}{'faults':>8}{'slowest ms':>12}{'peak MB':>9}")
    for name, target in chosen.items():
        chance = random.Random(f"{seed} {name}")
        faults: Dict[str, List[Tuple[bytes, str]]] = {}
        n_taken, slowest_s = 0, 0.0
        for number in range(n_each):
            data = target.seeds[number] if number < len(target.seeds) else targets.mutated(target, chance)
            began_s = time.process_time()
            try:
                n_taken += targets.run(target, data)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
                frames = traceback.extract_tb(error.__traceback__)
                place = f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}"
                faults.setdefault(place, []).append((data, str(error)[:SHOWN_BYTES]))
            slowest_s = max(slowest_s, time.process_time() - began_s)
        n_here = sum(map(len, faults.values()))
        n_faults += n_here
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        row = f"{n_each:>8}{n_taken:>8}{n_each - n_taken - n_here:>9}{n_here:>8}{slowest_s * 1000:>12.0f}{peak_mb:>9}"
        print(f"{name:<16}{row}", flush=True)
        for place, found in faults.items():
            print(f"  {len(found)} x {place}: {found[0][1]}\n    {found[0][0][:SHOWN_BYTES]!r}")
    print(f"{n_each * len(chosen)} inputs, {n_faults} faults")
    return 1 if n_faults else 0


if __name__ == "__main__":
    sys.exit(main())
