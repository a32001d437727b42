"""Which of the developer's own code made a call that ends in a library: ``places`` tells of exceptions and tasks, this of the stack now.

Rules of living here: a place is ``file:line in function``; no source line stands in one, since it may hold a key. What is installed and
what Python brings is not the developer's, unless nothing else is there.
"""

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
from pathlib import Path
from types import FrameType
from typing import Iterator, Optional, Tuple

__all__ = ["callers", "is_called_by_library"]

_PACKAGE = f"{Path(__file__).resolve().parent.parent}{os.sep}"
_STANDARD = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib")})
_INSTALLED = tuple(f"{os.sep}{name}-packages{os.sep}" for name in ("site", "dist"))
# Behind it stands who runs the loop, not who made the call.
_STEP = asyncio.Handle._run.__code__


def callers() -> Tuple[str, ...]:
    """Where the developer's code stands in the calling thread's stack, the innermost place first.

    Where none of it does, as in a task that a library made, the outermost place in a library; nothing where there is none either.
    """
    outside = [frame for frame in _frames() if _is_outside(frame.f_code.co_filename)]
    own = [frame for frame in outside if not _is_installed(frame.f_code.co_filename)]
    return tuple(f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}" for frame in own or outside[-1:])


def is_called_by_library() -> bool:
    """Whether it is an installed library that makes the call: what it starts is its own to look after, whoever called it."""
    nearest = next((frame for frame in _frames() if _is_outside(frame.f_code.co_filename)), None)
    return nearest is not None and _is_installed(nearest.f_code.co_filename)


def _frames() -> Iterator[FrameType]:
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None and frame.f_code is not _STEP:
        yield frame
        frame = frame.f_back


def _is_outside(file: str) -> bool:
    # Where packages are installed is below where Python keeps its own.
    return not file.startswith(("<", _PACKAGE)) and (_is_installed(file) or not file.startswith(_STANDARD))


def _is_installed(file: str) -> bool:
    return any(part in file for part in _INSTALLED)
