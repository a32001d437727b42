"""The only way in for files that a user names: captures, scripts, baselines, handlers, audio.

Only regular files are read, and none that is larger than its kind can be. A device has no end, and a pipe may never have a writer: each is
looked at before it is opened, and opening waits for nobody. Files within a session folder are opened elsewhere, without following links.

Rules of living here: a kind of file is a row of ``INPUTS``; docs/reference/session-format.md has them all. The reader of a file chooses the
error.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Mapping, Optional, Tuple, Type, Union

from evi_harness.errors import EviHarnessError

__all__ = ["INPUTS", "InputKind", "file_blocks", "file_problem", "read_file"]

# macOS and Linux have all of these.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_BLOCK_BYTES = 1 << 20
# What a file is that is no regular one, and what to do about it.
_KINDS: Tuple[Tuple[int, str, str], ...] = (
    (stat.S_IFDIR, "a folder", "Name a file."),
    (stat.S_IFIFO, "a pipe", "Write its output to a file, and name that."),
    (stat.S_IFCHR, "a device", "Copy what you need from it to a file, and give that."),
    (stat.S_IFBLK, "a device", "Copy what you need from it to a file, and give that."),
    (stat.S_IFSOCK, "a socket", "Name a file."),
)


@dataclass(frozen=True)
class InputKind:
    """A row of ``INPUTS``.

    Attributes:
        name: What people call it, with its article.
        max_bytes: How large one may be.
    """

    name: str
    max_bytes: int


INPUTS: Mapping[str, InputKind] = {
    # Half an hour is the longest chat; with uncompressed audio at 48 kHz it has less.
    "capture": InputKind("a wire capture", 512 << 20),
    # The same chat, its audio in base64, among all else that a page asks for.
    "har": InputKind("a HAR file", 512 << 20),
    # An event has some kilobytes of scores and embeddings; a chat has some hundreds.
    "chat_history": InputKind("a chat history", 256 << 20),
    # As a HAR file; YAML of that size takes minutes.
    "events": InputKind("a log of events", 128 << 20),
    # Instructions and tools; a message of the largest size that a service takes is not larger.
    "setup": InputKind("a setup file", 16 << 20),
    # Far above what anybody writes, and below what would fill the memory.
    "script": InputKind("a simulator script", 4 << 20),
    # A hundred runs of a hundred sessions of a hundred turns have about this.
    "baseline": InputKind("a baseline", 256 << 20),
    # Of a hundred sessions, each with thousands of deviations.
    "report": InputKind("a report", 256 << 20),
    "audio": InputKind("an audio file", 4 << 30),
    "handler": InputKind("a handler's file", 16 << 20),
    "dotenv": InputKind("a .env", 1 << 20),
    "configuration": InputKind("a pyproject.toml", 16 << 20),
    # A path is at most 4 kB, and most are much shorter.
    "last_failed": InputKind("the list of failed sessions", 64 << 20),
    "authorities": InputKind("a PEM file of authorities", 16 << 20),
}


def file_problem(path: Union[str, Path], kind: str) -> Optional[Tuple[str, str]]:
    """Why a file is not read, and what to do; None where it is.

    Args:
        path: The file.
        kind: What it is to be: a name of ``INPUTS``.

    Raises:
        OSError: It is not there, or may not be looked at.
    """
    return _problem(os.stat(path), INPUTS[kind])  # noqa: PTH116 - a text may be no path that can be


def read_file(path: Union[str, Path], kind: str, error: Type[EviHarnessError] = EviHarnessError, *, hint: Optional[str] = None) -> bytes:
    """Read a text file whole.

    Args:
        path: The file.
        kind: What it is to be: a name of ``INPUTS``.
        error: What to raise where it is not read.
        hint: What to do about what is in it, or that it is too large.

    Raises:
        EviHarnessError: As ``error`` says: it is not a regular file, too large, or holds a zero byte, as no text does.
        OSError: It is not there, or may not be read.
    """
    pieces = []
    for piece in file_blocks(path, kind, error, hint=hint):
        # A hole of any size is known by its first block.
        if b"\0" in piece:
            raise error("it contains null bytes, so it is not UTF-8 text", where=str(path), hint=hint or "Is it the right file?")
        pieces.append(piece)
    return b"".join(pieces)


def file_blocks(
    path: Union[str, Path], kind: str, error: Type[EviHarnessError] = EviHarnessError, *, hint: Optional[str] = None
) -> Iterator[bytes]:
    """Read a file block by block; what is raised, and for what, is as of ``read_file``, but that any byte may be in it."""
    row = INPUTS[kind]
    # Before it is opened, too: to open a device can be an act.
    problem = file_problem(path, kind)
    if problem is not None:
        raise error(problem[0], where=str(path), hint=problem[1])
    fd = os.open(path, _FLAGS)
    try:
        # Another one may have taken its place by now.
        problem, left = _problem(os.fstat(fd), row), row.max_bytes + 1
        while problem is None:
            piece = os.read(fd, min(_BLOCK_BYTES, left))
            if not piece:
                return
            left -= len(piece)
            # What /proc has is of no size, and a file may grow.
            problem = None if left > 0 else _too_large(row, hint)
            if problem is None:
                yield piece
    finally:
        os.close(fd)
    raise error(problem[0], where=str(path), hint=problem[1])


def _problem(found: os.stat_result, row: InputKind) -> Optional[Tuple[str, str]]:
    for form, what, hint in _KINDS:
        if stat.S_IFMT(found.st_mode) == form:
            return f"this is {what}, and only regular files can be read", hint
    return _too_large(row) if found.st_size > row.max_bytes else None


def _too_large(row: InputKind, hint: Optional[str] = None) -> Tuple[str, str]:
    return f"it is larger than {row.name} can be: {row.max_bytes >> 20} MiB", hint or "Is it the right file?"
