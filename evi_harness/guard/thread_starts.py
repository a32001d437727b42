"""Replace ``threading.Thread.start`` once, for all observers of threads about to be started.

Rules of living here: threads start as ever; one that code starts below ``threading`` is not known.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import wraps
from typing import Any, Callable, ContextManager, Optional

from evi_harness.guard.patches import SharedHooks

__all__ = ["THREAD_STARTS"]

# Each is called with a thread that the calling one is about to start; what it returns, if anything, is a context that the start stands in.
THREAD_STARTS: SharedHooks[Callable[[threading.Thread], Optional[ContextManager[object]]]] = SharedHooks(
    lambda hooks: hooks.wrap(threading.Thread, "start", _telling)
)


def _telling(real: Callable[..., None]) -> Callable[..., None]:
    @wraps(real)
    def start(thread: threading.Thread, *args: Any, **kwargs: Any) -> None:
        with ExitStack() as contexts:
            for starts in THREAD_STARTS:
                context = starts(thread)
                if context is not None:
                    contexts.enter_context(context)
            real(thread, *args, **kwargs)

    return start
