"""Loading what a command needs: some hundred modules, of which nothing becomes garbage.

Rules of living here: nothing is loaded here, and nothing is collected less often once a run has begun.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import Iterator

from evi_harness.guard.garbage import is_set_aside

__all__ = ["loading"]


@contextmanager
def loading() -> Iterator[None]:
    """Load modules without looking for garbage meanwhile; they then count as old. Leaves a collector alone that is switched off."""
    if not gc.isenabled():
        yield
        return
    was_set_aside = is_set_aside()
    gc.disable()
    try:
        yield
    finally:
        # Set aside and taken back, all is old at once; else the first collection would look through the whole of it.
        gc.freeze()
        if not was_set_aside:
            gc.unfreeze()
        gc.enable()
