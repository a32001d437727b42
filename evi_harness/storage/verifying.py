"""Verify a folder's files by the digests in its header or, if it is incomplete, in its lines.

Rules of living here: files are read block by block and whole, so this is for where a verdict depends on it, not for a look into a session;
what has no digest is not judged.
"""

from __future__ import annotations

import errno
import hashlib
import os
from typing import Iterator, Optional, Tuple, Union

from evi_harness.errors import SessionError
from evi_harness.session.header import HEARD, MINOR_OF_LINE_DIGESTS, Header
from evi_harness.session.session import Session
from evi_harness.storage import header_file
from evi_harness.storage.layout import EVENTS_FILE, HEADER_FILE, MAX_HEADER_BYTES, PAYLOADS
from evi_harness.storage.line_digests import changed_lines, wav_lengths_problem
from evi_harness.storage.opening import Folder
from evi_harness.storage.reader import line_texts

__all__ = ["changed_in_lines", "changed_since", "file_digest", "has_digest", "has_line_digests"]

# So many changed lines are told one by one; one change can be of all of them.
_SHOWN = 10


def changed_since(session: Session, folder: Union[str, os.PathLike[str]]) -> Tuple[str, ...]:
    """What was changed or taken away in a session's folder since the session was complete, or its lines were written.

    Args:
        session: The session, as it was read from the folder.
        folder: The folder.

    Returns:
        A sentence for each file that is not as it was recorded, but for those that ``session.missing`` tells of already. None for heard.wav
        where that is not there: the recording is whole without it. Of a session that is not complete, a sentence for each line that is not
        as it was written, or whose audio is not; what a killed writer leaves is not a change.
    """
    place = Folder(folder)
    told = [f"{name}: {what}." for name, what in _changed_header(place)]
    told += [f"{name}: {what}." for name, what in _changed_files(place, session.header) if not _is_told(name, session.missing)]
    if has_line_digests(session.header):
        told += [f"{where}: {what}." for where, what in _first(changed_in_lines(place, session.header))]
    return tuple(told)


def has_line_digests(header: Header) -> bool:
    """Whether the digests of its lines are what a session is held against: it has them, and none of its files."""
    return not header.complete and not header.digests and header.minor >= MINOR_OF_LINE_DIGESTS


def changed_in_lines(place: Folder, header: Header) -> Iterator[Tuple[str, str]]:
    """What is not as it was written in a session whose lines have digests: each with where it is, file or file and line.

    Args:
        place: The folder.
        header: The session's header, with the tracks that were found.

    Raises:
        SessionUnreadable: There are no lines, or one is longer than may be.
    """
    for change in changed_lines(place, line_texts(place)):
        yield f"{EVENTS_FILE}, line {change.number}", change.what
    for name in sorted(track.file for track in header.tracks if PAYLOADS not in track.file):
        try:
            problem = wav_lengths_problem(place.head(name))
        except (OSError, SessionError):
            continue
        if problem is not None:
            yield name, f"it is not as it was recorded: {problem}"


def _first(changes: Iterator[Tuple[str, str]]) -> Iterator[Tuple[str, str]]:
    n_changes = 0
    for n_changes, change in enumerate(changes, 1):
        if n_changes <= _SHOWN:
            yield change
    if n_changes > _SHOWN:
        yield EVENTS_FILE, f"{n_changes - _SHOWN} more lines or files are not as they were written"


def has_digest(place: Folder, name: str, digest: str, header: Optional[Header]) -> bool:
    """Whether a file of a folder has the digest that it was recorded with.

    Args:
        place: The folder.
        name: Of the file.
        digest: SHA-256 in hex.
        header: Says how much audio a track's file has; one with more or less is not read to find out that it is another.

    Raises:
        SessionUnreadable: The name leaves the folder, or what is there is no regular file, or larger than any of a session.
        OSError: It is not there, or may not be read.
    """
    sizes = {track.file: track.n_bytes for track in header.tracks} if header is not None else {}
    size = place.size(name) if name in sizes else None
    if size is not None and size != sizes[name]:
        return False
    return file_digest(place, name) == digest


def file_digest(place: Folder, name: str) -> str:
    """SHA-256 in hex of a file of a folder.

    Raises:
        SessionUnreadable: The name leaves the folder, or what is there is no regular file, or larger than any of a session.
        OSError: It is not there, or may not be read.
    """
    digest = hashlib.sha256()
    for block in place.blocks(name):
        digest.update(block)
    return digest.hexdigest()


def _changed_header(place: Folder) -> Iterator[Tuple[str, str]]:
    try:
        problem = header_file.digest_problem(place.whole(HEADER_FILE, MAX_HEADER_BYTES))
    except OSError as error:
        yield HEADER_FILE, f"it cannot be read: {error.strerror or error}"
        return
    if problem is not None:
        yield HEADER_FILE, f"it is not as it was recorded: {problem}"


def _changed_files(place: Folder, header: Header) -> Iterator[Tuple[str, str]]:
    beside = {track.file for track in header.tracks if track.track == HEARD}
    for name, digest in sorted(header.digests.items()):
        try:
            is_same = has_digest(place, name, digest, header)
        except OSError as error:
            if error.errno != errno.ENOENT or name not in beside:
                yield name, f"it cannot be read, and {HEADER_FILE} has its digest: {error.strerror or error}"
            continue
        except SessionError as error:
            yield name, f"it cannot be read, and {HEADER_FILE} has its digest: {error.what}"
            continue
        if not is_same:
            yield name, "it is not as it was recorded: its digest differs"


def _is_told(name: str, sentences: Tuple[str, ...]) -> bool:
    return any(sentence.startswith((f"{name}:", f"{name}, line ")) for sentence in sentences)
