"""What a handler leaves behind: tasks, threads, jobs, unawaited coroutines, open connections, messages to a closed connection.

One object for a run, which brings together what watches each. Rules of living here: nothing that the handler does goes otherwise
because it is watched; what is replaced is put back.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Callable

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.steps import own_work
from evi_harness.session.protocols import Dialect
from evi_harness.watch.coroutines import NeverAwaited
from evi_harness.watch.lost_results import LostResults
from evi_harness.watch.open_sockets import OpenSockets
from evi_harness.watch.sends_after_close import SendsAfterClose, describing
from evi_harness.watch.sent_from import SentFrom
from evi_harness.watch.tasks import AppTasks
from evi_harness.watch.threads import AppThreads

__all__ = ["ENDING_S", "LeftBehind"]

# How long what the handler has set going may take to end by itself once the handler is done, in seconds of the loop's time.
ENDING_S = 1.0


class LeftBehind:
    """Watches one handler in one run. A context manager, entered on the running loop before the handler is built.

    What counts is what is done on the handler's behalf: see ``behalf``.

    Args:
        journal: Where the notes go.
        dialect: Says what is sent.
        redact: Takes secrets out of what notes quote.
    """

    def __init__(self, journal: Journal, dialect: Dialect, redact: Callable[[str], str] = str) -> None:
        self._sends = SendsAfterClose(journal, describing(dialect, redact), redact)
        self._sent_from = SentFrom(journal, dialect, redact)
        self._tasks = AppTasks(journal, redact, lambda: self._sends.is_over)
        self._threads = AppThreads(journal, redact)
        self._jobs = LostResults(journal, redact, self._threads.whose)
        self._coroutines = NeverAwaited(journal, redact)
        self._sockets = OpenSockets(journal, redact)
        self._watching = ExitStack()

    def __enter__(self) -> LeftBehind:
        for one in (self._tasks, self._threads, self._jobs, self._coroutines, self._sockets):
            self._watching.enter_context(one)
        return self

    def __exit__(self, *_: object) -> None:
        self._sent_from.restore()
        self._sends.finish()
        self._watching.close()

    def opened(self, websocket: Any) -> None:
        """Take the conversation's connection, of the websockets library, as soon as it is open."""
        self._sends.watch(websocket)
        self._sent_from.watch(websocket)

    async def finish(self, *, has_ended: bool = False) -> None:
        """Note what is left when the handler is done and the connection closed. What ends anyway may do so first.

        Args:
            has_ended: Whether the app has ended the run: then its tasks are cancelled, and only what they raised is noted.
        """
        if has_ended:
            self._tasks.cancel()
            await self._tasks.wait(ENDING_S)
            with own_work():
                self._tasks.finish(has_ended=True)
                self._threads.write()
                self._jobs.finish()
                self._sent_from.finish()
            return
        await self._tasks.wait(ENDING_S)
        await self._threads.wait()
        with own_work():
            self._tasks.finish()
            self._threads.finish()
            self._jobs.finish()
            self._coroutines.finish()
            self._sockets.finish()
            self._sent_from.finish()
