"""What the app's side of a connection observes, if the server that keeps the session is in another process.

A message counts as received when the app takes it. Which message of the server's it is, is known by its number: messages neither get
lost nor overtake one another.

Rules of living here: what crosses is noted and never changed; only this one connection's own attributes are replaced.
"""

from __future__ import annotations

from typing import Any, Callable

from evi_harness.carriers.journal import Journal
from evi_harness.carriers.sends import sends_of
from evi_harness.clocks.steps import own_work
from evi_harness.guard.patches import Hooks
from evi_harness.session.events import BINARY, TEXT, Event, Frame
from evi_harness.tap.connection_facts import handshake_of

__all__ = ["AppSide"]


class AppSide:
    """Writes a journal of what the app sends and takes.

    Args:
        journal: Where it is written.
        on_event: Called with the opening, and with each frame that is about to be sent.
    """

    def __init__(self, journal: Journal, on_event: Callable[[Event], object]) -> None:
        self._journal = journal
        self._on_event = on_event
        self._hooks = Hooks()

    def opened(self, websocket: Any) -> None:
        """Take a connection of the websockets library that has just been opened; this instant is time zero.

        Args:
            websocket: The connection. Iterating over it calls its ``recv``, in all versions of the library.
        """
        with own_work():
            self._on_event(self._journal.opened(handshake_of(websocket)))
        self._hooks.wrap(websocket, "recv", self._receiving)
        sends_of(websocket).look(self._sent)

    def _receiving(self, real: Any) -> Any:
        async def recv(*args: Any, **kwargs: Any) -> Any:
            payload = await real(*args, **kwargs)
            with own_work():
                self._journal.received(_frame(payload))
            return payload

        return recv

    def _sent(self, message: Any) -> None:
        # A message in fragments is none that EVI knows.
        if isinstance(message, (str, bytes, bytearray, memoryview)):
            with own_work():
                self._on_event(self._journal.sent(_frame(message)))


def _frame(payload: Any) -> Frame:
    return Frame(TEXT, payload.encode()) if isinstance(payload, str) else Frame(BINARY, bytes(payload))
