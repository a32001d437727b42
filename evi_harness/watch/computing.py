"""Notes of steps that compute for long in virtual time, which would block the loop in real time.

Rules of living here: counted is time of the processor, which a busy machine stretches least; still these are samples. They are written
at the end, so that nothing else of a run depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, List

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.steps import ReadySteps, Step
from evi_harness.guard.place_lookup import told_places
from evi_harness.session.notes import BLOCKED
from evi_harness.watch.step_sampler import StepSample, StepSampler

__all__ = ["THRESHOLD_NS", "Computing"]

# Well above what the SDK and its models take at first use, on a slow machine with a coverage tool in it.
THRESHOLD_NS = 1_000_000_000


@dataclass(frozen=True)
class _Computed:
    """A step that computed for long: when it had ended, the step, and what was seen of it."""

    at_ns: int
    step: Step
    sample: StepSample


class Computing:
    """Writes ``blocked`` notes of what computes, for one run in virtual time.

    Args:
        journal: Where the notes go. What runs before its opening is not the app's.
        steps: The steps of the loop.
        sampler: Looks where they are.
        threshold_ns: From how much time of the processor on a step counts as blocked.
        redact: Takes secrets out of what the notes quote.
    """

    def __init__(
        self,
        journal: Journal,
        steps: ReadySteps,
        sampler: StepSampler,
        threshold_ns: int = THRESHOLD_NS,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._journal = journal
        self._redact = redact
        self._sampler = sampler
        self._threshold_ns = threshold_ns
        self._found: List[_Computed] = []
        steps.tell(threshold_ns, self.take)

    def take(self, step: Step) -> None:
        """Take a long step that has just ended."""
        if self._journal.opened_at_ns is not None and step.cpu_ns >= self._threshold_ns:
            self._found.append(_Computed(self._journal.now_ns, step, self._sampler.sample(step.number)))

    def forget(self) -> None:
        """Leave out what was seen until now."""
        self._found.clear()

    def finish(self) -> None:
        """Write the notes."""
        for one in self._found:
            place, *others = one.sample.places or (one.step.what,)
            took = f"{one.step.cpu_ns / 1e6:.0f} ms of processor time"
            what = f"the event loop was blocked: one step computed for {took} at {place} (varies per run)"
            detail = [f"called at {other}" for other in others]
            places = told_places(one.sample.stack, self._redact, or_library=False)
            of, cpu_ns = one.sample.of, one.step.cpu_ns
            self._journal.note(BLOCKED, of=of, sample=True, at_ns=one.at_ns, what=what, cpu_ns=cpu_ns, detail=detail, places=places)
