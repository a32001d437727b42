"""Messages that an app sends after the connection has closed.

The library raises an exception in the sender, and an app that sends until that happens is in order: what it sends within ``GRACE_NS`` of
the close it could not know better, unless its own ``on_close`` sends it, and the frames of a microphone are not counted at all.

Rules of living here: what is sent is sent as ever; only the one connection's own attribute is replaced.
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Optional

from evi_harness.carriers.journal import Journal
from evi_harness.carriers.sends import Sends, sends_of
from evi_harness.guard.callers import callers_now, callers_of
from evi_harness.guard.on_behalf_of import behalf
from evi_harness.guard.place_lookup import told_places
from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.session.notes import SENDS_AFTER_CLOSE
from evi_harness.session.protocols import SENT, Dialect

__all__ = ["GRACE_NS", "SendsAfterClose", "describing"]

# A callback that was busy when the connection closed is done by then, most often.
GRACE_NS = 1_000_000_000


class SendsAfterClose:
    """Watches one connection.

    Args:
        journal: Where ``sends_after_close`` notes go.
        describe: Says in a line what a frame is, without secrets; None for one that is not told, such as a microphone's.
        redact: Takes secrets out of what the notes quote.
    """

    def __init__(self, journal: Journal, describe: Callable[[Frame], Optional[str]], redact: Callable[[str], str] = str) -> None:
        self._journal = journal
        self._describe = describe
        self._redact = redact
        self._sends: Optional[Sends] = None
        self._closed_ns: Optional[int] = None
        self._waiting: Optional[asyncio.Future[None]] = None

    @property
    def is_over(self) -> bool:
        """Whether the connection is closed."""
        return self._closed_ns is not None

    def watch(self, websocket: Any) -> None:
        """Watch a connection of the websockets library that has just been opened."""
        self.watch_sends(websocket)
        self._waiting = asyncio.ensure_future(self._wait_closed(websocket))

    def watch_sends(self, websocket: Any) -> None:
        """Watch a connection on a loop that is the app's, with no task of ours: ``closed`` says when it is closed."""
        sends = self._sends = sends_of(websocket)
        # Until it is closed nothing need be looked at, and nearly all frames are audio.
        sends.look(self._look, text_only=True)

    def closed(self) -> None:
        """Take that the connection is closed."""
        if self._sends is not None and self._closed_ns is None:
            self._closed_ns = self._journal.now_ns
            self._sends.look(self._look)

    def finish(self) -> None:
        """Watch no longer."""
        if self._sends is not None:
            self._sends.leave(self._look)
        if self._waiting is not None:
            self._waiting.cancel()

    async def _wait_closed(self, websocket: Any) -> None:
        await websocket.wait_closed()
        self.closed()

    def _look(self, message: Any) -> None:
        of = behalf()
        # A message in fragments is none that the service knows.
        if of is None or self._closed_ns is None or not isinstance(message, (str, bytes, bytearray, memoryview)):
            return
        late_ns = self._journal.now_ns - self._closed_ns
        if late_ns <= GRACE_NS and of.callback != "on_close":
            return
        frame = Frame(TEXT, message.encode()) if isinstance(message, str) else Frame(BINARY, bytes(message))
        said = self._describe(frame)
        if said is None:
            return
        stack = callers_now()
        called = callers_of(stack)
        what = f"{said} was sent {late_ns / 1e6:.0f} ms after the connection was closed, at {called[0] if called else '?'}"
        places = told_places(stack, self._redact)
        self._journal.note(SENDS_AFTER_CLOSE, of=of.of, what=what, detail=list(called[1:]), places=places)


def describing(dialect: Dialect, redact: Callable[[str], str]) -> Callable[[Frame], Optional[str]]:
    """What describes a frame that is sent by its type, and does not describe audio.

    Args:
        dialect: Says what is sent.
        redact: Takes secrets out of the type.
    """

    def describe(frame: Frame) -> Optional[str]:
        if dialect.reader().read(SENT, frame) is not None:
            return None
        # Its type alone: what it says may hold a key.
        kind = dialect.read(SENT, frame).type
        return "a message" if kind is None else f"a message of type {redact(kind)}"

    return describe
