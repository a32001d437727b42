"""Where new session folders go: ``DIR/<UTC time>-<name>/``."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Union

__all__ = ["DEFAULT_OUT", "new_folder", "now_utc"]

DEFAULT_OUT = "sessions"

_TIME = re.compile(r"^20\d{6}T\d{6}Z-")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def now_utc() -> str:
    """Now, as headers give it: UTC, ISO 8601 with microseconds and Z."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_folder(out: Union[str, Path], name: str) -> Path:
    """A folder that is not there yet, below ``out``; nothing is made.

    Args:
        out: The folder of sessions.
        name: What to call the session; what a file name cannot hold becomes a dash.
    """
    # What is made of a session that bears a time bears its own.
    name = _NOT_IN_A_NAME.sub("-", _TIME.sub("", name)).strip("-.") or "session"
    stem = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{name}"
    folder, number = Path(out) / stem, 1
    while folder.exists():
        number += 1
        folder = Path(out) / f"{stem}.{number}"
    return folder
