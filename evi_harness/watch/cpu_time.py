"""The processor time of the handler's callbacks, by message.

Rules of living here: samples, no more; written at the end, so that nothing else of a run depends on it. What other tasks of the
loop compute while a callback waits is in it too.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Callable, Iterator, List, Optional, Tuple

from evi_harness.carriers.journal import Journal
from evi_harness.session.notes import HANDLER_CPU

__all__ = ["CpuTime"]


class CpuTime:
    """Counts for one run.

    Args:
        journal: Where the notes go.
        now_ns: The clock of the loop's thread.
    """

    def __init__(self, journal: Journal, now_ns: Callable[[], int] = time.thread_time_ns) -> None:
        self._journal = journal
        self._now_ns = now_ns
        self._spent: List[Tuple[int, int]] = []

    @contextmanager
    def spent_on(self, of: Optional[int]) -> Iterator[None]:
        """Count what is computed while the block runs.

        Args:
            of: The seq of the message that it is about; None for what is about no message, which is not counted.
        """
        counted = self.count(of)
        try:
            yield
        finally:
            counted()

    def count(self, of: Optional[int]) -> Callable[[], None]:
        """Count what is computed from now on.

        Args:
            of: See ``spent_on``.

        Returns:
            Ends the counting. Call it on the same thread.
        """
        began_ns = self._now_ns()

        def counted() -> None:
            if of is not None:
                self._spent.append((of, self._now_ns() - began_ns))

        return counted

    def finish(self) -> None:
        """Write the notes, one for each message that a callback had."""
        for of, cpu_ns in self._spent:
            self._journal.note(HANDLER_CPU, of=of, sample=True, cpu_ns=cpu_ns)
