"""Observe the ``send`` of a connection, asynchronous or not.

Rules of living here: ``send`` gets what the app gave it, or an iterable that gives the same items in the same order at the same time; what
it returns or raises goes back unchanged. A message that ``send`` takes apart, item by item, is recorded as the one message that it is.
``send`` refuses anything that is not a message, such as a dictionary; it leaves no event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable, Mapping
from functools import wraps
from typing import Any, AsyncIterator, Awaitable, Callable, Iterator, List, Tuple

from evi_harness.session.events import Outcome
from evi_harness.tap.event_log import Data, TapLog
from evi_harness.tap.hand_over import TapQueue

__all__ = ["async_send", "sync_send"]

_BYTES = (bytes, bytearray, memoryview)


class _Watched:
    """An iterable of pieces that keeps what it gave."""

    def __init__(self, pieces: Any, items: List[Data]) -> None:
        self._pieces: Iterator[Any] = iter(pieces)
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        piece = next(self._pieces)
        _keep(piece, self._items)
        return piece


class _WatchedAsync:
    """An asynchronous iterable of pieces that keeps what it gave."""

    def __init__(self, pieces: Any, items: List[Data]) -> None:
        self._pieces = type(pieces).__aiter__(pieces)
        self._items = items

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        piece = await self._pieces.__anext__()
        _keep(piece, self._items)
        return piece


def async_send(send: Callable[..., Awaitable[Any]], queue: TapQueue, log: TapLog) -> Callable[..., Awaitable[Any]]:
    """A coroutine function to stand in for a connection's ``send``."""
    now_ns, put, sent = queue.now_ns, queue.put, log.sent

    @wraps(send)
    async def tapped(message: Any, *args: Any, **kwargs: Any) -> Any:
        kept: Any = message
        try:
            if type(message) is not str and type(message) is not bytes:
                message, kept = _watched(message, takes_async=True)
            began_ns = now_ns()
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is ours, and the send goes on
            queue.fail(failure)
            return await send(message, *args, **kwargs)
        try:
            result = await send(message, *args, **kwargs)
        except BaseException as error:
            _over(queue, log, kept, kwargs, _outcome(error), began_ns)
            raise
        try:
            # As ``_over`` does, without the calls: this is what recording costs the app.
            put((sent, kept, kwargs.get("text"), "sent", began_ns, now_ns()))
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is ours, and the app goes on
            queue.fail(failure)
        return result

    return tapped


def sync_send(send: Callable[..., Any], queue: TapQueue, log: TapLog) -> Callable[..., Any]:
    """A function to stand in for a connection's ``send``."""

    @wraps(send)
    def tapped(message: Any, *args: Any, **kwargs: Any) -> Any:
        kept: Any = message
        try:
            if type(message) is not str and type(message) is not bytes:
                message, kept = _watched(message, takes_async=False)
            began_ns = queue.now_ns()
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is ours, and the send goes on
            queue.fail(failure)
            return send(message, *args, **kwargs)
        try:
            result = send(message, *args, **kwargs)
        except BaseException as error:
            _over(queue, log, kept, kwargs, _outcome(error), began_ns)
            raise
        _over(queue, log, kept, kwargs, "sent", began_ns)
        return result

    return tapped


def _watched(message: Any, *, takes_async: bool) -> Tuple[Any, Any]:
    """What to hand to ``send`` for a message, and what will have been handed over: a list that fills where it goes in pieces."""
    if isinstance(message, str):
        return message, str(message)
    if isinstance(message, _BYTES):
        # A copy, as the app may change it after the send.
        return message, bytes(message)
    items: List[Data] = []
    if isinstance(message, Mapping):
        return message, items
    if isinstance(message, Iterable):
        return _Watched(message, items), items
    if takes_async and isinstance(message, AsyncIterable):
        return _WatchedAsync(message, items), items
    return message, items


def _over(queue: TapQueue, log: TapLog, kept: Any, options: Any, outcome: Outcome, began_ns: int) -> None:
    queue.tell(log.sent, kept, options.get("text"), outcome, began_ns)


def _outcome(error: BaseException) -> Outcome:
    return "cancelled" if isinstance(error, (asyncio.CancelledError, GeneratorExit)) else "failed"


def _keep(piece: Any, items: List[Data]) -> None:
    if isinstance(piece, str):
        items.append(piece)
    elif isinstance(piece, _BYTES):
        items.append(bytes(piece))
