"""What the service's API has of a conversation afterwards, answered from a session.

Rules of living here: the dialect decides what is answered; this knows only which session is asked about. Pickled into a server's process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

from evi_harness.session.events import Event, Handshake
from evi_harness.session.header import Anchor, Header
from evi_harness.session.plausible_times import epoch_ns
from evi_harness.session.protocols import Dialect, HttpAnswer
from evi_harness.session.session import Session

__all__ = ["SessionHistory", "history_of"]

_MS_NS = 1_000_000
_YEAR_2000_MS = 946_684_800_000


@dataclass(frozen=True)
class SessionHistory:
    """Answers requests about one session. A ``History``.

    Attributes:
        dialect: What is spoken.
        events: The events of the session; more may come.
        began_ms: When it opened, in milliseconds since 1970.
    """

    dialect: Dialect
    events: Sequence[Event]
    began_ms: int

    @property
    def paths(self) -> Tuple[str, ...]:
        """The paths on which there may be an answer, with ``{id}`` in the place of an id."""
        return self.dialect.history_paths

    def answer(self, request: Handshake) -> Optional[HttpAnswer]:
        """The answer to a GET request, None where the session does not have it."""
        # Events of a session under way may be added meanwhile, on another thread.
        return self.dialect.history(request, tuple(self.events), self.began_ms)


def history_of(session: Session, dialect: Dialect, events: Optional[Sequence[Event]] = None) -> SessionHistory:
    """What answers requests about a session.

    Args:
        session: The session, whose header says when it began.
        dialect: What is spoken.
        events: The events that are told, such as those of a replay under way; None for the session's own.
    """
    return SessionHistory(dialect, session.events if events is None else events, _began_ms(session.header))


def _began_ms(header: Header) -> int:
    """When a session opened; where its source had no clock, when it was made."""
    start = Anchor(0, header.created) if header.start is None else header.start
    try:
        return (epoch_ns(start.wall) - start.at_ns) // _MS_NS
    except ValueError:
        # The header is a stranger's. As in a HAR file of such a session.
        return _YEAR_2000_MS
