"""Keep the garbage collector away from older objects while a run lasts.

A full collection looks at every object of the process, again and again: at a test suite, its libraries and the recording, of which nothing
has become garbage. So what exists is set aside first. What the run makes is collected as ever, and whoever looks through the collector's
objects for what a run has left behind finds that alone.

Rules of living here: setting aside and taking back cost the same, however much there is. Asking how much is set aside does not: that
counts, object by object, so it is asked only while nothing of ours is set aside.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import Iterator, Set

__all__ = ["callbacks_put_back", "earlier_objects_set_aside", "is_set_aside"]

_LOCK = threading.Lock()
# Who has set something aside, as far as we know.
_SET_ASIDE: Set[str] = set()
_WE, _SOMEBODY = "we", "somebody"
# Python 3.12 begins with 375 objects set aside; who sets aside what is loaded has thousands.
_PYTHONS_OWN = 1000


def is_set_aside() -> bool:
    """Whether anybody has set objects aside, besides Python itself. It counts them."""
    return gc.get_freeze_count() > _PYTHONS_OWN


@contextmanager
def earlier_objects_set_aside() -> Iterator[None]:
    """Set aside what exists, for as long as the block runs. Does nothing where that is done already, by us or by somebody else."""
    if not _begun():
        yield
        return
    try:
        yield
    finally:
        with _LOCK:
            _SET_ASIDE.discard(_WE)
            # A closed loop and its tasks refer to each other. Back among all else they would stay until a full collection, which is the
            # rarer the more a process holds, and asyncio looks through all tasks that are there.
            gc.collect(1)
            gc.unfreeze()


def _begun() -> bool:
    with _LOCK:
        if _SET_ASIDE:
            return False
        if is_set_aside():
            # Remembered: who sets objects aside does so once, before forking or when all is loaded, and each answer counts them again.
            _SET_ASIDE.add(_SOMEBODY)
            return False
        gc.freeze()
        _SET_ASIDE.add(_WE)
        return True


@contextmanager
def callbacks_put_back() -> Iterator[None]:
    """Put back, when the block ends, what the collector calls: an app's function there would be called in the middle of anything."""
    before = list(gc.callbacks)
    try:
        yield
    finally:
        gc.callbacks[:] = before
