"""Record an EVI conversation once, replay it for ever.

The names below are the public surface; each is loaded from its module when it is first asked for, so that ``import evi_harness``
costs nothing. Rules of living here: a name stands in the table, in the block for type checkers and in ``__all__``; it never has the name of
a room; no module of the package imports from here.
"""

from __future__ import annotations

import sys


def _is_command() -> bool:
    """Whether this process is the ``evi-harness`` command, or ``python -m evi_harness``, and only begins to load it."""
    name = sys.argv[0] if sys.argv else ""
    return name == "-m" or name.replace("\\", "/").rpartition("/")[2] == "evi-harness"


def has_started() -> None:
    """Have Ctrl+C be an exception again: the command has begun and takes it."""
    import _signal  # type: ignore[import-not-found]

    if _signal.getsignal(_signal.SIGINT) is _interrupted:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def _interrupted(*_: object) -> None:
    """End the command, of which nothing has begun yet, as a whole command ends then."""
    import os

    os.write(2, b"\ninterrupted\n" if os.isatty(2) else b"interrupted\n")
    os._exit(130)


if _is_command():
    # Before anything else is loaded: from here on no moment is left in which Ctrl+C shows a traceback.
    import _signal

    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _interrupted)

from importlib import import_module  # noqa: E402 - Ctrl+C comes first
from typing import TYPE_CHECKING, Any, Dict, List  # noqa: E402 - likewise

from evi_harness.version import __version__  # noqa: E402 - likewise

if TYPE_CHECKING:
    from evi_harness.acts.import_capture import import_capture
    from evi_harness.acts.record_connection import Recording, record
    from evi_harness.acts.repairing import repair_session
    from evi_harness.acts.replay import ReplayResult, replay_session
    from evi_harness.acts.sessions import check_session
    from evi_harness.clocks.busy import busy
    from evi_harness.errors import EviHarnessError
    from evi_harness.replay.player import Player
    from evi_harness.sdk.hume.callbacks import connect_with_callbacks
    from evi_harness.sdk.hume.connection import websocket_of
    from evi_harness.sdk.hume.interface import WebSocketInterface
    from evi_harness.session.events import Frame
    from evi_harness.session.header import Header
    from evi_harness.session.session import Session
    from evi_harness.storage.writer import SessionWriter
    from evi_harness.verdicts.loading import load_session

__all__ = [
    "EviHarnessError",
    "Frame",
    "Header",
    "Player",
    "Recording",
    "ReplayResult",
    "Session",
    "SessionWriter",
    "WebSocketInterface",
    "__version__",
    "busy",
    "check_session",
    "connect_with_callbacks",
    "import_capture",
    "load_session",
    "record",
    "repair_session",
    "replay_session",
    "websocket_of",
]

# Name → the module that defines it.
EXPORTS: Dict[str, str] = {
    "EviHarnessError": "evi_harness.errors",
    "Frame": "evi_harness.session.events",
    "Header": "evi_harness.session.header",
    "Player": "evi_harness.replay.player",
    "Recording": "evi_harness.acts.record_connection",
    "ReplayResult": "evi_harness.acts.replay",
    "Session": "evi_harness.session.session",
    "SessionWriter": "evi_harness.storage.writer",
    "WebSocketInterface": "evi_harness.sdk.hume.interface",
    "busy": "evi_harness.clocks.busy",
    "check_session": "evi_harness.acts.sessions",
    "connect_with_callbacks": "evi_harness.sdk.hume.callbacks",
    "import_capture": "evi_harness.acts.import_capture",
    "load_session": "evi_harness.verdicts.loading",
    "record": "evi_harness.acts.record_connection",
    "repair_session": "evi_harness.acts.repairing",
    "replay_session": "evi_harness.acts.replay",
    "websocket_of": "evi_harness.sdk.hume.connection",
}


def __getattr__(name: str) -> Any:
    module = EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
