"""Write an exported file completely or not at all, in an allowed place. Pages use it too.

Rules of living here: a session folder is never written to; a file that is there is replaced only where that was asked for.
"""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import Iterable, Iterator, List, Union

from evi_harness.errors import EviHarnessError, Parameter, UsageError, Words
from evi_harness.session.session import Session
from evi_harness.storage.layout import HEADER_FILE, PAYLOADS

__all__ = ["place_of_file", "whole_file", "write_pieces"]


def place_of_file(file: Union[str, Path], session: Union[str, Path, Session], *, overwrite: bool) -> Path:
    """Refuse a file that may not be written.

    Args:
        file: The file.
        session: The session that is exported, or its folder: nothing is written into that, nor into another session's.
        overwrite: Whether it may be there.

    Returns:
        Its path.

    Raises:
        UsageError: It may not be written.
    """
    path = Path(file)
    if not path.parent.is_dir():
        raise UsageError(f"the folder of {path} does not exist", hint="Name a file in an existing folder.")
    folder = path.parent.resolve()
    inside = [folder, *([folder.parent] if folder.name == PAYLOADS else []), *_own_folder(session, folder)]
    for one in inside:
        if (one / HEADER_FILE).is_file():
            raise UsageError(f"{path} is in the session folder {one}", hint="Name a file outside it: an export is not part of a session.")
    if os.path.lexists(path):
        if not overwrite:
            raise UsageError(f"{path} already exists", hint=Words(Parameter("force", True), " replaces it."))
        if not stat.S_ISREG(path.lstat().st_mode):
            raise UsageError(f"{path} is not a regular file", hint="Name another one.")
    return path


def _own_folder(session: Union[str, Path, Session], folder: Path) -> List[Path]:
    """The session's folder, where another folder is anywhere below it."""
    if isinstance(session, Session):
        return []
    own = Path(session).resolve()
    own = own.parent if own.is_file() else own
    return [own] if own in folder.parents else []


@contextmanager
def whole_file(path: Path, what: str = "it") -> Iterator[Path]:
    """Write a file under another name, and give it its own when it is whole. Where the block fails, nothing is left.

    Args:
        path: The file.
        what: What to call it in an error.

    Yields:
        The name to write it under.

    Raises:
        EviHarnessError: It cannot be written.
    """
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.new")
    try:
        yield new
        new.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            new.unlink()
        if isinstance(error, OSError):
            raise EviHarnessError(f"{what} cannot be written: {error.strerror or error}", where=str(path)) from None
        raise


def write_pieces(path: Path, pieces: Iterable[str], what: str = "it") -> int:
    """Write a text, piece by piece, as a whole file that its owner alone may read.

    Args:
        path: The file; one that is there is replaced.
        pieces: The text, without secrets.
        what: What to call it in an error.

    Returns:
        How large it is, in bytes.

    Raises:
        EviHarnessError: It cannot be written.
    """
    with whole_file(path, what) as new:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8", newline="") as stream:  # noqa: PTH123 - a descriptor, made for its owner alone
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            return os.fstat(stream.fileno()).st_size
