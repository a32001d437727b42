"""Where the developer's code sent each message and closed the connection.

Every message counts but the audio of a microphone, of which a replay has thousands. The sender is captured at the send and noted at the
end, when the journal knows which of the messages crossed the wire.

Rules of living here: what is sent is sent as ever; only the one connection's own attributes are replaced.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any, Callable, DefaultDict, Deque, Dict, List, Optional

from evi_harness.carriers.journal import Journal
from evi_harness.carriers.sends import Sends, sends_of
from evi_harness.guard.callers import callers_now, callers_of, has_developers
from evi_harness.guard.on_behalf_of import Behalf, behalf
from evi_harness.guard.patches import Hooks
from evi_harness.guard.place_lookup import Stack, told_places
from evi_harness.session.events import TEXT, Frame, Sent
from evi_harness.session.notes import CLOSED_FROM, SENT_FROM
from evi_harness.session.protocols import SENT, Dialect

__all__ = ["SentFrom"]


@dataclass(frozen=True)
class _Sending:
    """On whose behalf something was sent, None where no callback is known, and where in the code."""

    of: Optional[Behalf]
    stack: Stack


class SentFrom:
    """Watches one connection.

    Args:
        journal: Knows what was sent; where ``sent_from`` and ``closed_from`` notes go.
        dialect: Says what is audio.
        redact: Takes secrets out of what the notes quote.
    """

    def __init__(self, journal: Journal, dialect: Dialect, redact: Callable[[str], str] = str) -> None:
        self._journal = journal
        self._reader = dialect.reader()
        self._redact = redact
        self._hooks = Hooks()
        self._sends: Optional[Sends] = None
        # By what was sent, in the order of sending; None for what was not sent by the app.
        self._sendings: DefaultDict[bytes, Deque[Optional[_Sending]]] = defaultdict(deque)
        self._is_closed = False

    def watch(self, websocket: Any) -> None:
        """Watch a connection of the websockets library that has just been opened."""
        self._sends = sends_of(websocket)
        # Bytes are audio.
        self._sends.look(self._look, text_only=True)
        self._hooks.wrap(websocket, "close", self._closing)

    def restore(self) -> None:
        """Watch no longer."""
        self._hooks.restore()
        if self._sends is not None:
            self._sends.leave(self._look)

    def finish(self) -> None:
        """Note where each message was sent, once the conversation is over."""
        told: Dict[Stack, List[Dict[str, Any]]] = {}
        sent = [event for event in self._journal.events if isinstance(event, Sent)] if any(map(any, self._sendings.values())) else []
        sizes = {len(payload) for payload in self._sendings}
        for number, event in enumerate(sent):
            # Most of what is sent is audio, and of another size.
            if event.frame.opcode != TEXT or len(event.frame.payload) not in sizes:
                continue
            # What crossed the wire is what was sent, in the same order; of equal ones each is told by its turn.
            waiting = self._sendings.get(event.frame.payload)
            sending = waiting.popleft() if waiting else None
            if sending is not None:
                self._sent(number, sending, told)

    def _sent(self, number: int, sending: _Sending, told: Dict[Stack, List[Dict[str, Any]]]) -> None:
        stack, of = sending.stack, sending.of
        # The source stands in the first note of a place: an app sends a thousand messages at one line.
        places = [{**place, "source": []} for place in told[stack]] if stack in told else told_places(stack, self._redact)
        told.setdefault(stack, places)
        detail = [self._redact(place) for place in callers_of(stack)]
        self._journal.note(SENT_FROM, of=None if of is None else of.of, number=number, detail=detail, places=places)

    def _look(self, message: str) -> None:
        payload = message.encode()
        if self._reader.read(SENT, Frame(TEXT, payload)) is None:
            self._sendings[payload].append(_of_app())

    def _closing(self, real: Any) -> Any:
        async def close(*args: Any, **kwargs: Any) -> Any:
            closing = _of_app()
            if closing is not None and not self._is_closed:
                self._is_closed = True
                of = None if closing.of is None else closing.of.of
                self._journal.note(CLOSED_FROM, of=of, places=told_places(closing.stack, self._redact))
            return await real(*args, **kwargs)

        return close


def _of_app() -> Optional[_Sending]:
    """Who makes the call that is served now; None where it is not the app.

    What is done on a callback's behalf is the app's, and so is what the app's own code does on nobody's, such as a thread of its own.
    """
    of, stack = behalf(), callers_now()
    return _Sending(of, stack) if of is not None or has_developers(stack) else None
