"""Open an untrusted folder, whose content is data.

Rules of living here: no symlink inside the folder is followed, no name leaves it, only regular files can be read, and nothing blocks; a
pipe in the place of a file is refused at once.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from pathlib import Path
from typing import Dict, Iterator, Optional, Tuple, Union

from evi_harness.errors import AudioMissing, SessionUnreadable
from evi_harness.storage.layout import HEADER_FILE, MAX_FILE_BYTES, is_inside

__all__ = ["Folder", "sessions_below"]

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_HINT = "evi-harness check FOLDER lists everything that is missing."
_BLOCK_BYTES = 4 << 20
_WINDOW_BYTES = 1 << 18
# Where a WAV file's samples begin is looked for no further: editors put their chunks in front, but not megabytes of them.
_MAX_WAV_HEADER_BYTES = 1 << 16


def sessions_below(folder: Path) -> str:
    """Where a folder is none of a session's but holds some, a sentence that names them; else an empty one."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if os.path.lexists(Path(entry.path) / HEADER_FILE))
    except OSError:
        return ""
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"Sessions are in it: {', '.join(names[:3])}{more}."


class Folder:
    """A session folder, for reading.

    Args:
        path: The folder; it may itself be reached through a symlink, since the caller names it.
    """

    def __init__(self, path: Union[str, os.PathLike[str]]) -> None:
        self.path = Path(path).absolute()
        self._data_starts: Dict[str, int] = {}
        # The bytes that were read last of each file, and their offset.
        self._windows: Dict[str, Tuple[int, bytes]] = {}

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    def where(self, name: str, line: Optional[int] = None) -> str:
        """How to name a place in the folder to people."""
        path = self.path / name
        return str(path) if line is None else f"{path}, line {line}"

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """Open a file of the folder.

        Args:
            name: Its name in the folder.

        Yields:
            A file descriptor.

        Raises:
            SessionUnreadable: The name leaves the folder, or what is there is no regular file.
            OSError: It is not there, or may not be read.
        """
        if not is_inside(name):
            raise SessionUnreadable(f"{name!r} is not the name of a file in a session folder", where=str(self.path))
        fd = self._open(name)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise SessionUnreadable("it is not a regular file", where=self.where(name))
            yield fd
        finally:
            _close(fd)

    def whole(self, name: str, max_bytes: int) -> bytes:
        """All of a small file.

        Raises:
            SessionUnreadable: It is larger than that, or no regular file.
            OSError: It is not there, or may not be read.
        """
        with self.opened(name) as fd:
            # One that is larger is not read to find that out; it may grow meanwhile.
            data = _read_at(fd, 0, max_bytes + 1) if os.fstat(fd).st_size <= max_bytes else bytes(max_bytes + 1)
        if len(data) > max_bytes:
            raise SessionUnreadable(f"it is larger than {max_bytes} bytes", where=self.where(name))
        return data

    def blocks(self, name: str) -> Iterator[bytes]:
        """A file, block by block.

        Raises:
            SessionUnreadable: It is larger than any file of a session, or no regular file.
            OSError: It is not there, or may not be read.
        """
        with self.opened(name) as fd:
            if os.fstat(fd).st_size > MAX_FILE_BYTES:
                raise SessionUnreadable(f"it is larger than {MAX_FILE_BYTES} bytes", where=self.where(name))
            while True:
                block = os.read(fd, _BLOCK_BYTES)
                if not block:
                    return
                yield block

    def size(self, name: str) -> Optional[int]:
        """Bytes that offsets can reach in a file: the samples of a track's WAV file, all of another; None where it is absent."""
        try:
            with self.opened(name) as fd:
                return max(os.fstat(fd).st_size - self._data_start(name, fd), 0)
        except OSError:
            return None

    def piece(self, name: str, offset: int, length: int) -> bytes:
        """Bytes of an audio or payload file, by the offsets that lines use.

        Raises:
            AudioMissing: The file is absent or too short.
            SessionUnreadable: It is not a file that may be read.
        """
        start, window = self._windows.get(name, (0, b""))
        if start <= offset and offset + length <= start + len(window):
            return window[offset - start : offset - start + length]
        try:
            with self.opened(name) as fd:
                # A session is read from front to end, twenty milliseconds of audio at a time: what follows is wanted next.
                begins = self._data_start(name, fd)
                # Beyond the end nothing is asked for: no offset is too large to be told.
                ends = max(os.fstat(fd).st_size - begins, 0)
                data = _read_at(fd, begins + offset, max(length, _WINDOW_BYTES)) if offset + length <= ends else b""
        except OSError as error:
            raise AudioMissing(f"it cannot be read: {error.strerror}", where=self.where(name), hint=_HINT) from error
        if len(data) < length:
            what = f"bytes {offset} to {offset + length} are needed, but it ends at {ends if not data else offset + len(data)}"
            raise AudioMissing(what, where=self.where(name), hint=_HINT)
        self._windows[name] = (offset, data) if len(data) <= _WINDOW_BYTES else (0, b"")
        return data[:length]

    def stated_size(self, name: str) -> Optional[int]:
        """Bytes of samples that the header of a track's WAV file says it has, None where it says nothing."""
        head = self.head(name)
        start = _samples_start(head)
        # One that was cut within the header has no length, or but a part of one.
        if head[:4] != b"RIFF" or head[start - 8 : start - 4] != b"data" or len(head) < start:
            return None
        (length,) = struct.unpack_from("<I", head, start - 4)
        return int(length)

    def head(self, name: str) -> bytes:
        """The first bytes of a file, as many as a WAV header can have."""
        with self.opened(name) as fd:
            return _read_at(fd, 0, _MAX_WAV_HEADER_BYTES)

    def _open(self, name: str) -> int:
        subfolder, _, last = name.rpartition("/")
        root = os.open(self.path, _FOLDER)
        try:
            if not subfolder:
                return os.open(last, _READ, dir_fd=root)
            inner = os.open(subfolder, _FOLDER | os.O_NOFOLLOW, dir_fd=root)
            try:
                return os.open(last, _READ, dir_fd=inner)
            finally:
                _close(inner)
        finally:
            _close(root)

    def _data_start(self, name: str, fd: int) -> int:
        if "/" in name or not name.endswith(".wav"):
            return 0
        if name not in self._data_starts:
            self._data_starts[name] = _samples_start(_read_at(fd, 0, _MAX_WAV_HEADER_BYTES))
        return self._data_starts[name]


def _close(fd: int) -> None:
    # Nothing was written through it, and it is gone either way.
    with contextlib.suppress(OSError):
        os.close(fd)


def _read_at(fd: int, at: int, length: int) -> bytes:
    """Read so many bytes, fewer at the end of the file."""
    pieces = []
    while length > 0:
        piece = os.pread(fd, min(length, _BLOCK_BYTES), at)
        if not piece:
            break
        pieces.append(piece)
        at, length = at + len(piece), length - len(piece)
    return b"".join(pieces)


def _samples_start(head: bytes) -> int:
    """Where the samples of a WAV file begin; its length fields are not looked at, a killed writer leaves them behind the truth."""
    at = 12
    while at + 8 <= len(head):
        if head[at : at + 4] == b"data":
            return at + 8
        (length,) = struct.unpack_from("<I", head, at + 4)
        at += 8 + length + (length & 1)
    # The writer's own header is this long; a file that was cut within it holds no samples.
    return 44
