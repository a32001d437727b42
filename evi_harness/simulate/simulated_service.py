"""What the simulators of all dialects share: what goes out by itself, and when; hearing that may need a while; the end.

Rules of living here: one thing goes out at a time, in the order of due times; a time is the ideal one, so a carrier's lateness is not
handed on. Which messages there are is for the simulator of a dialect to know.
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union, cast

from evi_harness.session.events import Closed, Event, Frame, Handshake, Opened, Sent
from evi_harness.session.protocols import Action, Close, Hearing, LateHearing, Remark, Send
from evi_harness.simulate.voice import VoiceMaker

__all__ = ["Act", "SimulatedService"]

# Does what is due, at a time in nanoseconds.
Act = Callable[[int], List[Action]]


class SimulatedService(ABC):
    """A ``LateService`` with no recording, for one connection, less what its dialect says.

    Args:
        hearing: Finds speech in the user's audio; this connection's alone. It may need a while.
        voice: Makes the voices of sentences that have none, elsewhere; this connection's alone. By default they are made here, at once.
    """

    def __init__(self, hearing: Union[Hearing, LateHearing], voice: Optional[VoiceMaker]) -> None:
        self._hearing = hearing
        self._late: Optional[LateHearing] = cast(LateHearing, hearing) if hasattr(hearing, "heard") else None
        self._voice = voice
        # What goes out by itself, as (due, number, cause, what); the number keeps the order of equals.
        self._outbox: List[Tuple[int, int, int, Any]] = []
        self._n_posted = 0
        # Before it, nothing goes out but remarks.
        self._open_ns = 0
        self._floor_ns = 0
        # When the latest event of the app's was: what was heard late was heard of audio from before it.
        self._taken_ns = 0
        # Ending: only what ends the conversation still goes out. Over: nothing does.
        self._is_ending = False
        self._is_over = True

    # The service's three methods, and what a late one has.

    def take(self, event: Event, at_ns: int) -> Optional[bool]:
        """Take an event of the app's; see ``Service.take``."""
        self._taken_ns = at_ns
        if isinstance(event, Opened):
            self._open(event.handshake)
        elif isinstance(event, Closed):
            self._is_over = True
            for helper in (self._late, self._voice):
                if helper is not None:
                    helper.close()
        elif isinstance(event, Sent) and not self._is_over and not self._is_ending:
            return self._take_sent(event.frame, at_ns)
        return None

    @property
    def is_behind(self) -> bool:
        """Whether there is more to be heard than is being heard; see ``LateService``."""
        return self._late is not None and self._late.is_behind

    def wake_by(self, wake: Callable[[], object]) -> None:
        """Say what to call when something was heard; see ``LateService``."""
        for helper in (self._late, self._voice):
            if helper is not None:
                helper.wake_by(wake)

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to do now; see ``Service.due``."""
        actions: List[Action] = []
        while True:
            coming = self._next()
            if coming is None or coming[0] > at_ns:
                return actions
            when_ns, act = coming
            self._floor_ns = when_ns
            actions.extend(act(when_ns))

    def next_at_ns(self) -> Optional[int]:
        """When something is due next; see ``Service.next_at_ns``."""
        coming = self._next()
        return None if coming is None else coming[0]

    # What a dialect says.

    @abstractmethod
    def _open(self, handshake: Handshake) -> None:
        """Begin."""

    @abstractmethod
    def _take_sent(self, sent: Frame, at_ns: int) -> Optional[bool]:
        """Take a frame of the app's; see ``Service.take``."""

    @abstractmethod
    def _next(self) -> Optional[Tuple[int, Act]]:
        """What happens next and when, if the app does nothing."""

    @abstractmethod
    def _send(self, fields: Any, due_ns: int, cause_ns: int, when_ns: int) -> Send:
        """What sends a message."""

    # What goes out by itself.

    def _post(self, what: Any, due_ns: int, cause_ns: int) -> None:
        """Let something go out by itself: a message as fields, or an action."""
        due_ns = due_ns if isinstance(what, Remark) else max(due_ns, self._open_ns)
        heapq.heappush(self._outbox, (due_ns, self._n_posted, cause_ns, what))
        self._n_posted += 1

    def _act_outbox(self, when_ns: int) -> List[Action]:
        due_ns, _, cause_ns, what = heapq.heappop(self._outbox)
        if isinstance(what, dict):
            return [self._send(what, due_ns, cause_ns, when_ns)]
        self._is_over = self._is_over or isinstance(what, Close)
        return [what]
