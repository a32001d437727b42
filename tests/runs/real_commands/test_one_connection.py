"""Tests of evi_harness.runs.real_commands.one_connection."""

from __future__ import annotations

import pickle
from pathlib import Path

from evi_harness.acts.serve.serving import play
from evi_harness.replay.wrapping import RefusingService
from evi_harness.runs.real_commands.one_connection import OneConnection
from evi_harness.session.events import Closed, Handshake, Opened, Received

TYPED = Path(__file__).resolve().parents[3] / "sessions" / "typed"
CHAT = Handshake("/v0/evi/chat")


def test_the_first_connection_has_the_session():
    """And each further one is refused; in another process, too, with the history that is asked there."""
    one = OneConnection(play(TYPED))
    one, history = pickle.loads(pickle.dumps((one, one.history())))
    assert list(history.sessions) == []
    services = [one(CHAT) for _ in range(3)]
    assert [isinstance(service, RefusingService) for service in services] == [False, True, True]
    assert [action.status for action in services[1].due(0)] == [503]
    assert (services[1].next_at_ns(), services[1].take(Opened(seq=0, at_ns=0, handshake=CHAT), 0)) == (None, None)
    assert len(history.sessions) == 1


def test_a_conversation_is_told_as_far_as_it_has_got():
    """What the app did, and what was said to it, up to the close; and the service goes on as it would alone."""
    one = OneConnection(play(TYPED))
    told, alone = one(CHAT), one.play(CHAT)
    (session,) = one.history().sessions
    for service in (told, alone):
        service.take(Opened(seq=0, at_ns=0, handshake=CHAT), 0)
    assert told.next_at_ns() == alone.next_at_ns()
    end_ns = 100_000_000_000
    assert told.due(end_ns) == alone.due(end_ns)
    assert [type(event) for event in session.events[:2]] == [Opened, Received]
    assert isinstance(session.events[-1], Closed)
