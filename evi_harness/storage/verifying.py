"""Whether a folder's files are as they were recorded, by the digests that its header has.

Rules of living here: files are read block by block and whole, so this is for where a verdict depends on it, not for a look into a session;
what has no digest is not judged.
"""

from __future__ import annotations

import errno
import hashlib
import os
from typing import Iterator, Tuple, Union

from evi_harness.errors import SessionError
from evi_harness.session.header import HEARD, Header
from evi_harness.session.session import Session
from evi_harness.storage import header_file
from evi_harness.storage.layout import HEADER_FILE, MAX_HEADER_BYTES
from evi_harness.storage.opening import Folder

__all__ = ["changed_since", "file_digest"]


def changed_since(session: Session, folder: Union[str, os.PathLike[str]]) -> Tuple[str, ...]:
    """What was changed or taken away in a session's folder since the session was complete.

    Args:
        session: The session, as it was read from the folder.
        folder: The folder.

    Returns:
        A sentence for each file that is not as it was recorded, but for those that ``session.missing`` tells of already. None for heard.wav
        where that is not there: the recording is whole without it.
    """
    place = Folder(folder)
    changes = (*_changed_header(place), *_changed_files(place, session.header))
    return tuple(f"{name}: {what}." for name, what in changes if not _is_told(name, session.missing))


def file_digest(place: Folder, name: str) -> str:
    """SHA-256 in hex of a file of a folder.

    Raises:
        SessionUnreadable: The name leaves the folder, or what is there is no regular file.
        OSError: It is not there, or may not be read.
    """
    digest = hashlib.sha256()
    for block in place.blocks(name):
        digest.update(block)
    return digest.hexdigest()


def _changed_header(place: Folder) -> Iterator[Tuple[str, str]]:
    problem = header_file.digest_problem(place.whole(HEADER_FILE, MAX_HEADER_BYTES))
    if problem is not None:
        yield HEADER_FILE, f"it is not as it was recorded: {problem}"


def _changed_files(place: Folder, header: Header) -> Iterator[Tuple[str, str]]:
    beside = {track.file for track in header.tracks if track.track == HEARD}
    for name, digest in sorted(header.digests.items()):
        try:
            actual = file_digest(place, name)
        except OSError as error:
            if error.errno != errno.ENOENT or name not in beside:
                yield name, f"it cannot be read, and {HEADER_FILE} has its digest: {error.strerror or error}"
            continue
        except SessionError as error:
            yield name, f"it cannot be read, and {HEADER_FILE} has its digest: {error.what}"
            continue
        if actual != digest:
            yield name, "it is not as it was recorded: its digest differs"


def _is_told(name: str, sentences: Tuple[str, ...]) -> bool:
    return any(sentence.startswith((f"{name}:", f"{name}, line ")) for sentence in sentences)
