"""What the service was configured to wait for before it does anything: what the session states, and what somebody says where it does not.

Rules of living here: an assumption is marked as one wherever it is shown; what contradicts it makes a value unavailable, never negative.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from evi_harness.session.protocols import Told

__all__ = ["DEFAULT", "Assumed"]


@dataclass(frozen=True)
class Assumed:
    """The floors that are taken as given.

    Attributes:
        end_of_turn_ns: How long the user must be silent for a turn to be over.
        min_interruption_ns: How long the user must speak for an interruption.
        states_end_of_turn: Whether the session itself states the first.
        states_min_interruption: Whether it states the second.
    """

    end_of_turn_ns: int = 800_000_000
    min_interruption_ns: int = 800_000_000
    states_end_of_turn: bool = False
    states_min_interruption: bool = False

    def unless_told(self, told: Told) -> Assumed:
        """The same, with what a session states in the place of what is assumed."""
        found = self
        if told.end_of_turn_ns is not None:
            found = replace(found, end_of_turn_ns=told.end_of_turn_ns, states_end_of_turn=True)
        if told.min_interruption_ns is not None:
            found = replace(found, min_interruption_ns=told.min_interruption_ns, states_min_interruption=True)
        return found


# EVI's own, where its configuration says nothing else.
DEFAULT = Assumed()
