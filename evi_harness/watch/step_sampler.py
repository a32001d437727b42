"""Where long steps of a loop spend their time, sampled from another thread.

Rules of living here: a sample, no more: it depends on the machine. It looks and changes nothing; a step that is shorter than the time
between two looks is never seen.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import Callable, Dict, Optional, Sequence, Tuple

from evi_harness.clocks.steps import ReadySteps
from evi_harness.guard.developers import developers
from evi_harness.guard.place_lookup import Stack, frame_stack
from evi_harness.session.places import Place

__all__ = ["EVERY_S", "StepSample", "StepSampler"]

# How often it is to look, in real seconds.
EVERY_S = 0.05
# A run that blocks again and again is told by its first steps.
MAX_SAMPLES = 1000
# So many places are named in a sentence.
N_PLACES = 3


@dataclass(frozen=True)
class StepSample:
    """What was seen of one step.

    Attributes:
        places: Where the developer's code was, the innermost place first; empty where none of it ran.
        of: The event that the handler was busy with, by seq.
        stack: Where it was, to be told with its source.
    """

    places: Tuple[str, ...] = ()
    of: Optional[int] = None
    stack: Stack = ()


_UNSEEN = StepSample()


class StepSampler:
    """Samples the steps of one loop, whose thread makes it. Another thread has it look, again and again, every ``EVERY_S``: the watchdog's.

    Args:
        steps: The steps of the loop.
        handling: The seq of the event that the handler is busy with, None while it is not. Called on the sampling thread.
    """

    def __init__(self, steps: ReadySteps, handling: Callable[[], Optional[int]] = lambda: None) -> None:
        self._steps = steps
        self._handling = handling
        self._samples: Dict[int, StepSample] = {}
        self._seen = -1
        self._watched = threading.get_ident()

    def sample(self, number: int) -> StepSample:
        """What was seen of a step, by its number; an empty sample of one that was not seen."""
        return self._samples.get(number, _UNSEEN)

    def places(self, number: int) -> Sequence[str]:
        """Where the developer's code was in a step, by its number."""
        return self.sample(number).places

    def look(self) -> None:
        """Look once: a step that runs since the look before is sampled, the first time that it is seen to."""
        number = self._steps.n_steps if self._steps.is_running else -1
        if number == self._seen and number not in self._samples and number >= 0 and len(self._samples) < MAX_SAMPLES:
            of = self._handling()
            stack = frame_stack(sys._current_frames().get(self._watched))
            places = developers(Place(*one) for one in stack)[:N_PLACES]
            self._samples[number] = StepSample(tuple(places), of, stack)
        self._seen = number
