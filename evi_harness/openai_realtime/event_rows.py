"""A log of events as apps and tools write it: each row says what was sent or received, perhaps when, perhaps in something around it.

There is no standard form. A row is the message itself (its type says who sends it), or an object that holds the message, as an object or
as text, under one of the names that are used for it, with a direction and a time beside it. What a row is, is said by the row alone, and
rows that are not messages are refused with their place.

Rules of living here: nothing is guessed that can be read in two ways; a protocol that is not this one is refused by its name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from evi_harness.openai_realtime.realtime_messages import CLIENT, SERVER, canonical, is_known
from evi_harness.session.foreign_text import json_value
from evi_harness.session.json_value import Json

__all__ = ["EventRow", "LogRow", "NotEvents", "event_rows"]

_WRAPS = ("data", "event", "message", "payload", "body", "content", "json")
_DIRECTIONS = ("direction", "dir", "sender", "source", "from", "role", "kind", "origin", "side")
_SENT = frozenset({"sent", "send", "client", "out", "outgoing", "outbound", "app", "request", ">", "->", "up", "tx"})
_RECEIVED = frozenset(
    {"received", "receive", "recv", "server", "in", "incoming", "inbound", "service", "response", "<", "<-", "down", "rx"}
)
# What a time is called, and in which unit where the name says it.
_TIMES: Mapping[str, Optional[int]] = {
    **dict.fromkeys(("time", "timestamp", "ts", "t", "at", "when", "created_at", "received_at", "sent_at"), None),
    **dict.fromkeys(("time_ms", "timestamp_ms", "ts_ms", "t_ms", "at_ms", "elapsed_ms", "offset_ms"), 1_000_000),
    **dict.fromkeys(("at_ns", "time_ns", "timestamp_ns", "t_ns"), 1),
    **dict.fromkeys(("at_s", "time_s", "elapsed_s", "offset_s", "seconds"), 1_000_000_000),
}
# A number with no unit: seconds since 1970 have ten digits before the point for now, milliseconds thirteen, and so on.
_UNITS = ((1e17, 1), (1e14, 1_000), (1e11, 1_000_000))
_MAX_SHOWN = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FRACTION = re.compile(r"\.(\d{1,9})\d*")


class NotEvents(Exception):
    """Rows are not events of this protocol.

    Attributes:
        what: Half a sentence.
        place: Of the row; empty for the file as a whole.
    """

    def __init__(self, what: str, place: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.place = place


class LogRow(NamedTuple):
    """A row of a file.

    Attributes:
        value: What it holds.
        place: Where it is, for people: ``line 3``.
        text: Its bytes where the row alone is a JSON text, None where it was made of something else.
    """

    value: Json
    place: str
    text: Optional[bytes] = None


@dataclass(frozen=True)
class EventRow:
    """An event.

    Attributes:
        is_sent: Whether the app sent it.
        message: Its JSON text; None for the end of the connection.
        at_ns: When, in nanoseconds since some instant that is the same for all rows; None where the row does not say.
        place: Of the row.
        is_original: Whether the text is that of the file, to the byte.
        code: The code of a close; None where there is none.
    """

    is_sent: bool
    message: Optional[bytes]
    at_ns: Optional[int]
    place: str
    is_original: bool = False
    code: Optional[int] = None


def event_rows(rows: Sequence[LogRow]) -> List[EventRow]:
    """Read rows.

    Args:
        rows: All of a file, in order.

    Raises:
        NotEvents: A row is not an event, does not say who sent it, or the whole is another protocol's.
    """
    _refuse_others(rows)
    found = [_event(row) for row in rows]
    if not any(one.message is not None for one in found):
        raise NotEvents("it has no events")
    n_timed = sum(one.at_ns is not None for one in found)
    if 0 < n_timed < len(found):
        place = next(one.place for one in found if one.at_ns is None)
        raise NotEvents("this row has no time, although others have one", place)
    return found


def _event(row: LogRow) -> EventRow:
    value = row.value
    if not isinstance(value, dict):
        raise NotEvents(f"a row is {_shown(value)}, not an object", row.place)
    closing = _close(value)
    at_ns = _time_ns(value, row.place)
    if closing is not None:
        return EventRow(closing[0], None, at_ns, row.place, code=closing[1])
    message, text = _message(value, row)
    name = message.get("type")
    if not isinstance(name, str) or not is_known(name):
        raise NotEvents(f"a row has {_named(name)}, which is not an event of the Realtime protocol", row.place)
    by_type = canonical(name) in CLIENT
    said = None if message is value else _direction(value)
    if said is not None and said is not by_type and (canonical(name) in CLIENT or canonical(name) in SERVER):
        whose = ("the app", "the service") if by_type else ("the service", "the app")
        raise NotEvents(f"a row says that {whose[1]} sent {name}, which only {whose[0]} sends", row.place)
    original = text is not None
    return EventRow(by_type, text if text is not None else _written(message, row.place), at_ns, row.place, original)


def _written(message: Mapping[str, Any], place: str) -> bytes:
    """A message as JSON. YAML has values that JSON has not: dates, bytes, numbers that are none, and others without end."""
    try:
        return json.dumps(message, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError):
        raise NotEvents("it has a value that JSON does not allow", place) from None


def _message(value: Mapping[str, Any], row: LogRow) -> Tuple[Mapping[str, Any], Optional[bytes]]:
    """The message in a row, and its text where that is kept."""
    if isinstance(value.get("type"), str) and is_known(value["type"]):
        return value, row.text
    for name in _WRAPS:
        inner = value.get(name)
        if isinstance(inner, dict) and "type" in inner:
            return inner, None
        if isinstance(inner, str) and inner.lstrip()[:1] == "{":
            try:
                parsed = json_value(inner)
            except (ValueError, RecursionError):
                raise NotEvents(f"the text in {name!r} is not JSON", row.place) from None
            if isinstance(parsed, dict):
                return parsed, inner.encode("utf-8", "surrogatepass")
    return value, row.text


def _direction(value: Mapping[str, Any]) -> Optional[bool]:
    """Whether a row says that the app sent its message; None where it does not say."""
    for name in _DIRECTIONS:
        word = value.get(name)
        if isinstance(word, str) and word.lower() in _SENT | _RECEIVED:
            return word.lower() in _SENT
    return None


def _close(value: Mapping[str, Any]) -> Optional[Tuple[bool, Optional[int]]]:
    """Who closed the connection, and with which code, where a row says that."""
    if not any(value.get(name) in ("close", "closed") for name in ("kind", "event", "type")):
        return None
    code = next((value[name] for name in ("code", "close_code") if type(value.get(name)) is int), None)
    return bool(_direction(value)), code if code is not None and 1000 <= code < 5000 else None


def _time_ns(value: Mapping[str, Any], place: str) -> Optional[int]:
    for name, unit in _TIMES.items():
        given = value.get(name)
        if given is None or isinstance(given, (dict, list)):
            continue
        found = _instant_ns(given, unit)
        if found is None:
            raise NotEvents(f"its {name} is {_shown(given)}, which is not a time", place)
        return found
    return None


def _instant_ns(given: Any, unit: Optional[int]) -> Optional[int]:
    if isinstance(given, str):
        try:
            return _instant_ns(float(given), unit)
        except ValueError:
            return _iso_ns(given)
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given < 1e20:
        return None
    if unit is None:
        unit = next((size for least, size in _UNITS if given >= least), 1_000_000_000)
    return given * unit if isinstance(given, int) else round(given * unit)


def _iso_ns(text: str) -> Optional[int]:
    """An ISO 8601 instant; one without a zone is taken as UTC, as all rows of a file are alike."""
    fraction = _FRACTION.search(text)
    whole = _FRACTION.sub("", text, count=1).replace("Z", "+00:00")
    try:
        parsed = datetime.fromisoformat(whole)
    except ValueError:
        return None
    parsed = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=timezone.utc)
    seconds = (parsed - _EPOCH) // timedelta(seconds=1)
    return seconds * 1_000_000_000 + (int(fraction[1].ljust(9, "0")) if fraction else 0) if seconds >= 0 else None


def _refuse_others(rows: Sequence[LogRow]) -> None:
    """Refuse the logs of protocols that look alike."""
    for row in rows:
        value = row.value if isinstance(row.value, dict) else {}
        candidates = [value, *(value[name] for name in _WRAPS if isinstance(value.get(name), dict))]
        for one in candidates:
            if one.get("type") in ("session.start", "session.started"):
                raise NotEvents("it is a log of GPT-Live, a different protocol from Realtime", row.place)
            if any(name in one for name in ("setupComplete", "serverContent", "realtimeInput", "bidiGenerateContentSetup")):
                raise NotEvents("it is a log of Gemini Live, a different protocol from Realtime", row.place)


def _named(name: Any) -> str:
    return "no type" if name is None else f"the type {_shown(name)}"


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, default=repr)
    except (TypeError, ValueError):
        return "a value that JSON does not have"
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"
