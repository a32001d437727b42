from __future__ import annotations

import pytest

from evi_harness.replay.wrapping import AnnouncedService, ClosingUser, FollowingUser, SilentUser, TimedUser, UndecidedUser
from evi_harness.session.events import TEXT, Closed, Frame, Note, Received, Sent
from evi_harness.session.protocols import NO_STATUS, Close, Send
from evi_harness.session.session import Session

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


class Player(User):
    """Knows when the app should close, and how it did."""

    def __init__(self, closes_at_ns=None, close=None):
        super().__init__()
        self.app_closes_at_ns = closes_at_ns
        self.recorded_close = close


@pytest.mark.parametrize(
    ("close", "expected"),
    [(Closed(3, 9, "app", 4000, "bye"), Close(4000, "bye")), (Closed(3, 9, "app"), Close(NO_STATUS)), (None, Close())],
)
def test_the_user_closes_when_the_player_says_so(close, expected):
    """With the recorded code and reason, without a code where there was none, behind what is still to be sent."""
    leaving = ClosingUser(User(), Player(5, close))
    assert (leaving.due(4), leaving.next_at_ns()) == ([], 5)
    assert leaving.due(5) == [SEND, expected]


@pytest.mark.parametrize(("closes_at_ns", "next_at_ns"), [(None, 5), (3, 3), (9, 5)])
def test_what_is_next_is_the_earlier(closes_at_ns, next_at_ns):
    """The user's message or the close; where the player does not know yet, the message."""
    assert ClosingUser(User(), Player(closes_at_ns)).next_at_ns() == next_at_ns


def test_nobody_closes_before_all_has_come():
    """Neither is the close announced, or whoever waits for it would wait in vain, again and again."""
    has_come = []
    user = User()
    leaving = ClosingUser(user, Player(5), lambda: bool(has_come))
    assert leaving.due(7) == [SEND]
    assert leaving.next_at_ns() is None
    has_come.append(Received(1, 7))
    leaving.take(has_come[0], 8)
    assert user.taken == [(has_come[0], 8)]
    assert (leaving.next_at_ns(), leaving.due(8)) == (5, [Close()])


def test_who_must_close_does_so_at_once():
    """In order, and what was still to be sent is not."""
    is_to_end = []
    leaving = ClosingUser(User(), Player(None), must_close=lambda: bool(is_to_end))
    assert leaving.due(4) == []
    is_to_end.append(True)
    assert leaving.due(5) == [Close()]


def test_a_service_says_when_it_may_have_moved():
    """Each time that it was asked what is due, behind it; what it is given and gives is as ever, also that nothing changes by an event."""
    moved = []
    user = User()
    user.take = lambda event, at_ns: False
    service = AnnouncedService(user, lambda: moved.append(user.left))
    assert (service.take(Received(1, 2), 2), service.next_at_ns(), moved) == (False, 5, [])
    assert (service.due(4), service.due(5), service.next_at_ns()) == ([], [SEND], None)
    assert moved == [[SEND], []]


def test_a_silent_user_says_nothing():
    """Whatever comes."""
    user = SilentUser()
    assert (user.take(Received(1, 2), 2), list(user.due(10**12)), user.next_at_ns()) == (None, [], None)


def test_the_app_has_all_when_it_has_taken_what_the_player_sent():
    """The player beside it counts what is due; it gets what the app sends, the user what the app takes."""
    user, player = User(), Player()
    player.left = [SEND, Close(), SEND]
    following = FollowingUser(user, player)
    sent = Sent(1, 4, Frame(TEXT, b"{}"))
    following.follow(sent)
    assert (player.taken, user.taken, following.has_all()) == ([(sent, 4)], [], True)
    assert (following.due(5), following.has_all()) == ([SEND], False)
    for seq in (2, 3):
        assert not following.has_all()
        following.take(Received(seq, 6), 6)
    assert (following.has_all(), [event.seq for event, _ in user.taken]) == (True, [2, 3])


@pytest.mark.parametrize(("users", "players", "next_at_ns"), [([SEND], [], 5), ([], [SEND], 5), ([], [], None)])
def test_what_is_next_is_on_either_side(users, players, next_at_ns):
    """The player's messages are waited for too, since the close hangs on them."""
    user, player = User(), Player()
    user.left, player.left = users, players
    assert FollowingUser(user, player).next_at_ns() == next_at_ns


def test_how_late_each_frame_was_sent_is_known():
    """By the session that recorded it; what was sent before its time was not late, and a close is no frame."""
    user = User()
    late = Send(Frame(TEXT, b"{}"), due_ns=20)
    user.left = [SEND, late, Close()]
    timed = TimedUser(user)
    timed.take(Received(1, 2), 2)
    assert (user.taken, timed.next_at_ns(), timed.due(4), timed.due(5)) == ([(Received(1, 2), 2)], 5, [], [SEND, late, Close()])
    live = Session(None, (Sent(1, 8, SEND.frame), Note(2, 9, "due", of=1, data={}), Sent(3, 19, SEND.frame)))
    assert timed.lateness_ns(live) == [3, 0]


@pytest.mark.parametrize("speaks", [True, False])
def test_whether_a_user_speaks_is_decided_once_and_at_its_time(speaks):
    """Before it nothing is sent, and whoever asks what is next is told of the decision; what comes is taken all the same."""
    user, asked = User(), []
    undecided = UndecidedUser(user, 7, lambda: not asked.append(True) and speaks, lambda: False)
    undecided.take(Received(1, 2), 2)
    assert (undecided.due(6), undecided.next_at_ns(), asked) == ((), 7, [])
    assert (list(undecided.due(7)), list(undecided.due(8)), asked) == ([SEND] if speaks else [], [], [True])
    user.left = [SEND]
    assert (undecided.next_at_ns(), user.taken) == (5 if speaks else None, [(Received(1, 2), 2)])


def test_a_user_that_speaks_can_be_silenced():
    """At any time, and heard again."""
    is_off = [True]
    user = User()
    undecided = UndecidedUser(user, 0, lambda: True, lambda: bool(is_off))
    assert (undecided.due(5), undecided.next_at_ns()) == ((), None)
    is_off.clear()
    assert (undecided.next_at_ns(), undecided.due(5)) == (5, [SEND])
