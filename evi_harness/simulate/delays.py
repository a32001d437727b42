"""The simulator's delays, drawn from a seed.

Rules of living here: the defaults are made up and claim nothing about EVI, of which no figures are published; the same seed gives the
same delays; a draw is made also for a fixed delay, so that changing one delay leaves the others as they were.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from evi_harness.errors import UsageError

__all__ = ["Delay", "Latency"]


@dataclass(frozen=True)
class Delay:
    """One delay: fixed, or lognormal.

    Attributes:
        median_ms: Half of the draws are shorter.
        sigma: Standard deviation of the logarithm; 0 for a fixed delay, 0.3 for a service that varies as services do.

    Raises:
        UsageError: A negative or infinite value.
    """

    median_ms: float
    sigma: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.median_ms < math.inf and 0 <= self.sigma < math.inf):
            raise UsageError(f"a delay of {self.median_ms} ms with sigma {self.sigma}", hint="Neither may be negative or infinite.")

    def draw_ns(self, random: Random) -> int:
        """Draw one delay in nanoseconds."""
        return round(self.median_ms * math.exp(self.sigma * random.gauss(0.0, 1.0)) * 1e6)


@dataclass(frozen=True)
class Latency:
    """All delays of the simulator.

    Attributes:
        connect: Opening → chat_metadata.
        transcription: Turn over (the end-of-turn silence has passed) → final user_message.
        response: Final user_message, tool_response, assistant_input or resume → what is said first; before each further sentence too.
        first_audio: assistant_message → its first audio.
        chunk: Audio → next audio of one sentence. Less than the audio lasts, so that audio comes faster than it plays.
        extra_ms: Injected: added to each response.
    """

    connect: Delay = Delay(30)
    transcription: Delay = Delay(100)
    response: Delay = Delay(300)
    first_audio: Delay = Delay(150)
    chunk: Delay = Delay(100)
    extra_ms: float = 0.0

    def response_ns(self, random: Random) -> int:
        """Draw a response with what is injected."""
        return max(0, self.response.draw_ns(random) + round(self.extra_ms * 1e6))
