"""``os._exit`` in a handler ends the process at once: with no report. This says so, and where, as the last word.

Rules of living here: the process ends as it was told to. A child that the handler forked says nothing.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import Callable, Iterator, NoReturn

from evi_harness.live.callers import callers

__all__ = ["telling_exit"]


@contextmanager
def telling_exit(redact: Callable[[str], str] = str) -> Iterator[None]:
    """Let ``os._exit`` say on standard error where it was called, for as long as the block runs.

    Args:
        redact: Takes secrets out of what is said.
    """
    real, process = os._exit, os.getpid()

    def _exit(status: int) -> NoReturn:
        if os.getpid() == process:
            places = callers() or ("?",)
            told = f"the handler ended the process with os._exit({status}) at {places[0]}; there is no report"
            sys.stderr.write(f"evi-harness: {redact(told)}\n")
            sys.stderr.flush()
        real(status)

    os._exit = _exit
    try:
        yield
    finally:
        if os._exit is _exit:
            os._exit = real
