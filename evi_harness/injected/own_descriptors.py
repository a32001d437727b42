"""The file descriptors of a run in an app's process: an app that closes all that it may have inherited leaves them open.

Otherwise what the app opens next has their numbers, and what is reported would be written there.

Rules of living here: for the app they are not open; every other descriptor is its own.
"""

from __future__ import annotations

import errno
import functools
import os
from typing import Iterable

__all__ = ["keep_open"]


def keep_open(descriptors: Iterable[int]) -> None:
    """Have ``os.close`` and ``os.closerange`` leave some descriptors open, in this process and its forks.

    Args:
        descriptors: Their numbers; negative ones are none.
    """
    kept = sorted(number for number in descriptors if number >= 0)
    real, real_range = os.close, os.closerange

    @functools.wraps(real)
    def close(fd: int) -> None:
        if fd in kept:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        real(fd)

    @functools.wraps(real_range)
    def closerange(fd_low: int, fd_high: int, /) -> None:
        for number in kept:
            if fd_low <= number < fd_high:
                real_range(fd_low, number)
                fd_low = number + 1
        real_range(fd_low, fd_high)

    os.close, os.closerange = close, closerange
