from __future__ import annotations

import threading

from evi_harness.tap.hand_over import TapQueue


def test_calls_are_made_in_order_on_another_thread():
    """All that was put in before ``finish`` is called when it returns, each with its arguments; ``tell`` adds the time."""
    made = []
    queue = TapQueue(lambda: 7)
    for number in range(1000):
        queue.put((made.append, number))
    queue.tell(lambda *call: made.append((call, threading.current_thread().name)), "a", "b")
    queue.finish()
    queue.finish()
    assert made == [*range(1000), (("a", "b", 7), "evi-harness tap")]


def test_an_error_ends_the_calls_and_is_told_once():
    """After a call that raised no other is made; nothing is raised where calls are put in."""
    made, told = [], []
    queue = TapQueue(lambda: 0, told.append)
    for call in (made.append, [].pop, made.append, [].pop):
        queue.put((call, 0))
    queue.finish()
    assert (made, [type(one) for one in told], queue.failure) == ([0], [IndexError], told[0])


def test_a_clock_that_fails_is_told_and_not_raised():
    """``tell`` hands the clock's error on in its place."""
    told = []

    def broken():
        raise OSError("no clock")

    queue = TapQueue(broken, told.append)
    queue.tell(print)
    queue.finish()
    assert [str(one) for one in told] == ["no clock"]
