"""Find the installed packages, from the current state of their folders.

Rules of living here: importlib takes a folder that cannot be read for a moment, as where no more files can be opened, for an empty one, and
remembers that. So code that needs the list of packages asks here, where that cache is cleared first.
"""

from __future__ import annotations

from importlib import invalidate_caches
from types import ModuleType

__all__ = ["metadata_now"]


def metadata_now() -> ModuleType:
    """``importlib.metadata``, which has forgotten what it was told before."""
    # Most sessions speak what is built in, and loading this takes longer than all else here.
    from importlib import metadata

    invalidate_caches()
    return metadata
