"""heard.wav: the audio that was heard, added to a session that is complete without it.

Rules of living here: the session comes first. Killed at any instant, the folder reads as before, or with all of heard.wav; until it is
whole the header does not name it. What cannot be written is taken away again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import Iterable, Union

from evi_harness.errors import SessionUnreadable, SessionUnwritable
from evi_harness.session.header import FORMAT_VERSION, HEARD, MINOR_OF_HEADER_DIGEST, MINOR_OF_HEARD, Header, TrackFile
from evi_harness.session.wav import Pcm
from evi_harness.storage import header_file
from evi_harness.storage.append import WavFile, replace_file, sync_folder
from evi_harness.storage.layout import HEADER_FILE, HEARD_FILE, MAX_TRACK_BYTES
from evi_harness.storage.opening import Folder
from evi_harness.storage.reader import read_header
from evi_harness.storage.verifying import file_digest

__all__ = ["add_heard"]


def add_heard(folder: Union[str, os.PathLike[str]], pcm: Pcm, blocks: Iterable[bytes]) -> TrackFile:
    """Write heard.wav into a session folder and have the header name it.

    Args:
        folder: A session folder that is complete and has no heard.wav.
        pcm: The format: 16-bit, two channels.
        blocks: The samples, whole frames in each block. They are written as they come.

    Returns:
        The file, as the header lists it.

    Raises:
        SessionUnwritable: The folder is not complete, has a heard.wav already, or cannot be written; or the file would be larger than
            ``MAX_TRACK_BYTES``. The folder is as it was.
        SessionUnreadable: It is not a session folder.
    """
    place = Folder(folder)
    header, version = read_header(place)
    path = place.path / HEARD_FILE
    if not header.complete or version != FORMAT_VERSION:
        raise SessionUnwritable(f"{HEARD_FILE} can only be added to a session that is complete", where=str(place.path))
    if os.path.lexists(path) or any(track.track == HEARD for track in header.tracks):
        raise SessionUnwritable(f"there is a {HEARD_FILE} already", where=str(place.path))
    try:
        file = WavFile(path, pcm)
    except OSError as error:
        raise _unwritable(place, error) from error
    try:
        for block in blocks:
            if file.size + len(block) > MAX_TRACK_BYTES:
                raise SessionUnwritable(f"{HEARD_FILE} would be larger than {MAX_TRACK_BYTES} bytes", where=str(place.path))
            file.append(block)
        file.sync()
        sync_folder(place.path)
        track = TrackFile(HEARD, HEARD_FILE, file.size, pcm.rate, pcm.channels, pcm.width)
        _name_it(place, header, track)
    except BaseException as error:
        _take_away(place)
        if isinstance(error, OSError):
            raise _unwritable(place, error) from error
        raise
    finally:
        file.close()
    with contextlib.suppress(OSError):
        sync_folder(place.path)
    return track


def _name_it(place: Folder, header: Header, track: TrackFile) -> None:
    named = dataclasses.replace(
        header,
        tracks=(*header.tracks, track),
        digests={**header.digests, track.file: file_digest(place, track.file)},
        minor=max(header.minor, MINOR_OF_HEARD, MINOR_OF_HEADER_DIGEST),
    )
    # What could be secret in it was replaced when it was written first.
    replace_file(place.path / HEADER_FILE, header_file.encode(named))


def _take_away(place: Folder) -> None:
    """Remove the file, unless the header names it: an interrupt may come right behind that."""
    with contextlib.suppress(OSError, SessionUnreadable):
        if all(track.track != HEARD for track in read_header(place)[0].tracks):
            (place.path / HEARD_FILE).unlink()


def _unwritable(place: Folder, error: OSError) -> SessionUnwritable:
    return SessionUnwritable(
        f"{HEARD_FILE} cannot be written: {error.strerror or error}",
        where=str(place.path),
        hint="The session is complete without it. Make room, and run it again to have it.",
    )
