"""Which SDK is installed, and importing it where there is no sound system."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module

from evi_harness.errors import SdkError
from evi_harness.guard.patches import Hooks
from evi_harness.sdk.installed import version_of

__all__ = ["import_sdk", "installed_version", "silence_pydub"]


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
    hooks = Hooks()
    if "httpx" not in sys.modules:
        # Where rich is installed, httpx loads a command line of its own, with rich and pygments: 30 ms that no app has use for. It puts up
        # with the absence of it.
        hooks.set_item(sys.modules, "httpx._main", None)
    try:
        # A package that failed leaves the modules in it behind, so both are asked for.
        import_module("hume")
        import_module("hume.client")
    finally:
        hooks.restore()
