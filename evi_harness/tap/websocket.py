"""The tap: observes a connection of the websockets library in the app's own process.

Three kinds of connection are known, and distinguished by their parts: the legacy asynchronous one (all versions that have it, also the one
below the SDK's asynchronous client), the asynchronous one since websockets 13, and the threaded one since 12.

Rules of living here: only attributes of this one connection are replaced, never a class or a module, and all are put back on leaving. The
tap sends nothing, closes nothing, answers no ping. Where the library has a frame is heard inside the library, below every parser; where
the app takes it, at the place through which all ways of taking go. What is heard is worked on in another thread.
"""

from __future__ import annotations

import weakref
from typing import Any, Callable, Optional

from evi_harness.errors import UsageError
from evi_harness.guard.patches import Hooks
from evi_harness.session.events import Event
from evi_harness.session.header import MEASURED, TAKEN
from evi_harness.tap.around_send import async_send, sync_send
from evi_harness.tap.assembler import hear_assembler, is_assembling, is_threaded, waits_for_the_app
from evi_harness.tap.connection_facts import end_of, endpoint_of, handshake_of, is_closed, reply_header
from evi_harness.tap.event_log import TapLog
from evi_harness.tap.hand_over import TapQueue
from evi_harness.tap.legacy import hear_legacy, is_legacy

__all__ = ["Tap", "is_tappable"]

_tapped: weakref.WeakSet[Any] = weakref.WeakSet()


def is_tappable(connection: Any) -> bool:
    """Whether something is a connection that a tap knows."""
    return is_legacy(connection) or is_assembling(connection)


class Tap:
    """Hears one connection. ``attach`` and ``detach`` are called in the thread that runs the connection's event loop.

    Args:
        connection: A connection of the websockets library that is open.
        sink: Called with each event, by seq, on a thread of the tap's own, such as ``Recorder.put``.
        now_ns: The clock.
        connect_ns: Its reading when connect was called, None where nobody said.
        on_over: Called once, on that thread, when the connection is closed and the app has taken all that it received.
        on_failure: Called once with the error that ended the hearing early, on that thread.

    Attributes:
        handshake: What the client asked for.
        endpoint: The URL of the service, without its query.
        times: ``measured``, or ``taken`` where the library itself reads a frame only when the app has taken the one before.
        log: What was heard.

    Raises:
        UsageError: It is not a connection that a tap knows.
    """

    def __init__(
        self,
        connection: Any,
        sink: Callable[[Event], object],
        *,
        now_ns: Callable[[], int],
        connect_ns: Optional[int] = None,
        on_over: Callable[[], object] = lambda: None,
        on_failure: Callable[[Exception], object] = lambda _: None,
    ) -> None:
        if not is_tappable(connection):
            kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
            raise UsageError(
                f"{kind} is not a connection of the websockets library that can be recorded", hint="Known are versions 12 to 17."
            )
        self.handshake = handshake_of(connection)
        self.endpoint = endpoint_of(connection)
        self.times = TAKEN if waits_for_the_app(connection) else MEASURED
        self._connection = connection
        self.log = TapLog(sink, on_over)
        self._now_ns = now_ns
        self._connect_ns = connect_ns
        self._on_failure = on_failure
        self._queue: Optional[TapQueue] = None
        self._hooks = Hooks()
        self._is_attached = False

    def reply_header(self, name: str) -> Optional[str]:
        """A header of the service's answer to the handshake, None where there is none of that name."""
        return reply_header(self._connection, name)

    def attach(self) -> None:
        """Begin to hear; this instant is the session's time zero. Whatever it raises, ``detach`` is still to be called.

        Raises:
            UsageError: The connection is heard by another tap.
        """
        if self._connection in _tapped:
            raise UsageError("this connection is being recorded already")
        _tapped.add(self._connection)
        self._is_attached = True
        queue = self._queue = TapQueue(self._now_ns, self._on_failure)
        queue.tell(self.log.opened, self.handshake)
        if self._connect_ns is not None:
            queue.put((self.log.connecting, self._connect_ns))
        hear = hear_legacy if is_legacy(self._connection) else hear_assembler
        wrap: Callable[..., Any] = sync_send if is_threaded(self._connection) else async_send
        hear(self._connection, queue, self.log, self._hooks)
        self._hooks.wrap(self._connection, "send", lambda send: wrap(send, queue, self.log))
        self._see_whether_closed(queue)

    def detach(self) -> None:
        """Leave the connection as it was. A close that nobody told of is still recorded. Idempotent, and it can be gone on with."""
        if not self._is_attached or self._queue is None:
            return
        self.release()
        self._see_whether_closed(self._queue)
        self._queue.put((self.log.end,))
        self._is_attached = False

    def release(self) -> None:
        """Leave the connection as it was, and nothing else: for a forked child, in which the tap's thread is not."""
        self._hooks.restore()
        _tapped.discard(self._connection)

    def finish(self) -> None:
        """Wait until all that was heard is with the sink; from any thread, after ``detach``. Idempotent."""
        if self._queue is not None:
            self._queue.finish()

    def _see_whether_closed(self, queue: TapQueue) -> None:
        if is_closed(self._connection):
            queue.tell(self.log.closed, *end_of(self._connection))
