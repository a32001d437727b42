from __future__ import annotations

import re
import threading

import pytest

from evi_harness.carriers.telling import MAX_KINDS, MAX_WAITING, MINUTE_NS, Aside, OnceAMinute


def test_a_kind_is_told_once_a_minute():
    """Then with how many were left out; another kind is not held back by it."""
    told, at_ns = [], 0
    once = OnceAMinute(told.append, lambda: at_ns)
    for n in range(10_000):
        once("room", f"line {n}")
    once("late", "another")
    at_ns = MINUTE_NS
    once("room", "line again")
    once("room", "line again")
    at_ns = 2 * MINUTE_NS
    once("late", "another")
    assert [line.split(" (")[0] for line in told] == ["line 0", "another", "line again", "another"]
    assert re.search(r"\(9999 more\b.*\)$", told[2])


def test_kinds_do_not_grow_without_end():
    """What clients make up is told of so often and no more."""
    told = []
    once = OnceAMinute(told.append, lambda: 0)
    for n in range(2 * MAX_KINDS):
        once(str(n), "x")
    assert len(told) == MAX_KINDS


def test_nobody_waits_for_a_line_to_be_read():
    """Lines wait, in order, for whoever reads them; of very many some are lost, and it is said how many."""
    told, has_begun, is_read = [], threading.Event(), threading.Event()

    def slow(line):
        has_begun.set()
        is_read.wait()
        told.append(line)

    with Aside(slow) as aside:
        aside("0")
        # One is in somebody's hands, and the others wait.
        has_begun.wait()
        for number in range(1, MAX_WAITING + 500):
            aside(str(number))
        is_read.set()
    assert told == [str(number) for number in range(MAX_WAITING + 1)]


def test_what_was_lost_is_said_with_the_next_line():
    """As soon as there is room."""
    told, begun, is_read = [], threading.Event(), threading.Event()

    def slow(line):
        begun.set()
        is_read.wait()
        told.append(line)
        if len(told) == MAX_WAITING:
            has_room.set()

    has_room = threading.Event()
    with Aside(slow) as aside:
        aside("first")
        begun.wait()
        for number in range(MAX_WAITING + 7):
            aside(str(number))
        is_read.set()
        has_room.wait()
        aside("last")
    assert re.fullmatch(r"\(7 lines .*\)\nlast", told[-1])


def test_a_line_that_cannot_be_told_is_no_silence():
    """A pipe that is closed, say: whoever tells is told."""

    def broken(line):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError), Aside(broken) as aside:
        aside("x")
