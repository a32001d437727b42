"""A speech detector's result for the user's audio, and which detector it was.

Rules of living here: where nobody listened there is no speech, and a reason; that is not the same as a user who was silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from evi_harness.session.turn import Speech

__all__ = ["UNHEARD_SPEECH", "HeardSpeech"]


@dataclass(frozen=True)
class HeardSpeech:
    """Where the user spoke, as a detector heard it.

    Attributes:
        speech: The stretches of speech, in order, on the position axis; None where nobody listened.
        detector: Name of the detector, None where there was none.
        version: Its version, likewise.
        threshold: From which probability on there is speech, 0 to 1; None likewise.
        why: Why nobody listened; empty where somebody did.
    """

    speech: Optional[Tuple[Speech, ...]] = None
    detector: Optional[str] = None
    version: Optional[str] = None
    threshold: Optional[float] = None
    why: str = ""


UNHEARD_SPEECH = HeardSpeech(why="no detector was asked to")
