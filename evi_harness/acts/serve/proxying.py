"""Run a recording proxy: apps in any language reach a service through a loopback port, and each WebSocket becomes a session.

Rules of living here: only loopback is listened on; the service may be anywhere, and over TLS its certificate is verified. Lines quote no
request.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Set, Tuple

from evi_harness.acts.serve.record_relayed import Relayed, RelayedSession, RelayedSessions
from evi_harness.carriers.admission import THIS_MACHINE, Admission
from evi_harness.carriers.limits import LIMIT_NAMES, ServerLimits
from evi_harness.carriers.real_carrier import LOOPBACK, listen, loopback
from evi_harness.carriers.telling import Aside, OnceAMinute
from evi_harness.clocks.clock import RealClock
from evi_harness.clocks.pacing import collect_garbage, own_process
from evi_harness.dialects import DEFAULT, dialect_named
from evi_harness.errors import EviHarnessError, Parameter, UsageError, Words, value_of
from evi_harness.guard.own_output import silence_libraries, told_by_us
from evi_harness.sdk.hume.connect_errors import unreachable
from evi_harness.sdk.tls import tls_for
from evi_harness.session.events import Event
from evi_harness.settings.endpoint import Endpoint, endpoint_of
from evi_harness.settings.environment import endpoint_for, load_environment
from evi_harness.settings.interrupts import Interrupts
from evi_harness.settings.new_folder import DEFAULT_OUT, SessionsFolder, require_name
from evi_harness.tap.relay import Relay, Upstream

__all__ = ["PROXY_LIMITS", "ProxyOptions", "ProxyResult", "RunningProxy", "proxy", "proxy_limits", "upstream_of"]

# A message of EVI's may have 16 MiB; a folder takes one of 64.
PROXY_LIMITS = ServerLimits(message_mib=32, chat_mib=64, memory_mib=256)
# The others would have the proxy end what without it goes on.
_NAMES = ("chats", "waiting", "handshake", "message", "chat", "memory")


@dataclass(frozen=True)
class ProxyOptions:
    """The options of a recording proxy.

    Attributes:
        upstream: The service's URL, None for the one in the environment (HUME_BASE_URL, OPENAI_BASE_URL), else the service's own.
        ca: A PEM file of certificate authorities to trust for the service, None for the system's.
        out: The folder for new sessions.
        name: The name of the sessions.
        host: A loopback address.
        port: The port; 0 picks a free one.
        once: End after the first session.
        limits: Limits on clients and on recordings.
        admission: Which requests are forwarded, by their origin.
        dialect: The name of the dialect.
    """

    upstream: Optional[str] = None
    ca: Optional[Path] = None
    out: Path = Path(DEFAULT_OUT)
    name: str = "session"
    host: str = LOOPBACK
    port: int = 0
    once: bool = False
    limits: ServerLimits = PROXY_LIMITS
    admission: Admission = THIS_MACHINE
    dialect: str = DEFAULT


@dataclass(frozen=True)
class ProxyResult:
    """The result of a proxy.

    Attributes:
        sessions: The sessions, in the order of their completion.
        once: Whether the proxy was to end after the first.
    """

    sessions: Tuple[Relayed, ...]
    once: bool = False

    @property
    def exit_code(self) -> int:
        """0 if it ended normally. With ``once``: 4 if there was no session, 3 if it is incomplete."""
        if not self.once:
            return 0
        return 4 if not self.sessions else 3 if self.sessions[0].problem is not None else 0

    def __str__(self) -> str:
        n = len(self.sessions)
        n_problems = sum(one.problem is not None for one in self.sessions)
        broken = f", {n_problems} of them incomplete" if n_problems else ""
        nobody = "; inconclusive: no app connected" if self.once and not n else ""
        return f"recorded {n} session{'' if n == 1 else 's'}{broken}{nobody}"


def proxy_limits(values: Sequence[str]) -> ServerLimits:
    """Read limits as people write them: ``chats=500``.

    Raises:
        UsageError: A proxy has no such limit, or its value is not a positive number.
    """
    pairs = [(name, value) for name, _, value in (one.partition("=") for one in values)]
    with value_of("limits"):
        for name, _ in pairs:
            if name not in _NAMES:
                what = "a proxy does not have the limit" if name in LIMIT_NAMES else "there is no limit"
                raise UsageError(f"{what} {name!r}", hint=f"There are: {', '.join(_NAMES)}.")
        return PROXY_LIMITS.with_values(pairs)


def proxy(options: ProxyOptions, tell: Callable[[str], object], warn: Callable[[str], object]) -> ProxyResult:
    """Record until Ctrl+C, SIGTERM or SIGHUP, or until the first session ends. Handles these signals.

    Args:
        options: The options.
        tell: Called with ``listening on URL`` once it listens, ``forwarding to URL``, and a line for each session that ends.
        warn: Called with a line for each refused request, and if the service does not answer; each kind once a minute.

    Returns:
        The sessions.

    Raises:
        UsageError: The host is not a loopback address, or a name, a URL or a certificate file is invalid.
        SessionUnwritable: ``out`` cannot be written.
        EviHarnessError: The port cannot be opened, or .env cannot be read.
        KeyboardInterrupt: A signal came before the proxy listened.
    """
    with Interrupts() as interrupts, ExitStack() as stack:
        require_name(options.name)
        endpoint = upstream_of(options)
        stack.enter_context(SessionsFolder(options.out, str(options.out)))
        warned, told = stack.enter_context(Aside(warn)), stack.enter_context(Aside(tell))
        return asyncio.run(_proxy(options, endpoint, interrupts, told, warned))


def upstream_of(options: ProxyOptions) -> Endpoint:
    """Return the service to forward to.

    Raises:
        UsageError: The URL is invalid, or there is no such dialect.
        EviHarnessError: .env cannot be read.
    """
    dialect = dialect_named(options.dialect)
    if options.upstream is not None:
        return endpoint_of(options.upstream, source=Parameter("upstream"), dialect=dialect)
    return endpoint_for(load_environment(dialect))


async def _proxy(
    options: ProxyOptions, endpoint: Endpoint, interrupts: Interrupts, tell: Callable[[str], object], warn: Callable[[str], object]
) -> ProxyResult:
    loop = asyncio.get_running_loop()
    silence_libraries()
    stopped = asyncio.Event()
    interrupts.told_to(loop, stopped.set, may_block=False)
    running = RunningProxy(options, endpoint, lambda one: tell(str(one)), warn)
    try:
        url = await running.start()
        own_process()
        tell(f"listening on {url}")
        tell(f"forwarding to {endpoint.base_url}")
        while not (options.once and running.sessions):
            waits = [asyncio.ensure_future(stopped.wait()), asyncio.ensure_future(running.next_complete())]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in waits:
                one.cancel()
            if stopped.is_set():
                break
            if running.is_idle:
                collect_garbage()
    finally:
        await running.stop()
        interrupts.over()
    return ProxyResult(tuple(running.sessions), options.once)


class RunningProxy:
    """A proxy on the running loop.

    Args:
        options: The options, except ``once``, which the caller handles.
        endpoint: The service.
        on_complete: Called with each session once its folder is complete.
        warn: Called with a line for each refused request.
        on_open: Called when a session has begun.
        catch_up: Called before what was sent is read, so that ``read_line`` has had what it read before.
        watch: Called with each event, and the number of its session.

    Attributes:
        sessions: The completed sessions.
        read_line: Takes a line that the app has read from its standard input.
    """

    def __init__(
        self,
        options: ProxyOptions,
        endpoint: Endpoint,
        on_complete: Callable[[Relayed], object],
        warn: Callable[[str], object],
        on_open: Callable[[], object] = lambda: None,
        catch_up: Callable[[], object] = lambda: None,
        watch: Optional[Callable[[int, Event], object]] = None,
    ) -> None:
        self.sessions: List[Relayed] = []
        self._options = options
        self._endpoint = endpoint
        self._on_complete = on_complete
        self._host = loopback(options.host)
        self._completing: Set[asyncio.Future[None]] = set()
        self._has_completed = asyncio.Event()
        self._listening: Optional[asyncio.base_events.Server] = None
        limits, clock = options.limits, RealClock()
        tell = OnceAMinute(warn, clock.now_ns)
        told_by_us(asyncio.get_running_loop(), tell)
        sessions = RelayedSessions(
            options.out,
            options.name,
            endpoint.base_url,
            dialect_named(options.dialect),
            max_bytes=limits.message_bytes,
            waiting_bytes=limits.chat_bytes,
            on_over=self._over,
            on_open=on_open,
            catch_up=catch_up,
            watch=watch,
        )
        self.read_line = sessions.read_line
        self._relay = Relay(
            _upstream(endpoint, options.ca),
            clock=clock,
            limits=limits,
            admission=options.admission,
            open_recording=sessions.open,
            warn=tell,
            unreachable=lambda error: _one_line(unreachable(endpoint.base_url, error)),
            overhear=sessions.overhear,
        )

    async def start(self) -> str:
        """Start listening, and return the URL.

        Raises:
            UsageError: The proxy would forward to itself.
            EviHarnessError: The port cannot be opened.
        """
        self._listening = await listen(self._relay, self._host, self._options.port)
        port = self._listening.sockets[0].getsockname()[1]
        if self._endpoint.is_loopback and self._endpoint.port == port:
            what = Words("the proxy would forward to itself: ", Parameter("upstream"), f" is {self._endpoint.base_url}")
            raise UsageError(what, hint=Words("Give the service's own URL, or another ", Parameter("port"), "."))
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}"

    @property
    def is_idle(self) -> bool:
        """Whether no app is connected."""
        return not self._relay.connections

    async def next_complete(self) -> None:
        """Wait until another session is complete."""
        self._has_completed.clear()
        await self._has_completed.wait()

    async def drained(self, wait_s: float) -> bool:
        """Wait until no connection is left, for at most this long; return whether none is left."""
        try:
            await asyncio.wait_for(self._relay.drained(), wait_s)
        except asyncio.TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Stop listening, end open connections, and complete all sessions."""
        if self._listening is not None:
            self._listening.close()
        await self._relay.stop()
        while self._completing:
            await asyncio.wait(list(self._completing))

    def _over(self, session: RelayedSession) -> None:
        completing = asyncio.ensure_future(self._complete(session))
        self._completing.add(completing)
        completing.add_done_callback(self._completing.discard)

    async def _complete(self, session: RelayedSession) -> None:
        relayed = await asyncio.get_running_loop().run_in_executor(None, session.complete)
        self.sessions.append(relayed)
        self._on_complete(relayed)
        self._has_completed.set()


def _upstream(endpoint: Endpoint, ca: Optional[Path]) -> Upstream:
    prefix = endpoint.base_url.partition("://")[2].partition("/")[2]
    return Upstream(endpoint.host, endpoint.port, f"/{prefix}" if prefix else "", tls_for(endpoint.base_url, ca))


def _one_line(error: EviHarnessError) -> str:
    return error.what
