"""How long a service took in each turn, for comparing a live replay with the recording: two of the metrics.

Rules of living here: measured by the one table of metrics; a value that cannot be known is None and never 0. The end of the user's speech
is the one that the service reported, so both sessions are judged alike and no detector is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from evi_harness.measure.measuring import measure
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["TurnLatency", "turn_latencies"]


@dataclass(frozen=True)
class TurnLatency:
    """How long the service took in one turn.

    Attributes:
        turn: The turn's number.
        response_ns: ``response``, from the user's final message to the first audio of the reply.
        turn_gap_ns: ``turn_gap.told``, from the end of the user's speech, where the service says that it was, to that audio.
    """

    turn: int
    response_ns: Optional[int]
    turn_gap_ns: Optional[int]


def turn_latencies(session: Session, dialect: Dialect) -> List[TurnLatency]:
    """How long the service took in each turn of the user's; greetings are left out.

    Args:
        session: The session.
        dialect: What its messages are in.
    """
    measured = measure(session, dialect)
    values: Dict[Tuple[str, Optional[int]], Optional[int]] = {
        (sample.metric, sample.turn): None if sample.value is None else round(sample.value * 1e6) for sample in measured.samples
    }
    turns = [turn.number for turn in measured.turns if turn.user is not None]
    return [TurnLatency(turn, values.get(("response", turn)), values.get(("turn_gap.told", turn))) for turn in turns]
