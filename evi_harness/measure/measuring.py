"""Measure one session: all samples of both families, and the detector and options that were used.

Rules of living here: pure, so the same session and the same marks give the same samples, in the same order, everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional, Tuple

from evi_harness.measure.assumed import DEFAULT, Assumed
from evi_harness.measure.client_family import due_ns, measure_client, unobserved
from evi_harness.measure.collecting import Samples
from evi_harness.measure.conversation_family import measure_conversation, untimed
from evi_harness.measure.metrics import CLIENT, CONVERSATION, EXACT, METRICS, SAMPLED, TABLE
from evi_harness.measure.samples import Sample
from evi_harness.measure.session_times import Reading
from evi_harness.measure.speech_marks import UNHEARD_SPEECH, HeardSpeech
from evi_harness.measure.turn_taking import measure_turn_taking
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session
from evi_harness.session.turn import Turn

__all__ = ["Measured", "measure"]

_VIRTUAL = "virtual"


@dataclass(frozen=True)
class Measured:
    """What was measured of one session.

    Attributes:
        name: What its samples call it.
        session: The session.
        heard: Where the user spoke, and who heard it.
        assumed: What the service is taken to be configured to.
        turns: Its turns.
        types: The type of each received message, by seq.
        samples: Every sample; those of one metric in time.
        untimed: Why there is no ``conversation`` metric, None where there is.
        unobserved: Why there is no ``client`` metric but the calls of tools, None where there is.
        late_ns: How late the harness itself was with each message of a replay in real time, in nanoseconds; empty for all others.
    """

    name: str
    session: Session
    heard: HeardSpeech
    assumed: Assumed
    turns: Tuple[Turn, ...]
    types: Mapping[int, str]
    samples: Tuple[Sample, ...]
    untimed: Optional[str]
    unobserved: Optional[str]
    late_ns: Tuple[int, ...] = ()

    def certainty(self, metric: str) -> str:
        """Whether a metric of this session is ``exact`` or ``sampled``."""
        source = self.session.header.source
        is_exact = self.unobserved is None and source.get("clock") == _VIRTUAL and source.get("deterministic") is not False
        row = METRICS[metric]
        return EXACT if is_exact and row.family == CLIENT and row.in_virtual_time == EXACT else SAMPLED


def measure(
    session: Session, dialect: Dialect, heard: HeardSpeech = UNHEARD_SPEECH, assumed: Assumed = DEFAULT, name: Optional[str] = None
) -> Measured:
    """Measure a session.

    Args:
        session: The session.
        dialect: What its messages are in.
        heard: Where the user spoke, by a detector.
        assumed: What the service was configured to wait for.
        name: What samples call the session; None for its own name.

    Returns:
        All samples. A value that cannot be had is a sample with a reason. Where that holds for a whole family, each metric of it has one
        such sample, of no turn, and the reason stands in ``untimed`` or ``unobserved`` as well.
    """
    name = session.name if name is None else name
    reading = Reading(session, dialect)
    found = Samples(name, reading.at_ns, reading.types)
    no_times = untimed(session)
    if no_times is not None:
        for row in TABLE:
            if row.family == CONVERSATION:
                found.unavailable(row.id, no_times)
    else:
        measure_conversation(reading, heard, assumed, found)
        measure_turn_taking(reading, heard, assumed, found)
    measure_client(reading, found)
    return Measured(
        name=name,
        session=session,
        heard=heard,
        assumed=assumed,
        turns=tuple(reading.turns),
        types=reading.types,
        samples=tuple(found.found),
        untimed=no_times,
        unobserved=unobserved(session),
        late_ns=_late_ns(session),
    )


def _late_ns(session: Session) -> Tuple[int, ...]:
    """How late a carrier in real time sent what was due. In virtual time it is the app that makes it late, by blocking the loop."""
    if unobserved(session) is not None or session.header.source.get("clock") == _VIRTUAL:
        return ()
    due = due_ns(session)
    return tuple(event.at_ns - due[event.seq] for event in session.received if event.seq in due)
