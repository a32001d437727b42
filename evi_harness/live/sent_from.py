"""Where in the developer's code the messages were sent that the service does not take.

Where a message was sent is looked up at its sending, for every one but audio, of which a replay has thousands. Which of them the service
does not take is the dialect's to say, at the end.

Rules of living here: what is sent is sent as ever; only the one connection's own attribute is replaced.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any, DefaultDict, Deque, Optional, Tuple

from evi_harness.live.behalf import Behalf, behalf
from evi_harness.live.callers import callers
from evi_harness.live.hooks import Hooks
from evi_harness.live.journal import Journal
from evi_harness.session.events import TEXT, Frame, Sent
from evi_harness.session.protocols import SENT, Dialect

__all__ = ["SentFrom"]


@dataclass(frozen=True)
class _Sending:
    """On whose behalf something was sent, and where in the code, the innermost place first."""

    of: Behalf
    places: Tuple[str, ...]


class SentFrom:
    """Watches one connection.

    Args:
        journal: Knows what was sent; where ``sent_from`` notes go.
        dialect: Says what is audio, and what the service takes.
    """

    def __init__(self, journal: Journal, dialect: Dialect) -> None:
        self._journal = journal
        self._dialect = dialect
        self._audio = dialect.audio_places()
        self._hooks = Hooks()
        # By what was sent, in the order of sending; None for what was not sent on the handler's behalf.
        self._sendings: DefaultDict[bytes, Deque[Optional[_Sending]]] = defaultdict(deque)

    def watch(self, websocket: Any) -> None:
        """Watch a connection of the websockets library that has just been opened."""
        self._hooks.set(websocket, "send", self._sending(websocket.send))

    def restore(self) -> None:
        """Watch no longer."""
        self._hooks.restore()

    def finish(self) -> None:
        """Note where those messages were sent that the service does not take."""
        rejected = self._dialect.rejected(self._journal.events) if self._sendings else {}
        sent = [event for event in self._journal.events if isinstance(event, Sent)] if rejected else []
        for number, event in enumerate(sent):
            # What crossed the wire is what was sent, in the same order; of equal ones each is told by its turn.
            waiting = self._sendings.get(event.frame.payload)
            sending = waiting.popleft() if waiting else None
            if sending is not None and event.seq in rejected:
                self._journal.note("sent_from", of=sending.of.of, number=number, detail=list(sending.places))

    def _sending(self, real: Any) -> Any:
        async def send(message: Any, *args: Any, **kwargs: Any) -> Any:
            # Bytes are audio.
            if isinstance(message, str):
                self._look(message.encode())
            return await real(message, *args, **kwargs)

        return send

    def _look(self, payload: bytes) -> None:
        if self._audio.is_audio(SENT, Frame(TEXT, payload)):
            return
        of = behalf()
        self._sendings[payload].append(None if of is None else _Sending(of, callers()))
