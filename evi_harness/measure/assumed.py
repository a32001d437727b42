"""The waiting times that EVI was configured with, as far as they are known; sessions do not contain them.

Rules of living here: an assumption is marked as one wherever it is shown; what contradicts it makes a value unavailable, never negative.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT", "Assumed"]


@dataclass(frozen=True)
class Assumed:
    """The floors that are taken as given.

    Attributes:
        end_of_turn_ns: How long the user must be silent for a turn to be over.
        min_interruption_ns: How long the user must speak for an interruption.
    """

    end_of_turn_ns: int = 800_000_000
    min_interruption_ns: int = 800_000_000


# EVI's own, where its configuration says nothing else.
DEFAULT = Assumed()
