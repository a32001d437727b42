"""Notes of a blocked event loop: exact for virtual time, a sample otherwise.

Rules of living here: what one step of the loop was charged counts together, however many sleeps it was; a note is written when the step
has ended.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Sequence, Tuple

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.blocking import Charge
from evi_harness.clocks.virtual import VirtualLoop
from evi_harness.guard.place_lookup import Stack, told_places
from evi_harness.session.note_kind import KindOf
from evi_harness.session.notes import BLOCKED, LONGEST_BLOCK, LONGEST_STEP, BlockedFacts

__all__ = ["BlockedNotes"]

# A blocked loop of a tenth of a second is audible; asyncio's own debug mode warns from there on.
THRESHOLD_NS = 100_000_000


class BlockedNotes:
    """Writes ``blocked`` notes for one virtual replay, and notes of the other kinds of charge.

    Args:
        journal: Where the notes go.
        handling: The seq of the event that the handler is busy with, None while it is not.
        threshold_ns: From how long on a step counts as blocked.
        redact: Takes secrets out of what the notes quote.
    """

    def __init__(
        self,
        journal: Journal,
        handling: Callable[[], Optional[int]],
        threshold_ns: int = THRESHOLD_NS,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._journal = journal
        self._handling = handling
        self._threshold_ns = threshold_ns
        self._redact = redact
        self._charges: List[Charge] = []
        self._of: Optional[int] = None
        self._longest_ns = 0

    def charged(self, loop: VirtualLoop, charge: Charge) -> None:
        """Take a charge, on the loop's thread."""
        if not self._charges:
            self._of = self._handling()
            loop.call_soon(self._end_step)
        self._charges.append(charge)

    def finish(self, loop: VirtualLoop) -> None:
        """Write what is left when the run is over: the longest block, however short, and the longest step in real time."""
        self._end_step()
        self._journal.note(LONGEST_BLOCK, blocked_ns=self._longest_ns)
        worst = loop.steps.worst
        if worst is None:
            return
        ms, cpu_ms = worst.took_ns // 1_000_000, worst.cpu_ns // 1_000_000
        self._journal.note(LONGEST_STEP, sample=True, what=worst.what, real_ms=ms, cpu_ms=cpu_ms)

    def _end_step(self) -> None:
        charges, self._charges = self._charges, []
        self._longest_ns = max(self._longest_ns, sum(charge.took_ns for charge in charges))
        for kind in dict.fromkeys(charge.kind for charge in charges):
            self._tell(kind, [charge for charge in charges if charge.kind == kind])

    def _tell(self, kind: KindOf[BlockedFacts], charges: Sequence[Charge]) -> None:
        took_ns = sum(charge.took_ns for charge in charges)
        if took_ns < self._threshold_ns:
            return
        calls = _calls(charges)
        by = list(dict.fromkeys(where for where, _ in calls))
        # The note stands where the step ended; what people look for is where it began.
        began_ns = charges[0].at_ns - (self._journal.opened_at_ns or 0)
        what = (
            f"the event loop was blocked from {began_ns / 1e9:.3f} to {(began_ns + took_ns) / 1e9:.3f} s ({took_ns / 1e6:g} ms) by {by[0]}"
        )
        # Only what the handler did itself is about the event that it had.
        of = self._of if kind == BLOCKED else None
        # Each of the others is in the detail.
        places = told_places(calls[0][1], self._redact, or_library=False)
        self._journal.note(kind, of=of, what=what, blocked_ns=took_ns, detail=by[1:], places=places)


def _calls(charges: Sequence[Charge]) -> List[Tuple[str, Stack]]:
    """Who blocked one step: the call that did so for the longest in all first, else in order."""
    took: Dict[Tuple[str, Stack], int] = {}
    for charge in charges:
        took[charge.where, charge.stack] = took.get((charge.where, charge.stack), 0) + charge.took_ns
    return sorted(took, key=lambda call: -took[call])
