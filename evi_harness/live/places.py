"""Places in the developer's code: where a task waits, where an exception was raised, where another thread is.

Rules of living here: whose code is whose is for ``developers`` to say; of all else nothing is told.
"""

from __future__ import annotations

import asyncio
import traceback
from itertools import groupby
from types import FrameType
from typing import Any, Callable, Iterator, List, Mapping, Optional

from evi_harness.live.developers import Place, developers

__all__ = ["places_of", "raised_at", "stack_of", "told", "waits_at"]

# Behind it stands who runs the loop, not who made the call.
_STEP = asyncio.Handle._run.__code__


def stack_of(frame: Optional[FrameType]) -> Iterator[Place]:
    """A stack up to the step of the loop that it is in, the innermost place first, whosever it is.

    Args:
        frame: The innermost frame; of one that runs on another thread, as it is at some instant.
    """
    while frame is not None and frame.f_code is not _STEP:
        yield Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back


def places_of(frame: Optional[FrameType], n_most: int = 3) -> List[str]:
    """The developer's part of a stack, the innermost place first.

    Args:
        frame: See ``stack_of``.
        n_most: How many places at most.
    """
    return developers(stack_of(frame))[:n_most]


def waits_at(task: Any) -> List[str]:
    """Where a task waits, the innermost place first: what its coroutine awaits, and so on. A task's own stack ends at the outermost.

    Of one that runs, where it is. May be asked on another thread than the loop's, and then tells of one instant or the next.

    Args:
        task: The task; of a future that is none there is nothing to tell.
    """
    places: List[Place] = []
    waiting = task.get_coro() if isinstance(task, asyncio.Task) else None
    while waiting is not None:
        frame = _of(waiting, "frame")
        if frame is not None:
            places.append(Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        waiting = _of(waiting, "await") or getattr(waiting, "gi_yieldfrom", None)
    return developers(places[::-1])


def _of(waiting: Any, name: str) -> Any:
    """An attribute that coroutines, generators and asynchronous generators each have under a name of their own."""
    return next((found for found in (getattr(waiting, f"{kind}_{name}", None) for kind in ("cr", "ag", "gi")) if found is not None), None)


def raised_at(error: BaseException) -> List[str]:
    """Where an exception went through the developer's code, the innermost place first."""
    frames = traceback.extract_tb(error.__traceback__)
    return _folded(developers(Place(frame.filename, frame.lineno, frame.name) for frame in reversed(frames)))


def _folded(places: List[str]) -> List[str]:
    """Places that repeat one another told once, with how often: a function that calls itself does so a thousand times."""
    runs = [(place, len(list(same))) for place, same in groupby(places)]
    return [place if n == 1 else f"{place}, {n} times" for place, n in runs]


def told(error: BaseException, who: str, redact: Callable[[str], str]) -> Mapping[str, Any]:
    """What a note says of an exception: ``what`` and ``detail``.

    Args:
        error: The exception.
        who: What raised it.
        redact: Takes secrets out of its text.
    """
    text = redact(_text(error))
    return {"what": f"{who} raised {type(error).__name__}{': ' + text if text else ''}", "detail": raised_at(error)}


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the developer's own exceptions may not even be able to speak
        return ""
