"""Places in the developer's code: where a task waits, where an exception was raised, where another thread is.

Rules of living here: a place is ``file:line in function``; no source line stands in one, since it may hold a key. Left out is what the
developer did not write: this package, Python's own library, and the libraries between the two.
"""

from __future__ import annotations

import asyncio
import os
import sysconfig
import traceback
from functools import cache
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any, Callable, Iterator, List, Mapping, Optional, Tuple

__all__ = ["is_developers", "places_of", "raised_at", "told", "waits_at"]

_PACKAGE = f"{Path(__file__).resolve().parent.parent}{os.sep}"
_STANDARD = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib")})
_LIBRARIES = tuple(
    f"{os.sep}site-packages{os.sep}{name}{os.sep}" for name in ("hume", "websockets", "aiohttp", "anyio", "httpcore", "httpx", "pydantic")
)


@cache
def is_developers(file: str) -> bool:
    """Whether a file is the developer's.

    Args:
        file: As a code object has it.
    """
    if file.startswith(("<frozen", _PACKAGE)) or any(library in file for library in _LIBRARIES):
        return False
    # Where packages are installed may be below where Python keeps its own.
    return f"-packages{os.sep}" in file or not file.startswith(_STANDARD)


def places_of(frame: Optional[FrameType], n_most: int = 3) -> List[str]:
    """The developer's part of a stack, the innermost place first.

    Args:
        frame: The innermost frame; of one that runs on another thread, as it is at some instant.
        n_most: How many places at most.
    """
    return [place for _, place in zip(range(n_most), _developers(frame))]


def _developers(frame: Optional[FrameType]) -> Iterator[str]:
    while frame is not None:
        if is_developers(frame.f_code.co_filename):
            yield _place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back


def _place(file: str, line: Optional[int], function: str) -> str:
    return f"{file}:{line} in {function}"


def waits_at(task: Any) -> List[str]:
    """Where a task waits, the innermost place first: what its coroutine awaits, and so on. A task's own stack ends at the outermost.

    Of one that runs, where it is. May be asked on another thread than the loop's, and then tells of one instant or the next.

    Args:
        task: The task; of a future that is none there is nothing to tell.
    """
    places = []
    waiting = task.get_coro() if isinstance(task, asyncio.Task) else None
    while waiting is not None:
        frame = _of(waiting, "frame")
        if frame is not None and is_developers(frame.f_code.co_filename):
            places.append(_place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        waiting = _of(waiting, "await") or getattr(waiting, "gi_yieldfrom", None)
    return places[::-1]


def _of(waiting: Any, name: str) -> Any:
    """An attribute that coroutines, generators and asynchronous generators each have under a name of their own."""
    return next((found for found in (getattr(waiting, f"{kind}_{name}", None) for kind in ("cr", "ag", "gi")) if found is not None), None)


def raised_at(error: BaseException) -> List[str]:
    """Where an exception went through the developer's code, the innermost place first."""
    frames: Iterator[Tuple[str, Optional[int], str]] = (
        (frame.filename, frame.lineno, frame.name) for frame in traceback.extract_tb(error.__traceback__)
    )
    return _folded([_place(*frame) for frame in frames if is_developers(frame[0])][::-1])


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
