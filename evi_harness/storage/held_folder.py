"""A session folder held open while it is written, so that it is found again if it is moved.

Rules of living here: what is written goes through the descriptor, never through the path, where another folder may be by now.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
import weakref
from pathlib import Path
from typing import Optional

__all__ = ["HeldFolder"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# With these a path leads nowhere, or elsewhere. Any other error, such as a parent that may no longer be searched, says nothing about it.
_LEADS_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
# macOS: the path of a descriptor; fcntl has no name for it before Python 3.9.
_GET_PATH = getattr(fcntl, "F_GETPATH", 50)
_MAX_PATH_BYTES = 1024


class HeldFolder:
    """A folder held open.

    Args:
        path: Where it is now, as an absolute path.

    Attributes:
        path: Where it was when it was last looked for.
        fd: A descriptor of the folder, good until ``close``.

    Raises:
        OSError: There is no such folder, or it may not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, _FOLDER)
        self._closing = weakref.finalize(self, _close, self.fd)
        # At exit a recording may still have to be completed.
        self._closing.atexit = False

    def look(self) -> bool:
        """See where the folder is, and correct ``path``.

        Returns:
            Whether it was moved since the last look.

        Raises:
            FileNotFoundError: It was deleted, or moved to where it cannot be found.
        """
        if self._is_at(self.path):
            return False
        found = _path_of(self.fd)
        if found is None or not self._is_at(found):
            what = "was deleted" if os.fstat(self.fd).st_nlink == 0 else "was moved away"
            raise FileNotFoundError(errno.ENOENT, f"the session folder {what} while it was being written")
        self.path = found
        return True

    def sync(self) -> None:
        """Have the disk hold the names in the folder."""
        os.fsync(self.fd)

    def close(self) -> None:
        """Let go of the folder. Idempotent."""
        self._closing()

    def _is_at(self, path: Path) -> bool:
        try:
            there = path.lstat()
        except OSError as error:
            return error.errno not in _LEADS_NOWHERE
        return os.path.samestat(there, os.fstat(self.fd))


def _close(fd: int) -> None:
    # Nothing was written through it, and it is gone either way.
    with contextlib.suppress(OSError):
        os.close(fd)


def _path_of(fd: int) -> Optional[Path]:
    """Where the folder of a descriptor is; None where the system does not say."""
    try:
        if sys.platform == "darwin":
            return Path(os.fsdecode(fcntl.fcntl(fd, _GET_PATH, bytes(_MAX_PATH_BYTES)).rstrip(b"\0")))
        return Path(f"/proc/self/fd/{fd}").readlink()
    except OSError:
        return None
