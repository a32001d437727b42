"""The digests in the lines: each covers its line, the bytes that the line refers to, and all lines before it.

So a line that was changed, taken out, put in or exchanged is noticed in a session that nobody completed, which has no digests of its files;
and so is changed audio. What a killed writer leaves does not count as a change: a last line without its end, and bytes that no line refers
to yet.

Rules of living here: a digest is of the bytes on disk. It is the last member of its line, so that no line has to be decoded, let alone
encoded again, to tell what it is of.
"""

from __future__ import annotations

import hashlib
import re
import struct
from typing import Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union

from evi_harness.errors import SessionError
from evi_harness.storage import lines
from evi_harness.storage.layout import PAYLOADS
from evi_harness.storage.lines import Cut, Slice
from evi_harness.storage.opening import Folder

__all__ = ["N_DIGITS", "SEAL_BYTES", "LineChange", "LineDigests", "changed_lines", "format_bytes", "wav_lengths_problem"]

# 64 bits: chance lets one change in 10^19 pass. Whoever changes a session on purpose can make any digest anew.
N_DIGITS = 16
_END = re.compile(rb',"digest":"([0-9a-f]{%d})"}' % N_DIGITS)
# What a digest adds to its line.
SEAL_BYTES = len(b',"digest":""') + N_DIGITS
_NOTHING = b""


class LineDigests:
    """Puts the digests into lines that are written one after the other."""

    def __init__(self) -> None:
        self._before = _NOTHING

    def seal(self, line: bytes, *data: bytes) -> bytes:
        """A line with its digest as its last member. It counts as written from then on.

        Args:
            line: An object that is not empty, as JSON text without a newline.
            data: The bytes of other files that belong to it.
        """
        self._before = _digest(self._before, line[:-1], data)
        return b'%b,"digest":"%b"}' % (line[:-1], self._before)


class LineChange(NamedTuple):
    """A line that is not as it was written.

    Attributes:
        number: Of the line, from 1.
        what: What is not, in a few words.
    """

    number: int
    what: str


def changed_lines(place: Folder, texts: Iterable[Tuple[int, bytes, bool]]) -> Iterator[LineChange]:
    """The lines of a session that are not as they were written, or whose audio is not.

    Args:
        place: The folder, for the bytes that lines refer to. What is not there any more is not judged here.
        texts: Number and text of each line, and whether it ends with a newline.
    """
    before: Tuple[bytes, ...] = (_NOTHING,)
    for number, text, is_whole in texts:
        end = _END.fullmatch(text, max(len(text) - SEAL_BYTES - 1, 0))
        if end is None:
            if is_whole:
                yield LineChange(number, "it has no digest, and every line of this version has one")
            # The line behind it cannot be judged.
            before = ()
            continue
        body, stated = text[: end.start()], end[1]
        data = _data_of(place, text)
        # One of several: of a line whose digest alone was changed, the next line still has the one that is right.
        computed = [] if data is None else [_digest(one, body, data) for one in before]
        if data is not None and before and stated not in computed:
            yield LineChange(number, "its digest differs: the line, its audio or the line before it was changed")
        before = (stated,) if stated in computed else (stated, *computed[:1])


def format_bytes(head: bytes) -> bytes:
    """What of a WAV file's header belongs to the first line that refers to the file: all but its two lengths, which go on growing.

    Args:
        head: The first bytes of the file, as this package writes it.
    """
    return head[:4] + head[8:40]


def wav_lengths_problem(head: bytes) -> Optional[str]:
    """Why the lengths in the header of a WAV file were changed; None where they agree, as they do whenever the writer is killed.

    Args:
        head: The first bytes of the file.
    """
    if len(head) < 44:
        return None
    (whole,), (samples,) = struct.unpack_from("<I", head, 4), struct.unpack_from("<I", head, 40)
    return None if whole == samples + 36 else "the two lengths in its own header contradict each other"


def _used_of(text: bytes) -> Union[Cut, Slice, None]:
    """The bytes of another file that a line refers to; None where it refers to none, or cannot be read."""
    try:
        line, _ = lines.decode(text)
    except ValueError:
        return None
    return getattr(line, "audio", None) or getattr(line, "payload", None)


def _data_of(place: Folder, text: bytes) -> Optional[List[bytes]]:
    """The bytes that the digest of a line is of beside the line; None where they are not there."""
    used = _used_of(text)
    if used is None:
        return []
    try:
        data = place.piece(used.file, used.offset, used.length)
        if used.offset == 0 and isinstance(used, Cut) and not used.file.startswith(PAYLOADS):
            return [format_bytes(place.head(used.file)), data]
    except (OSError, SessionError):
        return None
    return [data]


def _digest(before: bytes, body: bytes, data: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256(before + body)
    for one in data:
        digest.update(one)
    return digest.hexdigest()[:N_DIGITS].encode()
