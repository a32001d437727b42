"""Which recorded connection a new one is, where an app opens several.

Rules of living here: what resumes an earlier conversation is never taken for what does not, as long as there is another; then the handshake
that differs least, and among equal ones the order of the recordings. Secrets are not compared.
"""

from __future__ import annotations

from typing import Mapping, Optional, Tuple

from evi_harness.replay.judging.differences import differences
from evi_harness.session.events import Handshake
from evi_harness.session.protocols import Dialect

__all__ = ["matching_connection"]


def matching_connection(live: Handshake, waiting: Mapping[int, Handshake], dialect: Dialect) -> Optional[int]:
    """Find the recorded connection that a new one stands for.

    Args:
        live: The handshake of the new one.
        waiting: The handshakes of those that nobody has opened yet, by their place in the order of the recordings.
        dialect: What is spoken.

    Returns:
        The place of the recorded connection; None where none is left.
    """
    strict = dialect.strictly()

    def distance(place: int) -> Tuple[bool, int, int]:
        recorded = waiting[place]
        other_group = dialect.resumed(recorded) != dialect.resumed(live)
        then, now = strict.comparable_handshakes(recorded, live)
        return other_group, len(differences(then, now)), place

    return min(waiting, key=distance, default=None)
