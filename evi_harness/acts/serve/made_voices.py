"""Synthetic voices for a server on an event loop: a ``simulate.voice.Voice`` per chat, backed by a thread.

Rules of living here: a voice is made for milliseconds by nothing but Python, and a thread that does so lets the loop in whenever that has
something to do (``pacing.own_process`` says how soon). One voice is made at a time, in the order in which they were asked for.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Callable, Optional, Set, Type

from evi_harness.session.wav import Pcm
from evi_harness.simulate.voice import spoken

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["LateVoice", "Voices"]


class Voices:
    """The thread. A context manager; voices are made in between."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evi-harness voice")

    def open(self) -> LateVoice:
        """Make the voice of one chat."""
        return LateVoice(self._thread, asyncio.get_running_loop())

    def __enter__(self) -> Voices:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._thread.shutdown(wait=True)


class Making:
    """A voice that is being made.

    Args:
        future: What it will be.
    """

    def __init__(self, future: Future[bytes]) -> None:
        self._future = future

    @property
    def samples(self) -> Optional[bytes]:
        """The voice, None until it is there."""
        return self._future.result() if self._future.done() and not self._future.cancelled() else None


class LateVoice:
    """The voice of one chat.

    Args:
        thread: Makes it.
        loop: The loop on which it is waited for.
    """

    def __init__(self, thread: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop) -> None:
        self._thread = thread
        self._loop = loop
        self._wake: Callable[[], object] = lambda: None
        self._pending: Set[Future[bytes]] = set()

    def __call__(self, text: str, seed: int, pcm: Pcm) -> Making:
        """Begin to make what a text sounds like; see ``simulate.voice.spoken``."""
        future = self._thread.submit(spoken, text, seed, pcm)
        self._pending.add(future)
        future.add_done_callback(self._done)
        return Making(future)

    def wake_by(self, wake: Callable[[], object]) -> None:
        """Say what is to be called, on the loop, when a voice is there."""
        self._wake = wake

    def close(self) -> None:
        """No more is needed: what is not begun is not made."""
        self._wake = lambda: None
        for future in list(self._pending):
            future.cancel()

    def _done(self, future: Future[bytes]) -> None:
        # On the thread, or on the loop's where it was cancelled. A loop that is closed waits for nothing.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._told, future)

    def _told(self, future: Future[bytes]) -> None:
        self._pending.discard(future)
        self._wake()
