"""Which session folders a test is marked with, and the other files that a test names.

Rules of living here: no session is read. What finds none says where it looked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple

from evi_harness.errors import UsageError
from evi_harness.runs.spec import split_spec
from evi_harness.settings.new_folder import near
from evi_harness.storage.layout import HEADER_FILE
from evi_harness.verdicts.loading import find_sessions, may_be_session, require_sessions

__all__ = ["Marked", "file_of", "marked_sessions", "spec_from"]

_MAGIC = "*?["
_ANY_DEPTH = "**"


@dataclass(frozen=True)
class Marked:
    """One session that a test is marked with.

    Attributes:
        folder: Its folder.
        id: What tells it from the others in the test's name: its path below the part of the mark that has no wildcard.
    """

    folder: Path
    id: str


def marked_sessions(patterns: Sequence[str], places: Sequence[Path], least: int = 0) -> Tuple[List[Marked], bool]:
    """Find the sessions that a mark means.

    Args:
        patterns: Session folders, or patterns of them with ``*``, ``?``, ``[…]`` and ``**``. A pattern finds also what may have been a
            session, so that its test fails.
        places: What a relative one is relative to; the first place where there is any is taken.
        least: How many there should be.

    Returns:
        The sessions: in the order given, sorted by path within a pattern, each once; and whether one test is to be made for each, which is
        so unless the mark is a single folder.

    Raises:
        UsageError: There is no session for a pattern; says where was looked.
        EviHarnessError: There are fewer than there should be.
    """
    found: Dict[Path, str] = {}
    for pattern in patterns:
        for folder, name in _matching(pattern, places):
            found.setdefault(folder, name)
    require_sessions(list(found), least)
    is_many = len(patterns) > 1 or any(sign in pattern for pattern in patterns for sign in _MAGIC)
    return [Marked(folder, name) for folder, name in found.items()], is_many


def file_of(name: str, places: Sequence[Path]) -> Path:
    """A file by a path that is relative to the first of some places where it is.

    Raises:
        UsageError: It is at none of them.
    """
    looked = _looked(name, places)
    for path in looked:
        if path.is_file():
            return path
    raise UsageError(f"there is no file {name!r}", hint=_told(looked))


def spec_from(handler: str, places: Sequence[Path]) -> str:
    """A handler's SPEC as it is from the current folder, where its file is named relative to the first of some places where it is.

    Args:
        handler: The SPEC; one of a module, and an absolute file, are as they are.
        places: What its file is relative to.

    Raises:
        SpecError: It is not a SPEC.
        UsageError: Its file is at none of the places.
    """
    place, name = split_spec(handler)
    if not place.endswith(".py") or Path(place).is_absolute():
        return handler
    return f"{near(file_of(place, places))}:{name}"


def _matching(pattern: str, places: Sequence[Path]) -> List[Tuple[Path, str]]:
    looked = _looked(pattern, places)
    for path in looked:
        if _is_session(path):
            return [(path, path.name)]
    for path in looked:
        found = sorted(_below(path)) if any(sign in pattern for sign in _MAGIC) else []
        if found:
            return found
    below = next((path for path in looked if path.is_dir()), None)
    hint = f"For the sessions in it: {pattern.rstrip('/')}/*" if below is not None else _told(looked)
    raise UsageError(f"there is no session for {pattern!r}: a session is a folder with {HEADER_FILE} in it", hint=hint)


def _below(pattern: Path) -> Iterator[Tuple[Path, str]]:
    """The sessions that match an absolute pattern, and their paths below its part without a wildcard."""
    fixed = Path(pattern.anchor)
    rest = list(pattern.parts[1:])
    while not any(sign in rest[0] for sign in _MAGIC):
        fixed /= rest.pop(0)
    # Only the walk of the other doors follows links at any depth.
    found = fixed.glob("/".join(rest)) if _ANY_DEPTH not in rest else _walked(fixed, rest)
    for path in found:
        if may_be_session(path) and not path.is_file():
            yield path, path.relative_to(fixed).as_posix()


def _walked(fixed: Path, rest: Sequence[str]) -> Iterator[Path]:
    for path in find_sessions([fixed], damaged=True):
        if _matches(path.relative_to(fixed).parts, rest):
            yield path


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path's parts match those of a pattern, of which ``**`` stands for any number."""
    if not pattern:
        return not parts
    if pattern[0] == _ANY_DEPTH:
        return any(_matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _is_session(path: Path) -> bool:
    return (path / HEADER_FILE).is_file()


def _looked(name: str, places: Sequence[Path]) -> List[Path]:
    return list(dict.fromkeys(Path(os.path.normpath(place / name)) for place in places))


def _told(looked: Sequence[Path]) -> str:
    return f"Looked at: {', '.join(map(str, looked))}"
