from __future__ import annotations

from evi_harness.live.telling import MAX_KINDS, MINUTE_NS, OnceAMinute


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
    assert told == ["line 0", "another", "line again (9999 more since it was last said)", "another"]


def test_kinds_do_not_grow_without_end():
    """What clients make up is told of so often and no more."""
    told = []
    once = OnceAMinute(told.append, lambda: 0)
    for n in range(2 * MAX_KINDS):
        once(str(n), "x")
    assert len(told) == MAX_KINDS
