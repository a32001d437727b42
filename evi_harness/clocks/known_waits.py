"""Calls that are known to wait, timed in real time, because they block an event loop that calls them.

A step of the loop may take long because the app computes, because it waits, or because the machine runs something else. The first shows in
the thread's processor time. The second shows here: how long the call took, less what it computed, and no longer than it was asked to wait,
since what it took beyond that is the machine's. Waiting inside C code is not seen, nor is a lock that is taken directly.

Rules of living here: each call goes as ever; what is replaced is put back. Counted is the outermost call on the thread of a loop, while
one of its steps runs and the harness itself is not at work. A call that the app keeps by another name does nothing but hand on, once the
block is left.
"""

from __future__ import annotations

import builtins
import functools
import os
import select
import socket
import ssl
import subprocess
import threading
import time
from typing import Any, Callable, ContextManager, Dict, List, Mapping, Optional, Sequence, Tuple

from evi_harness.clocks.steps import ReadySteps
from evi_harness.guard.patches import Hooks, SharedHooks
from evi_harness.guard.thread_starts import THREAD_STARTS

__all__ = ["KnownWaits"]

Args = Tuple[Any, ...]
# For how many seconds a call waits at most, None for as long as it takes.
Limit = Callable[[Args, Mapping[str, Any]], Optional[float]]

# The steps of the loops that are watched, by thread. Not kept in what replaces a call: an app may hold that longer than a run lasts.
_WATCHED: Dict[int, ReadySteps] = {}


def _at(position: int, name: str) -> Limit:
    """The limit is an argument."""

    def limit(args: Args, kwargs: Mapping[str, Any]) -> Optional[float]:
        value = args[position] if len(args) > position else kwargs.get(name)
        return float(value) if isinstance(value, (int, float)) else None

    return limit


def _unlimited(_: Args, __: Mapping[str, Any]) -> Optional[float]:
    return None


def _of_socket(args: Args, _: Mapping[str, Any]) -> Optional[float]:
    """A socket that does not block waits for nothing: what its calls take beyond that, the machine did something else."""
    return 0.0 if args[0].gettimeout() == 0 else None


def _of_waitpid(args: Args, _: Mapping[str, Any]) -> Optional[float]:
    """So does a look at whether a child has ended."""
    return 0.0 if len(args) > 1 and args[1] & os.WNOHANG else None


_FROM_SOCKET = ("accept", "connect", "recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "send", "sendall", "sendmsg", "sendto")
_FROM_TLS = ("do_handshake", "read", "recv", "recv_into", "send", "sendall", "write")

# What waits: where it is, its name, and for how long at most.
_WAITS: Tuple[Tuple[Any, str, Limit], ...] = (
    # Events, queues, semaphores, barriers and the results of concurrent.futures wait by one of these.
    (threading.Condition, "wait", _at(1, "timeout")),
    (threading.Thread, "join", _at(1, "timeout")),
    (subprocess.Popen, "wait", _at(1, "timeout")),
    (subprocess.Popen, "communicate", _at(2, "timeout")),
    (os, "system", _unlimited),
    (os, "wait", _unlimited),
    (os, "waitpid", _of_waitpid),
    (builtins, "input", _unlimited),
)
# What virtual time accounts for by itself, or refuses; a loop calls the socket's for each message.
_WAITS_IN_REAL_TIME: Tuple[Tuple[Any, str, Limit], ...] = (
    (time, "sleep", _at(0, "seconds")),
    (select, "select", _at(3, "timeout")),
    (socket, "create_connection", _unlimited),
    (socket, "getaddrinfo", _unlimited),
    (socket, "gethostbyname", _unlimited),
    *((socket.socket, name, _of_socket) for name in _FROM_SOCKET),
    *((ssl.SSLSocket, name, _of_socket) for name in _FROM_TLS),
)


class KnownWaits:
    """Times the calls that are known to wait, for as long as the block runs, on the threads of the loops that it is told of.

    Args:
        in_virtual_time: Whether the loops are on virtual time: that has ``time.sleep`` and the network in its own hands.
    """

    def __init__(self, *, in_virtual_time: bool = False) -> None:
        self._timing = (_TIMED,) if in_virtual_time else (_TIMED, _TIMED_IN_REAL_TIME)
        self._watched: List[Tuple[int, ReadySteps]] = []

    def __enter__(self) -> KnownWaits:
        for timing in self._timing:
            timing.join(self)
        THREAD_STARTS.join(_starting)
        return self

    def __exit__(self, *_: object) -> None:
        for thread, steps in self._watched:
            if _WATCHED.get(thread) is steps:
                del _WATCHED[thread]
        THREAD_STARTS.leave(_starting)
        for timing in self._timing:
            timing.leave(self)

    def watch(self, steps: ReadySteps) -> None:
        """Have the waits of a loop counted in its steps.

        Args:
            steps: The steps of the loop that runs on the calling thread.
        """
        thread = threading.get_ident()
        _WATCHED[thread] = steps
        self._watched.append((thread, steps))


def _time(waits: Sequence[Tuple[Any, str, Limit]], hooks: Hooks) -> None:
    for owner, name, limit in waits:
        hooks.wrap(owner, name, functools.partial(_timed, limit=limit))


_TIMED: SharedHooks[KnownWaits] = SharedHooks(functools.partial(_time, _WAITS))
_TIMED_IN_REAL_TIME: SharedHooks[KnownWaits] = SharedHooks(functools.partial(_time, _WAITS_IN_REAL_TIME))


def _starting(_: threading.Thread) -> Optional[ContextManager[None]]:
    # A start waits, by an event, until the thread runs: on a busy machine that takes long, and it is no fault of whoever starts one.
    steps = _WATCHED.get(threading.get_ident())
    return None if steps is None or not steps.counts_waits else steps.waiting(0.0)


def _timed(real: Callable[..., Any], limit: Limit) -> Callable[..., Any]:
    @functools.wraps(real)
    def call(*args: Any, **kwargs: Any) -> Any:
        steps = _WATCHED.get(threading.get_ident())
        if steps is None or not steps.counts_waits:
            return real(*args, **kwargs)
        with steps.waiting(limit(args, kwargs)):
            return real(*args, **kwargs)

    return call
