"""The digest of a recording: identifies the replayed bytes.

It is what ``sha256sum session.json events.jsonl *.wav payloads/* | sort -k 2 | sha256sum`` prints in the folder, with those files that are
there. expected.jsonl, the messages expected of replays, is not part of the recording.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Iterator, Optional

from evi_harness.storage.layout import EVENTS_FILE, HEADER_FILE, PAYLOADS, is_inside

__all__ = ["recording_digest"]

_BLOCK = 1 << 20


def recording_digest(folder: Path) -> Optional[str]:
    """SHA-256 in hex over the digests and names of a session's files, in the order of their names; None where they cannot be read.

    Args:
        folder: The session folder.
    """
    listing = hashlib.sha256()
    try:
        names = sorted(_names(folder), key=os.fsencode)
        for name in names:
            listing.update(f"{_digest(folder / name)}  {name}\n".encode())
    except OSError:
        return None
    return listing.hexdigest() if names else None


def _names(folder: Path) -> Iterator[str]:
    yield from (name for name in (HEADER_FILE, EVENTS_FILE) if (folder / name).is_file())
    yield from (path.name for path in folder.glob("*.wav") if _is_own(path, path.name))
    yield from (f"{PAYLOADS}/{path.name}" for path in (folder / PAYLOADS).glob("*") if _is_own(path, f"{PAYLOADS}/{path.name}"))


def _is_own(path: Path, name: str) -> bool:
    # As when a session is read: no name leaves the folder, and no link is followed.
    return is_inside(name) and path.is_file() and not path.is_symlink()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
