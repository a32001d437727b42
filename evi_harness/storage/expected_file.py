"""expected.jsonl: the accepted messages, next to events.jsonl, which is never edited.

A line that names the session, then lines as in events.jsonl: at most one ``opened``, and the ``sent`` messages. They hold no audio and
refer to no other file.

Rules of living here: secrets are replaced as everywhere; the file is replaced at once or not at all; what is read is as little trusted as
the rest of a folder, and one that is damaged is an error, since nobody can have been killed within it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Iterable, Iterator, NamedTuple, Optional, Sequence, Tuple

import msgspec

from evi_harness.errors import SessionUnreadable, SessionUnwritable
from evi_harness.redacting.redaction import Redactor, apply
from evi_harness.session.events import Frame, Handshake, Opened, Sent
from evi_harness.session.expectation import Expectation
from evi_harness.session.protocols import Dialect
from evi_harness.storage import codec, lines
from evi_harness.storage.append import replace_file, sync_folder
from evi_harness.storage.layout import EXPECTED_FILE, MAX_EXPECTED_BYTES
from evi_harness.storage.lines import AnyLine, OpenedLine, SentLine
from evi_harness.storage.opening import Folder
from evi_harness.storage.reader import body_problem

__all__ = [
    "EXPECTATION_NAME",
    "ExpectedLine",
    "expectation_in",
    "expectation_text",
    "expected_lines",
    "put_expectation",
    "read_expectation",
    "remove_expectation",
    "write_expectation",
]

EXPECTATION_NAME = "evi-harness expectation"
# Version 1 (2026-11) is the first.
_VERSION = 1
_HINT = f"Delete {EXPECTED_FILE} to compare replays with the recording."


class _Head(msgspec.Struct):
    """The first line.

    Attributes:
        format: ``EXPECTATION_NAME``.
        version: Of this file's form.
        session: The id of the session that it is for.
    """

    format: str
    version: int
    session: str


class ExpectedLine(NamedTuple):
    """One line of the file.

    Attributes:
        number: From 1.
        record: The record, or the session's id for the first line; None where it cannot be read.
        problem: What is wrong with it, None where nothing is.
    """

    number: int
    record: Any
    problem: Optional[str] = None


def read_expectation(folder: Path) -> Optional[Expectation]:
    """Read what a session expects.

    Args:
        folder: The session's folder.

    Returns:
        The expectation, None where the folder has none.

    Raises:
        SessionUnreadable: The file is damaged, too large or no regular file.
    """
    place = Folder(folder)
    return _expectation(expected_lines(place), place)


def expectation_in(text: bytes, folder: Path) -> Expectation:
    """Read what a session will expect once a text is its expectation.

    Args:
        text: What the file is to hold, of ``expectation_text``.
        folder: The session's folder, for what errors say.

    Raises:
        SessionUnreadable: It is damaged.
    """
    found = _expectation(_lines_in(text), Folder(folder))
    assert found is not None
    return found


def _expectation(expected: Iterable[ExpectedLine], place: Folder) -> Optional[Expectation]:
    found = []
    for line in expected:
        if line.problem is not None:
            raise SessionUnreadable(line.problem, where=place.where(EXPECTED_FILE, line.number), hint=_HINT)
        found.append(line.record)
    if not found:
        return None
    sent = tuple(_sent(record) for record in found[1:] if isinstance(record, SentLine))
    asked = [record.handshake for record in found[1:] if isinstance(record, OpenedLine)]
    handshake = Handshake(asked[0].path, asked[0].query) if asked else None
    return Expectation(found[0], sent, handshake)


def expected_lines(place: Folder) -> Iterator[ExpectedLine]:
    """The lines of the file, each with what is wrong with it; none where there is no file.

    Raises:
        SessionUnreadable: It is too large or no regular file.
    """
    try:
        text = place.whole(EXPECTED_FILE, MAX_EXPECTED_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SessionUnreadable(f"it cannot be read: {error.strerror}", where=place.where(EXPECTED_FILE), hint=_HINT) from error
    yield from _lines_in(text)


def _lines_in(text: bytes) -> Iterator[ExpectedLine]:
    texts = text.split(b"\n")
    if texts[-1]:
        yield ExpectedLine(len(texts), None, "the file ends within the line")
    elif len(texts) == 1:
        yield ExpectedLine(1, None, "the file is empty")
    before: Optional[Tuple[int, int]] = None
    n_opened = 0
    for number, line in enumerate(texts[:-1], 1):
        record, problem = _head(line) if number == 1 else _record(line)
        if isinstance(record, OpenedLine):
            n_opened += 1
            problem = "it is the second opening" if n_opened > 1 else problem
        elif isinstance(record, SentLine):
            here = (record.at_ns, record.seq)
            problem = problem or ("it does not come after the line before it" if before is not None and here <= before else None)
            before = here
        yield ExpectedLine(number, record, problem)


def expectation_text(folder: Path, expected: Expectation, dialect: Dialect, *, secrets: Sequence[str] = ()) -> bytes:
    """What the file is to hold, secrets replaced.

    Args:
        folder: The session's folder, for what errors say.
        expected: The expectation.
        dialect: Tells which names are secret.
        secrets: Values that must not be written.

    Raises:
        SessionUnwritable: It is larger than may be read.
    """
    redactor = Redactor(dialect.secret_names, dialect.folded_names, secrets)
    text = b"".join(line + b"\n" for line in _texts(expected, redactor))
    if len(text) > MAX_EXPECTED_BYTES:
        what = f"what was sent takes {len(text)} bytes, and this file may have at most {MAX_EXPECTED_BYTES}"
        raise SessionUnwritable(what, where=str(folder / EXPECTED_FILE))
    return text


def write_expectation(folder: Path, expected: Expectation, dialect: Dialect, *, secrets: Sequence[str] = ()) -> None:
    """Write what a session expects, in the place of what it expected before.

    Args:
        folder: The session's folder.
        expected: The expectation.
        dialect: Tells which names are secret.
        secrets: Values that must not be written.

    Raises:
        SessionUnwritable: It cannot be written, or is larger than may be read; what was there before is still there.
    """
    put_expectation(folder, expectation_text(folder, expected, dialect, secrets=secrets))


def put_expectation(folder: Path, text: bytes) -> None:
    """Write what a session expects, in the place of what it expected before.

    Args:
        folder: The session's folder.
        text: Of ``expectation_text``.

    Raises:
        SessionUnwritable: It cannot be written; what was there before is still there.
    """
    try:
        replace_file(folder / EXPECTED_FILE, text)
        sync_folder(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def remove_expectation(folder: Path) -> None:
    """Have a session expect what was recorded.

    Raises:
        SessionUnwritable: The file cannot be taken away.
    """
    try:
        (folder / EXPECTED_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> SessionUnwritable:
    what = f"the expected messages cannot be written: {error.strerror or error}"
    return SessionUnwritable(what, where=str(folder / EXPECTED_FILE), hint="Copy the session to a place that can be written.")


def _texts(expected: Expectation, redactor: Redactor) -> Iterator[bytes]:
    yield msgspec.json.encode(_Head(EXPECTATION_NAME, _VERSION, expected.session))
    if expected.handshake is not None:
        line, _ = codec.other_line(Opened(0, 0, expected.handshake), redactor)
        yield lines.encode(line)
    for event in expected.sent:
        yield lines.encode(_line(event, redactor))


def _line(event: Sent, redactor: Redactor) -> AnyLine:
    payload = event.frame.payload
    edits = redactor.edits(payload)
    found = {edit.what for edit in edits} | {*event.extra.get("redacted", ())}
    # How long a send took is of the run that it was sent in.
    kept = replace(event, took_ns=None)
    return codec.frame_line(kept, **codec.body_fields(apply(payload, edits)), redacted=tuple(sorted(found)))


def _head(text: bytes) -> Tuple[Any, Optional[str]]:
    try:
        head = msgspec.json.decode(text, type=_Head)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None, f'it has no "format": "{EXPECTATION_NAME}"'
    if head.format != EXPECTATION_NAME:
        return None, f'it has no "format": "{EXPECTATION_NAME}"'
    if head.version != _VERSION:
        return None, f"it is of version {head.version}, and this evi-harness reads version {_VERSION}"
    return head.session, None


def _record(text: bytes) -> Tuple[Any, Optional[str]]:
    try:
        record, _ = lines.decode(text)
    except ValueError as error:
        return None, f"the line cannot be read: {error}"
    if isinstance(record, SentLine) and record.audio is None and record.payload is None and record.outcome == "sent":
        return record, body_problem(record)
    if isinstance(record, OpenedLine):
        return record, None
    return None, "this file holds only messages that were sent whole, no audio, and nothing that is in another file"


def _sent(line: SentLine) -> Sent:
    extra = {"redacted": line.redacted} if line.redacted else {}
    return Sent(line.seq, line.at_ns, Frame(line.frame, codec.body_of(line)), extra=extra)
