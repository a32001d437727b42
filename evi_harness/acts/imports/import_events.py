"""Import of a log of Realtime events: JSON lines, a JSON list or YAML, as apps and test suites write them, becomes a session.

Rules of living here: a message whose text is in the file keeps its bytes, and one that had to be written anew is counted; times that are
not in the file are made up and marked as such; nothing is written before the whole file was understood.
"""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.acts.imports.import_har import Imported
from evi_harness.errors import ImportRefused
from evi_harness.input_file import read_file
from evi_harness.openai_realtime.event_rows import EventRow, LogRow, NotEvents, event_rows
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.session.events import TEXT, Closed, Event, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.foreign_text import has_more_values, json_value
from evi_harness.session.header import MEASURED, SYNTHESISED, Header, Recorded
from evi_harness.session.json_value import Json
from evi_harness.session.notes import IMPORTED
from evi_harness.session.protocols import SENT
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import DEFAULT_OUT, new_folder, now_utc
from evi_harness.settings.versions import software
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.redacted_views import known_secrets

__all__ = ["import_events"]

_FORM_NAME = "events"
_FORM = (
    "Supported: the events of OpenAI's Realtime protocol, both directions in order, as JSON lines, a JSON list or YAML. A row is an "
    "event, or has one in its member data, event or message; a time beside it is optional."
)
_MOST_VALUES = 4_000_000
# Where the file has no times: one message follows another, and audio takes as long as it plays.
_APART_NS = 1_000_000
# No session of any service lasts longer.
_LONGEST_NS = 24 * 3600 * 1_000_000_000


def import_events(file: Union[str, Path], *, out: Union[str, Path] = DEFAULT_OUT) -> Imported:
    """Make a session of a log of events.

    Args:
        file: The log.
        out: The folder of sessions; the new one is ``out/<UTC time>-<name of the file>``.

    Returns:
        The new session folder, and what there is to say of it.

    Raises:
        ImportRefused: The file is not a log of this protocol; names the place in it.
        SessionUnwritable: The folder cannot be made or written.
    """
    path = Path(file)
    try:
        data = read_file(path, _FORM_NAME, ImportRefused, hint=_FORM)
    except OSError as error:
        raise ImportRefused(f"it cannot be read: {error.strerror or error}", where=str(path)) from None
    try:
        rows = event_rows(_rows(data))
        events, remarks = _events(rows)
    except NotEvents as error:
        where = f"{path}: {error.place}" if error.place else str(path)
        raise ImportRefused(error.what, where=where, hint=_FORM) from None
    session = _session(path, data, rows, events)
    folder = new_folder(out, path.stem)
    write_session(folder, session, OPENAI_REALTIME, secrets=known_secrets(session))
    return Imported((folder,), tuple(remarks))


def _rows(data: bytes) -> List[LogRow]:
    """The rows of a file, in whichever of the forms it is."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotEvents("it is not text in UTF-8") from None
    if not text.strip():
        raise NotEvents("it is empty")
    if has_more_values(text, _MOST_VALUES):
        raise NotEvents(f"it has more than {_MOST_VALUES:,} values")
    return _lines(text) or _listed(_whole(text))


def _lines(text: str) -> List[LogRow]:
    """JSON lines; nothing where the first line is not a JSON object of its own."""
    rows: List[LogRow] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json_value(line)
        except (ValueError, RecursionError):
            if not rows:
                return []
            raise NotEvents("this line is not JSON", f"line {number}") from None
        if not rows and not isinstance(value, dict):
            return []
        rows.append(LogRow(value, f"line {number}", line.strip().encode("utf-8", "surrogatepass")))
    if len(rows) == 1 and _list_in(rows[0].value) is not None:
        return []
    return rows


def _whole(text: str) -> Json:
    """A file that is one JSON value, or one YAML document."""
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return json_value(text, _MOST_VALUES)
        except RecursionError:
            raise NotEvents("its JSON is nested too deep") from None
        except ValueError:
            # YAML may begin so too.
            pass
    return _yaml(text)


def _yaml(text: str) -> Json:
    """A YAML document without what can make much of little, or anything but data."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for token in yaml.parse(text, Loader=loader):
            if isinstance(token, yaml.AliasEvent):
                place = "" if token.start_mark is None else f"line {token.start_mark.line + 1}"
                raise NotEvents("it has YAML aliases, which are not read", place)
        value: Json = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, the one in C where there is one
        return value
    except RecursionError:
        raise NotEvents("its YAML is nested too deep") from None
    except yaml.YAMLError as error:
        mark: Optional[yaml.Mark] = getattr(error, "problem_mark", None)
        raise NotEvents("it is neither JSON nor YAML", "" if mark is None else f"line {mark.line + 1}") from None
    except ValueError:
        # A date that does not exist, a number of too many digits.
        raise NotEvents("its YAML has a value that cannot be read") from None


def _list_in(value: Json) -> Json:
    """The list of rows in a document: itself, or the one list that it holds; None where there is none."""
    if isinstance(value, list):
        return value
    lists = [one for one in value.values() if isinstance(one, list)] if isinstance(value, dict) and "type" not in value else []
    return lists[0] if len(lists) == 1 else None


def _listed(value: Json) -> List[LogRow]:
    rows = _list_in(value)
    if not rows:
        raise NotEvents("it has no list of events")
    return [LogRow(one, f"row {number}") for number, one in enumerate(rows, 1)]


def _events(rows: Sequence[EventRow]) -> Tuple[List[Event], List[str]]:
    times, remarks = _times(rows)
    events: List[Event] = [Opened(0, 0, Handshake(OPENAI_REALTIME.chat_paths[0]))]
    lacks = ["the handshake: which model was asked for, and by whom", "when the app read a message, and how long its sends took"]
    is_closed = rows[-1].message is None
    lacks += [] if is_closed else ["how and when the connection was closed"]
    n_anew = sum(one.message is not None and not one.is_original for one in rows)
    assumed = [f"{n_anew} messages were rewritten as JSON, since the file does not have their text"] if n_anew else []
    events.append(IMPORTED.make(1, 0, form=_FORM_NAME, lacks=lacks, assumed=assumed))
    for row, at_ns in zip(rows, times):
        seq = len(events)
        if row.message is None:
            events.append(Closed(seq, at_ns, "app" if row.is_sent else "service", row.code))
            break
        frame = Frame(TEXT, row.message)
        events.append(Sent(seq, at_ns, frame) if row.is_sent else Received(seq, at_ns, frame))
    counts = {kind: sum(one.kind == kind for one in events) for kind in ("sent", "received")}
    end = "" if is_closed else "; how it was closed is not in the file"
    told = f"{counts['received']} received, {counts['sent']} sent, {events[-1].at_ns / 1e9:.3f} s{end}"
    n_left = len(rows) - sum(one.kind in ("sent", "received", "closed") for one in events)
    return events, [told, *remarks, *([f"{n_left} rows after the end of the connection left out"] if n_left else [])]


def _times(rows: Sequence[EventRow]) -> Tuple[List[int], List[str]]:
    """Session times: those of the file, or made up."""
    if rows[0].at_ns is None:
        return list(_made_up(rows)), ["the file has no times: they are made up, and nothing is measured by them"]
    times: List[int] = []
    n_back = most_ns = 0
    first_ns = min(one.at_ns for one in rows if one.at_ns is not None)
    for row in rows:
        assert row.at_ns is not None
        at_ns = row.at_ns - first_ns
        if at_ns > _LONGEST_NS:
            raise NotEvents("this row comes more than a day after the first", row.place)
        if times and at_ns < times[-1]:
            n_back, most_ns, at_ns = n_back + 1, max(most_ns, times[-1] - at_ns), times[-1]
        times.append(at_ns)
    if not n_back:
        return times, []
    return times, [f"{n_back} rows have a time up to {most_ns / 1e6:.3f} ms before the row above; they count as simultaneous with it"]


def _made_up(rows: Sequence[EventRow]) -> Iterator[int]:
    reader, now_ns = OPENAI_REALTIME.reader(), 0
    for row in rows:
        yield now_ns
        length_ns = 0
        if row.message is not None:
            audio = reader.read(SENT if row.is_sent else "received", Frame(TEXT, row.message))
            length_ns = (audio.length_ns or 0) if audio is not None and row.is_sent else 0
        now_ns += max(_APART_NS, length_ns)


def _session(path: Path, data: bytes, rows: Sequence[EventRow], events: Sequence[Event]) -> Session:
    received = (OPENAI_REALTIME.ids(OPENAI_REALTIME.read(one.kind, one.frame)) for one in events if isinstance(one, Received))
    ids: Mapping[str, str] = next(filter(None, received), {})
    header = Header(
        id=str(uuid.uuid4()),
        made_by="import",
        created=now_utc(),
        dialect=OPENAI_REALTIME.name,
        software=software(),
        ids=ids,
        recorded=Recorded(closed=isinstance(events[-1], Closed), times=SYNTHESISED if rows[0].at_ns is None else MEASURED),
        complete=True,
        source={
            "form": _FORM_NAME,
            "file": path.name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "n_messages": sum(one.message is not None for one in rows),
        },
    )
    return Session(header, tuple(events), name=path.stem)
