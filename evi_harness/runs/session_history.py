"""What the service's API has of a conversation afterwards, answered from sessions.

Rules of living here: the dialect decides what is answered; this knows only which sessions are asked about. Pickled into a server's process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

from evi_harness.session.events import Event, Handshake
from evi_harness.session.header import Anchor, Header
from evi_harness.session.plausible_times import epoch_ns
from evi_harness.session.protocols import Dialect, HttpAnswer, ToldSession
from evi_harness.session.session import Session

__all__ = ["SessionHistory", "told_session"]

_MS_NS = 1_000_000
_YEAR_2000_MS = 946_684_800_000


@dataclass(frozen=True)
class SessionHistory:
    """Answers requests about sessions. A ``History``.

    Attributes:
        dialect: What is spoken.
        sessions: The sessions, in the order in which they opened; more may come.
    """

    dialect: Dialect
    sessions: Sequence[ToldSession]

    @property
    def paths(self) -> Tuple[str, ...]:
        """The paths on which there may be an answer, with ``{id}`` in the place of an id."""
        return self.dialect.history_paths

    def answer(self, request: Handshake) -> Optional[HttpAnswer]:
        """The answer to a GET request, None where no session has it."""
        # Those under way may go on meanwhile, on another thread.
        sessions = [ToldSession(tuple(one.events), one.began_ms) for one in tuple(self.sessions)]
        return self.dialect.history(request, sessions)


def told_session(session: Session, events: Optional[Sequence[Event]] = None) -> ToldSession:
    """A session as requests are answered from it.

    Args:
        session: The session, whose header says when it began.
        events: The events that are told, such as those of a replay under way; None for the session's own.
    """
    return ToldSession(session.events if events is None else events, _began_ms(session.header))


def _began_ms(header: Header) -> int:
    """When a session opened; where its source had no clock, when it was made."""
    start = Anchor(0, header.created) if header.start is None else header.start
    try:
        return (epoch_ns(start.wall) - start.at_ns) // _MS_NS
    except ValueError:
        # The header is a stranger's. As in a HAR file of such a session.
        return _YEAR_2000_MS
