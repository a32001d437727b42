"""Services that wrap another one: each changes one thing and passes the rest on; and two that say nothing.

Rules of living here: what is wrapped is asked as a carrier asks it, each action is handed out once, and what is taken is taken once.
"""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence

from evi_harness.replay.player import Player
from evi_harness.session.events import Event, Sent
from evi_harness.session.protocols import NO_STATUS, Action, Close, Refuse, Send, Service
from evi_harness.session.session import Session

__all__ = ["AnnouncedService", "ClosingUser", "FollowingUser", "RefusingService", "SilentUser", "TimedUser", "UndecidedUser"]


class AnnouncedService:
    """A service that says when it may have moved.

    Args:
        service: The service.
        moved: Called whenever it was asked what is due.
    """

    def __init__(self, service: Service, moved: Callable[[], object]) -> None:
        self._service = service
        self._moved = moved

    def take(self, event: Event, at_ns: int) -> Optional[bool]:
        """Take an event; see ``Service.take``. A carrier asks what is due after each that changes it."""
        return self._service.take(event, at_ns)

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to do now; see ``Service.due``."""
        actions = self._service.due(at_ns)
        self._moved()
        return actions

    def next_at_ns(self) -> Optional[int]:
        """When something is due next; see ``Service.next_at_ns``."""
        return self._service.next_at_ns()


class RefusingService:
    """The service of a connection that no session holds."""

    def take(self, event: Event, at_ns: int) -> None:
        """Take nothing."""

    def due(self, at_ns: int) -> Sequence[Action]:  # noqa: ARG002 - the signature is Service's
        """Refuse."""
        return [Refuse(503, "evi-harness: no recorded session is left for this connection\n")]

    def next_at_ns(self) -> Optional[int]:
        """Nothing more."""
        return None


class SilentUser:
    """A user who says nothing: the handler sends all there is to send."""

    def take(self, event: Event, at_ns: int) -> None:
        """Take an event; see ``Service.take``."""

    def due(self, at_ns: int) -> Sequence[Action]:  # noqa: ARG002 - the signature is Service's
        """Nothing."""
        return ()

    def next_at_ns(self) -> Optional[int]:
        """Never."""
        return None


class ClosingUser:
    """A user who closes when the recorded app would close now: for handlers whose connection is ours.

    Args:
        user: What speaks for the user.
        player: Knows when the app should close.
        may_close: Whether all has come that was sent before; asked anew with each call.
        must_close: Whether to close now, whatever the recorded app would do; likewise.
    """

    def __init__(
        self,
        user: Service,
        player: Player,
        may_close: Callable[[], bool] = lambda: True,
        must_close: Callable[[], bool] = lambda: False,
    ) -> None:
        self._user = user
        self._player = player
        self._may_close = may_close
        self._must_close = must_close

    def take(self, event: Event, at_ns: int) -> None:
        """Take a received event; see ``Service.take``."""
        self._user.take(event, at_ns)

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to send now, and the close when it is time; see ``Service.due``."""
        if self._must_close():
            return [Close()]
        actions = self._user.due(at_ns)
        closes_at_ns = self._closes_at_ns()
        if closes_at_ns is None or closes_at_ns > at_ns:
            return actions
        close = self._player.recorded_close
        if close is None:
            return [*actions, Close()]
        return [*actions, Close(NO_STATUS if close.code is None else close.code, close.reason)]

    def next_at_ns(self) -> Optional[int]:
        """When something is due next; see ``Service.next_at_ns``."""
        return _earlier(self._user.next_at_ns(), self._closes_at_ns())

    def _closes_at_ns(self) -> Optional[int]:
        return self._player.app_closes_at_ns if self._may_close() else None


class FollowingUser:
    """A user, and beside it a player that follows the server's: what it would do now tells when the app should close.

    Both players decide by the same rules over the same messages, a fraction of a millisecond apart; so the app closes only when it has
    taken as many messages as this one has seen due.

    Args:
        user: What speaks for the user.
        player: A player of the recording; nothing that it sends is sent.
    """

    def __init__(self, user: Service, player: Player) -> None:
        self.player = player
        self._user = user
        self._n_due = 0
        self._n_taken = 0

    def has_all(self) -> bool:
        """Whether the app has taken all that was due so far."""
        return self._n_taken >= self._n_due

    def follow(self, event: Event) -> None:
        """Take the opening, or what the app sends."""
        self.player.take(event, event.at_ns)
        self._advance(event.at_ns)

    def take(self, event: Event, at_ns: int) -> None:
        """Take a message that the app has taken."""
        self._n_taken += 1
        self._user.take(event, at_ns)

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to send now; see ``Service.due``."""
        self._advance(at_ns)
        return self._user.due(at_ns)

    def next_at_ns(self) -> Optional[int]:
        """When something is due next, on either side."""
        return _earlier(self._user.next_at_ns(), self.player.next_at_ns())

    def _advance(self, at_ns: int) -> None:
        self._n_due += sum(isinstance(action, Send) for action in self.player.due(at_ns))


class TimedUser:
    """A user, with when each thing that it sent was due.

    Args:
        user: What speaks for the user.
    """

    def __init__(self, user: Service) -> None:
        self._user = user
        self._due_ns: List[int] = []

    def take(self, event: Event, at_ns: int) -> None:
        """Take a received event; see ``Service.take``."""
        self._user.take(event, at_ns)

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to send now; see ``Service.due``."""
        actions = self._user.due(at_ns)
        self._due_ns += [action.due_ns for action in actions if isinstance(action, Send)]
        return actions

    def next_at_ns(self) -> Optional[int]:
        """When something is due next; see ``Service.next_at_ns``."""
        return self._user.next_at_ns()

    def lateness_ns(self, live: Session) -> List[int]:
        """How late each frame was sent, by the session that recorded it."""
        sent = [event for event in live.events if isinstance(event, Sent)]
        return [max(0, event.at_ns - due_ns) for event, due_ns in zip(sent, self._due_ns)]


class UndecidedUser:
    """A user of whom it is decided only at a certain time whether it speaks.

    Args:
        user: What speaks for the user.
        decided_ns: When that is decided, in session time.
        decide: Called once at that time: whether it speaks.
        is_off: Whether it is to be silent from now on, once it speaks; asked anew with each call.
    """

    def __init__(self, user: Service, decided_ns: int, decide: Callable[[], bool], is_off: Callable[[], bool]) -> None:
        self._user = user
        self._decided_ns = decided_ns
        self._decide = decide
        self._is_off = is_off
        # None until it is decided.
        self._has_begun: Optional[bool] = None

    def take(self, event: Event, at_ns: int) -> None:
        """Take an event; see ``Service.take``."""
        self._user.take(event, at_ns)

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to send now; see ``Service.due``."""
        if self._has_begun is None and at_ns >= self._decided_ns:
            self._has_begun = self._decide()
        return self._user.due(at_ns) if self._speaks else ()

    def next_at_ns(self) -> Optional[int]:
        """When something is due next; see ``Service.next_at_ns``."""
        if self._has_begun is None:
            return self._decided_ns
        return self._user.next_at_ns() if self._speaks else None

    @property
    def _speaks(self) -> bool:
        return bool(self._has_begun) and not self._is_off()


def _earlier(one_ns: Optional[int], other_ns: Optional[int]) -> Optional[int]:
    """The earlier of two times; the other where there is only one."""
    if one_ns is None or other_ns is None:
        return one_ns if other_ns is None else other_ns
    return min(one_ns, other_ns)
