"""Files that only grow, by complete writes.

Rules of living here: a write that fails is taken back before the error is handed on, so that a file holds whole appends; nothing is
buffered in the process, so that what ``append`` returned for survives its death.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Optional

from evi_harness.session import wav
from evi_harness.session.wav import Pcm

__all__ = ["AppendFile", "WavFile", "replace_file", "sync_folder", "write_new"]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class AppendFile:
    """A new file, which only its owner may read unless it is said otherwise.

    Args:
        path: Where; nothing may be there yet.
        folder: A descriptor of the folder that a relative path begins at; None for the current one.
        mode: Who may read it, less what the process's umask takes.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, path: Path, folder: Optional[int] = None, mode: int = 0o600) -> None:
        self._path = path
        self._folder = folder
        self._fd = os.open(path, _NEW, mode, dir_fd=folder)
        self._end = 0
        self._is_dirty = False
        self._refusal: Optional[OSError] = None

    @property
    def size(self) -> int:
        """Bytes that ``append`` has put into the file."""
        return self._end

    def append(self, data: bytes) -> None:
        """Write all of some bytes at the end, or nothing of them.

        Raises:
            OSError: They cannot be written; the file is as before.
        """
        try:
            _write_at(self._fd, data, self._end)
        except BaseException:
            self._take_back(self._end)
            raise
        self._end += len(data)
        self._is_dirty = True

    def sync(self) -> None:
        """Have the disk hold all that was appended; costs nothing where nothing was.

        Raises:
            OSError: The disk refuses, or has refused before: Linux reports what it could not write once and then takes it for written, so
                that a second fsync that succeeds proves nothing (https://wiki.postgresql.org/wiki/Fsync_Errors).
        """
        if self._refusal is not None:
            raise self._refusal
        if self._is_dirty:
            try:
                os.fsync(self._fd)
            except OSError as error:
                self._refusal = error
                raise
            self._is_dirty = False

    def disturbed(self) -> Optional[str]:
        """What another program has done to an open file: ``deleted``, ``replaced`` or ``changed``; None for nothing."""
        if self._fd < 0:
            return None
        try:
            there = os.stat(self._path, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return "deleted"
        if not os.path.samestat(there, os.fstat(self._fd)):
            return "replaced"
        return None if there.st_size == self._end else "changed"

    def close(self) -> None:
        """Close the file. Idempotent; raises nothing: what was synced is on the disk, and the descriptor is gone either way."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _take_back(self, end: int) -> None:
        """Cut the file to what it was."""
        self._end = end
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, end)


class WavFile(AppendFile):
    """A new WAV file whose header is right after every append, so that a killed writer leaves a file that every program plays.

    The standard library's ``wave`` does the same, but takes a short write for a whole one.

    Args:
        path: Where.
        pcm: The format.
        folder: See ``AppendFile``.
    """

    def __init__(self, path: Path, pcm: Pcm, folder: Optional[int] = None) -> None:
        super().__init__(path, folder)
        self._pcm = pcm
        self._header_size = 0
        try:
            super().append(wav.header(pcm, 0))
        except OSError:
            self.close()
            # A file that is no WAV file would tell nobody anything.
            with contextlib.suppress(OSError):
                os.unlink(path, dir_fd=folder)
            raise
        self._header_size = self._end

    @property
    def size(self) -> int:
        """Bytes of samples in the file."""
        return self._end - self._header_size

    def append(self, data: bytes) -> None:
        """Write all of some samples at the end, or nothing of them."""
        before = self._end
        super().append(data)
        try:
            _write_at(self._fd, wav.header(self._pcm, self.size), 0)
        except BaseException:
            self._take_back(before)
            raise


def write_new(path: Path, data: bytes, folder: Optional[int] = None, mode: int = 0o600) -> None:
    """Make a file and have the disk hold it.

    Args:
        path: Where.
        data: What is in it.
        folder: See ``AppendFile``.
        mode: See ``AppendFile``.

    Raises:
        OSError: It is there already or cannot be written.
    """
    file = AppendFile(path, folder, mode)
    try:
        file.append(data)
        file.sync()
    finally:
        file.close()


def replace_file(path: Path, data: bytes, folder: Optional[int] = None, mode: int = 0o600) -> None:
    """Put a file in the place of what is there, at once: a reader finds the one or the other, whole.

    Args:
        path: Where.
        data: What is in it.
        folder: See ``AppendFile``.
        mode: See ``AppendFile``.

    Raises:
        OSError: It cannot be written; what was there is still there.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        # A name that an earlier writer left when it was killed.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=folder)
        write_new(new, data, folder, mode)
        os.replace(new, path, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new, dir_fd=folder)
        raise


def sync_folder(path: Path) -> None:
    """Have the disk hold the names in a folder."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_at(fd: int, data: bytes, at: int) -> None:
    rest = memoryview(data)
    while rest:
        n_written = os.pwrite(fd, rest, at)
        rest, at = rest[n_written:], at + n_written
