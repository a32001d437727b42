"""Notes of a blocked event loop in real time: samples, because a busy machine also stretches steps.

A step is judged by what its thread computed and by calls that are known to wait. If only the wall clock says that it was long, the machine
may be the cause: that is another note, and a warning.

Rules of living here: a note is placed where the step ended; the notes of the handler's callbacks show which callback it was.
"""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence, Tuple

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.steps import ReadySteps, Step
from evi_harness.guard.developers import HARNESS, owner
from evi_harness.guard.place_lookup import told_places
from evi_harness.session.events import Event, Note
from evi_harness.session.note_kind import KindOf
from evi_harness.session.notes import BLOCKED, HANDLER_ENTERED, HANDLER_RETURNED, LONGEST_BLOCK, LONGEST_STEP, MAYBE_BLOCKED, BlockedFacts
from evi_harness.watch.step_sampler import StepSample

__all__ = ["LongSteps"]

# Above what a busy machine takes away at a time, most often.
THRESHOLD_NS = 250_000_000


class LongSteps:
    """Writes ``blocked`` and ``maybe_blocked`` notes for one run in real time.

    Args:
        journal: Where the notes go, and where the notes of the handler's callbacks stand. What runs before its opening is not the app's.
        steps: The steps of the loop.
        threshold_ns: From how long on a step counts as blocked.
        kind_of: The note that tells of a step that the app blocked.
        sample: What was seen of a step, by its number.
        redact: Takes secrets out of what the notes quote.
    """

    def __init__(
        self,
        journal: Journal,
        steps: ReadySteps,
        threshold_ns: int = THRESHOLD_NS,
        kind_of: Callable[[Step], KindOf[BlockedFacts]] = lambda _: BLOCKED,
        sample: Callable[[int], StepSample] = lambda _: StepSample(),
        redact: Callable[[str], str] = str,
    ) -> None:
        self._journal = journal
        self._steps = steps
        self._threshold_ns = threshold_ns
        self._kind_of = kind_of
        self._sample = sample
        self._redact = redact
        steps.tell(threshold_ns, self.take)

    def take(self, step: Step) -> None:
        """Take a long step that has just ended."""
        is_ours = owner(step.file) == HARNESS
        if self._journal.opened_at_ns is None or (is_ours and not step.hosts_app):
            # Nobody's, or a step of the harness in which nothing of the handler's runs.
            return
        ended_ns = self._journal.now_ns
        began_ns = max(0, ended_ns - step.took_ns)
        # Callbacks of the handler run in a task of ours; whatever else runs is known by its own name.
        entered = busiest(self._journal.events, began_ns, ended_ns) if is_ours else None
        facts = None if entered is None else HANDLER_ENTERED.read(entered)
        by = step.what if facts is None else facts.callback
        seen = self._sample(step.number)
        when = f"{began_ns / 1e9:.3f} to {ended_ns / 1e9:.3f} s ({step.took_ns / 1e6:.0f} ms)"
        kind = self._kind_of(step)
        if kind == BLOCKED and step.cpu_ns + step.waited_ns < self._threshold_ns:
            kind = MAYBE_BLOCKED
            what = f"the event loop may have been blocked from {when} in {by}: only real time shows it, not processor time (varies per run)"
        else:
            what = f"the event loop was blocked from {when} in {by} (varies per run)"
        self._journal.note(
            kind,
            of=None if entered is None else entered.of,
            sample=True,
            what=what,
            blocked_ns=step.took_ns,
            cpu_ns=step.cpu_ns,
            waited_ns=step.waited_ns,
            detail=[*(f"seen at {place}" for place in seen.places), _made_up_of(step)],
            # A step that nobody saw is told by the callback that ran in it.
            places=told_places(seen.stack, self._redact, or_library=False) or ([] if facts is None else facts.places),
        )

    def finish(self) -> None:
        """Write what is left when the run is over: the longest block, however short, and the step that computed longest."""
        if self._journal.opened_at_ns is None:
            return
        self._journal.note(LONGEST_BLOCK, sample=True, blocked_ns=self._steps.longest_ns)
        worst = self._steps.worst
        if worst is not None:
            ms, cpu_ms = worst.took_ns // 1_000_000, worst.cpu_ns // 1_000_000
            self._journal.note(LONGEST_STEP, sample=True, what=worst.what, real_ms=ms, cpu_ms=cpu_ms)


def _made_up_of(step: Step) -> str:
    """What a step was, in words: the rest is what the machine did, or a call that waits where nobody can see it."""
    cpu_ms, waited_ms = step.cpu_ns / 1e6, step.waited_ns / 1e6
    other_ms = max(0.0, step.took_ns / 1e6 - cpu_ms - waited_ms)
    return f"{cpu_ms:.0f} ms computing, {waited_ms:.0f} ms in calls that are known to wait, {other_ms:.0f} ms unexplained"


def busiest(events: Sequence[Event], began_ns: int, ended_ns: int) -> Optional[Note]:
    """Which callback of the handler took most of a span of session time, by its ``handler_entered``; None where none ran.

    Args:
        events: The notes of callbacks, in time; what else stands among them is passed over.
        began_ns: Where the span begins.
        ended_ns: Where it ends.
    """
    took = [(min(returned_ns, ended_ns) - max(entered.at_ns, began_ns), entered) for entered, returned_ns in _spans(events, ended_ns)]
    # The later of two equals: a callback that was called within another.
    longest = max((ns for ns, _ in took), default=-1)
    return next((entered for ns, entered in reversed(took) if ns == longest), None) if longest >= 0 else None


def _spans(events: Sequence[Event], now_ns: int) -> List[Tuple[Note, int]]:
    """Each callback's beginning and its end, by beginnings; one that still runs ends now."""
    running: List[Note] = []
    spans = {}
    for event in events:
        if HANDLER_ENTERED.matches(event):
            running.append(event)
            spans[event.seq] = (event, now_ns)
        elif HANDLER_RETURNED.matches(event) and running:
            entered = running.pop()
            spans[entered.seq] = (entered, event.at_ns)
    return list(spans.values())
