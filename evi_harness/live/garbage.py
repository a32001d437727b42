"""What was there before a run is left alone by the garbage collector while the run lasts.

A full collection looks at every object of the process, again and again: at a test suite, its libraries and the recording, of which nothing
has become garbage. So what exists is set aside first. What the run makes is collected as ever, and whoever looks through the collector's
objects for what a run has left behind finds that alone.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import Iterator

__all__ = ["earlier_objects_set_aside"]


@contextmanager
def earlier_objects_set_aside() -> Iterator[None]:
    """Set aside what exists, for as long as the block runs. Does nothing where somebody has set something aside already."""
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
