"""HAR files with ``_webSocketMessages``: the WebSockets of a browser or a proxy, read and written.

HAR 1.2 knows no WebSockets; what is read here is what real writers add to it. Chrome's developer tools (``Log.ts``) and mitmproxy
(``savehar.py``) give each message's time in seconds since 1970, Playwright (``harTracer.ts``) in milliseconds; text is in ``data`` as it
is (opcode 1), other data in base64 (opcode 2). None of them tells how a socket was closed.

What is written here has members of our own beside those, as HAR allows: ``_eviHarness`` in the entry, and times in whole nanoseconds in
each message, so that what comes back is what was exported. Readers that do not know them pass them over.

Rules of living here: pure; a file is a stranger's. What is refused says at which place of the file. A socket that nobody asks for may be
broken: what is wrong with it is an attribute, and no error.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import parse_qsl, urlsplit

from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.session.json_value import Json

__all__ = [
    "MAX_LENGTH_NS",
    "OWN",
    "OWN_HOST",
    "Crossed",
    "HarMessage",
    "HarSocket",
    "NotHar",
    "crossed",
    "har_pieces",
    "iso_of",
    "sockets_in",
]

OWN = "_eviHarness"
# In the URL of an exported session whose service is not known: no host can have it (RFC 2606).
OWN_HOST = "unknown.invalid"
# A chat lasts half an hour at most; one wrong number must not make a session of years.
MAX_LENGTH_NS = 48 * 3600 * 10**9
# What browsers take to open a socket, and people to give up on it.
_LONGEST_OPENING_NS = 60 * 10**9
_TEXT, _BINARY = 1, 2
# RFC 6455, 5.5: close, ping and pong.
_CONTROL = frozenset({8, 9, 10})
_SECOND_NS, _MS_NS = 10**9, 10**6
# From 1973 to 5138, as either unit has it; the two have nothing in common.
_SECONDS, _MILLISECONDS = (1e8, 1e11), (1e11, 1e14)
_MOST_PARAMETERS = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:?\d\d)")


class NotHar(ValueError):
    """Not a HAR file, or one that cannot be understood.

    Attributes:
        what: What is wrong.
        place: Where in the file, as a path of members; empty for the whole.
    """

    def __init__(self, what: str, place: str = "") -> None:
        super().__init__(f"{place}: {what}" if place else what)
        self.what = what
        self.place = place


class HarMessage(NamedTuple):
    """A message of a socket.

    Attributes:
        is_sent: Whether the browser sent it.
        at_ns: When, in nanoseconds since the socket opened.
        frame: The frame.
        own: Members of our own in it; empty in others' files.
    """

    is_sent: bool
    at_ns: int
    frame: Frame
    own: Mapping[str, Json]


@dataclass(frozen=True)
class HarSocket:
    """A WebSocket of a HAR file, whose messages have not been looked at.

    Attributes:
        place: The entry in the file, as a path.
        url: Its URL, as it is: it may hold keys. Empty where it has none.
        headers: Names and values of the request's headers, likewise.
        started_ns: When it was asked for, in nanoseconds since 1970; None where the file does not say.
        rows: Its messages, as they are in the file.
        file: The file beside this one that the messages are in, where they are not in this one.
        own: Our own member of the entry; empty in others' files.
        fault: What is wrong with its URL, its headers or its list of messages; None where nothing is.
    """

    place: str
    url: str
    headers: Tuple[Tuple[str, str], ...]
    started_ns: Optional[int]
    rows: Sequence[Json]
    file: Optional[str]
    own: Mapping[str, Json]
    fault: Optional[NotHar] = None

    @property
    def path(self) -> str:
        """The path of its URL."""
        return urlsplit(self.url).path or "/"

    @property
    def query(self) -> Tuple[Tuple[str, str], ...]:
        """The parameters of its URL, decoded.

        Raises:
            NotHar: There are too many.
        """
        try:
            return tuple(parse_qsl(urlsplit(self.url).query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS))
        except ValueError:
            raise NotHar(f"its URL has more than {_MOST_PARAMETERS} parameters", f"{self.place}.request.url") from None

    @property
    def shown(self) -> str:
        """The URL for people, without what may be a key; its place in the file where it has none."""
        return f"{self.origin}{self.path}" if self.url else self.place

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@dataclass(frozen=True)
class Crossed:
    """What crossed a socket.

    Attributes:
        opened_ns: When it opened, in nanoseconds since 1970.
        is_opening_known: Whether the file says when the socket was asked for; else it opened with its first message.
        messages: What crossed it, in time.
        unit: What times are in: ``seconds`` or ``milliseconds``.
        n_control: How many control frames were left out.
        n_errors: How many errors of the browser's were left out.
    """

    opened_ns: int
    is_opening_known: bool
    messages: Tuple[HarMessage, ...]
    unit: str
    n_control: int = 0
    n_errors: int = 0


def sockets_in(value: Json) -> List[HarSocket]:
    """The WebSockets of a HAR file.

    Args:
        value: The file, as JSON.

    Raises:
        NotHar: It is not a HAR file.
    """
    log = value.get("log") if isinstance(value, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise NotHar("it is not a HAR file: it has no list of entries in log.entries")
    found = []
    for number, entry in enumerate(entries):
        place = f"log.entries[{number}]"
        if not isinstance(entry, dict):
            raise NotHar("this is not an entry", place)
        if _is_socket(entry):
            found.append(_socket(entry, place))
    return found


def _is_socket(entry: Mapping[str, Json]) -> bool:
    request = entry.get("request")
    url = request.get("url") if isinstance(request, dict) else None
    is_ws = isinstance(url, str) and url[:6].lower().startswith(("ws://", "wss://"))
    return "_webSocketMessages" in entry or entry.get("_resourceType") == "websocket" or is_ws


def _socket(entry: Mapping[str, Json], place: str) -> HarSocket:
    given = entry.get("request")
    request: Mapping[str, Json] = given if isinstance(given, dict) else {}
    url, rows, own = request.get("url"), entry.get("_webSocketMessages"), entry.get(OWN)
    headers, fault = _headers(request.get("headers"), f"{place}.request.headers")
    if not (rows is None or isinstance(rows, list)):
        rows, fault = None, NotHar("this is not a list of messages", f"{place}._webSocketMessages")
    if not isinstance(url, str) or not _is_url(url):
        url, fault = "", NotHar("this WebSocket has no URL", f"{place}.request.url")
    return HarSocket(
        place,
        url,
        headers,
        _iso_ns(entry.get("startedDateTime")),
        rows or (),
        _attached(entry),
        own if isinstance(own, dict) else {},
        fault,
    )


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # A port that is none raises when it is asked for.
        return bool(parts.hostname) and (parts.port or 0) >= 0 and url.isprintable()
    except ValueError:
        return False


def _headers(rows: Json, place: str) -> Tuple[Tuple[Tuple[str, str], ...], Optional[NotHar]]:
    """The headers of a request, and what is wrong with the first that is none."""
    pairs: List[Tuple[str, str]] = []
    fault: Optional[NotHar] = None
    for number, row in enumerate(rows if isinstance(rows, list) else ()):
        name, value = (row.get("name"), row.get("value")) if isinstance(row, dict) else (None, None)
        if isinstance(name, str) and isinstance(value, str):
            pairs.append((name, value))
        else:
            fault = fault or NotHar("this is not a header with a name and a value", f"{place}[{number}]")
    return tuple(pairs), fault


def _attached(entry: Mapping[str, Json]) -> Optional[str]:
    """The file that Playwright has put the messages into, where it was told to attach them."""
    response = entry.get("response")
    content = response.get("content") if isinstance(response, dict) else None
    file = content.get("_file") if isinstance(content, dict) else None
    return file if isinstance(file, str) else None


def crossed(socket: HarSocket) -> Crossed:
    """What crossed a socket, whatever its ``fault`` is.

    Raises:
        NotHar: A message is none, or its time is none that can be.
    """
    n_control, n_errors = 0, 0
    rows: List[Tuple[str, Mapping[str, Json], Frame]] = []
    for number, row in enumerate(socket.rows):
        place = f"{socket.place}._webSocketMessages[{number}]"
        if not isinstance(row, dict):
            raise NotHar("this is not a message", place)
        if row.get("type") == "error":
            n_errors += 1
        elif _opcode(row, place) in _CONTROL:
            n_control += 1
        else:
            rows.append((place, row, _frame(row, place)))
    if not rows:
        return Crossed(socket.started_ns or 0, socket.started_ns is not None, (), "seconds", n_control, n_errors)
    unit_ns, times = _times([(place, row.get("time")) for place, row, _ in rows])
    first_ns = min(times)
    started_ns = socket.started_ns
    # Writers round the one to milliseconds and the other to less than that.
    # In a file of ours it is the opening, however long nobody said anything.
    is_known = started_ns is not None and (bool(socket.own) or -_MS_NS <= first_ns - started_ns <= _LONGEST_OPENING_NS)
    opened_ns = started_ns if is_known and started_ns is not None else first_ns
    times = [max(0, at_ns - opened_ns) for at_ns in times]
    times = _own_times(socket, [row for _, row, _ in rows], times) or times
    messages = [HarMessage(row["type"] == "send", at_ns, frame, row if socket.own else {}) for (_, row, frame), at_ns in zip(rows, times)]
    late = next((place for (place, _, _), one in zip(rows, messages) if one.at_ns > MAX_LENGTH_NS), None)
    if late is not None:
        raise NotHar("this message comes days after the socket was opened", f"{late}.time")
    messages.sort(key=lambda one: one.at_ns)
    unit = "seconds" if unit_ns == _SECOND_NS else "milliseconds"
    return Crossed(opened_ns, is_known, tuple(messages), unit, n_control, n_errors)


def _opcode(row: Mapping[str, Json], place: str) -> int:
    if row.get("type") not in ("send", "receive"):
        raise NotHar("its type is neither send nor receive", f"{place}.type")
    opcode = row.get("opcode")
    if type(opcode) is not int or opcode not in (_TEXT, _BINARY, *_CONTROL):
        raise NotHar("invalid opcode: expected 1 for text or 2 for binary", f"{place}.opcode")
    return opcode


def _frame(row: Mapping[str, Json], place: str) -> Frame:
    data = row.get("data")
    if not isinstance(data, str):
        raise NotHar("it has no data", f"{place}.data")
    if row["opcode"] == _BINARY or row.get("_isBase64") is True:
        try:
            payload = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise NotHar("its data is not base64, which binary messages use", f"{place}.data") from None
        return Frame(BINARY if row["opcode"] == _BINARY else TEXT, payload)
    try:
        return Frame(TEXT, data.encode("utf-8"))
    except UnicodeEncodeError:
        raise NotHar("its data has half a surrogate pair, which no text frame can hold", f"{place}.data") from None


def _times(given: Sequence[Tuple[str, Json]]) -> Tuple[int, List[int]]:
    """Times since 1970 in nanoseconds, and how many of these the unit has that they are in."""
    times: List[int] = []
    unit_ns: Optional[int] = None
    for place, time in given:
        if isinstance(time, bool) or not isinstance(time, (int, float)):
            raise NotHar("it has no time", f"{place}.time")
        if time == -1:
            raise NotHar("it has no time: in its mode 'minimal', Playwright writes none", f"{place}.time")
        found = next((ns for ns, (low, high) in ((_SECOND_NS, _SECONDS), (_MS_NS, _MILLISECONDS)) if low <= time < high), None)
        if found is None:
            raise NotHar("its time is neither seconds nor milliseconds since 1970", f"{place}.time")
        if unit_ns not in (None, found):
            raise NotHar("its time is in a different unit from those before it", f"{place}.time")
        unit_ns = found
        # Exactly: a product of floats would be off by more than the time is.
        times.append(round(Fraction(time) * found))
    return unit_ns or _SECOND_NS, times


def _own_times(socket: HarSocket, rows: Sequence[Mapping[str, Json]], times: Sequence[int]) -> Optional[List[int]]:
    """The exact times of what was exported here; None where the file is another's, or was changed since."""
    exact = [at_ns for at_ns in (row.get("_atNs") for row in rows) if type(at_ns) is int and at_ns >= 0]
    if not socket.own or len(exact) != len(rows):
        return None
    # The time that everybody reads is rounded; where the two disagree, it is the one that counts.
    return exact if all(abs(one - other) <= _MS_NS for one, other in zip(exact, times)) else None


def _iso_ns(text: Json) -> Optional[int]:
    """An ISO 8601 time in nanoseconds since 1970, None where it is none."""
    match = _ISO.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    zone = "+00:00" if match[3] == "Z" else match[3] if ":" in match[3] else f"{match[3][:3]}:{match[3][3:]}"
    try:
        whole = datetime.fromisoformat(match[1] + zone) - _EPOCH
    except (ValueError, OverflowError):
        return None
    return whole // timedelta(seconds=1) * _SECOND_NS + int((match[2] or "0").ljust(9, "0"))


def iso_of(epoch_ns: int) -> str:
    """A time in nanoseconds since 1970 as UTC, ISO 8601 with microseconds and ``Z``."""
    return (_EPOCH + timedelta(microseconds=epoch_ns // 1000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# Writing.


def har_pieces(socket: HarSocket, messages: Iterable[HarMessage], *, length_ns: int, version: str, comment: str) -> Iterator[str]:
    """A HAR file of one socket, piece by piece: it may be larger than memory.

    Args:
        socket: The socket; ``started_ns`` must be known. Its rows are left alone.
        messages: What crossed it, in time. Their ``own`` members are written into each.
        length_ns: How long it was open.
        version: Of evi-harness.
        comment: What to say of the file.

    Yields:
        Its text, in ASCII.
    """
    assert socket.started_ns is not None
    log = {"version": "1.2", "creator": {"name": "evi-harness", "version": version}, "comment": comment}
    entry = _entry(socket, length_ns)
    yield f'{{"log": {json.dumps(log)[:-1]}, "pages": [], "entries": [{json.dumps(entry)[:-1]}, "_webSocketMessages": ['
    separator = "\n"
    for message in messages:
        yield separator + json.dumps(_row(message, socket.started_ns))
        separator = ",\n"
    yield "\n]}]}}\n"


def _entry(socket: HarSocket, length_ns: int) -> Dict[str, Json]:
    assert socket.started_ns is not None
    return {
        "startedDateTime": iso_of(socket.started_ns),
        "time": length_ns / _MS_NS,
        "request": {
            "method": "GET",
            "url": socket.url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _pairs(socket.headers),
            # As many as there are: only a stranger's file is bounded.
            "queryString": _pairs(parse_qsl(urlsplit(socket.url).query, keep_blank_values=True)),
            "headersSize": -1,
            "bodySize": 0,
        },
        "response": {
            "status": 101,
            "statusText": "Switching Protocols",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [],
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        # Nobody knows how long the handshake took: a session begins when it is over.
        "timings": {"blocked": -1, "dns": -1, "connect": -1, "send": 0, "wait": 0, "receive": length_ns / _MS_NS, "ssl": -1},
        "_resourceType": "websocket",
        OWN: socket.own,
    }


def _pairs(pairs: Iterable[Tuple[str, str]]) -> List[Json]:
    return [{"name": name, "value": value} for name, value in pairs]


def _row(message: HarMessage, started_ns: int) -> Dict[str, Json]:
    row: Dict[str, Json] = {
        "type": "send" if message.is_sent else "receive",
        "time": (started_ns + message.at_ns) / _SECOND_NS,
        "opcode": _TEXT if message.frame.is_text else _BINARY,
    }
    payload = message.frame.payload
    try:
        data = payload.decode("utf-8") if message.frame.is_text else None
    except UnicodeDecodeError:
        # Such a frame ends a connection; what is not text has no other form here.
        data, row["_isBase64"] = None, True
    return {**row, "data": base64.b64encode(payload).decode() if data is None else data, "_atNs": message.at_ns, **message.own}
