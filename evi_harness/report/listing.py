"""A list of sessions, one line each, with totals.

Rules of living here: a line can be printed when its session has been read, whatever the others contain; an unreadable session has a line,
too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, Optional, Sequence, Tuple

from evi_harness.report.plain import printable
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["Listed", "heading", "is_narrow", "line", "listed", "summed", "width_of"]

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")
# How wide the columns are that stand between the folder and what is missing.
_FORM = "{:<20}  {:>12}  {:>5}  {:>7}  {:<7}  {:<8}"
# Where a terminal is too narrow for that: without the time of day, the events and what made it.
_NARROW = "{0:<10.10}  {1:>12}  {2:>5}  {5:<8}"
_HEADS = ("created", "length", "turns", "events", "made by", "complete")


@dataclass(frozen=True)
class Listed:
    """What a listing says of one session.

    Attributes:
        folder: The session folder.
        created: When it was made, as its header says.
        duration_ns: Session time of its last event.
        n_turns: How many turns it has.
        n_events: How many events.
        made_by: Which act made it.
        is_complete: Whether it was written to its end and nothing was dropped.
        missing: What a reader found to be missing, as sentences.
        refused: Why it cannot be read, None where it can; all else is empty then.
    """

    folder: str
    created: str = ""
    duration_ns: int = 0
    n_turns: int = 0
    n_events: int = 0
    made_by: str = ""
    is_complete: bool = False
    missing: Tuple[str, ...] = ()
    refused: Optional[str] = None


def listed(folder: str, session: Session, dialect: Dialect) -> Listed:
    """What a listing says of a session that could be read."""
    header = session.header
    return Listed(
        folder,
        created=header.created,
        duration_ns=session.duration_ns,
        n_turns=len(dialect.turns(session.events)),
        n_events=len(session.events),
        made_by=header.made_by,
        is_complete=header.complete and not header.counts.get("dropped"),
        missing=session.missing,
    )


def width_of(folders: Iterable[str]) -> int:
    """How wide the first column is where these folders are listed."""
    return max(map(len, map(printable, ["session", *folders])))


def is_narrow(width: int, columns: Optional[int]) -> bool:
    """Whether a terminal has no room for all columns.

    Args:
        width: Of the first column, see ``width_of``.
        columns: Of the terminal, None where there is none.
    """
    return columns is not None and width + 2 + len(_FORM.format(*_HEADS)) > columns


def heading(width: int, *, narrow: bool = False) -> str:
    """The first line: what stands in each column.

    Args:
        width: Of the first column, see ``width_of``.
        narrow: Leave out some columns.
    """
    return _row("session", width, (_NARROW if narrow else _FORM).format(*_HEADS))


def line(one: Listed, width: int, *, narrow: bool = False) -> str:
    """The line of one session.

    Args:
        one: What is said of it.
        width: Of the first column, see ``width_of``.
        narrow: Leave out some columns.
    """
    if one.refused is not None:
        return _row(one.folder, width, f"cannot be read: {one.refused}")
    length, complete = f"{one.duration_ns / 1e9:.3f} s", "yes" if one.is_complete else "no"
    told = (_NARROW if narrow else _FORM).format(_instant(one.created), length, one.n_turns, one.n_events, one.made_by, complete)
    return _row(one.folder, width, f"{told}  {_missing(one.missing)}")


def summed(rows: Sequence[Listed]) -> str:
    """The last line: how many there are, and how long they are together."""
    read = [one for one in rows if one.refused is None]
    n_complete = sum(one.is_complete for one in read)
    counts = {"complete": n_complete, "not complete": len(read) - n_complete, "cannot be read": len(rows) - len(read)}
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    length_s = sum(one.duration_ns for one in read) / 1e9
    return f"{len(rows)} session{'' if len(rows) == 1 else 's'}, {length_s:.3f} s: {told or 'none'}"


def _row(folder: str, width: int, text: str) -> str:
    return f"{printable(folder):<{width}}  {printable(text)}".rstrip()


def _instant(created: str) -> str:
    """An instant of a header without what nobody sorts by; what is none stays as it is."""
    found = _INSTANT.fullmatch(created)
    return f"{found[1]} {found[2]}Z" if found else created


def _missing(sentences: Sequence[str]) -> str:
    more = f" And {len(sentences) - 1} more." if len(sentences) > 1 else ""
    return f"{sentences[0]}{more}" if sentences else ""
