"""Every event of a session as a row of a table, for spreadsheets and data frames.

Rules of living here: a text that a spreadsheet would evaluate as a formula gets an apostrophe before it, for every possible delimiter, and
every cell is in quotes. Control characters are escaped.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Dict, Iterator, Mapping

from evi_harness.measure.session_times import Reading
from evi_harness.report.plain import harmless
from evi_harness.session.events import Closed, Event, Note, Opened, Received, Sent, Unknown
from evi_harness.session.protocols import Dialect

__all__ = ["COLUMNS", "event_table"]

COLUMNS = ("seq", "at_ns", "at_s", "event", "type", "turn", "opcode", "n_bytes", "audio_ms", "took_ns", "taken_ns", "outcome", "of", "text")


def event_table(reading: Reading, dialect: Dialect) -> Iterator[str]:
    """The table as CSV, with a heading, piece by piece.

    Args:
        reading: The session, whose notes hold no secrets.
        dialect: Describes messages without secrets.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    audio = reading.session.audio(dialect)
    for event in reading.session.events:
        row: Dict[str, object] = {"seq": event.seq, "at_ns": event.at_ns, "at_s": f"{event.at_ns / 1e9:.9f}", "event": event.kind}
        if isinstance(event, (Sent, Received)):
            length_ns = audio.length_ns(event.seq)
            audio_ms = "" if length_ns is None else length_ns / 1e6
            row.update(_of_frame(event, dialect), audio_ms=audio_ms, turn=_or_nothing(reading.turn_of.get(event.seq)))
        else:
            row.update(_of_other(event))
        writer.writerow({name: harmless(value) for name, value in row.items()})
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _of_frame(event: Sent | Received, dialect: Dialect) -> Mapping[str, object]:
    message = dialect.read(event.kind, event.frame)
    row = {
        "type": message.type or "",
        "opcode": event.frame.opcode,
        "n_bytes": event.frame.size,
        "text": dialect.describe(event.kind, message),
    }
    if isinstance(event, Sent):
        return {**row, "took_ns": _or_nothing(event.took_ns), "outcome": event.outcome}
    return {**row, "taken_ns": _or_nothing(event.taken_ns)}


def _of_other(event: Event) -> Mapping[str, object]:
    if isinstance(event, Opened):
        return {"text": event.handshake.path}
    if isinstance(event, Closed):
        code = "" if event.code is None else f" {event.code}"
        return {"type": event.by, "text": f"by {event.by}{code} {event.reason}".rstrip()}
    if isinstance(event, Note):
        data = json.dumps(dict(event.data), ensure_ascii=False) if event.data else ""
        return {"type": event.name, "of": _or_nothing(event.of), "text": data}
    return {"type": event.name} if isinstance(event, Unknown) else {}


def _or_nothing(value: object) -> object:
    return "" if value is None else value
