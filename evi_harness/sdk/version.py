"""Which SDK is installed, and importing it where there is no sound system."""

from __future__ import annotations

import sys
from importlib import import_module, metadata

from evi_harness.errors import SdkError

__all__ = ["import_sdk", "installed_version"]


def installed_version() -> str:
    """The version of the installed ``hume`` package, such as ``0.14.1``.

    Raises:
        SdkError: There is none.
    """
    try:
        return metadata.version("hume")
    except metadata.PackageNotFoundError:
        raise SdkError("the package hume is not installed", hint="pip install 'hume[microphone]'") from None


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
            sys.modules["sounddevice"] = None  # type: ignore[assignment]
            try:
                _import()
            finally:
                del sys.modules["sounddevice"]
    except (ImportError, OSError) as error:
        raise SdkError(f"the installed hume package cannot be imported: {error}", hint="pip install 'hume[microphone]>=0.8.6'") from error


def _import() -> None:
    # A package that failed leaves the modules in it behind, so both are asked for.
    import_module("hume")
    import_module("hume.client")
