"""The event loops of an app under replay: each one that it creates keeps virtual time and finds the service.

Rules of living here: whatever way an app has to make a loop leads here. Times go on from loop to loop. What is not the service is refused.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio import runners, unix_events
from contextlib import ExitStack
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Callable, Dict, List, NoReturn, Optional, Protocol, Tuple
from weakref import WeakSet

from evi_harness.clocks.blocking import Charge, virtual_sleep
from evi_harness.clocks.busy import can_be_held
from evi_harness.clocks.clock import Timer
from evi_harness.clocks.jobs import Job, name_of
from evi_harness.clocks.parking import Parked
from evi_harness.clocks.virtual import VirtualLoop
from evi_harness.guard.network import refuse
from evi_harness.guard.on_behalf_of import on_our_own
from evi_harness.session.note_kind import KindOf
from evi_harness.session.notes import BLOCKED, BlockedFacts

__all__ = ["AppStage", "AppTime", "InjectedLoop", "install_loops", "replace_uvloop"]

_SSL = ("ssl", "server_hostname", "ssl_handshake_timeout", "ssl_shutdown_timeout")
_HINT = "In virtual time only the service answers. Give the app a mocked transport, such as httpx.MockTransport."


class AppStage(Protocol):
    """What the loops of an app are run by."""

    thread_wait_ns: int
    limit_ns: int

    def serves(self, host: str, port: Optional[int]) -> bool:
        """Whether the service is there."""

    def connection(self) -> asyncio.Protocol:
        """The service's end of a new connection."""

    def connected(self, transport: Any, protocol: Any) -> None:
        """Take the app's end of a new connection to the service."""

    def loop_began(self, loop: InjectedLoop) -> None:
        """Take a new loop."""

    def loop_ends(self, loop: InjectedLoop) -> None:
        """Take that Python is about to cancel what is pending on a loop."""

    def loop_ended(self, loop: InjectedLoop) -> None:
        """Take that a loop is closed."""

    def charged(self, loop: InjectedLoop, charge: Charge) -> None:
        """Take a time for which the app blocked a loop."""

    def runs_job(self, is_out: Callable[[], bool]) -> None:
        """Take that the calling thread runs a job, until that is done."""

    def is_parked(self, thread: Optional[int]) -> bool:
        """Whether a thread waits for a line of input, which the clock does not wait for."""

    def ends_input(self) -> None:
        """Take that nothing more is typed."""

    def not_supported(self, what: str) -> None:
        """Take that the app does what cannot be replayed."""


class AppTime:
    """The time of an app: that of the loop which it made last, and at which the one before it ended. A ``Clock``."""

    def __init__(self) -> None:
        self._loops: List[InjectedLoop] = []
        self._last_ns = 0
        # What is to be called on a loop, and there was none.
        self._later: List[_Later] = []

    def now_ns(self) -> int:
        """The time in nanoseconds. Never goes back."""
        self._last_ns = max(self._last_ns, *(loop.now_ns() for loop in self._loops[-1:]), 0)
        return self._last_ns

    def call_at_ns(self, at_ns: int, call: Callable[[], object]) -> Timer:
        """Make a call on the loop when a time has come; on the next one, where there is none yet."""
        if self._loops:
            return self._loops[-1].call_at_ns(at_ns, call)
        later = _Later(at_ns, call)
        self._later.append(later)
        return later

    def charge(self, took_ns: int, where: str, kind: KindOf[BlockedFacts] = BLOCKED) -> None:
        """Move the clock on because the app blocked the loop."""
        self._loops[-1].charge(took_ns, where, kind)

    def block(self, took_ns: int, what: str) -> None:
        """Move the clock on because the app waits, on the loop's thread or where there is no loop."""
        if self._loops:
            self._loops[-1].block(took_ns, what)
        else:
            self._last_ns += took_ns

    def blocks_here(self) -> bool:
        """Whether who waits now on the calling thread blocks the clock."""
        return self.runs_here() if self._loops else True

    def park(self) -> Parked:
        """Have the calling thread, which is not the loop's, wait for time."""
        return self._loops[-1].park()

    @property
    def has_loop(self) -> bool:
        """Whether there is a loop now, and so anything that can be called back."""
        return bool(self._loops)

    def unlimited(self) -> None:
        """Let time go on forever: an app that does not end is ended by others."""
        for loop in self._loops:
            loop.limit_ns = None

    def runs_here(self) -> bool:
        """Whether the loop runs on the calling thread."""
        return bool(self._loops) and self._loops[-1].runs_here()

    def wait_for(self, name: str, is_out: Callable[[], bool]) -> None:
        """Stop the clock for work that is out."""
        if self._loops:
            self._loops[-1].wait_for(name, is_out)

    def wake(self) -> None:
        """Have the loop look again whether it is to wait."""
        if self._loops:
            self._loops[-1].wake()

    def began(self, loop: InjectedLoop) -> None:
        """Take a new loop."""
        self._loops.append(loop)
        waiting, self._later = self._later, []
        for one in waiting:
            one.begin(loop)

    def ended(self, loop: InjectedLoop) -> None:
        """Take that a loop is closed."""
        self.now_ns()
        if loop in self._loops:
            self._loops.remove(loop)


class _Later:
    """A call that waits for a loop."""

    def __init__(self, at_ns: int, call: Callable[[], object]) -> None:
        self._at_ns = at_ns
        self._call = call
        self._timer: Optional[Timer] = None
        self._is_off = False

    def begin(self, loop: InjectedLoop) -> None:
        """There is one."""
        if not self._is_off:
            self._timer = loop.call_at_ns(max(self._at_ns, loop.now_ns()), self._call)

    def cancel(self) -> None:
        """Call it off."""
        self._is_off = True
        if self._timer is not None:
            self._timer.cancel()


class InjectedLoop(VirtualLoop):
    """A loop on virtual time in an app's own process.

    Args:
        selector: Taken and not used: the loop has its own.
    """

    stage: AppStage
    app_time: AppTime

    def __init__(self, selector: Any = None) -> None:  # noqa: ARG002 - the signature is asyncio's
        self._stack = ExitStack()
        self._led: WeakSet[Any] = WeakSet()
        self._is_done = False
        self._told: _ToldJob
        stage = self.stage
        with on_our_own():
            super().__init__(
                self.app_time.now_ns(), thread_wait_ns=stage.thread_wait_ns, on_charge=lambda charge: stage.charged(self, charge)
            )
        self.limit_ns = stage.limit_ns
        self._stack.enter_context(virtual_sleep(self))
        self._stack.enter_context(can_be_held(self))
        self.app_time.began(self)
        stage.loop_began(self)

    def close(self) -> None:
        """Close the loop."""
        if not self._is_done and not self.is_running():
            self._is_done = True
            self.stage.loop_ended(self)
            self.app_time.ended(self)
            self._stack.close()
        super().close()

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **kwargs: Any) -> Any:
        """Connect: to the service over a socket pair and without TLS; what else there is, is refused."""
        sock = kwargs.get("sock")
        serves = self.stage.serves(self.name_of(host), port) if sock is None else sock in self._led
        if not serves:
            return await super().create_connection(protocol_factory, host, port, **kwargs)
        if sock is None:
            kwargs = {name: value for name, value in kwargs.items() if name not in _SSL}
        else:
            # By what it is now: asyncio would set options of TCP on it.
            kwargs = {"sock": socket.socket(fileno=sock.detach())}
        transport, protocol = await super().create_connection(protocol_factory, host, port, **kwargs)
        self.stage.connected(transport, protocol)
        return transport, protocol

    async def getaddrinfo(self, host: Any, port: Any, **kwargs: Any) -> Any:
        """Resolve the service's name, to an address at which it is found too."""
        name = self.name_of(host)
        if self.stage.serves(name, None) and name not in self._ip_addresses:
            self._ip_addresses[name] = f"192.0.2.{len(self._ip_addresses) + 1}"
        return await super().getaddrinfo(name, port, **kwargs)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connect a socket of the app's own to the service: it becomes one end of a pair. What else there is, is refused."""
        host, port = address[:2]
        if not self.stage.serves(self.name_of(host), port):
            self._refuse("loop.sock_connect", host, port)
        with on_our_own():
            here, there = socket.socketpair()
            here.setblocking(False)
            there.setblocking(False)
            try:
                await self.connect_accepted_socket(self.stage.connection, there)
                os.dup2(here.fileno(), sock.fileno(), inheritable=False)
            finally:
                here.close()
        self._led.add(sock)

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **kwargs: Any) -> Any:  # noqa: ARG002 - asyncio's
        """Refuse: virtual time does not wait for callers."""
        self.stage.not_supported("the app serves (loop.create_server), and virtual time does not wait for its clients")
        refuse("loop.create_server", str(host), port, _HINT)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Run a job in an executor; the clock stands still for it, but not while it waits for a line of input."""
        told = self._told = _ToldJob(func, self.stage)
        return super().run_in_executor(executor, told, *args)

    def waits_for(self, future: Any, job: Job) -> Callable[[], bool]:
        """What says whether the clock stands still for a job."""
        told, stage, is_out = self._told, self.stage, super().waits_for(future, job)
        told.future = future
        return lambda: is_out() and not stage.is_parked(job.thread)

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Shut the executor down; the clock stops meanwhile."""
        self.stage.ends_input()
        # A job that waits for time has to have it, to come to its end.
        held = self.parked.unless_parked
        ending = ("the end of the executor", lambda: bool(held) and not self.parked)
        held.append(ending)
        self.wait_for(*ending)
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            held.remove(ending)
            self.wake()

    def name_of(self, host: Any) -> str:
        """The name that an address of this loop's stands for; of any other host, what it is called."""
        text = host.decode("ascii") if isinstance(host, bytes) else str(host)
        return next((name for name, address in self._ip_addresses.items() if address == text), text)

    def _server_at(self, host: Any, port: Any) -> Any:
        name = self.name_of(host)
        return self.stage.connection if self.stage.serves(name, port) else self._refuse("loop.create_connection", name, port)

    def _refuse(self, call: str, host: str, port: Any) -> NoReturn:
        refuse(call, host, port, _HINT)


class _ToldJob:
    """A call that an executor makes, of which the stage is told when it begins."""

    def __init__(self, call: Callable[..., Any], stage: AppStage) -> None:
        self._call = call
        self._stage = stage
        self.future: Any = None
        # As reports name it.
        self.__module__, _, self.__qualname__ = name_of(call).rpartition(".")

    def __call__(self, *args: Any) -> Any:
        self._stage.runs_job(lambda: self.future is None or not self.future.done())
        return self._call(*args)


def install_loops(stage: AppStage, app_time: AppTime, on_uvloop: Callable[[], object]) -> None:
    """Have every loop that is made from now on be one on virtual time, for as long as the process lives.

    Args:
        stage: What runs them.
        app_time: What keeps their time.
        on_uvloop: Called when the app asks for uvloop, and gets our loop.
    """
    InjectedLoop.stage, InjectedLoop.app_time = stage, app_time
    # A policy of the app's own, which is a subclass as a rule, makes what the class below it has here.
    unix_events._UnixDefaultEventLoopPolicy._loop_factory = InjectedLoop  # type: ignore[attr-defined]
    for module, names in _NAMES.items():
        for name in names:
            if hasattr(module, name):
                setattr(module, name, InjectedLoop)
    cancels = runners._cancel_all_tasks  # type: ignore[attr-defined]

    def cancel_all_tasks(loop: Any) -> None:
        if isinstance(loop, InjectedLoop):
            loop.stage.loop_ends(loop)
        cancels(loop)

    runners._cancel_all_tasks = cancel_all_tasks  # type: ignore[attr-defined]
    replace_uvloop(on_uvloop, InjectedLoop)


_NAMES: Dict[ModuleType, Tuple[str, ...]] = {
    asyncio: ("SelectorEventLoop", "EventLoop"),
    unix_events: ("SelectorEventLoop", "_UnixSelectorEventLoop", "EventLoop"),
}


def replace_uvloop(on_uvloop: Callable[[], object], make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Have an app that imports uvloop, where that is installed, get other loops from it, for as long as the process lives.

    Args:
        on_uvloop: Called when the app asks for one of uvloop's.
        make: Makes a loop.
    """
    if find_spec("uvloop") is not None:
        sys.modules["uvloop"] = _in_place_of_uvloop(on_uvloop, make)


def _in_place_of_uvloop(on_uvloop: Callable[[], object], make: Callable[[], asyncio.AbstractEventLoop]) -> ModuleType:
    """What has uvloop's names, and makes other loops."""

    class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
        """uvloop's policy, with other loops."""

        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            on_uvloop()
            return make()

    def new_event_loop() -> asyncio.AbstractEventLoop:
        on_uvloop()
        return make()

    def install() -> None:
        asyncio.set_event_loop_policy(EventLoopPolicy())

    def run(main: Any, **options: Any) -> Any:
        on_uvloop()
        return asyncio.run(main, debug=options.get("debug"))

    module = ModuleType("uvloop", "The replacement for uvloop while an app is recorded or replayed.")
    vars(module).update(EventLoopPolicy=EventLoopPolicy, Loop=make, new_event_loop=new_event_loop, install=install, run=run)
    return module
