"""Find the developer's code behind a call that ends in a library, on the current stack.

Rules of living here: whose code is whose is for ``developers`` to say. ``callers_now`` is called for every message that an app sends and
every piece of audio that it plays, so it does next to nothing.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import List, Optional, Tuple

from evi_harness.guard.developers import DEVELOPER, HARNESS, PYTHON, is_library, of_developers, owner
from evi_harness.guard.place_lookup import STEP, TURN, Stack, stack_of
from evi_harness.session.places import Place

__all__ = ["callers", "callers_now", "callers_of", "has_developers", "is_called_by_library"]

# What is never told, and need not be kept.
_LEFT_OUT = frozenset({HARNESS, PYTHON})


def callers_now() -> Stack:
    """Who makes the call that the calling function serves: captured, to be told later by ``told_places`` or ``callers_of``.

    Returns:
        The calling thread's stack up to the step of the loop, the innermost frame first, without Python's own and the harness's.
    """
    frame: Optional[FrameType] = sys._getframe(1)
    found: List[Tuple[str, Optional[int], str]] = []
    while frame is not None:
        code = frame.f_code
        # Compared one by one: a code object is hashed anew each time, from all that is in it.
        if code is STEP or code is TURN:
            break
        if owner(code.co_filename) not in _LEFT_OUT:
            found.append((code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    return tuple(found)


def callers_of(stack: Stack) -> Tuple[str, ...]:
    """Where the developer's code stands in a stack, as text, the innermost place first.

    Where none of it does, as in a task that the SDK made, the outermost place in a library; nothing where there is none either.
    """
    places = [Place(*one) for one in stack]
    return tuple(map(str, of_developers(places) or [place for place in places if is_library(place)][-1:]))


def callers() -> Tuple[str, ...]:
    """``callers_of`` the calling thread's stack as it is now."""
    return callers_of(callers_now())


def has_developers(stack: Stack) -> bool:
    """Whether any of the developer's own code stands in a stack: then it is the app that calls, on whosever behalf."""
    return bool(of_developers(Place(*one) for one in stack))


def is_called_by_library() -> bool:
    """Whether it is an installed library that makes the call: what it starts is its own to look after, whoever called it."""
    stack = stack_of(sys._getframe(1))
    nearest = next((place for place in stack if is_library(place) or owner(place.file) == DEVELOPER), None)
    return nearest is not None and is_library(nearest)
