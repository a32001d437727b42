"""Which SDK is installed, and importing it where there is no sound system."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module, metadata
from typing import Dict, Optional, Tuple

from evi_harness.errors import SdkError
from evi_harness.guard.patches import Hooks

__all__ = ["import_sdk", "installed_version", "silence_pydub", "version_of"]

# Where packages are looked for: each folder with the time of its last change, None where it cannot be asked.
_Places = Tuple[Tuple[str, Optional[int]], ...]

# What was found last, by package: where, and its version, None for one that is absent. Valid for these places alone.
_KNOWN: Dict[str, Tuple[_Places, Optional[str]]] = {}


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
    try:
        found: Optional[str] = metadata.version(package)
    except metadata.PackageNotFoundError:
        found = None
    _KNOWN[package] = places, found
    return found


def _changed_ns(entry: str) -> Optional[int]:
    try:
        # The empty entry is the current folder.
        return os.stat(entry or os.curdir).st_mtime_ns  # noqa: PTH116 - several times faster than Path, and this runs for each replay
    except OSError:
        return None


def installed_version() -> str:
    """The version of the installed ``hume`` package, such as ``0.14.1``.

    Raises:
        SdkError: There is none.
    """
    found = version_of("hume")
    if found is None:
        raise SdkError("the package hume is not installed", hint="pip install 'hume[microphone]'")
    return found


def import_sdk() -> None:
    """Import the SDK; a second time does nothing.

    Up to 0.12.1 it imports sounddevice at once and puts up with its absence, but not with a sounddevice that finds no PortAudio. So
    that one is hidden from it: a replay needs no sound system.

    Raises:
        SdkError: It cannot be imported.
    """
    try:
        try:
            _import()
        except OSError:
            hooks = Hooks()
            hooks.set_item(sys.modules, "sounddevice", None)
            try:
                _import()
            finally:
                hooks.restore()
    except (ImportError, OSError) as error:
        raise SdkError(f"the installed hume package cannot be imported: {error}", hint="pip install 'hume[microphone]>=0.8.6'") from error


def silence_pydub() -> None:
    """Have no warning on standard error where pydub, which the SDK up to 0.8.6 imports, finds no ffmpeg.

    Only playback through a sound card needs that, and doctor says so.
    """
    if "hume" not in sys.modules:
        warnings.filterwarnings("ignore", "Couldn't find ffmpeg or avconv", RuntimeWarning)


def _import() -> None:
    silence_pydub()
    # A package that failed leaves the modules in it behind, so both are asked for.
    import_module("hume")
    import_module("hume.client")
