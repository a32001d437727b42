"""Which of the developer's own code made a call that ends in a library: ``places`` tells of exceptions and tasks, this of the stack now.

Rules of living here: whose code is whose is for ``developers`` to say.
"""

from __future__ import annotations

import sys
from typing import Tuple

from evi_harness.live.developers import DEVELOPER, developers, is_library, owner
from evi_harness.live.places import stack_of

__all__ = ["callers", "is_called_by_library"]


def callers() -> Tuple[str, ...]:
    """Where the developer's code stands in the calling thread's stack, the innermost place first.

    Where none of it does, as in a task that the SDK made, the outermost place in a library; nothing where there is none either.
    """
    stack = list(stack_of(sys._getframe(1)))
    return tuple(developers(stack) or [str(place) for place in stack if is_library(place)][-1:])


def is_called_by_library() -> bool:
    """Whether it is an installed library that makes the call: what it starts is its own to look after, whoever called it."""
    stack = stack_of(sys._getframe(1))
    nearest = next((place for place in stack if is_library(place) or owner(place.file) == DEVELOPER), None)
    return nearest is not None and is_library(nearest)
