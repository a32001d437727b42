"""Where new session folders go: ``DIR/<UTC time>-<name>/``."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import List, Union

from evi_harness.errors import SessionUnwritable, UsageError

__all__ = ["DEFAULT_OUT", "MAX_NAME_LENGTH", "SessionsFolder", "new_folder", "now_utc", "possible_name", "require_name"]

DEFAULT_OUT = "sessions"
# File systems take names of 255 bytes, some of 143; the time, a number, and what a folder is called while it is made come on top.
MAX_NAME_LENGTH = 100
_LONGEST_BESIDE = len(".20260102T030405Z-") + len(".9999") + len(".01234567.new")

_TIME = re.compile(r"^20\d{6}T\d{6}Z-")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")
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
            f"invalid session name {name!r}: it has a slash or a control character",
            hint="The name is that of one folder; out (--out DIR) says where it goes.",
        )
    if len(name) > MAX_NAME_LENGTH:
        raise UsageError(f"invalid session name: it has {len(name)} characters", hint=f"At most {MAX_NAME_LENGTH} are allowed.")
    if not _NOT_IN_A_NAME.sub("", _TIME.sub("", name)).strip("-."):
        raise UsageError(f"invalid session name {name!r}: no character in it can name a folder", hint="Use the letters A to Z and digits.")


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
            raise SessionUnwritable(what, where=self._shown, hint="Give a folder that can be written: --out DIR.") from None
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
