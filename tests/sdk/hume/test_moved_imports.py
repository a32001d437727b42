"""Tests of evi_harness.sdk.hume.moved_imports: against the SDK that is installed, whatever its version."""

from __future__ import annotations

import pytest

from evi_harness.sdk.hume.installed_sdk import installed_version
from evi_harness.sdk.hume.moved_imports import import_hint

SOCKET_CLIENT = "hume.empathic_voice.chat.socket_client"
TYPES = ("hume.empathic_voice.types", "hume.empathic_voice.chat.types")


def failing(line):
    """The error that an import raises, None where the installed SDK has it."""
    try:
        exec(line, {})
    except ImportError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        ([f"from {SOCKET_CLIENT} import ChatWebsocketConnection", f"from {SOCKET_CLIENT} import AsyncChatSocketClient"], "0.1"),
        ([f"from {home} import SubscribeEvent" for home in TYPES], "0.1"),
    ],
)
def test_what_has_moved_is_found_in_the_installed_version(lines, version):
    """The line that the hint gives works, and binds the name that the app uses."""
    errors = [error for error in map(failing, lines) if error is not None]
    for error in errors:
        hint = import_hint(error)
        line = hint.splitlines()[0].partition(" has it with: ")[2]
        names = {}
        exec(line, names)
        assert f"'{next(reversed(names))}'" in str(error)
        assert f"hume[microphone]=={version}" in hint


def test_a_name_that_no_version_has():
    """It points to the page, and to an installation of the app's own version."""
    for line in (f"from {SOCKET_CLIENT} import NoSuchThing", "import hume.no_such_module"):
        hint = import_hint(failing(line))
        assert hint.startswith(f"hume {installed_version()} ")
        assert "hume[microphone]==VERSION" in hint
