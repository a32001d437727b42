"""Names that moved between versions of ``hume``, and the import that works with the installed one.

docs/how-to/guide.md has the names that Hume's guide imports. Any other name is looked for where the SDK keeps its public ones.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Iterator, Mapping, NamedTuple, Optional

from evi_harness.sdk.hume.installed_sdk import installed_version

__all__ = ["import_hint"]

_SOCKET_CLIENT = "hume.empathic_voice.chat.socket_client"
# Where public names are, the shortest import first.
_HOMES = ("hume", "hume.client", "hume.empathic_voice", "hume.empathic_voice.types", "hume.empathic_voice.chat.types", _SOCKET_CLIENT)
# One class under two names: up to 0.12.1, and from 0.13.0.
_RENAMED: Mapping[str, str] = {"ChatWebsocketConnection": "AsyncChatSocketClient", "AsyncChatSocketClient": "ChatWebsocketConnection"}
# "cannot import name 'X' from 'hume.y' (file)", as CPython has it in each version.
_NAME = re.compile(r"cannot import name '(\w+)'")


class _Had(NamedTuple):
    """A version that has a name in a module."""

    name: str
    module: str
    version: str


# The last version, or the first one, that has what was moved or renamed.
_HAD = (
    _Had("ChatWebsocketConnection", _SOCKET_CLIENT, "0.12.1"),
    _Had("AsyncChatSocketClient", _SOCKET_CLIENT, "0.13.0"),
    _Had("SubscribeEvent", "hume.empathic_voice.chat.types", "0.13.1"),
    _Had("SubscribeEvent", "hume.empathic_voice.types", "0.13.2"),
)


def import_hint(error: ImportError) -> str:
    """What helps a developer whose import from ``hume`` fails: the line that works, and the version that needs no change.

    Args:
        error: What was raised.
    """
    installed, module = installed_version(), error.name or "hume"
    found = _NAME.search(error.msg or "")
    line = None if found is None else next(_lines(found[1]), None)
    had = next((one.version for one in _HAD if found is not None and (one.name, one.module) == (found[1], module)), "VERSION")
    install = f"install your app's version: pip install 'hume[microphone]=={had}'"
    if line is None:
        return f"hume {installed} does not have it: see Imports in docs/how-to/guide.md of evi-harness, or {install}"
    return f"hume {installed} has it with: {line}\nOr {install}"


def _lines(name: str) -> Iterator[str]:
    """The imports that give a name with the installed SDK."""
    for own in (name, _RENAMED.get(name)):
        for home in _HOMES if own else ():
            if _has(home, own):
                yield f"from {home} import {own}" if own == name else f"from {home} import {own} as {name}"


def _has(module: str, name: Optional[str]) -> bool:
    try:
        return name is not None and hasattr(import_module(module), name)
    except ImportError:
        return False
