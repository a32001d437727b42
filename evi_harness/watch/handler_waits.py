"""Where a slow callback of the handler waits, looked up once while it waits.

Rules of living here: it looks and changes nothing, and writes at the end, so that nothing else of a run depends on it. A callback that
blocks the loop cannot be looked at from the loop; the watcher of the loop reports that one.
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, List, Optional, Tuple

from evi_harness.carriers.journal import Journal
from evi_harness.guard.developers import developers
from evi_harness.guard.place_lookup import Stack, told_places, waiting_stack
from evi_harness.session.notes import HANDLER_WAITS
from evi_harness.session.places import Place

__all__ = ["AFTER_S", "HandlerWaits"]

# A callback that is done by then is not what others wait for.
AFTER_S = 0.1
N_PLACES = 3


class HandlerWaits:
    """Looks where the callbacks of one handler wait.

    Args:
        journal: Where ``handler_waits`` notes go.
        redact: Takes secrets out of what they quote.
    """

    def __init__(self, journal: Journal, redact: Callable[[str], str] = str) -> None:
        self._journal = journal
        self._redact = redact
        self._found: List[Tuple[int, Optional[int], str, Stack]] = []

    def look(self, of: Optional[int], callback: str) -> asyncio.TimerHandle:
        """Have a look in a while at a callback that the running task begins with now.

        Args:
            of: The seq of the event that it has, None for one that has none.
            callback: Its name.

        Returns:
            What to cancel when the callback returns.
        """
        return asyncio.get_running_loop().call_later(AFTER_S, self._look, asyncio.current_task(), of, callback)

    def finish(self) -> None:
        """Write the notes."""
        for at_ns, of, callback, stack in self._found:
            detail = developers(Place(*one) for one in stack)[:N_PLACES]
            places = told_places(stack, self._redact, or_library=False)
            self._journal.note(HANDLER_WAITS, of=of, at_ns=at_ns, callback=callback, detail=detail, places=places)

    def _look(self, task: Any, of: Optional[int], callback: str) -> None:
        self._found.append((self._journal.now_ns, of, callback, waiting_stack(task)))
