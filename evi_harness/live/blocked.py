"""Notes of a blocked event loop: exact where virtual time was charged, a sample where only the machine knows.

Rules of living here: what one step of the loop was charged counts together, however many sleeps it was; a note is written when the step
has ended.
"""

from __future__ import annotations

from typing import Callable, List, Optional

from evi_harness.live.blocking import Charge
from evi_harness.live.journal import Journal
from evi_harness.live.virtual import VirtualLoop

__all__ = ["BlockedNotes"]

# A blocked loop of a tenth of a second is audible; asyncio's own debug mode warns from there on.
THRESHOLD_NS = 100_000_000
# Of what only the machine's clock tells, time of the processor alone is judged: a busy machine stretches all other time.
SAMPLE_THRESHOLD_NS = 2_000_000_000


class BlockedNotes:
    """Writes ``blocked`` notes for one virtual replay.

    Args:
        journal: Where the notes go.
        handling: The seq of the event that the handler is busy with, None while it is not.
        threshold_ns: From how long on a step counts as blocked.
    """

    def __init__(self, journal: Journal, handling: Callable[[], Optional[int]], threshold_ns: int = THRESHOLD_NS) -> None:
        self._journal = journal
        self._handling = handling
        self._threshold_ns = threshold_ns
        self._charges: List[Charge] = []
        self._of: Optional[int] = None

    def charged(self, loop: VirtualLoop, charge: Charge) -> None:
        """Take a charge, on the loop's thread."""
        if not self._charges:
            self._of = self._handling()
            loop.call_soon(self._end_step)
        self._charges.append(charge)

    def finish(self, loop: VirtualLoop) -> None:
        """Write what is left when the run is over, and the longest step in real time."""
        self._end_step()
        worst = loop.steps.worst
        if worst is None:
            return
        ms, cpu_ms = worst.took_ns // 1_000_000, worst.cpu_ns // 1_000_000
        self._journal.note("longest_step", sample=True, what=worst.what, real_ms=ms, cpu_ms=cpu_ms)
        if worst.cpu_ns >= SAMPLE_THRESHOLD_NS:
            what = f"one step of the event loop ({worst.what}) computed for {cpu_ms} ms (a sample)"
            self._journal.note("blocked", sample=True, what=what, detail=[])

    def _end_step(self) -> None:
        charges, self._charges = self._charges, []
        took_ns = sum(charge.took_ns for charge in charges)
        if not charges or took_ns < self._threshold_ns:
            return
        places = list(dict.fromkeys(charge.where for charge in charges))
        # The note stands where the step ended; what people look for is where it began.
        began_ns = charges[0].at_ns - (self._journal.opened_at_ns or 0)
        what = f"the event loop was blocked for {took_ns / 1e6:g} ms from {began_ns / 1e9:.3f} s on by {places[0]}"
        self._journal.note("blocked", of=self._of, what=what, blocked_ns=took_ns, detail=places[1:])
