"""Hearing a legacy asynchronous connection: ``websockets.legacy``, which the SDK's asynchronous client is written on.

Its task reads a message (``read_message``), waits until there is room, and appends it to the deque ``messages``; every way of receiving
ends in that deque's ``popleft``. So the deque is replaced by one that tells both, and ``read_message`` by one that remembers when it
returned: with a full deque the append comes later. The task may be inside ``read_message`` when the tap is set; that message's time is that
of its append.
"""

from __future__ import annotations

from typing import Any, Deque, Optional

from evi_harness.live.hooks import Hooks
from evi_harness.live.tap_connection import end_of
from evi_harness.live.tap_log import TapLog, frame_of
from evi_harness.live.tap_queue import TapQueue

__all__ = ["hear_legacy", "is_legacy"]


def is_legacy(connection: Any) -> bool:
    """Whether something is a legacy connection."""
    return all(hasattr(connection, name) for name in ("transfer_data", "read_message", "messages", "connection_lost_waiter"))


class _Messages(Deque[Any]):
    """The queue of a connection, which tells of what comes and goes.

    Attributes:
        whole_ns: When the message that is to be appended next was read, None where nobody saw it.
    """

    def __init__(self, messages: Any, queue: TapQueue, log: TapLog) -> None:
        super().__init__(messages)
        self.whole_ns: Optional[int] = None
        self._queue = queue
        self._log = log

    def append(self, message: Any) -> None:
        whole_ns, self.whole_ns = self.whole_ns, None
        self._queue.tell(_arrived, self._log, message, whole_ns)
        super().append(message)

    def popleft(self) -> Any:
        message = super().popleft()
        self._queue.tell(self._log.taken, None)
        return message

    def read(self) -> None:
        """A message was read, and is to be appended when there is room."""
        try:
            self.whole_ns = self._queue.now_ns()
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is ours, and the connection goes on
            self._queue.fail(failure)


def hear_legacy(connection: Any, queue: TapQueue, log: TapLog, hooks: Hooks) -> None:
    """Have a log told what a connection receives, and when it is closed."""
    before: Deque[Any] = connection.messages
    messages = _Messages(before, queue, log)
    queue.put((log.found, [frame_of(message) for message in before]))
    connection.messages = messages
    hooks.on_restore(lambda: _give_back(connection, messages, before))
    read = connection.read_message

    async def read_message(*args: Any, **kwargs: Any) -> Any:
        message = await read(*args, **kwargs)
        messages.read()
        return message

    hooks.set(connection, "read_message", read_message)

    def closed(_: Any) -> None:
        queue.tell(log.closed, *end_of(connection))

    waiter = connection.connection_lost_waiter
    if not waiter.done():
        waiter.add_done_callback(closed)
        hooks.on_restore(lambda: _forget(waiter, closed))


def _arrived(log: TapLog, message: Any, whole_ns: Optional[int], now_ns: int) -> None:
    log.arrived(frame_of(message), now_ns if whole_ns is None else whole_ns)


def _give_back(connection: Any, messages: _Messages, before: Deque[Any]) -> None:
    if connection.messages is messages:
        before.clear()
        before.extend(messages)
        connection.messages = before


def _forget(waiter: Any, callback: Any) -> None:
    waiter.remove_done_callback(callback)
