"""Ways to end a process without unwinding: ``os._exit``, ``os.exec…``, ``os.abort``, signals. In a run, they end only the app.

Each is replaced while a run lasts: called on a thread of the run it is noted, and raises ``AppEnds``. In a child that the app forked, and
on any other thread of the process, it does what it always does. What C code does without Python is seen by a parent alone: ``child_run``.

Rules of living here: what is replaced is put back; a function that the app has kept does what it always did once the run is over.
"""

from __future__ import annotations

import _thread
import asyncio
import os
import signal
from types import TracebackType
from typing import Any, Callable, NoReturn, Optional, Type

from evi_harness.clocks.app_loop import AppLoop
from evi_harness.guard.callers import callers_now
from evi_harness.guard.ending import AppEnds, Ending, Notes
from evi_harness.guard.forks import ForkedChildren
from evi_harness.guard.own_signals import OwnSignals, is_own
from evi_harness.guard.patches import Hooks, SharedHooks
from evi_harness.guard.run_threads import RunThreads
from evi_harness.session.notes import EXITS

__all__ = ["AppExits"]

_ACTIVE: SharedHooks[AppExits] = SharedHooks(lambda hooks: _listen(hooks))


class AppExits:
    """Turns what would end the process into the end of the app, for as long as the block runs, on the threads of the run that enters it.

    Args:
        ending: Where it is told.
        takes_interrupts: Whether Ctrl+C is heard here.

    Attributes:
        signals: The signals of the run.
    """

    def __init__(self, ending: Ending, *, takes_interrupts: bool = True) -> None:
        self.ending = ending
        self._threads = RunThreads()
        self._children = ForkedChildren()
        self._process = os.getpid()
        self.signals = OwnSignals(ending, self.ends, takes_interrupts=takes_interrupts)

    def __enter__(self) -> AppExits:
        self._process = os.getpid()
        # Before anything is replaced: it installs a handler really.
        self.signals.__enter__()
        self._threads.__enter__()
        self._children.__enter__()
        _ACTIVE.join(self)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.ending.write()
        for stack in self._children.came_back() if error is None else ():
            self.ending.forked(stack)
        _ACTIVE.leave(self)
        self._children.__exit__(kind, error, trace)
        self._threads.__exit__(kind, error, trace)
        self.signals.__exit__()

    def follow(self, loop: AppLoop, journal: Notes, handling: Callable[[], Optional[int]] = lambda: None) -> None:
        """Follow a run, on its running loop: it tells of what the app does with it.

        Args:
            loop: The loop.
            journal: Where notes go.
            handling: The seq of the event that the handler is busy with, None while it is not.
        """
        loop.ending, loop.own_signals, self.signals.loop = self.ending, self.signals, loop
        self.ending.follow(loop, journal, handling)

    def concerns_me(self) -> bool:
        """Whether the calling thread belongs to the run, in the process of the run."""
        return self._threads.here() and os.getpid() == self._process

    def ends(self, how: str, status: int) -> NoReturn:
        """End the app where it is.

        Args:
            how: The call, for people.
            status: What the process would have ended with.

        Raises:
            AppEnds: Always.
        """
        self.ending.tell(EXITS, f"the app ended its process: {how}", callers_now())
        raise AppEnds(status)


def _mine() -> Optional[AppExits]:
    return next((one for one in _ACTIVE if one.concerns_me()), None)


def _listen(hooks: Hooks) -> None:
    _end_by(hooks, os, "_exit", lambda status: (f"os._exit({status})", status))
    _end_by(hooks, os, "abort", lambda: ("os.abort()", 128 + signal.SIGABRT))
    for name in ("execv", "execve"):
        _end_by(hooks, os, name, lambda path, *_, name=name, **__: (f"os.{name}({path!r}, …)", 0))
    _replace(hooks, os, "kill", _killing)
    _replace(hooks, os, "killpg", _killing_group)
    _replace(hooks, signal, "raise_signal", _raising)
    _replace(hooks, signal, "pthread_kill", _killing_thread)
    _replace(hooks, _thread, "interrupt_main", _interrupting)
    _replace(hooks, signal, "signal", _handling)
    _replace(hooks, signal, "getsignal", _asking)


def _end_by(hooks: Hooks, owner: Any, name: str, told: Callable[..., Any]) -> None:
    """Replace a function that ends the process."""

    def made(real: Callable[..., Any]) -> Callable[..., Any]:
        def ending(*args: Any, **kwargs: Any) -> Any:
            mine = _mine()
            if mine is not None:
                mine.ends(*told(*args, **kwargs))
            return real(*args, **kwargs)

        return ending

    _replace(hooks, owner, name, made)


def _replace(hooks: Hooks, owner: Any, name: str, made: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    def named(real: Callable[..., Any]) -> Callable[..., Any]:
        replaced = made(real)
        replaced.__name__, replaced.__doc__ = name, real.__doc__
        return replaced

    hooks.wrap(owner, name, named)


def _killing(real: Callable[..., Any]) -> Callable[..., Any]:
    def kill(pid: int, number: int) -> Any:
        mine = _mine() if is_own(pid) else None
        if mine is None:
            return real(pid, number)
        return mine.signals.sent(number, f"os.kill({pid}, {_named(number)})", lambda: real(os.getpid(), number))

    return kill


def _killing_group(real: Callable[..., Any]) -> Callable[..., Any]:
    def killpg(group: int, number: int) -> Any:
        mine = _mine() if group in (0, os.getpgrp()) else None
        if mine is None:
            return real(group, number)
        return mine.signals.sent(number, f"os.killpg({group}, {_named(number)})", lambda: os.kill(os.getpid(), number))

    return killpg


def _raising(real: Callable[..., Any]) -> Callable[..., Any]:
    def raise_signal(number: int) -> Any:
        mine = _mine()
        return real(number) if mine is None else mine.signals.sent(number, f"signal.raise_signal({_named(number)})", lambda: real(number))

    return raise_signal


def _killing_thread(real: Callable[..., Any]) -> Callable[..., Any]:
    def pthread_kill(thread: int, number: int) -> Any:
        mine = _mine()
        how = f"signal.pthread_kill(…, {_named(number)})"
        return real(thread, number) if mine is None else mine.signals.sent(number, how, lambda: real(thread, number))

    return pthread_kill


def _interrupting(real: Callable[..., Any]) -> Callable[..., Any]:
    def interrupt_main(*number: int) -> Any:
        mine = _mine()
        if mine is None:
            return real(*number)
        return mine.signals.sent(number[0] if number else signal.SIGINT, "_thread.interrupt_main()", lambda: real(*number))

    return interrupt_main


def _handling(real: Callable[..., Any]) -> Callable[..., Any]:
    def signal_(number: int, handler: Any) -> Any:
        mine = _mine()
        return mine.signals.keep(number, handler) if mine is not None and mine.signals.keeps(number) else real(number, handler)

    return signal_


def _asking(real: Callable[..., Any]) -> Callable[..., Any]:
    def getsignal(number: int) -> Any:
        mine = _mine()
        if mine is None or not mine.signals.keeps(number):
            return real(number)
        kept = mine.signals.kept(number)
        # The event loop's own stands for what it calls.
        return mine.signals.loops_own if isinstance(kept, asyncio.Handle) else kept

    return getsignal


def _named(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
