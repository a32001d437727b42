"""Observe a legacy asynchronous connection: ``websockets.legacy``, which the SDK's asynchronous client uses.

Its task reads a message (``read_message``), waits until there is room, and appends it to the deque ``messages``; every way of receiving
ends in that deque's ``popleft``. So the deque is replaced by one whose ``append`` and ``popleft`` tell. With a full deque a message is
appended later than it was read: from the first time that it is full, ``read_message`` is heard too. The task may be inside ``read_message``
when the tap is set; that message's time is that of its append.
"""

from __future__ import annotations

import math
from functools import cache, partial
from typing import Any, Deque, List

from evi_harness.guard.patches import Hooks
from evi_harness.tap.connection_facts import end_of
from evi_harness.tap.event_log import TapLog, frame_of
from evi_harness.tap.hand_over import TapQueue

__all__ = ["hear_legacy", "is_legacy"]


def is_legacy(connection: Any) -> bool:
    """Whether something is a legacy connection."""
    return all(hasattr(connection, name) for name in ("transfer_data", "read_message", "messages", "connection_lost_waiter"))


class _Messages(Deque[Any]):
    """A deque whose functions can be replaced, as those of a deque itself cannot."""


def hear_legacy(connection: Any, queue: TapQueue, log: TapLog, hooks: Hooks) -> None:
    """Report to a log what a connection receives, and when it is closed."""
    before: Deque[Any] = connection.messages
    messages = _Messages(before)
    queue.put((log.found, [frame_of(message) for message in before]))
    _hear_queue(connection, messages, queue, log, hooks)
    connection.messages = messages
    hooks.on_restore(lambda: _give_back(connection, messages, before))

    def closed(_: Any) -> None:
        queue.tell(log.closed, *end_of(connection))

    waiter = connection.connection_lost_waiter
    if not waiter.done():
        waiter.add_done_callback(closed)
        hooks.on_restore(lambda: waiter.remove_done_callback(closed))


def _hear_queue(connection: Any, messages: _Messages, queue: TapQueue, log: TapLog, hooks: Hooks) -> None:
    """Hear what comes into the queue of a connection and goes out of it.

    The two functions find what they need in variables of theirs, and do themselves what ``queue.tell`` does: attributes and calls of our
    own would be more than half of what recording costs the app.
    """
    own_append, own_popleft = messages.append, messages.popleft
    now_ns, put, arrived, taken = queue.now_ns, queue.put, partial(_arrived, log), log.taken
    # With so many in it, the next one fills it.
    nearly_full = math.inf if connection.max_queue is None else connection.max_queue - 1
    # When the message that is to be appended next was read; empty where nobody saw it.
    read_ns: List[int] = []

    def append(message: Any) -> None:
        try:
            put((arrived, message, read_ns.pop() if read_ns else now_ns()))
            if len(messages) >= nearly_full:
                hear_reading()
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is ours, and the connection goes on
            queue.fail(failure)
        own_append(message)

    def popleft() -> Any:
        message = own_popleft()
        try:
            put((taken, None, now_ns()))
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is ours, and the app goes on
            queue.fail(failure)
        return message

    @cache
    def hear_reading() -> None:
        _hear_reading(connection, queue, read_ns, hooks)

    # mypy takes the functions of a class for unchangeable.
    vars(messages).update(append=append, popleft=popleft)


def _hear_reading(connection: Any, queue: TapQueue, read_ns: List[int], hooks: Hooks) -> None:
    """Hear when a connection has read a message, for one that may have to wait until there is room for it."""
    read = connection.read_message

    async def read_message(*args: Any, **kwargs: Any) -> Any:
        message = await read(*args, **kwargs)
        try:
            read_ns[:] = [queue.now_ns()]
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is ours, and the connection goes on
            queue.fail(failure)
        return message

    hooks.set(connection, "read_message", read_message)


def _arrived(log: TapLog, message: Any, now_ns: int) -> None:
    log.arrived(frame_of(message), now_ns)


def _give_back(connection: Any, messages: _Messages, before: Deque[Any]) -> None:
    if connection.messages is messages:
        before.clear()
        before.extend(messages)
        connection.messages = before
