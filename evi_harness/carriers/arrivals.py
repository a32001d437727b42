"""Match the messages that the app takes with those that were sent: they arrive in order, and none is lost before the end.

Rules of living here: the keeper of a connection's journal reports every event; the code that reads messages for the app asks once per
message.
"""

from __future__ import annotations

from collections import deque
from typing import Callable, Deque

from evi_harness.session.events import Closed, Event, Received

__all__ = ["Arrivals"]


class Arrivals:
    """The messages that are on their way to the app.

    Args:
        on_over: Called when the connection is closed.

    Attributes:
        is_over: Whether the connection was closed, by what was told.
    """

    def __init__(self, on_over: Callable[[], object] = int) -> None:
        self.is_over = False
        self._on_over = on_over
        self._under_way: Deque[Received] = deque()

    def tell(self, event: Event) -> None:
        """Take an event of the connection: a sink for ``Journal``."""
        if isinstance(event, Received):
            self._under_way.append(event)
        elif isinstance(event, Closed):
            self.is_over = True
            self._on_over()

    def next(self) -> Received:
        """The event of the message that the app takes now.

        Raises:
            IndexError: None is on its way.
        """
        return self._under_way.popleft()
