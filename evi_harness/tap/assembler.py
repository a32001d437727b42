"""Observe a connection that has an assembler: ``websockets.asyncio`` since 13 and ``websockets.sync`` since 12.

Each frame of data is ``put`` into the assembler by whoever reads the socket; ``get`` and ``get_iter`` are what every way of receiving ends
in; ``close`` is called when the connection is lost. Up to websockets 13 the threaded ``put`` returns only when the message was taken, and
nothing more is read from the socket before: such a connection's times depend on the app.

A ``get`` that was under way when the tap was set is not heard. The log learns that there is doubt, and compares.
"""

from __future__ import annotations

from contextlib import nullcontext
from queue import Empty
from typing import Any, AsyncIterator, Callable, Iterator, List, Optional, Tuple

from evi_harness.guard.patches import Hooks
from evi_harness.session.events import BINARY, TEXT, Frame, Opcode
from evi_harness.tap.connection_facts import end_of, is_closed
from evi_harness.tap.event_log import TapLog, frame_of
from evi_harness.tap.hand_over import TapQueue

__all__ = ["hear_assembler", "is_assembling", "is_threaded", "waits_for_the_app"]

# Opcodes on the wire (RFC 6455, 5.2).
_CONTINUATION, _TEXT = 0, 1
# What is heard of an assembler.
_CALLS = ("put", "get", "get_iter", "close")


def is_assembling(connection: Any) -> bool:
    """Whether something is a connection with an assembler."""
    # trio's, which websockets has as well, is neither in a thread nor on an event loop of asyncio.
    is_known = hasattr(connection, "recv_events_thread") or hasattr(connection, "connection_lost_waiter")
    return (
        is_known and hasattr(connection, "protocol") and all(hasattr(getattr(connection, "recv_messages", None), name) for name in _CALLS)
    )


def is_threaded(connection: Any) -> bool:
    """Whether a connection is the threaded one."""
    return hasattr(connection, "recv_events_thread")


def waits_for_the_app(connection: Any) -> bool:
    """Whether a connection reads a message only when the app has taken the one before."""
    return hasattr(getattr(connection, "recv_messages", None), "message_fetched")


def hear_assembler(connection: Any, queue: TapQueue, log: TapLog, hooks: Hooks) -> None:
    """Report to a log what a connection receives, and when it is closed."""
    assembler = connection.recv_messages
    whole = _Whole(log)
    # No get can begin and no put can end while this is held; what has none is used by one thread.
    with getattr(assembler, "mutex", None) or nullcontext():
        waiting = _of_latch(assembler) if waits_for_the_app(connection) else _of_queue(assembler, whole)
        # A thread may have put or taken something while it could not be seen; a coroutine cannot have.
        queue.put((log.found, waiting, is_threaded(connection), bool(assembler.get_in_progress)))
        _hear(connection, queue, log, hooks, whole)


class _Whole:
    """Puts frames together to messages, and tells a log of each."""

    def __init__(self, log: TapLog) -> None:
        self._log = log
        self._opcode: Optional[Opcode] = None
        self._pieces: List[bytes] = []

    def add(self, frame: Any, now_ns: int) -> None:
        message = self.message(frame)
        if message is not None:
            self._log.arrived(message, now_ns)

    def message(self, frame: Any) -> Optional[Frame]:
        """The message that a frame completes; None where it completes none."""
        if frame.opcode != _CONTINUATION:
            opcode: Opcode = TEXT if frame.opcode == _TEXT else BINARY
            if frame.fin:
                return Frame(opcode, bytes(frame.data))
            self._opcode, self._pieces = opcode, []
        self._pieces.append(bytes(frame.data))
        if not frame.fin or self._opcode is None:
            # Without an opcode its beginning was taken before the tap was set; it is written when the app takes it.
            return None
        opcode, self._opcode = self._opcode, None
        return Frame(opcode, b"".join(self._pieces))


def _of_queue(assembler: Any, whole: _Whole) -> List[Frame]:
    messages = [whole.message(frame) for frame in _frames(assembler)]
    return [message for message in messages if message is not None]


def _frames(assembler: Any) -> List[Any]:
    frames = assembler.frames
    if hasattr(frames, "queue"):
        return list(frames.queue)
    # A queue between threads cannot be looked into. It is emptied and filled again; a get that is under way has found it empty.
    if assembler.get_in_progress:
        return []
    found = []
    try:
        while True:
            found.append(frames.get(block=False))
    except Empty:
        for frame in found:
            frames.put(frame)
    return [frame for frame in found if frame is not None]


def _of_latch(assembler: Any) -> List[Frame]:
    if not assembler.message_complete.is_set():
        return []
    joiner: Any = b"" if assembler.decoder is None else ""
    return [frame_of(joiner.join(assembler.chunks))]


def _hear(connection: Any, queue: TapQueue, log: TapLog, hooks: Hooks, whole: _Whole) -> None:
    assembler = connection.recv_messages
    put, close = assembler.put, assembler.close
    now_ns, hear, add = queue.now_ns, queue.put, whole.add

    def tapped_put(frame: Any) -> Any:
        # As ``queue.tell`` does, without the call, here and where a message is taken: this is what recording costs the app.
        try:
            hear((add, frame, now_ns()))
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is ours, and the connection goes on
            queue.fail(failure)
        return put(frame)

    def tapped_close(*args: Any, **kwargs: Any) -> Any:
        result = close(*args, **kwargs)
        # The threaded one closes its assembler early when a send failed, and again when all is over.
        if is_closed(connection):
            queue.tell(log.closed, *end_of(connection))
        return result

    taking = _sync_taking if is_threaded(connection) else _async_taking
    get, get_iter = taking(assembler.get, assembler.get_iter, queue, log)
    for name, value in (("put", tapped_put), ("close", tapped_close), ("get", get), ("get_iter", get_iter)):
        hooks.set(assembler, name, value)


def _async_taking(get: Any, get_iter: Any, queue: TapQueue, log: TapLog) -> Tuple[Callable[..., Any], Callable[..., Any]]:
    now_ns, hear, taken = queue.now_ns, queue.put, log.taken

    async def tapped_get(*args: Any, **kwargs: Any) -> Any:
        message = await get(*args, **kwargs)
        try:
            hear((taken, message, now_ns()))
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is ours, and the app goes on
            queue.fail(failure)
        return message

    async def tapped_get_iter(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async for piece in get_iter(*args, **kwargs):
            yield piece
        queue.tell(log.taken, None)

    return tapped_get, tapped_get_iter


def _sync_taking(get: Any, get_iter: Any, queue: TapQueue, log: TapLog) -> Tuple[Callable[..., Any], Callable[..., Any]]:
    def tapped_get(*args: Any, **kwargs: Any) -> Any:
        message = get(*args, **kwargs)
        queue.tell(log.taken, message)
        return message

    def tapped_get_iter(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from get_iter(*args, **kwargs)
        queue.tell(log.taken, None)

    return tapped_get, tapped_get_iter
