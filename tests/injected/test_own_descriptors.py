"""Tests of evi_harness.injected.own_descriptors."""

from __future__ import annotations

import errno
import os

import pytest

from evi_harness.injected.own_descriptors import keep_open


@pytest.fixture
def opened(monkeypatch):
    """Six descriptors in a row, of which the second and the fifth are kept; after the test nothing is."""
    for name in ("close", "closerange"):
        monkeypatch.setattr(os, name, getattr(os, name))
    real = os.close
    source = os.open(os.devnull, os.O_RDONLY)
    # In a row, and beyond what anybody else has.
    numbers = [os.dup2(source, number) for number in range(200, 206)]
    keep_open([numbers[4], -1, numbers[1]])
    yield numbers
    for number in [source, *filter(is_open, numbers)]:
        real(number)


def is_open(number):
    """Whether a descriptor is."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_a_range_is_closed_but_for_those_of_the_run(opened):
    """As who starts as a daemon closes it."""
    os.closerange(opened[0], opened[-1] + 1)
    assert [is_open(number) for number in opened] == [False, True, False, False, True, False]


def test_a_range_has_its_end(opened):
    """What begins or ends at one that is kept."""
    os.closerange(opened[1], opened[4])
    assert [is_open(number) for number in opened] == [True, True, False, False, True, True]


def test_one_of_the_run_is_not_open_for_whoever_closes_it(opened):
    """All others are closed as ever."""
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)) as caught:
        os.close(opened[1])
    assert caught.value.errno == errno.EBADF
    os.close(opened[2])
    assert [is_open(number) for number in opened] == [True, True, False, True, True, True]
