"""One conversation: connects a service to a WebSocket.

Rules of living here: the service decides, this does. It keeps receiving while a send waits, or pings would go unanswered. Sends are in
order, each the exact bytes under the exact opcode. What crosses the wire is in the journal before anything answers it; nothing that
the app sends is lost without a note. Whether the clock is real or virtual makes no difference here.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from contextlib import contextmanager, suppress
from typing import Any, Callable, Deque, Iterable, Iterator, Optional, cast

from aiohttp import WebSocketError, WSMsgType, web

from evi_harness.carriers.client_frames import Shortcut
from evi_harness.carriers.door import Door
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.limits import ServerLimits
from evi_harness.clocks.clock import Clock, Timer
from evi_harness.clocks.steps import ReadySteps
from evi_harness.errors import EviHarnessError
from evi_harness.session.events import BINARY, TEXT, ClosedBy, Event, Frame
from evi_harness.session.notes import CLOSE_NOT_ANSWERED, DUE, SENT_AFTER_CLOSE, UNDELIVERED, UNSENT
from evi_harness.session.protocols import MAX_REASON_BYTES, NO_STATUS, Abort, Action, Close, LateService, Refuse, Remark, Send, Service

__all__ = ["Conversation"]

# How long a peer may take to answer a close frame, on the carrier's clock; aiohttp and websockets wait as long.
CLOSE_WAIT_NS = 10_000_000_000

# The close code of a socket on which nothing happens.
GOING_AWAY = 1001

PROTOCOL_ERROR = 1002
# RFC 6455, 7.4.1: what a library says of an end without a close frame. aiohttp takes the second.
_NEVER_SENT = frozenset({NO_STATUS, 1006, 1015})

_OPCODES = {TEXT: WSMsgType.TEXT, BINARY: WSMsgType.BINARY}


class Conversation:
    """Carries one service over one WebSocket that is open.

    Args:
        service: The service; it has taken the opening already.
        journal: The journal; the opening stands in it.
        clock: The carrier's clock.
        socket: The server's side of the WebSocket, with ``autoclose`` off.
        transport: What the WebSocket runs on.
        door: What stands before the transport, None where nothing does.
        shortcut: What may hand on binary messages past the library; the door, as a rule. None for nothing.
        limits: What the app may take of the server, None for as much as it will.
    """

    def __init__(
        self,
        service: Service,
        journal: Journal,
        clock: Clock,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        *,
        door: Optional[Door] = None,
        shortcut: Optional[Shortcut] = None,
        limits: Optional[ServerLimits] = None,
    ) -> None:
        self._service = service
        self._late = cast(LateService, service) if hasattr(service, "wake_by") else None
        self._journal = journal
        self._clock = clock
        self._socket = socket
        self._transport = transport
        self._door = door
        self._shortcut = shortcut
        self._limits = limits
        # What waits to be sent, and what of it and of the journal the door has counted.
        self._n_unsent = 0
        self._n_counted = 0
        # Messages that came by the library.
        self._n_received = 0
        self._no_apps_code: Callable[[], object] = _nothing
        self._actions: Deque[Action] = deque()
        self._wake = asyncio.Event()
        self._timer: Optional[Timer] = None
        self._armed_ns: Optional[int] = None
        self._close_timer: Optional[Timer] = None
        # Set while nothing is read, since the service is behind.
        self._is_free: Optional[asyncio.Event] = None
        self._is_over = False
        self._failure: Optional[BaseException] = None

    async def run(self, first: Any) -> None:
        """Carry the conversation to its end.

        Args:
            first: The actions that the service gave at its opening.

        Raises:
            Exception: What the service raised, after the connection was ended.
        """
        sender = asyncio.ensure_future(self._send_all())
        steps = getattr(asyncio.get_running_loop(), "_ready", None)
        if isinstance(steps, ReadySteps):
            self._no_apps_code = steps.no_apps_code
        if self._late is not None:
            self._late.wake_by(self._woken)
        if self._door is not None:
            self._door.opened(self._idle)
        try:
            self._do(first)
            self._arm()
            if self._shortcut is not None:
                self._shortcut.on_binary = self._receive_binary
            await self._receive_all()
        finally:
            if self._shortcut is not None:
                self._shortcut.on_binary = None
            self._disarm()
            sender.cancel()
            await asyncio.wait([sender])
            self._tell_unsent()
        if self._failure is not None:
            raise self._failure

    @property
    def due_at_ns(self) -> Optional[int]:
        """When the service is to be asked next, on the carrier's clock; None where that depends on the app."""
        armed_ns, opened_ns = self._armed_ns, self._journal.opened_at_ns
        return None if armed_ns is None or opened_ns is None else opened_ns + armed_ns

    def abort(self) -> None:
        """End the connection at once, with no close frame."""
        self._transport.abort()
        if self._is_free is not None:
            self._is_free.set()

    async def _receive_all(self) -> None:
        receive, no_apps_code = self._socket.receive, self._no_apps_code
        while True:
            # The server's step, in which nothing of an app runs.
            no_apps_code()
            try:
                message = await receive()
            except ConnectionError:
                # The answer to a ping, for which the app did not wait.
                self._end_of_network()
                return
            # Asked here, since what comes past the library may have put the service behind.
            while self._late is not None and self._late.is_behind and not self._transport.is_closing():
                # What is not read waits with the app.
                self._is_free = asyncio.Event()
                await self._is_free.wait()
            self._n_received += 1
            if message.type is WSMsgType.TEXT:
                # aiohttp decodes strictly, so encoding gives the very bytes back.
                self._receive(Frame(TEXT, message.data.encode()))
            elif message.type is WSMsgType.BINARY:
                self._receive(Frame(BINARY, bytes(message.data)))
            else:
                await self._receive_end(message)
                return

    def _receive_binary(self, payload: bytes) -> bool:
        """Take a message that comes past the library, unless one that came before it is still there, or the service is behind."""
        assert self._shortcut is not None
        if self._shortcut.n_passed_on != self._n_received or (self._late is not None and self._late.is_behind) or self._failure is not None:
            return False
        # The step in which the transport is read, which is the server's too.
        self._no_apps_code()
        self._receive(Frame(BINARY, payload))
        return True

    def _receive(self, frame: Frame) -> None:
        if self._is_over:
            self._journal.note(SENT_AFTER_CLOSE, opcode=frame.opcode, n_bytes=frame.size)
        else:
            self._hand_over(self._journal.sent(frame))
            self._count()

    async def _receive_end(self, message: Any) -> None:
        if message.type is WSMsgType.CLOSE:
            # aiohttp gives 0 for a close frame without a code.
            await self._closed_by_app(message.data or None, message.extra or "")
        elif self._is_over:
            if self._close_timer is not None:
                self._journal.note(CLOSE_NOT_ANSWERED)
        elif isinstance(message.data, WebSocketError):
            # The app broke the protocol (too large, not UTF-8); aiohttp has told it so in a close frame of its own.
            # The library's frames, and in them what was sent, would stay for as long as anybody knows this error.
            message.data.__traceback__ = None
            self._over("service", int(message.data.code), str(message.data))
        else:
            self._end_of_network()

    def _end_of_network(self) -> None:
        """The connection is gone: by what the door did, or by itself."""
        if self._is_over:
            return
        if self._door is not None and self._door.fault is not None:
            self._over("service", *self._door.fault)
        elif self._door is not None and self._door.why_cut_off is not None:
            self._over("service", None, self._door.why_cut_off)
        else:
            self._over("network", None, "")

    async def _closed_by_app(self, code: Optional[int], reason: str) -> None:
        if self._is_over:
            self._transport.close()
            return
        if code in _NEVER_SENT:
            why = f"the app closed with {code}, a code that a close frame must not have"
            self._over("service", PROTOCOL_ERROR, why)
            code = PROTOCOL_ERROR
        else:
            self._over("app", code, reason)
        # A peer need not wait for its answer.
        with suppress(ConnectionError):
            await self._socket.send_frame(_close_payload(code or NO_STATUS, ""), WSMsgType.CLOSE)
        self._transport.close()

    def _over(self, by: ClosedBy, code: Optional[int], reason: str) -> None:
        self._is_over = True
        self._disarm()
        self._hand_over(self._journal.closed(by, code, reason))

    def _hand_over(self, event: Event) -> None:
        # Once a frame: plain, where a context manager costs as much as the service does.
        try:
            if self._service.take(event, event.at_ns) is not False:
                self._turn()
        except Exception as failure:  # noqa: BLE001 - as in _failing
            self.fail(failure)

    def _woken(self) -> None:
        """The service has learned something, or takes more."""
        if self._is_free is not None:
            self._is_free.set()
        if not self._is_over:
            with self._failing():
                self._turn()

    def _turn(self) -> None:
        """Ask the service what to do now, and when to ask again."""
        at_ns = self._journal.now_ns
        actions = self._service.due(at_ns)
        self._do(actions)
        next_ns = self._arm()
        if not actions and next_ns is not None and next_ns <= at_ns:
            raise EviHarnessError(f"the service says that something is due at {next_ns} ns and has nothing to do at {at_ns} ns")

    def _do(self, actions: Any) -> None:
        if not actions:
            return
        self._actions.extend(actions)
        if self._is_over:
            self._remark()
            return
        self._n_unsent += _size(actions)
        self._count()
        self._wake.set()

    def _count(self) -> None:
        """Count what is kept for the app, and end the connection where it is too much."""
        if self._door is None or self._limits is None:
            return
        n_bytes = self._n_unsent + self._journal.n_kept_bytes
        if n_bytes == self._n_counted:
            return
        self._door.holding.change(n_bytes - self._n_counted)
        self._n_counted = n_bytes
        if self._n_unsent > self._limits.unsent_bytes:
            self._door.cut_off(f"the app does not read: more than {self._limits.unsent_mib:g} MiB wait for it")
        elif n_bytes > self._limits.chat_bytes:
            self._door.cut_off(f"more than {self._limits.chat_mib:g} MiB were kept for the app")

    def _idle(self) -> None:
        if not self._is_over and self._limits is not None:
            self._do([Close(GOING_AWAY, f"nothing has crossed the socket for {self._limits.idle_s:g} s")])

    def _remark(self) -> None:
        # After the close a service can only make remarks; the rest stays and is told as unsent.
        for action in [action for action in self._actions if isinstance(action, Remark)]:
            self._actions.remove(action)
            self._journal.note(action.kind, **action.data)

    def _arm(self) -> Optional[int]:
        next_ns = self._service.next_at_ns()
        if next_ns is None or self._is_over or self._journal.opened_at_ns is None:
            self._disarm()
            return None
        # Most frames of audio change nothing of what is due next, and a timer costs more than this comparison.
        if next_ns != self._armed_ns:
            self._disarm()
            self._armed_ns = next_ns
            self._timer = self._clock.call_at_ns(self._journal.opened_at_ns + next_ns, self._timer_rang)
        return next_ns

    def _disarm(self) -> None:
        self._armed_ns = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timer_rang(self) -> None:
        self._disarm()
        with self._failing():
            next_ns = self._service.next_at_ns()
            if next_ns is None or next_ns > self._journal.now_ns:
                # The loop may ring early by less than it can tell apart; a service must never be asked early.
                self._arm()
            else:
                self._turn()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        # In a callback of the loop or a task of its own an exception would only be logged, and the conversation would hang.
        try:
            yield
        except Exception as failure:  # noqa: BLE001 - a service's own code may raise anything; run raises it again
            self.fail(failure)

    def fail(self, failure: BaseException) -> None:
        """End the connection because the service failed; ``run`` raises the failure."""
        self._failure = self._failure or failure
        if self._is_free is not None:
            self._is_free.set()
        self._disarm()
        self._transport.abort()

    async def _send_all(self) -> None:
        with self._failing():
            while True:
                while self._actions and not self._is_over:
                    await self._perform(self._actions.popleft())
                self._wake.clear()
                await self._wake.wait()

    async def _perform(self, action: Action) -> None:
        if isinstance(action, Send):
            await self._send(action)
        elif isinstance(action, Remark):
            self._journal.note(action.kind, **action.data)
        elif isinstance(action, Close):
            await self._close(action)
        elif isinstance(action, Abort):
            self._over("network", None, "")
            self._transport.abort()
        elif isinstance(action, Refuse):
            self.fail(EviHarnessError("the service refuses a handshake after it let the app in"))

    async def _send(self, action: Send) -> None:
        received = self._journal.received(action.frame)
        self._journal.note(
            DUE,
            of=received.seq,
            due_ns=action.due_ns,
            cause_ns=action.cause_ns,
            held_ns=action.held_ns,
            recorded_seq=action.recorded_seq,
        )
        try:
            await self._socket.send_frame(action.frame.payload, _OPCODES[action.frame.opcode])
        except ConnectionError:
            self._journal.note(UNDELIVERED, of=received.seq)
        self._n_unsent -= action.frame.size
        if self._door is not None:
            self._door.active()
            self._count()

    async def _close(self, action: Close) -> None:
        self._is_over = True
        self._disarm()
        self._journal.closed("service", None if action.code == NO_STATUS else action.code, action.reason)
        self._close_timer = self._clock.call_at_ns(self._clock.now_ns() + CLOSE_WAIT_NS, self._transport.abort)
        # Where the peer is gone, the receiving side sees the same end and tells it.
        with suppress(ConnectionError):
            await self._socket.send_frame(_close_payload(action.code, action.reason), WSMsgType.CLOSE)

    def _tell_unsent(self) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()
        n_unsent = sum(isinstance(action, Send) for action in self._actions)
        if n_unsent:
            self._journal.note(UNSENT, n_frames=n_unsent)
        self._actions.clear()


def _nothing() -> None:
    """What is done where no steps are measured."""


def _size(actions: Iterable[Action]) -> int:
    return sum(action.frame.size for action in actions if isinstance(action, Send))


def _close_payload(code: int, reason: str) -> bytes:
    # A recording may say that there was a code that fits into no frame, as an importer or an editor wrote it.
    if code == NO_STATUS or not 0 <= code <= 0xFFFF:
        return b""
    return struct.pack("!H", code) + reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore").encode()
