"""How a session ended, and whether another ended in the same way: the side, the code, the error before it.

Rules of living here: worked out from what crossed the wire. The SDK ends silently on a normal close, so an error that came before it is as
much a part of the ending as its code is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from evi_harness.session.protocols import NO_STATUS, RECEIVED, Dialect
from evi_harness.session.session import Session

__all__ = ["SessionEnding", "ending_of"]

_NORMAL = 1000
# No close frame came, so whatever code is told was not on the wire.
_LOST = 1006
_CLOSES = {"app": "the app closed the connection", "service": "the service closed the connection"}


@dataclass(frozen=True)
class SessionEnding:
    """How a session ended.

    Attributes:
        by: ``app``, ``service`` or ``network``; None where the session does not say.
        code: The close code: ``NO_STATUS`` where the close frame had none, 1006 where no close frame came, None where nobody knows.
        error: What the service said went wrong and ended it, by its code; None where it said nothing of the kind.
    """

    by: Optional[str] = None
    code: Optional[int] = None
    error: Optional[str] = None

    def is_like(self, recorded: SessionEnding) -> bool:
        """Whether this is the ending that a recording had.

        Reasons of a close are words, and may differ; a close frame without a code is as normal as one with 1000. Of a recording that does
        not say how it ended, a normal close without an error is taken for the end.
        """
        if recorded.by is None:
            return self.error is None and self.by != "network" and self._is_normal
        is_same_code = self.code == recorded.code or (self._is_normal and recorded._is_normal)
        return self.by == recorded.by and self.error == recorded.error and is_same_code

    @property
    def _is_normal(self) -> bool:
        return self.code in (_NORMAL, NO_STATUS)

    def __str__(self) -> str:
        if self.by is None:
            return "it does not say how" if self.error is None else f"it does not say how; the service had said {self.error}"
        after = "" if self.error is None else f" after {self.error}"
        if self.by == "network":
            return f"the connection was lost{after}"
        return f"{_CLOSES[self.by]} {'without a code' if self.code == NO_STATUS else f'with {self.code}'}{after}"


def ending_of(session: Session, dialect: Dialect) -> SessionEnding:
    """How a session ended.

    Args:
        session: The session.
        dialect: What its messages are in.
    """
    errors = [dialect.ended_by(dialect.read(RECEIVED, event.frame)) for event in session.received]
    error = next((one for one in reversed(errors) if one is not None), None)
    closed = session.closed
    if closed is None:
        return SessionEnding(error=error)
    code = _LOST if closed.by == "network" else NO_STATUS if closed.code is None else closed.code
    return SessionEnding(closed.by, code, error)
