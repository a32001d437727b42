"""Places in the developer's code: where a task waits, where an exception was raised, where another thread is, who made a call.

They are captured as a ``Stack``, which costs next to nothing and reads no file, and looked up when they are reported: as text, or for a
note, with the source around each line.

Rules of living here: ``developers`` decides whose code it is; only the developer's is reported.
"""

from __future__ import annotations

import asyncio
import functools
import traceback
from itertools import groupby
from types import CodeType, FrameType
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from evi_harness.guard.developers import developers, is_library, of_developers
from evi_harness.guard.source_lines import source_around, source_of_function
from evi_harness.session.places import RAN, Place, place_json

__all__ = [
    "N_PLACES",
    "STEP",
    "TURN",
    "Stack",
    "code_of",
    "defined_at",
    "frame_stack",
    "places_of",
    "raised_at",
    "raised_stack",
    "stack_of",
    "told",
    "told_functions",
    "told_places",
    "waiting_stack",
    "waits_at",
]

# File, line and function of frames, the innermost first. It can be compared, and be a key.
Stack = Tuple[Tuple[str, Optional[int], str], ...]

# So many places of one stack are told: who is to look at more of them looks at the code.
N_PLACES = 8
_MOST_DECORATORS = 20
_CALL = "__call__"

# A step of the loop, and its turn, in which nothing may run: behind them stands who runs the loop, not who made the call.
STEP, TURN = asyncio.Handle._run.__code__, asyncio.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]


def stack_of(frame: Optional[FrameType]) -> Iterator[Place]:
    """A stack up to the step of the loop that it is in, the innermost place first, whosever it is.

    Args:
        frame: The innermost frame; of one that runs on another thread, as it is at some instant.
    """
    while frame is not None and frame.f_code is not STEP and frame.f_code is not TURN:
        yield Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back


def frame_stack(frame: Optional[FrameType]) -> Stack:
    """The same, captured."""
    return tuple((place.file, place.line, place.function) for place in stack_of(frame))


def told_places(stack: Stack, redact: Callable[[str], str] = str, *, or_library: bool = True) -> List[Dict[str, Any]]:
    """The developer's part of a stack as a note holds it: JSON values, the innermost place first, each with its source.

    Call it before the run is over, and not for each call that is only counted: the first place in a file reads the file.

    Args:
        stack: What was captured, such as by ``callers_now``.
        redact: Takes out what is known to be secret by its value; what names in the source say to be secret is taken out besides.
        or_library: Whether the outermost place in a library stands for the developer where nothing of theirs is in the stack, as in a
            task that the SDK made; without source.
    """
    places = [Place(*one) for one in stack]
    own = [_with_source(place, redact) for place in _unfolded(of_developers(places))[:N_PLACES]]
    if not own and or_library:
        own = [place for place in places if is_library(place)][-1:]
    return [place_json(Place(redact(place.file), place.line, redact(place.function), place.source)) for place in own]


def told_functions(stack: Stack, redact: Callable[[str], str] = str, *, whole: str = RAN, n_most: int = N_PLACES) -> List[Dict[str, Any]]:
    """The developer's part of some functions as a note holds it, in their order, each with all of its source.

    Args:
        stack: The first line of each.
        redact: See ``told_places``.
        whole: Whether they ``RAN``, or are ``DEFINED`` there and nobody knows.
        n_most: How many at most.
    """
    own = of_developers(Place(*one) for one in stack)[:n_most]
    sources = (() if place.line is None else source_of_function(place.file, place.line, redact) for place in own)
    return [place_json(Place(redact(one.file), one.line, redact(one.function), source, whole)) for one, source in zip(own, sources)]


def defined_at(callback: Any) -> Stack:
    """Where a callback is defined, below its decorators; empty for one that is not written in Python."""
    code = code_of(callback)
    return () if code is None else ((code.co_filename, code.co_firstlineno, code.co_name),)


def code_of(callback: Any) -> Optional[CodeType]:
    """The code of a callback, below its decorators; None for one that is not written in Python."""
    for _ in range(_MOST_DECORATORS):
        inner = callback.func if isinstance(callback, functools.partial) else getattr(callback, "__wrapped__", None)
        if inner is None:
            break
        callback = inner
    # A method has the code of its function; an object that can be called, that of its class.
    code = getattr(callback, "__code__", None) or getattr(getattr(type(callback), _CALL, None), "__code__", None)
    return code if isinstance(code, CodeType) else None


def places_of(frame: Optional[FrameType], n_most: int = 3) -> List[str]:
    """The developer's part of a stack, the innermost place first.

    Args:
        frame: See ``stack_of``.
        n_most: How many places at most.
    """
    return developers(stack_of(frame))[:n_most]


def waits_at(task: Any) -> List[str]:
    """The developer's part of ``waiting_stack``, as text."""
    return developers(Place(*one) for one in waiting_stack(task))


def waiting_stack(task: Any) -> Stack:
    """Where a task waits, the innermost place first: what its coroutine awaits, and so on. A task's own stack ends at the outermost.

    Of one that runs, where it is. May be asked on another thread than the loop's, and then tells of one instant or the next.

    Args:
        task: The task; of a future that is none there is nothing to tell.
    """
    places: List[Tuple[str, Optional[int], str]] = []
    waiting = task.get_coro() if isinstance(task, asyncio.Task) else None
    while waiting is not None:
        frame = _of(waiting, "frame")
        if frame is not None:
            places.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        waiting = _of(waiting, "await") or getattr(waiting, "gi_yieldfrom", None)
    return tuple(places[::-1])


def _of(waiting: Any, name: str) -> Any:
    """An attribute that coroutines, generators and asynchronous generators each have under a name of their own."""
    return next((found for found in (getattr(waiting, f"{kind}_{name}", None) for kind in ("cr", "ag", "gi")) if found is not None), None)


def raised_at(error: BaseException) -> List[str]:
    """Where an exception went through the developer's code, the innermost place first."""
    return _folded(developers(Place(*one) for one in raised_stack(error)))


def raised_stack(error: BaseException) -> Stack:
    """Where an exception went through, whosever code it is, the innermost place first."""
    frames = [(frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in traceback.walk_tb(error.__traceback__)]
    return tuple(frames[::-1])


def _folded(places: List[str]) -> List[str]:
    """Places that repeat one another told once, with how often: a function that calls itself does so a thousand times."""
    runs = [(place, len(list(same))) for place, same in groupby(places)]
    return [place if n == 1 else f"{place}, {n} times" for place, n in runs]


def _unfolded(places: List[Place]) -> List[Place]:
    return [place for place, _ in groupby(places)]


def _with_source(place: Place, redact: Callable[[str], str]) -> Place:
    source = () if place.line is None else source_around(place.file, place.line, redact)
    return Place(place.file, place.line, place.function, source)


def told(error: BaseException, who: str, redact: Callable[[str], str]) -> Mapping[str, Any]:
    """What a note says of an exception: ``what``, ``detail`` and ``places``.

    Args:
        error: The exception.
        who: What raised it.
        redact: Takes secrets out of its text.
    """
    text = redact(_text(error))
    return {
        "what": f"{who} raised {type(error).__name__}{': ' + text if text else ''}",
        "detail": raised_at(error),
        "places": told_places(raised_stack(error), redact, or_library=False),
    }


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the developer's own exceptions may not even be able to speak
        return ""
