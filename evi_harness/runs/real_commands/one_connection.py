"""A recording that is acted out for the first connection alone, and what may be asked about that conversation while it goes on.

Rules of living here: pickled into a server's process, together with the history that is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional, Sequence

from evi_harness.replay.wrapping import RefusingService
from evi_harness.runs.playing import Play
from evi_harness.runs.session_history import SessionHistory, told_session
from evi_harness.session.events import Closed, Event, Handshake, Received
from evi_harness.session.protocols import Action, Close, Send, Service, ToldSession

__all__ = ["OneConnection"]


@dataclass
class OneConnection:
    """Makes the player for the first connection, and refuses each further one: one run of an app has one session.

    Attributes:
        play: Makes players of the recording.
        told: The conversation as far as it has got, for whoever asks about it; none before it opens.
    """

    play: Play
    told: List[ToldSession] = field(default_factory=list)

    def history(self) -> SessionHistory:
        """What answers requests about the conversation."""
        return SessionHistory(self.play.dialect, self.told)

    def __call__(self, handshake: Handshake) -> Service:
        """Make the service for one connection."""
        if self.told:
            return RefusingService()
        events: List[Event] = []
        self.told.append(told_session(self.play.session, events))
        return _Told(self.play(handshake), events)


class _Told:
    """A service whose conversation is kept.

    Args:
        service: The service.
        events: Takes what crosses, as far as it is asked about.
    """

    def __init__(self, service: Service, events: List[Event]) -> None:
        self._service = service
        self._events = events

    def take(self, event: Event, at_ns: int) -> Optional[bool]:
        """Take an event; see ``Service.take``."""
        self._events.append(event)
        return self._service.take(event, at_ns)

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to do now; see ``Service.due``."""
        actions = self._service.due(at_ns)
        for action in actions:
            if isinstance(action, Send):
                self._events.append(Received(len(self._events), at_ns, action.frame))
            elif isinstance(action, Close):
                self._events.append(Closed(len(self._events), at_ns, by="service", code=action.code))
        return actions

    def next_at_ns(self) -> Optional[int]:
        """When something is due next; see ``Service.next_at_ns``."""
        return self._service.next_at_ns()
