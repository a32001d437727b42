"""The sessions that failed when they were last replayed, so that a command can replay only those.

They are remembered in one file of the user's cache, never in the project: ``evi-harness/last-failed.json`` in ``XDG_CACHE_HOME``, else in
``~/Library/Caches`` on macOS and in ``~/.cache`` elsewhere. It may be deleted at any time.

Rules of living here: a replay never fails for this file. An unreadable file counts as absent; if it cannot be written, nothing is
remembered, and ``--last-failed`` says so.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Iterable, List, Mapping, Optional, Set

from evi_harness.errors import EviHarnessError
from evi_harness.input_file import read_file
from evi_harness.settings.sink import redacted, write_file

__all__ = ["failed_last", "file_of_failed", "remember"]

_FOLDER, _FILE, _MEMBER = "evi-harness", "last-failed.json", "sessions"


def file_of_failed() -> Optional[Path]:
    """Where they are remembered; None where this user has no home."""
    said = os.environ.get("XDG_CACHE_HOME", "")
    try:
        caches = Path(said) if said.startswith(os.sep) else Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    except RuntimeError:
        return None
    return caches / _FOLDER / _FILE


def failed_last(folders: Iterable[Path]) -> List[Path]:
    """Those of some session folders that did not pass when they were last replayed among several.

    Args:
        folders: The folders.

    Returns:
        Some of them, in their order; none where nothing is remembered.
    """
    known = _read()
    return [folder for folder in folders if _name(folder) in known]


def remember(outcomes: Mapping[Path, bool]) -> None:
    """Remember which sessions failed; what is known of others stays.

    Args:
        outcomes: Session folders, each with whether it passed.
    """
    file, known = file_of_failed(), _read()
    now = known.difference(map(_name, outcomes)).union(_name(folder) for folder, passed in outcomes.items() if not passed)
    if file is None or now == known:
        return
    new = file.with_name(f".{_FILE}.{uuid.uuid4().hex[:8]}")
    with suppress(OSError, EviHarnessError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_file(new, json.dumps({_MEMBER: sorted(now)}, indent=1) + "\n")
            new.replace(file)
        finally:
            with suppress(OSError):
                new.unlink()


def _read() -> Set[str]:
    file = file_of_failed()
    try:
        told = json.loads(read_file(file, "last_failed")) if file is not None else {}
        names = told.get(_MEMBER) if isinstance(told, dict) else None
    except (OSError, ValueError, RecursionError, EviHarnessError):
        return set()
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def _name(folder: Path) -> str:
    # A path may hold what is secret, and is written to a file.
    return redacted(os.path.abspath(folder))  # noqa: PTH100 - a link stays a link
