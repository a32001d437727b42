"""The network guard: an app under replay reaches the service, its own ports and allowed hosts, and nothing else.

CPython itself says what is about to be done with a socket, by its audit events, in C as in Python; what raises in the hook ends the call
before anything leaves the machine. An audit hook cannot be taken away, so there is one for the process, put there by the first guard;
without a guard it does nothing but look into an empty table. Three things no event tells in time are heard besides: a name that is handed
to ``connect`` is looked up before its event, a loop looks names up on another thread, and what an allowed name resolves to must be known
when it is connected to. Sockets that C code opens (gRPC, libpq, libcurl) raise no event, and programs that the app starts have no hook.

Rules of living here: only what threads of the guard's own run do is judged. Nothing but Internet sockets is the network: no Unix socket, no
socket pair. A refusal is reported once for each place, whatever happens to the error.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NoReturn, Optional, Set, Tuple, Type

from evi_harness.errors import EviHarnessError, NetworkRefused
from evi_harness.guard.allowed import LOOPBACK_NAME, Allowed, address_of, as_text, is_address, name_of
from evi_harness.guard.callers import callers_now, callers_of, has_developers
from evi_harness.guard.own_ports import listens_on
from evi_harness.guard.patches import Hooks, SharedHooks
from evi_harness.guard.place_lookup import Stack
from evi_harness.guard.run_threads import RunThreads

__all__ = ["NetworkGuard", "Refusal", "refuse", "was_refused"]

PROBE = "evi_harness.guard"
# Names of this machine, which no lookup leads away from.
_OWN_NAMES = frozenset({LOOPBACK_NAME, "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
_INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})

_GUARDS: SharedHooks[NetworkGuard] = SharedHooks(lambda hooks: _listen(hooks), lambda: _add_audit_hook())
_PROBED: List[bool] = []
# Threads on which the guard itself looks something up.
_looking_up = threading.local()


@dataclass(frozen=True)
class Refusal:
    """A call that was refused.

    Attributes:
        call: What was called, such as ``socket.connect``.
        host: The host that it tried to reach.
        port: Its port, None where the call names none.
        stack: Who called.
        hint: What to do next.
    """

    call: str
    host: str
    port: Optional[int]
    stack: Stack
    hint: str

    @property
    def places(self) -> Tuple[str, ...]:
        """Where in the developer's code, the innermost first; empty where none of it called."""
        return callers_of(self.stack)

    @property
    def what(self) -> str:
        """One sentence: what was refused, and the way out."""
        return f"{self._said()}; {self.hint[0].lower()}{self.hint[1:].rstrip('.')}"

    def error(self) -> NetworkRefused:
        """What the app gets."""
        place = next(iter(self.places), None)
        return NetworkRefused(self._said(), where=None if place is None else place.rpartition(" in ")[0], hint=self.hint)

    def _said(self) -> str:
        return f"the app may not reach {address_of(self.host, self.port)} ({self.call})"


class NetworkGuard:
    """Refuses what the app may not reach, for as long as the block runs, on the threads of the run that enters it.

    Args:
        allowed: What the app may reach. The service is to be among them where it is reached over a port.
        on_refused: Called with the first refusal at each place, on the thread that was refused.
        on_reached: Called with an address that was allowed, host and port, before it is reached, on the thread that reaches for it; once
            for each.
        on_started: Called with what the app starts beside itself, and who does, on the thread that starts it: a program by its name, or
            nothing for a copy of the process.
        carried: The host under which a virtual loop carries the service, None in real time. What is refused may have another way out then.

    Raises:
        EviHarnessError: On entering: another audit hook of the process keeps new ones out.
    """

    def __init__(
        self,
        allowed: Iterable[Allowed],
        on_refused: Callable[[Refusal], object],
        *,
        on_reached: Callable[[str, int], object] = lambda *_: None,
        on_started: Callable[[str, Stack], object] = lambda *_: None,
        carried: Optional[str] = None,
    ) -> None:
        self._allowed = tuple(allowed)
        self._on_refused = on_refused
        self._on_reached = on_reached
        self._on_started = on_started
        self._reached: Set[Tuple[str, int]] = set()
        self._carried = carried
        self._threads = RunThreads()
        self._names_of: Dict[str, Set[str]] = {}
        self._told: Set[Tuple[str, Optional[int], Tuple[str, ...]]] = set()
        self._own_names = _OWN_NAMES | {name_of(socket.gethostname())}

    def __enter__(self) -> NetworkGuard:
        _GUARDS.join(self)
        self._threads.__enter__()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        _GUARDS.leave(self)
        self._threads.__exit__(kind, error, trace)

    def allow(self, allowed: Allowed) -> None:
        """Allow something more, such as a port that is known only now."""
        self._allowed = (*self._allowed, allowed)

    def is_allowed(self, host: object, port: Optional[int]) -> bool:
        """Whether it was allowed by name or address; what this process listens on is not asked."""
        name = name_of(host)
        names = {name} | self._names_of.get(name, set())
        return any(one.covers(each, port) for one in self._allowed for each in names)

    def concerns_me(self) -> bool:
        """Whether the calling thread belongs to the guarded run."""
        return self._threads.here()

    def look_up(self, call: str, host: object, port: object = None) -> None:
        """Judge the lookup of a name.

        Raises:
            NetworkRefused: The name is not allowed.
        """
        name = name_of(host)
        if not (name in self._own_names or is_address(name) or self.is_allowed(name, None)):
            self.refuse(call, as_text(host), port if isinstance(port, int) else None)

    def reach(self, call: str, host: object, port: int) -> None:
        """Judge a connection or a datagram.

        Raises:
            NetworkRefused: The address is not allowed, and this process does not listen there.
        """
        name = name_of(host)
        is_here = not self._own_names.isdisjoint({name, *self._names_of.get(name, ())})
        if not self.is_allowed(name, port):
            if is_here and listens_on(port):
                return
            if not is_address(name) or not self._resolves_to(name, port):
                self.refuse(call, as_text(host), port)
        if (name, port) not in self._reached:
            self._reached.add((name, port))
            # Under the name that was allowed, where it is known.
            self._on_reached(min(self._names_of.get(name, ()), default=name), port)

    def started(self, program: str) -> None:
        """Take what the app starts beside itself; what a library or the harness starts by itself is not the app's."""
        stack = callers_now()
        if has_developers(stack):
            self._on_started(program, stack)

    def resolved(self, host: object, addresses: Iterable[object]) -> None:
        """Take what a name resolved to: where the name is allowed, its addresses are."""
        name = name_of(host)
        for address in addresses:
            self._names_of.setdefault(name_of(address), set()).add(name)

    def refuse(self, call: str, host: str, port: Optional[int], hint: Optional[str] = None) -> NoReturn:
        """Refuse a call, and tell of it.

        Args:
            call: The function that was called.
            host: The host that it tried to reach.
            port: Its port, None where the call names none.
            hint: What to do next, None for what the guard has to say.

        Raises:
            NetworkRefused: Always.
        """
        refusal = Refusal(call, host, port, callers_now(), self._hint(host, port) if hint is None else hint)
        key = name_of(host), port, refusal.places
        if key not in self._told:
            self._told.add(key)
            self._on_refused(refusal)
        raise refusal.error()

    def _resolves_to(self, address: str, port: int) -> bool:
        # Looked up by somebody whom nobody hears: C code, or the developer's own resolver.
        names = [one.host for one in self._allowed if not is_address(one.host) and one.covers(one.host, port)]
        for name in names:
            with _unguarded(), contextlib.suppress(OSError):
                self.resolved(name, _addresses(socket.getaddrinfo(name, port)))
        return self.is_allowed(address, port)

    def _hint(self, host: str, port: Optional[int]) -> str:
        if host == self._carried:
            return "In virtual time, only the event loop can reach the service. Use the asynchronous client, or run with --clock real."
        if self._carried is not None and asyncio._get_running_loop() is not None:
            # A virtual loop refuses by itself what goes through it, so this is not asyncio's.
            return (
                "A synchronous client blocks the event loop, which virtual time does not support. Give the app a mocked transport, or run "
                f"with --clock real --allow-host {address_of(host, port)}."
            )
        return f"Give the app a mocked transport, such as httpx.MockTransport, or run with --allow-host {address_of(host, port)}."


def refuse(call: str, host: str, port: Optional[int], hint: str) -> NoReturn:
    """Refuse a call of the app's on this thread's own guard, or without one.

    Args:
        call: The function that was called.
        host: The host that it tried to reach.
        port: Its port.
        hint: What to do next.

    Raises:
        NetworkRefused: Always.
    """
    for guard in _mine():
        guard.refuse(call, host, port, hint)
    raise Refusal(call, host, port, callers_now(), hint).error()


def was_refused(error: Optional[BaseException]) -> bool:
    """Whether an exception is, or comes from, what a guard refused: then it was told of already."""
    seen: Set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, NetworkRefused):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _mine() -> Iterator[NetworkGuard]:
    if getattr(_looking_up, "now", False):
        return
    for guard in _GUARDS:
        if guard.concerns_me():
            yield guard


@contextlib.contextmanager
def _unguarded() -> Iterator[None]:
    _looking_up.now = True
    try:
        yield
    finally:
        _looking_up.now = False


def _addresses(found: Iterable[Any]) -> List[object]:
    return [address[0] for *_, address in found]


def _add_audit_hook() -> None:
    sys.addaudithook(_audit)
    # A hook that another one keeps out is left out without a word.
    sys.audit(PROBE)
    if not _PROBED:
        raise EviHarnessError(
            "connections of the app cannot be watched: another audit hook of this process blocks new ones",
            hint="Run the replay without that hook.",
        )


def _audit(event: str, args: Tuple[Any, ...]) -> None:
    if event in _JUDGED and _GUARDS:
        for guard in _mine():
            _JUDGED[event](guard, event, *args)
    elif event == PROBE:
        _PROBED.append(True)


def _judge_address(guard: NetworkGuard, call: str, sock: Any, address: Any, *_: Any) -> None:
    if sock.family in _INTERNET and isinstance(address, tuple) and len(address) > 1 and isinstance(address[1], int):
        guard.reach(call, address[0], address[1])


def _base_name(program: Any) -> str:
    return os.path.basename(os.fsdecode(program))  # noqa: PTH119 - in an audit hook, and of any platform's path


# Audit event → how it is judged, or told. One more, socket.getnameinfo, is mostly asked to write an address in figures.
_JUDGED: Mapping[str, Callable[..., None]] = {
    "socket.connect": _judge_address,
    "socket.sendto": _judge_address,
    "socket.sendmsg": _judge_address,
    "socket.getaddrinfo": lambda guard, call, host, port, *_: guard.look_up(call, host, port),
    "socket.gethostbyname": lambda guard, call, host: guard.look_up(call, host),
    "socket.gethostbyaddr": lambda guard, call, host: guard.look_up(call, host),
    "subprocess.Popen": lambda guard, _, program, *__: guard.started(_base_name(program)),
    "os.posix_spawn": lambda guard, _, program, *__: guard.started(_base_name(program)),
    "os.system": lambda guard, *_: guard.started("a shell"),
    "os.fork": lambda guard, *_: guard.started(""),
}


def _listen(hooks: Hooks) -> None:
    """Hear what no audit event tells in time."""
    hooks.wrap(socket, "getaddrinfo", _learning)
    hooks.wrap(asyncio.BaseEventLoop, "getaddrinfo", _judging_lookup)
    for name in ("connect", "connect_ex", "sendto"):
        hooks.wrap(socket.socket, name, partial(_judging_address, call=f"socket.{name}"))


def _learning(real: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        """Resolve host and port into list of address info entries."""
        found = real(host, port, *args, **kwargs)
        for guard in _mine():
            guard.resolved(host, _addresses(found))
        return found

    return getaddrinfo


def _judging_lookup(real: Callable[..., Any]) -> Callable[..., Any]:
    async def getaddrinfo(loop: Any, host: Any, port: Any, **kwargs: Any) -> Any:
        """Resolve a name on another thread; judged on this one, which knows who asks."""
        for guard in _mine():
            guard.look_up("loop.getaddrinfo", host, port)
        return await real(loop, host, port, **kwargs)

    return getaddrinfo


def _judging_address(real: Callable[..., Any], call: str) -> Callable[..., Any]:
    def judged(sock: Any, *args: Any) -> Any:
        # sendto has the address last, behind the data and perhaps flags.
        for guard in _mine() if args else ():
            _judge_address(guard, call, sock, args[-1])
        return real(sock, *args)

    return judged
