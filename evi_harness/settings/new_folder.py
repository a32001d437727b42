"""Where new session folders go: ``DIR/<UTC time>-<name>/``."""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Callable, List, Optional, Type, Union

from evi_harness.errors import Parameter, SessionUnwritable, UsageError, Words
from evi_harness.guard.program_end import at_program_end

__all__ = [
    "DEFAULT_OUT",
    "MAX_NAME_LENGTH",
    "SessionsFolder",
    "WholeFolder",
    "is_being_made",
    "near",
    "new_folder",
    "now_utc",
    "possible_name",
    "require_name",
]

DEFAULT_OUT = "sessions"
# File systems take names of 255 bytes, some of 143; the time, a number, and what a folder is called while it is made come on top.
MAX_NAME_LENGTH = 100
_LONGEST_BESIDE = len(".20260102T030405Z-") + len(".9999") + len(".01234567.new")

_TIME = re.compile(r"^20\d{6}T\d{6}Z-")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")
# As the writer of a session has it.
_BEING_MADE = ".new"
_NEVER_IN_A_NAME = re.compile(r"[/\x00-\x1f\x7f]")


def now_utc() -> str:
    """Now, as headers give it: UTC, ISO 8601 with microseconds and Z."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_folder(out: Union[str, Path], name: str) -> Path:
    """A folder that is not there yet, below ``out``; nothing is made.

    Args:
        out: The folder of sessions.
        name: What to call the session; see ``possible_name``.
    """
    stem = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{possible_name(name)}"
    folder, number = Path(out) / stem, 1
    while folder.exists():
        number += 1
        folder = Path(out) / f"{stem}.{number}"
    return folder


class WholeFolder:
    """A folder below ``out`` that is there whole or not at all: it is written under a hidden name, and gets its own when the block ends.

    For a session that is written when all of it is known; one that is recorded is there from its first moment on. Where the block fails,
    nothing is left.

    Args:
        out: The folder of sessions.
        name: What to call the session; see ``possible_name``.

    Attributes:
        folder: Where to write it; once the block has ended, where it is.

    Raises:
        SessionUnwritable: At the end of the block: it cannot be written. It is called by the name that it would have got.
    """

    def __init__(self, out: Union[str, Path], name: str) -> None:
        self._out = out
        self._name = name
        self._no_longer: Callable[[], None] = lambda: None
        self.folder = Path(out) / f".evi-harness-{uuid.uuid4().hex[:8]}{_BEING_MADE}"

    def __enter__(self) -> WholeFolder:
        made = self.folder
        self._no_longer = at_program_end(lambda: shutil.rmtree(made, ignore_errors=True))
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        made, folder = self.folder, new_folder(self._out, self._name)
        try:
            if isinstance(error, SessionUnwritable):
                raise SessionUnwritable(error.what, where=(error.where or "").replace(made.name, folder.name), hint=error.hint) from None
            if error is None:
                self.folder = _renamed(made, self._out, self._name)
        except OSError as failure:
            raise SessionUnwritable(f"the session cannot be written: {failure.strerror or failure}", where=str(folder)) from None
        finally:
            # Nothing is there any more where all went well.
            shutil.rmtree(made, ignore_errors=True)
            self._no_longer()


def _renamed(made: Path, out: Union[str, Path], name: str) -> Path:
    while True:
        folder = new_folder(out, name)
        try:
            made.rename(folder)
        except OSError as error:
            # Another process has taken the name meanwhile.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        else:
            return folder


def is_being_made(name: str) -> bool:
    """Whether a folder's name is one under which a folder is made: what is left of one where the machine stopped is not a session."""
    return name.startswith(".") and name.endswith(_BEING_MADE)


def near(path: Union[str, Path]) -> str:
    """A path as people would type it here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative


def possible_name(name: str) -> str:
    """A name that a session can have: what is not a letter, digit, dot, dash or underscore becomes a dash, and what is too long is cut.

    Args:
        name: Any; what is made of a session whose folder begins with a time gets a time of its own in its place.
    """
    return _NOT_IN_A_NAME.sub("-", _TIME.sub("", name)).strip("-.")[:MAX_NAME_LENGTH].rstrip("-.") or "session"


def require_name(name: str) -> None:
    """Refuse a name that somebody gave and that no session can have.

    Args:
        name: The name.

    Raises:
        UsageError: It holds a slash or a control character, has no letter or digit that a folder is named by, or is too long.
    """
    if _NEVER_IN_A_NAME.search(name):
        raise UsageError(
            f"{name!r} has a slash or a control character",
            hint=Words("The name is that of one folder; ", Parameter("out", "DIR"), " says where it goes."),
        )
    if len(name) > MAX_NAME_LENGTH:
        raise UsageError(f"it has {len(name)} characters", hint=f"At most {MAX_NAME_LENGTH} are allowed.")
    if not _NOT_IN_A_NAME.sub("", _TIME.sub("", name)).strip("-."):
        raise UsageError(f"no character in {name!r} can name a folder", hint="Use the letters A to Z and digits.")


class SessionsFolder:
    """A folder of sessions: made where it is not there, tried, and removed again where nothing came into it. A context manager.

    Args:
        out: The folder.
        shown: How to name it in an error.

    Raises:
        SessionUnwritable: On entering: no session can be written there.
    """

    def __init__(self, out: Path, shown: str) -> None:
        self._out = out.absolute()
        self._shown = shown
        self._made: List[Path] = []

    def __enter__(self) -> SessionsFolder:
        try:
            missing = [folder for folder in (self._out, *self._out.parents) if not folder.exists()]
            for folder in reversed(missing):
                # Before it is there: a signal may come right behind.
                self._made.append(folder)
                folder.mkdir(exist_ok=True)
            self._try()
        except (OSError, ValueError) as error:
            self._remove()
            what = f"no session can be written here: {getattr(error, 'strerror', None) or error}"
            raise SessionUnwritable(
                what, where=self._shown, hint=Words("Give a folder that can be written: ", Parameter("out", "DIR"), ".")
            ) from None
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _try(self) -> None:
        """Make a folder with a name as long as any that a session's folder has, on the way or at last."""
        stem = f".evi-harness-{uuid.uuid4().hex}-"
        trial = self._out / f"{stem}{'x' * (MAX_NAME_LENGTH + _LONGEST_BESIDE - len(stem))}"
        try:
            trial.mkdir()
        finally:
            with suppress(OSError, ValueError):
                trial.rmdir()

    def _remove(self) -> None:
        # A folder with a session in it is not empty, and stays.
        for folder in reversed(self._made):
            with suppress(OSError, ValueError):
                folder.rmdir()
