"""Record a conversation with EVI once, and replay it in tests.

These are the public names. The types of what they return are in ``evi_harness.results``, the errors in ``evi_harness.errors``, and the
events of a session in ``evi_harness.session.events``. docs/reference/api.md describes all of them.

Each name is loaded when it is first used, so that ``import evi_harness`` is fast. Rules of living here: a name is in the table, in the
block for type checkers and in ``__all__``; it never has the name of a room, since ``import evi_harness.replay`` would then replace the
call ``evi_harness.replay``; no module of the package imports from here.
"""

from __future__ import annotations

import sys


def _is_command() -> bool:
    """Whether this process is the ``evi-harness`` command, or ``python -m evi_harness``, and only begins to load it."""
    name = sys.argv[0] if sys.argv else ""
    return _is_run_as_module() if name == "-m" else name.replace("\\", "/").rpartition("/")[2] == "evi-harness"


def _is_run_as_module() -> bool:
    """Whether ``python -m`` imports this package in order to run it. An app that is run so and imports it has its own Ctrl+C."""
    frame = sys._getframe().f_back
    while frame is not None and frame.f_globals.get("__name__") != "runpy":
        frame = frame.f_back
    # The innermost: what it looks for is the module to run, or a package that the module is in.
    return frame is not None and str(frame.f_locals.get("mod_name")).partition(".")[0] == __name__


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
    from evi_harness.acts.commanding import app_command
    from evi_harness.acts.record_connection import record
    from evi_harness.acts.repairing import repair_session
    from evi_harness.acts.replay import replay_session
    from evi_harness.calls.ab_call import compare_versions
    from evi_harness.calls.check_call import check_sessions
    from evi_harness.calls.compare_call import compare_sessions
    from evi_harness.calls.explain_call import explain_report
    from evi_harness.calls.export_call import export_session
    from evi_harness.calls.gate_call import judge_gate
    from evi_harness.calls.import_call import import_session
    from evi_harness.calls.latency_call import measure_latency
    from evi_harness.calls.record_call import record_conversation
    from evi_harness.calls.replay_call import replay_live, replay_sessions
    from evi_harness.calls.report_call import write_report
    from evi_harness.calls.serve_call import serve
    from evi_harness.clocks.busy import busy
    from evi_harness.errors import EviHarnessError
    from evi_harness.sdk.hume.callbacks import connect_with_callbacks
    from evi_harness.sdk.hume.connection import websocket_of
    from evi_harness.sdk.hume.interface import WebSocketInterface
    from evi_harness.session.session import Session
    from evi_harness.verdicts.loading import load_session

__all__ = [
    "EviHarnessError",
    "Session",
    "WebSocketInterface",
    "__version__",
    "app_command",
    "busy",
    "check_sessions",
    "compare_sessions",
    "compare_versions",
    "connect_with_callbacks",
    "explain_report",
    "export_session",
    "import_session",
    "judge_gate",
    "load_session",
    "measure_latency",
    "record",
    "record_conversation",
    "repair_session",
    "replay_live",
    "replay_session",
    "replay_sessions",
    "serve",
    "websocket_of",
    "write_report",
]

# Name → the module that defines it.
EXPORTS: Dict[str, str] = {
    "EviHarnessError": "evi_harness.errors",
    "Session": "evi_harness.session.session",
    "WebSocketInterface": "evi_harness.sdk.hume.interface",
    "app_command": "evi_harness.acts.commanding",
    "busy": "evi_harness.clocks.busy",
    "check_sessions": "evi_harness.calls.check_call",
    "compare_sessions": "evi_harness.calls.compare_call",
    "compare_versions": "evi_harness.calls.ab_call",
    "connect_with_callbacks": "evi_harness.sdk.hume.callbacks",
    "explain_report": "evi_harness.calls.explain_call",
    "export_session": "evi_harness.calls.export_call",
    "import_session": "evi_harness.calls.import_call",
    "judge_gate": "evi_harness.calls.gate_call",
    "load_session": "evi_harness.verdicts.loading",
    "measure_latency": "evi_harness.calls.latency_call",
    "record": "evi_harness.acts.record_connection",
    "record_conversation": "evi_harness.calls.record_call",
    "repair_session": "evi_harness.acts.repairing",
    "replay_live": "evi_harness.calls.replay_call",
    "replay_session": "evi_harness.acts.replay",
    "replay_sessions": "evi_harness.calls.replay_call",
    "serve": "evi_harness.calls.serve_call",
    "websocket_of": "evi_harness.sdk.hume.connection",
    "write_report": "evi_harness.calls.report_call",
}


if not TYPE_CHECKING:
    # A checker that saw this would take any name for a public one.

    def __getattr__(name: str) -> Any:
        module = EXPORTS.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
