"""Seed random numbers, so that an app gets the same ones in every run.

Rules of living here: only generators that a whole process shares are seeded; they are put back as they were.
"""

from __future__ import annotations

import random
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from typing import Iterator, Optional

from evi_harness.errors import UsageError

__all__ = ["check_seed", "seeded"]

# What numpy takes.
N_SEEDS = 1 << 32


def check_seed(seed: Optional[int]) -> None:
    """Refuse a number that cannot be a seed.

    Raises:
        UsageError: It is negative or too large.
    """
    if seed is not None and not 0 <= seed < N_SEEDS:
        raise UsageError(f"{seed} is not a seed", hint=f"Give a number from 0 to {N_SEEDS - 1}.")


@contextmanager
def seeded(seed: Optional[int]) -> Iterator[None]:
    """Seed ``random`` and ``numpy.random`` for as long as the block runs.

    numpy is seeded whether or not it was loaded: a handler that loads it would find chance in it otherwise. What asks the system
    (``os.urandom``, ``secrets``, ``uuid.uuid4``), a generator made without a seed, and the order of sets of strings cannot be seeded.

    Args:
        seed: A number from 0 to 4294967295, None to leave all as it is.

    Raises:
        UsageError: It is not such a number.
    """
    check_seed(seed)
    if seed is None:
        yield
        return
    before = random.getstate()
    random.seed(seed)
    try:
        # An app's own environment may have no numpy.
        with _numpy_seeded(seed) if find_spec("numpy") is not None else nullcontext():
            yield
    finally:
        random.setstate(before)


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    import numpy

    before = numpy.random.get_state()
    numpy.random.seed(seed)
    try:
        yield
    finally:
        numpy.random.set_state(before)
