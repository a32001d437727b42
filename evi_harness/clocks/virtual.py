"""Virtual time: an event loop whose clock jumps when nothing can run.

Rules of living here: the clock is an integer and moves in two ways only, by a jump to the next timer's due time and by a charge for
what blocked the loop. It never jumps while anything can still happen at this instant: a callback that is ready, bytes that can be read
or written, a job that is out. Bytes travel over socket pairs: they are in the peer's buffer when send returns, so a jump cannot
overtake them; over TCP it can. docs/explanation/virtual-time.md says what follows for an app.

asyncio's own code is used as it is; what it does not offer is read from its attributes, the same from Python 3.9 to 3.13:
``_scheduled`` (the heap of timers), ``_ready`` (the queue of callbacks), ``_clock_resolution``.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import sys
import time
from types import FrameType
from typing import Any, Callable, Coroutine, Dict, List, NoReturn, Optional, Sequence, Tuple, TypeVar

from evi_harness.clocks.app_loop import AppLoop, leave_behind, run_to_end, shut_down_generators, tasks_of, wind_up
from evi_harness.clocks.blocking import Charge, caller, virtual_sleep
from evi_harness.clocks.busy import can_be_held
from evi_harness.clocks.clock import THREAD_WAIT_NS, Timer
from evi_harness.clocks.jobs import Job, Jobs, name_of
from evi_harness.clocks.parking import Parked, ParkedThreads
from evi_harness.clocks.steps import ReadySteps
from evi_harness.errors import StuckError, UsageError
from evi_harness.guard.allowed import address_of
from evi_harness.guard.callers import callers_now, has_developers
from evi_harness.guard.developers import HARNESS, owner
from evi_harness.guard.network import refuse
from evi_harness.guard.place_lookup import Stack, waiting_stack
from evi_harness.session.note_kind import KindOf
from evi_harness.session.notes import BLOCKED, BlockedFacts

__all__ = ["VirtualLoop", "run_virtual"]

T = TypeVar("T")

# What asyncio runs on threads of its own: they wait for programs, and for the jobs of an executor that is shut down.
_ASYNCIOS = frozenset({"_do_shutdown", "_do_waitpid"})
# How long tasks may take to end after they were cancelled, in virtual time.
CLEANUP_NS = 10_000_000_000
# While a thread is at work that nobody is told of when it waits, the loop looks this often.
LOOK_NS = 1_000_000
# While the loop really waits it looks up this often, so that an interrupt from the watchdog gets through.
LOOK_UP_S = 0.05
# For how long in all, in real time, the clock keeps real time while a job is out that it did not wait for; one that never ends must not
# hold up the rest for ever.
PACED_NS = 10_000_000_000
# More than half a nanosecond, so that a timer rounded to a whole one is due at it; less than one, so that the next is not.
RESOLUTION_S = 0.75e-9

Address = Tuple[str, int]
ProtocolFactory = Callable[[], Any]


class _Selector(selectors.DefaultSelector):  # type: ignore[valid-type, misc, unused-ignore]
    """A selector that never waits by itself: the loop decides whether to wait or to jump."""

    loop: VirtualLoop

    def select(self, timeout: Optional[float] = None) -> List[Any]:
        self.loop.steps.end()
        self.loop.end_if_over()
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready  # type: ignore[no-any-return, unused-ignore]
        return self.loop.idle(self._wait)

    def _wait(self, timeout: float) -> List[Any]:
        return super().select(timeout)  # type: ignore[no-any-return, unused-ignore]


class VirtualLoop(AppLoop):
    """An event loop on virtual time. It is its own ``Clock``.

    Args:
        start_ns: What the clock says at first.
        thread_wait_ns: How long, in real time, a job or a foreign thread may take without waking the loop.
        on_charge: Called with each charge, on the loop's thread, after the clock has moved.

    Attributes:
        steps: The queue of callbacks; it counts and measures them.
        charges: All charges, in order.
        limit_ns: Where virtual time ends, None for nowhere: a jump beyond is not made. For an app that waits on forever, timer by timer.
        before_moves: Called before the clock moves, on the loop's thread: what belongs to the instant that ends is still stamped with it.
        after_moves: Called when it has moved.
        on_woken: Called when a thread wakes the loop for which the clock did not stand still, on that thread, with who does.
        parked: Threads that wait for time.
        stuck_at: Where the app waits, once the loop has raised that nothing can happen any more.
    """

    def __init__(
        self,
        start_ns: int = 0,
        *,
        thread_wait_ns: int = THREAD_WAIT_NS,
        on_charge: Optional[Callable[[Charge], object]] = None,
    ) -> None:
        self._now_ns = start_ns
        self._thread_wait_ns = thread_wait_ns
        self._on_charge = on_charge
        self._jobs = Jobs()
        self.parked = ParkedThreads(self)
        self._carried: Dict[Address, ProtocolFactory] = {}
        self._ip_addresses: Dict[str, str] = {}
        self._paced_ns = 0
        self.charges: List[Charge] = []
        self.limit_ns: Optional[int] = None
        self.before_moves: List[Callable[[], object]] = []
        self.after_moves: List[Callable[[], object]] = []
        self._is_handing_out = False
        self.on_woken: Optional[Callable[[Stack], object]] = None
        self.stuck_at: Stack = ()
        self.steps = ReadySteps()
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self._ready = self.steps
        self._clock_resolution = RESOLUTION_S

    def time(self) -> float:
        """The time in seconds, as asyncio wants it."""
        return self._now_ns / 1e9

    def now_ns(self) -> int:
        """The time in nanoseconds."""
        return self._now_ns

    def call_at_ns(self, at_ns: int, call: Callable[[], object]) -> Timer:
        """Make a call when a time has come, exactly then unless the loop is blocked. See ``Clock``."""
        timer: Timer = self.call_at(at_ns / 1e9, call)
        return timer

    def runs_here(self) -> bool:
        """Whether the loop runs on the calling thread."""
        return self.is_running() and asyncio._get_running_loop() is self

    def charge(self, took_ns: int, where: str, kind: KindOf[BlockedFacts] = BLOCKED) -> None:
        """Move the clock on because the app blocked the loop.

        Args:
            took_ns: For how long. 0 is recorded too.
            where: ``file:line`` of what blocked it.
            kind: The note that is to tell of it.

        Raises:
            ValueError: The time is negative.
        """
        if took_ns < 0:
            raise ValueError(f"a clock cannot go back: {took_ns} ns")
        charge = Charge(self._now_ns, took_ns, where, self.steps.n_steps, kind, callers_now() if kind == BLOCKED else ())
        self._move(self._now_ns + took_ns)
        self.charges.append(charge)
        if self._on_charge is not None:
            self._on_charge(charge)

    @property
    def overdue_jobs(self) -> Tuple[str, ...]:
        """Names of the jobs that the clock did not wait for; where there is one, the run is not deterministic."""
        return tuple(self._jobs.overdue)

    @property
    def is_deterministic(self) -> bool:
        """Whether the clock waited for every job so far."""
        return not self._jobs.overdue

    def idle(self, wait: Callable[[float], List[Any]]) -> List[Any]:
        """Let time pass: nothing can run at this instant.

        Args:
            wait: Wait really, at most so many seconds, for something to be readable or writable.

        Returns:
            What is ready then; empty after a jump.

        Raises:
            StuckError: Nothing can ever happen any more, or only beyond ``limit_ns``.
        """
        ready = self._hold(wait)
        if ready:
            return ready
        due_ns = self._next_due_ns()
        if due_ns is not None and self._paced_ns < PACED_NS and self._jobs.any_out():
            return self._pace(wait, due_ns)
        if due_ns is not None:
            self._jump(due_ns)
            return []
        while self._jobs.any_out():
            ready = wait(LOOK_UP_S)
            if ready:
                return ready
        return self._last_chance(wait)

    def _hold(self, wait: Callable[[float], List[Any]]) -> List[Any]:
        self.parked.count()
        until_ns = time.monotonic_ns() + self._thread_wait_ns
        while self._jobs.holding():
            left_ns = until_ns - time.monotonic_ns()
            if left_ns > 0:
                ready = wait((min(left_ns, LOOK_NS) if self.parked.has_own else left_ns) / 1e9)
                if ready:
                    return ready
            else:
                self._jobs.give_up()
        # Between the last look and this moment, a thread may have handed something on before it came to wait again.
        return wait(0) if self.parked or self.parked.has_own else []

    def _next_due_ns(self) -> Optional[int]:
        if not self._scheduled:  # type: ignore[attr-defined]
            return None
        when: float = self._scheduled[0]._when  # type: ignore[attr-defined]
        due_ns = round(when * 1e9)
        # Beyond some eleven days a float of seconds no longer tells nanoseconds apart; a jump must still reach its timer.
        while when >= due_ns / 1e9 + RESOLUTION_S:
            due_ns += 1
        return due_ns

    def _pace(self, wait: Callable[[float], List[Any]], due_ns: int) -> List[Any]:
        """Let time pass as it does in life, since a job is out that the clock no longer stands still for: its result is still to count."""
        began_ns = time.monotonic_ns()
        left_ns = max(due_ns - self._now_ns, 0)
        ready = wait(min(left_ns / 1e9, LOOK_UP_S))
        took_ns = time.monotonic_ns() - began_ns
        self._paced_ns += took_ns
        self._move(self._now_ns + min(took_ns, left_ns))
        return ready

    def _jump(self, due_ns: int) -> None:
        if self.limit_ns is not None and due_ns > self.limit_ns:
            self.stuck_at = self._app_waits()
            raise StuckError(
                f"the app waits beyond {self.limit_ns / 1e9:g} s, where virtual time ends; waiting: {self._who_waits()}",
                hint="Look for a loop that never ends.",
            )
        self._move(max(self._now_ns, due_ns))

    def _move(self, now_ns: int) -> None:
        for call in self.before_moves:
            call()
        self._now_ns = now_ns
        for call in self.after_moves:
            call()

    def _last_chance(self, wait: Callable[[float], List[Any]]) -> List[Any]:
        ready = wait(self._thread_wait_ns / 1e9)
        if ready:
            return ready
        self.stuck_at = self._app_waits()
        raise StuckError(
            f"nothing can happen any more: no timer, no job, nothing to read; waiting: {self._who_waits()}",
            hint="Look for a wait that never ends, such as an event that is never set or a queue that is never filled.",
        )

    def _who_waits(self) -> str:
        return "; ".join(sorted(_waiting(task) for task in tasks_of(self))) or "no task"

    def _app_waits(self) -> Stack:
        """Where the first task in the developer's code waits, in the order in which tasks are named; empty where none does."""
        waiting = sorted(tasks_of(self), key=_waiting)
        return next((stack for stack in map(waiting_stack, waiting) if has_developers(stack)), ())

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Run a job in an executor; the clock stops until the loop has its result."""
        # A short job may be done before it is counted.
        self._is_handing_out = True
        try:
            job = Job(func, self.parked.in_jobs)
            future = super().run_in_executor(executor, job, *args)
            job.is_out = self.waits_for(future, job)
            self._jobs.add(name_of(func), job.is_out)
        finally:
            self._is_handing_out = False
        return future

    def waits_for(self, future: Any, job: Job) -> Callable[[], bool]:
        """What says whether the clock stands still for a job: as long as it is not done, and does not wait for time itself."""
        return lambda: not future.done() and job.thread not in self.parked

    def wait_for(self, name: str, is_out: Callable[[], bool]) -> None:
        """Stop the clock for work that is out, by the rules of a job.

        Args:
            name: What to call it.
            is_out: Whether it is.
        """
        self._jobs.add(name, is_out)

    def block(self, took_ns: int, what: str) -> None:
        """Move the clock on because the app waits on the loop's thread, for something that takes its time.

        Args:
            took_ns: For how long.
            what: What for.
        """
        self.charge(took_ns, f"{what} ({caller()})")

    def blocks_here(self) -> bool:
        """Whether who waits now on the calling thread blocks the clock."""
        return self.runs_here()

    def park(self) -> Parked:
        """Have the calling thread, which is not the loop's, wait for time."""
        return self.parked.park()

    def wake(self) -> None:
        """Have the loop look again whether it is to wait; from any thread."""
        with contextlib.suppress(RuntimeError):
            self.call_soon_threadsafe(_nothing)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        """Have a callback called; from any thread."""
        # On the loop's own thread each block of a microphone comes by here, so that is asked first.
        if asyncio._get_running_loop() is not self and self.on_woken is not None:
            # While a job is out, who wakes the loop is that, as a rule, or is said to be late already.
            is_waited_for = self._is_handing_out or self._jobs.any_out()
            if not is_waited_for and _is_apps(callback, args, sys._getframe(1)):
                self.on_woken(callers_now())
        return super().call_soon_threadsafe(callback, *args, context=context)

    def hold(self, name: str) -> Callable[[], None]:
        """Stop the clock for work that the loop does not know of; from any thread.

        Args:
            name: What to call the work, where it takes too long.

        Returns:
            What to call when the work is done, once, on any thread. What it brings is to be handed to the loop before.
        """
        held = [name]
        self._jobs.add(name, lambda: bool(held))

        def release() -> None:
            held.clear()
            # A loop that waits would find out only when it has waited long enough to give up; one that is closed need not know.
            self.wake()

        return release

    async def subprocess_exec(self, protocol_factory: Any, program: Any, *args: Any, **kwargs: Any) -> Any:
        """Start a program; the clock stops until it has ended."""
        transport, protocol = await super().subprocess_exec(protocol_factory, program, *args, **kwargs)
        self._jobs.add(f"subprocess {program}", lambda: transport.get_returncode() is None)
        return transport, protocol

    async def subprocess_shell(self, protocol_factory: Any, cmd: Any, **kwargs: Any) -> Any:
        """Start a shell command; the clock stops until it has ended."""
        transport, protocol = await super().subprocess_shell(protocol_factory, cmd, **kwargs)
        self._jobs.add(f"subprocess {cmd}", lambda: transport.get_returncode() is None)
        return transport, protocol

    def carry(self, host: str, port: int, server: ProtocolFactory) -> None:
        """Lead connections to an address over socket pairs to a server on this loop.

        Args:
            host: A name that never resolves, or an address.
            port: The port.
            server: Makes the server's protocol for one connection.

        Raises:
            UsageError: The address is carried already.
        """
        if (host, port) in self._carried:
            raise UsageError(f"{host}:{port} is already served", hint="Use another host or port.")
        self._carried[host, port] = server
        # RFC 5737 sets 192.0.2.0/24 aside: a client that resolves the name first gets an address that leads nowhere but here.
        self._ip_addresses.setdefault(host, f"192.0.2.{len(self._ip_addresses) + 1}")

    def drop(self, host: str, port: int) -> None:
        """Stop carrying an address; connections that stand are not touched."""
        self._carried.pop((host, port), None)

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **kwargs: Any) -> Any:
        """Connect: over a socket pair where the address is carried.

        Raises:
            NetworkRefused: The address is another; it would answer in real time, which this clock does not wait for.
            UsageError: TLS is asked for.
        """
        if kwargs.get("sock") is not None:
            return await super().create_connection(protocol_factory, host, port, **kwargs)
        server = self._server_at(host, port)
        if kwargs.get("ssl"):
            raise UsageError(f"{host}:{port} is served without TLS", hint="Use its URL unchanged: http or ws.")
        here, there = socket.socketpair()
        here.setblocking(False)
        there.setblocking(False)
        try:
            await self.connect_accepted_socket(server, there)
        except BaseException:
            # Whoever is cancelled here has no transport yet that would close it.
            here.close()
            raise
        return await super().create_connection(protocol_factory, sock=here)

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        """Resolve a carried name, to an address that is carried too.

        Raises:
            NetworkRefused: It is another name: whoever asks for it means to connect.
        """
        name = _text(host)
        if name not in self._ip_addresses:
            self._refuse("loop.getaddrinfo", name, port)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (self._ip_addresses[name], int(port)))]

    async def sock_connect(self, sock: Any, address: Any) -> None:  # noqa: ARG002 - the signature is asyncio's
        """Refuse: a socket that the app made itself cannot be led over a pair."""
        self._refuse("loop.sock_connect", *address[:2])

    def _server_at(self, host: Any, port: Any) -> ProtocolFactory:
        name = next((name for name, address in self._ip_addresses.items() if address == host), _text(host))
        server = self._carried.get((name, port))
        return server if server is not None else self._refuse("loop.create_connection", name, port)

    def _refuse(self, call: str, host: str, port: Any) -> NoReturn:
        if host in self._ip_addresses.values():
            hint = "A client that makes its own sockets cannot be connected to the service in virtual time. Run with --clock real."
        else:
            hint = (
                "A real peer answers in real time, which virtual time cannot wait for. Give the app a mocked transport, such as "
                f"httpx.MockTransport, or run with --clock real --allow-host {address_of(host, port)}."
            )
        refuse(call, host, port, hint)


def _is_apps(callback: Any, args: Sequence[Any], caller: FrameType) -> bool:
    """Whether it is the app that wakes the loop: not we, nor asyncio's own threads; nor a job whose result nobody waits for any more."""
    code, is_unwanted = caller.f_code, any(asyncio.isfuture(one) and one.done() for one in args[:1])
    return callback is not _nothing and not is_unwanted and code.co_name not in _ASYNCIOS and owner(code.co_filename) != HARNESS


def _nothing() -> None:
    """Wake a loop."""


def _text(host: Any) -> str:
    # anyio hands names on as IDNA bytes.
    return host.decode("ascii") if isinstance(host, bytes) else str(host)


def _waiting(task: Any) -> str:
    frames = task.get_stack(limit=1)
    where = f" at {frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else ""
    return f"{getattr(task.get_coro(), '__qualname__', task.get_name())}{where}"


def run_virtual(
    main: Callable[[VirtualLoop], Coroutine[Any, Any, T]],
    *,
    start_ns: int = 0,
    thread_wait_ns: int = THREAD_WAIT_NS,
    on_charge: Optional[Callable[[Charge], object]] = None,
) -> T:
    """Run a coroutine in virtual time, from an empty loop to a closed one.

    ``time.sleep`` on this thread charges the virtual clock meanwhile. At the end, also after Ctrl+C, tasks that are left are cancelled,
    asynchronous generators and the executor shut down. The thread's own event loop, if it has one, is not touched.

    Args:
        main: Called with the loop; makes the coroutine. Build the app inside the coroutine: on Python 3.9 a queue or an event belongs
            to the loop that runs when it is made.
        start_ns: What the clock says at first.
        thread_wait_ns: See ``VirtualLoop``.
        on_charge: See ``VirtualLoop``.

    Returns:
        What the coroutine returns.

    Raises:
        UsageError: A loop runs on this thread already.
        StuckError: Nothing could ever happen any more.
    """
    if asyncio._get_running_loop() is not None:
        raise UsageError("virtual time cannot start inside a running event loop", hint="Call it from plain code, or from another thread.")
    loop = VirtualLoop(start_ns, thread_wait_ns=thread_wait_ns, on_charge=on_charge)
    with virtual_sleep(loop), can_be_held(loop):
        try:
            return run_to_end(loop, main(loop))
        finally:
            _wind_up(loop)


def _wind_up(loop: VirtualLoop) -> None:
    try:
        for ending in (_cancel_all, shut_down_generators, _shut_down_executor):
            try:
                ending(loop)
            except StuckError:
                # What does not end when it is told to is left behind; the loop is closed under it.
                continue
    finally:
        leave_behind(loop)
        loop.close()


def _cancel_all(loop: VirtualLoop) -> None:
    tasks = tasks_of(loop)
    if not tasks:
        return
    for task in tasks:
        task.cancel()
    wind_up(loop, asyncio.wait(tasks, timeout=CLEANUP_NS / 1e9))


def _shut_down_executor(loop: VirtualLoop) -> None:
    # Waiting for a thread that was given up would take as long as the thread does.
    if loop._default_executor is not None and not loop._jobs.any_out():  # type: ignore[attr-defined]
        wind_up(loop, loop.shutdown_default_executor())
