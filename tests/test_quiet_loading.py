from __future__ import annotations

import gc

import pytest

from evi_harness.quiet_loading import loading


@pytest.fixture(autouse=True)
def switched_on():
    """The collector as Python starts it, with nothing set aside."""
    was_on = gc.isenabled()
    gc.enable()
    gc.unfreeze()
    yield
    gc.unfreeze()
    if not was_on:
        gc.disable()


def made(count):
    """So many objects that the collector looks at."""
    return [[] for _ in range(count)]


def test_nothing_is_collected_while_it_loads():
    """However much is made; what was made then is old behind it, and the first collection does not look at it."""
    found = []
    gc.callbacks.append(lambda phase, info: found.append(phase))
    try:
        with loading():
            kept = made(10_000)
            assert found == []
    finally:
        gc.callbacks.pop()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    young = {id(one) for one in gc.get_objects(generation=0)}
    assert not any(id(one) in young for one in kept)


def test_what_was_set_aside_before_stays_so():
    """Also what is loaded meanwhile, as what the run around it sets aside does."""
    gc.freeze()
    with loading():
        kept = made(10)
    assert gc.get_freeze_count() > 0
    assert not any(one is kept for one in gc.get_objects())


def test_a_collector_that_is_off_stays_off():
    """Nor is anything set aside or taken back."""
    gc.disable()
    with loading():
        made(10)
    assert not gc.isenabled()


def test_it_is_on_again_behind_an_error():
    """A module that cannot be loaded is no reason to collect nothing."""
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()
