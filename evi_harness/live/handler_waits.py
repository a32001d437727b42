"""Where a callback of the handler's waits that takes long: looked up once, while it waits.

Rules of living here: it looks and changes nothing, and writes at the end, so that nothing else of a run depends on it. A callback that
blocks the loop cannot be looked at from the loop; that one is told by what watches the loop.
"""

from __future__ import annotations

import asyncio
from typing import Any, List, Optional, Tuple

from evi_harness.live.journal import Journal
from evi_harness.live.places import waits_at

__all__ = ["AFTER_S", "HandlerWaits"]

# A callback that is done by then is not what others wait for.
AFTER_S = 0.1
N_PLACES = 3


class HandlerWaits:
    """Looks where the callbacks of one handler wait.

    Args:
        journal: Where ``handler_waits`` notes go.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._found: List[Tuple[int, Optional[int], str, List[str]]] = []

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
        for at_ns, of, callback, places in self._found:
            self._journal.note("handler_waits", of=of, at_ns=at_ns, callback=callback, detail=places)

    def _look(self, task: Any, of: Optional[int], callback: str) -> None:
        self._found.append((self._journal.now_ns, of, callback, waits_at(task)[:N_PLACES]))
