from __future__ import annotations

import gc

import pytest

from evi_harness.guard import garbage
from evi_harness.guard.garbage import callbacks_put_back, earlier_objects_set_aside


class Thing:
    """Something that can be told among all objects."""


def things():
    """All of them that the collector shows."""
    return [one for one in gc.get_objects() if type(one) is Thing]


@pytest.fixture(autouse=True)
def nothing_set_aside(monkeypatch):
    """A process in which nobody has set anything aside."""
    gc.unfreeze()
    monkeypatch.setattr(garbage, "_SET_ASIDE", set())
    yield
    gc.unfreeze()


def test_within_the_block_only_what_was_made_there_is_seen():
    """And all of it behind the block, where nothing is set aside any more."""
    earlier = Thing()
    with earlier_objects_set_aside():
        later = Thing()
        assert things() == [later]
        with earlier_objects_set_aside():
            assert things() == [later]
        assert things() == [later]
    assert {id(one) for one in things()} == {id(earlier), id(later)}
    assert gc.get_freeze_count() == 0


def test_what_python_itself_begins_with_is_nobodys(monkeypatch):
    """Python 3.12 has some hundred objects set aside when it begins."""
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 375)
    earlier = Thing()
    with earlier_objects_set_aside():
        later = Thing()
        assert things() == [later]
    assert {id(one) for one in things()} == {id(earlier), id(later)}


def test_what_somebody_else_has_set_aside_stays_so():
    """A server that sets objects aside before it forks keeps them there."""
    gc.freeze()
    for _ in range(2):
        with earlier_objects_set_aside():
            assert gc.get_freeze_count() > 0
        assert gc.get_freeze_count() > 0


def test_what_is_set_aside_is_counted_once(monkeypatch):
    """Counting takes longer, the more there is: never while something is set aside already."""
    counted = []
    real = gc.get_freeze_count
    monkeypatch.setattr(gc, "get_freeze_count", lambda: counted.append(real()) or counted[-1])
    for _ in range(3):
        with earlier_objects_set_aside(), earlier_objects_set_aside():
            pass
    assert counted == [0, 0, 0]
    gc.freeze()
    for _ in range(3):
        with earlier_objects_set_aside():
            pass
    assert len(counted) == 4


def test_what_a_block_leaves_in_a_circle_is_collected_at_its_end():
    """Among all else it would stay until a full collection."""
    with earlier_objects_set_aside():
        circle = Thing()
        circle.itself = circle
        del circle
    assert things() == []


def test_what_the_collector_calls_is_put_back():
    """What an app has added, and what it has taken away."""
    before = list(gc.callbacks)
    gc.callbacks.append(id)
    try:
        with callbacks_put_back():
            gc.callbacks[:] = [len]
        assert gc.callbacks == [*before, id]
    finally:
        gc.callbacks[:] = before
