"""Which version of a package is installed."""

from __future__ import annotations

import os
import sys
from typing import Dict, Optional, Tuple

from evi_harness.installed_packages import metadata_now

__all__ = ["version_of"]

# Where packages are looked for: each folder with the time of its last change, None where it cannot be asked.
_Places = Tuple[Tuple[str, Optional[int]], ...]

# What was found last, by package: where, and its version. Valid for these places alone. That a package is absent is never remembered:
# a folder that cannot be read for a moment looks the same, and what is absent ends the replay anyway.
_KNOWN: Dict[str, Tuple[_Places, str]] = {}


def version_of(package: str) -> Optional[str]:
    """The version of an installed package, None where it is not installed.

    Reading it parses a file of some hundred lines, and a short replay would do that six times. So it is read once for each state of
    ``sys.path``: installing, upgrading or removing a package makes or removes an entry of its folder, which changes the folder's time.

    Args:
        package: The name it is installed by.
    """
    places = tuple((entry, _changed_ns(entry)) for entry in sys.path)
    known = _KNOWN.get(package)
    if known is not None and known[0] == places:
        return known[1]
    found = _found(package)
    if found is not None:
        _KNOWN[package] = places, found
    return found


def _found(package: str) -> Optional[str]:
    found = _asked(package)
    if found is None:
        metadata_now()
        found = _asked(package)
    return found


def _asked(package: str) -> Optional[str]:
    # Slower than most that is loaded here, and asked for when the app has begun.
    from importlib import metadata

    try:
        # None where the folder of its facts is there, and cannot be read.
        version: Optional[str] = metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
    return version


def _changed_ns(entry: str) -> Optional[int]:
    try:
        # The empty entry is the current folder.
        return os.stat(entry or os.curdir).st_mtime_ns  # noqa: PTH116 - several times faster than Path, and this runs for each replay
    except OSError:
        return None
