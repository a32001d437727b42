from __future__ import annotations

import queue
import threading

from evi_harness.tap.rounds import Rounds


def working():
    """The threads that do rounds."""
    return [thread for thread in threading.enumerate() if thread.name == "evi-harness rounds"]


def test_members_are_called_in_turn_until_they_leave():
    """On one thread, again and again; who has left is not called in a later round."""
    rounds, calls = Rounds(), queue.Queue()
    first, second = (lambda: calls.put("first")), (lambda: calls.put("second"))
    rounds.join(first)
    rounds.join(second)
    while calls.get(timeout=60) != "second":
        pass
    assert [calls.get(timeout=60) for _ in range(4)] == ["first", "second"] * 2
    assert len(working()) == 1
    rounds.leave(first)
    # The round that was under way may still have called it.
    while [calls.get(timeout=60) for _ in range(2)] != ["second"] * 2:
        pass
    assert [calls.get(timeout=60) for _ in range(3)] == ["second"] * 3
    rounds.leave(second)


def test_without_members_there_is_no_thread():
    """It ends with the last member, and another begins with the next."""
    rounds, calls = Rounds(), queue.Queue()
    for number in range(3):
        member = lambda number=number: calls.put(number)  # noqa: E731 - one that can be told from the others
        rounds.join(member)
        while calls.get(timeout=60) != number:
            pass
        (thread,) = working()
        rounds.leave(member)
        rounds.leave(member)
        thread.join(60)
        assert not thread.is_alive()
