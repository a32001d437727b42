"""Act at the end of the program, in every way in which Python allows it.

At exit; in a process of multiprocessing, which runs no ``atexit``; and on SIGTERM and SIGHUP where the app does nothing about them: then
the program still ends by the signal, a moment later.

Rules of living here: the duties of a process are not those of a child that it forks, which forgets them. A signal that the app handles or
ignores is left to the app. What is registered here may be called twice at once, from any threads, and so must be idempotent.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any, Callable, Dict, NamedTuple, Optional

__all__ = ["at_program_end", "do_duties", "ends_program", "really_exit"]

# Windows has no SIGHUP.
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
# While an app runs whose end is only its own, other code stands in the place of these: see ``exits``, which imports this module first.
_getsignal, _set_signal, _kill = signal.getsignal, signal.signal, os.kill
really_exit = os._exit
# How long Ctrl+C is put up with while duties are done at exit: whoever presses it twice does not mean to lose a recording.
PATIENCE_S = 2.0


class _Duty(NamedTuple):
    """What is to be done at the end, and what a forked child does in its place."""

    act: Callable[[], object]
    in_child: Callable[[], object]


_duties: Dict[int, _Duty] = {}
_is_registered = False
_is_ending = False


def at_program_end(act: Callable[[], object], *, in_child: Callable[[], object] = lambda: None) -> Callable[[], None]:
    """Have something done before the program ends.

    Where this is called on the main thread, and SIGTERM or SIGHUP would end the program at once, they end it when all duties are done.
    A second one does not wait.

    Args:
        act: What to do. The program waits for it.
        in_child: Called in a child that is forked meanwhile, right after the fork, on the one thread that it has.

    Returns:
        What takes it back; from any thread.
    """
    number = id(act)
    _duties[number] = _Duty(act, in_child)
    _register()
    _take_signals()

    def no_longer() -> None:
        _duties.pop(number, None)
        if not _duties:
            _give_back_signals()

    return no_longer


def ends_program(handler: Any) -> bool:
    """Whether the handler of a signal is the one from here, behind which the program ends as if nothing handled the signal."""
    return handler is _signalled


def _register() -> None:
    global _is_registered
    if _is_registered:
        return
    _is_registered = True
    atexit.register(_at_exit)
    # Not imported for it: in a process of multiprocessing it is there.
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, _at_exit, exitpriority=0)


def _at_exit() -> None:
    """Do all duties; Ctrl+C is put up with for a while."""
    began_s = time.monotonic()

    def interrupted(number: int, frame: Optional[FrameType]) -> None:  # noqa: ARG001 - the signature is signal's
        if time.monotonic() - began_s > PATIENCE_S:
            raise KeyboardInterrupt

    is_ours = threading.current_thread() is threading.main_thread() and _getsignal(signal.SIGINT) is signal.default_int_handler
    if is_ours:
        _set_signal(signal.SIGINT, interrupted)
    # Interrupted after all, it has been told that the disk is waited for.
    with suppress(KeyboardInterrupt):
        do_duties()
    if is_ours:
        _set_signal(signal.SIGINT, signal.default_int_handler)


def do_duties() -> None:
    """Do all that is to be done before the program ends, where somebody else is about to end it."""
    for number, duty in list(_duties.items()):
        duty.act()
        _duties.pop(number, None)


def _take_signals() -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        if _getsignal(number) is signal.SIG_DFL:
            _set_signal(number, _signalled)


def _give_back_signals() -> None:
    # Another thread cannot; with no duty left the handler does what the system would.
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        if _getsignal(number) is _signalled:
            _set_signal(number, signal.SIG_DFL)


def _signalled(number: int, frame: Optional[FrameType]) -> None:  # noqa: ARG001 - the signature is signal's
    global _is_ending
    if _is_ending or not _duties:
        _set_signal(number, signal.SIG_DFL)
        _kill(os.getpid(), number)
        return
    _is_ending = True
    # A second one is left to the system: Python handles signals on the main thread, which may wait by then without seeing this one.
    _give_back_signals()
    # On another thread, since the signal may have interrupted the very code that a duty waits for. At exit no thread can be started from
    # Python 3.12 on; then all duties are being done.
    with suppress(RuntimeError):
        threading.Thread(target=_do_all_and_end, args=(number,), name="evi-harness end", daemon=True).start()


def _do_all_and_end(number: int) -> None:
    try:
        do_duties()
    finally:
        _kill(os.getpid(), number)


def _in_child() -> None:
    """Forget what is the parent's to do."""
    global _is_registered, _is_ending
    duties = list(_duties.values())
    _duties.clear()
    _is_registered = _is_ending = False
    _give_back_signals()
    for duty in duties:
        with suppress(Exception):
            duty.in_child()


def _after_forks() -> None:
    register: Any = getattr(os, "register_at_fork", None)
    if register is not None:
        register(after_in_child=_in_child)


_after_forks()
