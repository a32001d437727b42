"""Connections that a handler opened and that are still open at the end.

Counted are connections over the event loop and sockets that the handler, or a library for it, makes itself, also on threads that it started
with ``asyncio.to_thread``. The connection of the conversation is not the handler's: it is closed by its opener.

Rules of living here: every connection is made as ever; only those on the handler's behalf are kept in mind, and none is kept alive.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any, Callable, List, Tuple
from weakref import WeakKeyDictionary

from evi_harness.carriers.journal import Journal
from evi_harness.guard.callers import callers_now, callers_of
from evi_harness.guard.on_behalf_of import Behalf, behalf, on_our_own
from evi_harness.guard.patches import Hooks
from evi_harness.guard.place_lookup import Stack, told_places
from evi_harness.guard.run_threads import RunThreads
from evi_harness.session.notes import OPEN_SOCKET

__all__ = ["OpenSockets"]

# What a loop opens, each with a transport and a protocol as its result.
_OPENERS = ("create_connection", "create_unix_connection", "create_datagram_endpoint")


@dataclass(frozen=True)
class _Opening:
    """What was opened: to where, on whose behalf and where in the code."""

    peer: str
    of: Behalf
    stack: Stack


class OpenSockets:
    """Watches the connections that a handler opens in one run. A context manager, which follows the loop on which it is entered.

    Args:
        journal: Where ``open_socket`` notes go.
        redact: Takes secrets out of what they quote.
        left_out: Says of which transports nothing is told.
    """

    def __init__(self, journal: Journal, redact: Callable[[str], str] = str, left_out: Callable[[Any], bool] = lambda _: False) -> None:
        self._journal = journal
        self._redact = redact
        self._left_out = left_out
        self._hooks = Hooks()
        self._run = RunThreads()
        self._transports: WeakKeyDictionary[Any, _Opening] = WeakKeyDictionary()
        self._sockets: WeakKeyDictionary[Any, _Opening] = WeakKeyDictionary()

    def __enter__(self) -> OpenSockets:
        loop = asyncio._get_running_loop()
        if loop is not None:
            self.follow(loop)
        self._run.__enter__()
        self._hooks.wrap(socket.socket, "__init__", self._making)
        return self

    def __exit__(self, *_: object) -> None:
        self._hooks.restore()
        self._run.__exit__(None, None, None)

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch what is opened over a loop, too."""
        for name in _OPENERS:
            self._hooks.wrap(loop, name, self._opening)

    def finish(self) -> None:
        """Note what is still open. Connections over the loop are ended, since the loop goes away under them."""
        # Closing takes the loop a step; what is being closed is closed.
        transports = [(one, opening) for one, opening in self._transports.items() if not one.is_closing()]
        told = {_number(one.get_extra_info("socket")) for one, _ in transports}
        for transport, opening in transports:
            self._note("a connection", opening.peer, opening)
            if asyncio._get_running_loop() is not None:
                transport.abort()
        for one, opening in list(self._sockets.items()):
            if _number(one) not in {-1, *told}:
                self._note("a socket", _peer(one), opening)

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        async def opening(*args: Any, **kwargs: Any) -> Any:
            of = behalf()
            if of is None:
                return await real(*args, **kwargs)
            opened = _Opening(_address(args, kwargs), of, callers_now())
            # What the loop makes for it is not one more.
            with on_our_own():
                transport, protocol = await real(*args, **kwargs)
            if not self._left_out(transport):
                self._transports[transport] = opened
            return transport, protocol

        return opening

    def _making(self, real: Callable[..., None]) -> Callable[..., None]:
        sockets, run = self._sockets, self._run

        def __init__(made: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it stands in for the constructor
            real(made, *args, **kwargs)
            # Every socket of the process comes by here; the handler of another run has its own one who watches.
            of = behalf() if run.here() else None
            if of is not None:
                sockets[made] = _Opening("", of, callers_now())

        return __init__

    def _note(self, thing: str, peer: str, opening: _Opening) -> None:
        called = callers_of(opening.stack)
        place = called[0] if called else "?"
        to = f" to {peer}" if peer else ""
        what = f"{thing}{to}, opened by {opening.of.callback} at {place}, was still open at the end"
        places = told_places(opening.stack, self._redact)
        self._journal.note(OPEN_SOCKET, of=opening.of.of, what=what, detail=list(called[1:]), places=places)


def _address(args: Tuple[Any, ...], kwargs: Any) -> str:
    """Where to: after the protocol's factory come host and port, or a path, or the addresses of a datagram's."""
    host, port = (*args[1:], None, None)[:2] if len(args) > 1 else (kwargs.get("host"), kwargs.get("port"))
    if kwargs.get("sock") is not None:
        return _peer(kwargs["sock"])
    host = host if host is not None else kwargs.get("path") or kwargs.get("remote_addr") or ""
    return f"{_text(host)}:{port}" if isinstance(port, int) else _text(host)


def _text(address: Any) -> str:
    if isinstance(address, bytes):
        return address.decode("ascii", "replace")
    return ":".join(map(str, address[:2])) if isinstance(address, tuple) else str(address)


def _peer(one: Any) -> str:
    try:
        return _text(one.getpeername())
    except (OSError, AttributeError):
        return ""


def _number(one: Any) -> int:
    """The descriptor of a socket, -1 where it is closed."""
    number: List[int] = [] if one is None else [one.fileno()]
    return number[0] if number else -1
