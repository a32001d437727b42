"""The user's side of a replay, which closes when the recorded app would close now: for handlers whose connection is ours."""

from __future__ import annotations

from typing import Callable, Optional, Sequence

from evi_harness.replay.player import Player
from evi_harness.session.events import Event
from evi_harness.session.protocols import NO_STATUS, Action, Close, Service

__all__ = ["Leaving"]


class Leaving:
    """A user who closes: a ``Service`` on the client's side.

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
        next_at_ns, closes_at_ns = self._user.next_at_ns(), self._closes_at_ns()
        if next_at_ns is None or closes_at_ns is None:
            return closes_at_ns if next_at_ns is None else next_at_ns
        return min(next_at_ns, closes_at_ns)

    def _closes_at_ns(self) -> Optional[int]:
        return self._player.app_closes_at_ns if self._may_close() else None
