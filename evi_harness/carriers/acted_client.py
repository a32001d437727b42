"""The client's side of a conversation, played by a service; ``carriers/server.py`` does the same for the service's side.

Rules of living here: what to send and when is the service's decision; this waits, sends and closes. Sends are in order, and one that
fails because the connection is gone ends the acting, not the app.
"""

from __future__ import annotations

import asyncio
from typing import Any, Awaitable, Callable, Optional

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.clock import Clock, Timer
from evi_harness.session.events import Event, Frame
from evi_harness.session.protocols import MAX_REASON_BYTES, NO_STATUS, Close, Send, Service

__all__ = ["ClientPump", "send_close", "send_frame"]


async def send_frame(websocket: Any, frame: Frame) -> None:
    """Send a frame over a connection of the websockets library, with its opcode and its very bytes."""
    await websocket.send(frame.payload.decode() if frame.is_text else frame.payload)


async def send_close(websocket: Any, code: int, reason: str) -> None:
    """Close a connection of the websockets library, with no code where it is ``NO_STATUS``, and wait for the end.

    A code that nobody may send (RFC 6455, 7.4) is not sent, and a reason that is too long for a close frame is cut.
    """
    if _may_be_sent(code):
        await websocket.close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))
        return
    # The library's own close wants a code. Behind a close frame that was sent it only waits.
    if hasattr(websocket, "write_close_frame"):
        from websockets.frames import Close as CloseFrame

        await websocket.write_close_frame(CloseFrame(NO_STATUS, ""), b"")
    else:
        async with websocket.send_context():
            websocket.protocol.send_close()
    await websocket.close()


def _may_be_sent(code: int) -> bool:
    from websockets.exceptions import ProtocolError
    from websockets.frames import Close as CloseFrame

    try:
        CloseFrame(code, "").check()
    except ProtocolError:
        return False
    return code != NO_STATUS


class ClientPump:
    """Acts out a service on the client's side of one connection.

    Args:
        service: What decides. Its times are session times.
        journal: The session: its clock and its opening.
        clock: What the journal is stamped by.
        send: Sends a frame.
        close: Closes with a code and a reason.
    """

    def __init__(
        self,
        service: Service,
        journal: Journal,
        clock: Clock,
        send: Callable[[Frame], Awaitable[object]],
        close: Callable[[int, str], Awaitable[object]],
    ) -> None:
        self._service = service
        self._journal = journal
        self._clock = clock
        self._send = send
        self._close = close
        # Not an asyncio.Event: one future a wait costs what asyncio.sleep costs, and there is a wait for each frame of audio.
        self._waiter: Optional[asyncio.Future[None]] = None
        self._is_awake = False

    def take(self, event: Event) -> None:
        """Hand on an event that the app has taken."""
        self._service.take(event, self._journal.now_ns)
        self.wake()

    def wake(self) -> None:
        """Look again at what is due: something that the service watches has changed."""
        self._is_awake = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def run(self) -> None:
        """Act until the service closes; cancel it to stop before."""
        while True:
            self._is_awake = False
            for action in self._service.due(self._journal.now_ns):
                if isinstance(action, Send):
                    await self._send(action.frame)
                elif isinstance(action, Close):
                    await self._close(action.code, action.reason)
                    return
            await self._wait()

    async def _wait(self) -> None:
        if self._is_awake:
            return
        timer = self._timer()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            if timer is not None:
                timer.cancel()

    def _timer(self) -> Optional[Timer]:
        next_at_ns = self._service.next_at_ns()
        if next_at_ns is None:
            return None
        assert self._journal.opened_at_ns is not None
        return self._clock.call_at_ns(self._journal.opened_at_ns + next_at_ns, self.wake)
