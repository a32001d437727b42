from __future__ import annotations

import random

import numpy
import pytest

from evi_harness.errors import UsageError
from evi_harness.guard.seeds import seeded


def drawn():
    """What chance gives next."""
    return random.random(), list(numpy.random.rand(3)), random.choice("abcdef")


def test_the_same_seed_draws_the_same():
    """Both generators; another seed draws something else."""
    draws = []
    for seed in (7, 7, 8):
        with seeded(seed):
            draws.append(drawn())
    assert draws[0] == draws[1]
    assert draws[1] != draws[2]


def test_what_was_there_before_is_put_back():
    """Who drew before goes on as if nothing had been, also where the block raises."""
    random.seed(1)
    numpy.random.seed(1)
    expected = [drawn(), drawn()]
    random.seed(1)
    numpy.random.seed(1)
    got = [drawn()]
    with pytest.raises(ZeroDivisionError), seeded(3):
        len(drawn()) / 0
    assert [*got, drawn()] == expected


def test_without_a_seed_nothing_is_touched():
    """The generators go on from where they were."""
    random.seed(5)
    expected = [random.random(), random.random()]
    random.seed(5)
    with seeded(None):
        first = random.random()
    assert [first, random.random()] == expected


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_ends_of_the_range_are_seeds(seed):
    """Both are taken."""
    with seeded(seed):
        drawn()


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_beyond_them_is_none(seed):
    """The error quotes the number."""
    with pytest.raises(UsageError, match=str(seed)), seeded(seed):
        pytest.fail("entered")
