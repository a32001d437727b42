from __future__ import annotations

import pytest

from evi_harness.runs.closing_user import Leaving
from evi_harness.session.events import TEXT, Closed, Frame, Received
from evi_harness.session.protocols import NO_STATUS, Close, Send

SEND = Send(Frame(TEXT, b"{}"), due_ns=5)


class User:
    """Sends at 5."""

    def __init__(self):
        self.taken = []
        self.left = [SEND]

    def take(self, event, at_ns):
        self.taken.append((event, at_ns))

    def due(self, at_ns):
        now, self.left = ([], self.left) if at_ns < 5 else (self.left, [])
        return now

    def next_at_ns(self):
        return 5 if self.left else None


class Player:
    """Knows when the app should close, and how it did."""

    def __init__(self, closes_at_ns, close=None):
        self.app_closes_at_ns = closes_at_ns
        self.recorded_close = close


@pytest.mark.parametrize(
    ("close", "expected"),
    [(Closed(3, 9, "app", 4000, "bye"), Close(4000, "bye")), (Closed(3, 9, "app"), Close(NO_STATUS)), (None, Close())],
)
def test_the_user_closes_when_the_player_says_so(close, expected):
    """With the recorded code and reason, without a code where there was none, behind what is still to be sent."""
    leaving = Leaving(User(), Player(5, close))
    assert (leaving.due(4), leaving.next_at_ns()) == ([], 5)
    assert leaving.due(5) == [SEND, expected]


@pytest.mark.parametrize(("closes_at_ns", "next_at_ns"), [(None, 5), (3, 3), (9, 5)])
def test_what_is_next_is_the_earlier(closes_at_ns, next_at_ns):
    """The user's message or the close; where the player does not know yet, the message."""
    assert Leaving(User(), Player(closes_at_ns)).next_at_ns() == next_at_ns


def test_nobody_closes_before_all_has_come():
    """Neither is the close announced, or whoever waits for it would wait in vain, again and again."""
    has_come = []
    user = User()
    leaving = Leaving(user, Player(5), lambda: bool(has_come))
    assert leaving.due(7) == [SEND]
    assert leaving.next_at_ns() is None
    has_come.append(Received(1, 7))
    leaving.take(has_come[0], 8)
    assert user.taken == [(has_come[0], 8)]
    assert (leaving.next_at_ns(), leaving.due(8)) == (5, [Close()])


def test_who_must_close_does_so_at_once():
    """In order, and what was still to be sent is not."""
    is_to_end = []
    leaving = Leaving(User(), Player(None), must_close=lambda: bool(is_to_end))
    assert leaving.due(4) == []
    is_to_end.append(True)
    assert leaving.due(5) == [Close()]
