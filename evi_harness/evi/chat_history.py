"""Hume's chat history, as its API returns it: pages of events, and the messages rebuilt from them.

The forms are those of the SDK's models ``ReturnChatPagedEvents``, ``ReturnChatGroupPagedEvents`` and ``ReturnChatEvent``. An event says
what was said, when by the service's clock, and what was heard in it; ``emotion_features`` and ``metadata`` are JSON texts. Timestamps are
seconds by the SDK's docstrings and milliseconds in Hume's own examples: both are read. How the text of a FUNCTION_CALL is written is in no
document; one that has the members of a tool call is taken for one, any other is kept as it is.

Rules of living here: pure; a file is a stranger's, and what is refused says at which place. What a message needs and the history does not
have is named in ``assumed``; nothing else is made up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from evi_harness.evi.messages import EMOTIONS
from evi_harness.session.events import TEXT, Frame
from evi_harness.session.foreign_text import MAX_VALUES, has_more_values, strict_json_value
from evi_harness.session.json_value import Json

__all__ = ["Chat", "HistoryEvent", "NotHistory", "Rebuilt", "chats_in", "rebuilt"]

_MS_NS = 1_000_000
# From 1973 to 5138, as either unit has it; the two have nothing in common.
_SECONDS, _MILLISECONDS = (10**8, 10**11), (10**11, 10**14)
# A chat lasts half an hour at most; one wrong number must not make a session of years.
_LONGEST_MS = 24 * 3600 * 1000
_LONGEST_TEXT = 1 << 20


class NotHistory(ValueError):
    """Not a chat history, or one that cannot be understood.

    Attributes:
        what: What is wrong.
        place: Where in the file, as a path of members; empty for the whole.
    """

    def __init__(self, what: str, place: str = "") -> None:
        super().__init__(f"{place}: {what}" if place else what)
        self.what = what
        self.place = place


class HistoryEvent(NamedTuple):
    """An event of a history.

    Attributes:
        place: Where it stands in the file.
        id: Its id, empty where it has none.
        type: What kind it is.
        role: Who it is of, empty where it does not say.
        at_ms: When, in milliseconds since 1970, by the service's clock.
        text: Its text, empty where it has none.
        scores: What was heard in it, by emotion.
        metadata: What else it says.
        related: The id of the event that it is about, None for none.
    """

    place: str
    id: str
    type: str
    role: str
    at_ms: int
    text: str
    scores: Mapping[str, float]
    metadata: Mapping[str, Json]
    related: Optional[str]


@dataclass(frozen=True)
class Chat:
    """A chat.

    Attributes:
        id: Its id, None where the file does not say.
        group_id: The id of its group, likewise.
        started_ms: When it began, in milliseconds since 1970; by its first event where the file does not say.
        is_start_known: Whether the file says.
        status: How it ended, in the service's word; None where the file does not say.
        events: Its events, in time.
        n_repeated: How many events stood in the file again, and were left out.
        n_pages: How many pages there are, as far as the file says; None where it does not.
        pages: Which of them are in the file, from 0.
    """

    id: Optional[str]
    group_id: Optional[str]
    started_ms: int
    is_start_known: bool
    status: Optional[str]
    events: Tuple[HistoryEvent, ...]
    n_repeated: int
    n_pages: Optional[int]
    pages: Tuple[int, ...]


class Rebuilt(NamedTuple):
    """An event of a history on the axis of its session.

    Attributes:
        at_ns: When, since the chat began.
        event: The event; None for what the chat itself says.
        frame: The message that the service sent for it; None where it sent none, or nobody can say which.
        assumed: The members of the message that are not in the history.
    """

    at_ns: int
    event: Optional[HistoryEvent]
    frame: Optional[Frame]
    assumed: Tuple[str, ...] = ()


def chats_in(value: Json) -> List[Chat]:
    """The chats of a file.

    Args:
        value: The file, as JSON: a page of events of a chat or of a group of chats, a list of such pages, or a list of events.

    Returns:
        The chats, in the order in which they begin.

    Raises:
        NotHistory: It is none of these, or an event is none.
    """
    collected: Dict[Optional[str], _Collected] = {}
    for place, page, rows in _pages(value):
        group = _id(page, "chat_group_id") or (_id(page, "id") if page and "status" not in page and "chat_group_id" not in page else None)
        of_page = _id(page, "id") if "chat_group_id" in page or "status" in page else None
        is_falling = page.get("pagination_direction") == "DESC"
        by_chat: Dict[Optional[str], List[HistoryEvent]] = {of_page: []} if of_page else {}
        for at, row in _rows(rows, place):
            by_chat.setdefault(_id(row, "chat_id") or of_page, []).append(_event(row, at))
        for chat_id, mine in by_chat.items():
            collected.setdefault(chat_id, _Collected(chat_id)).add(page, place, group, mine[::-1] if is_falling else mine)
    chats = [one.chat() for one in collected.values() if one.events]
    return sorted(chats, key=lambda chat: chat.started_ms)


def _pages(value: Json) -> Iterator[Tuple[str, Mapping[str, Json], Json]]:
    """Pages: where each stands, what it says of itself, and its events."""
    if isinstance(value, dict) and "events_page" in value:
        yield "events_page", value, value["events_page"]
    elif isinstance(value, list) and value and all(isinstance(one, dict) and "events_page" in one for one in value):
        for number, page in enumerate(value):
            yield f"[{number}].events_page", page, page["events_page"]
    elif isinstance(value, list) and value and all(isinstance(one, dict) and "timestamp" in one for one in value):
        yield "", {}, value
    else:
        raise NotHistory("it is not a chat history: it has no events_page, and is not a list of pages or events")


def _rows(rows: Json, place: str) -> Iterator[Tuple[str, Mapping[str, Json]]]:
    if not isinstance(rows, list):
        raise NotHistory("this is not a list of events", place)
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise NotHistory("this is not an event", f"{place}[{number}]")
        yield f"{place}[{number}]", row


class _Collected:
    """A chat in the making."""

    def __init__(self, chat_id: Optional[str]) -> None:
        self._id = chat_id
        self._group: Optional[str] = None
        self._started_ms: Optional[int] = None
        self._status: Optional[str] = None
        self._n_pages: Optional[int] = None
        self._pages: List[int] = []
        self._seen: Dict[str, None] = {}
        self._n_repeated = 0
        self.events: List[HistoryEvent] = []

    def add(self, page: Mapping[str, Json], place: str, group: Optional[str], events: Sequence[HistoryEvent]) -> None:
        self._group = self._group or group
        self._status = self._status or _word(page.get("status"))
        where = place.rpartition("events_page")[0]
        if page.get("start_timestamp") is not None and self._id is not None and self._id == _id(page, "id"):
            self._started_ms = _milliseconds(page["start_timestamp"], f"{where}start_timestamp")
        number, total = page.get("page_number"), page.get("total_pages")
        if type(number) is int and type(total) is int and 0 <= number < total <= _LONGEST_TEXT:
            self._n_pages = total
            self._pages.append(number)
        for event in events:
            if event.id and event.id in self._seen:
                self._n_repeated += 1
                continue
            self._seen[event.id] = None
            self.events.append(event)

    def chat(self) -> Chat:
        events = sorted(self.events, key=lambda event: event.at_ms)
        first_ms = events[0].at_ms
        # An event before the beginning is one of another clock; what began days before is another chat.
        is_known = self._started_ms is not None and 0 <= first_ms - self._started_ms <= _LONGEST_MS
        started_ms = self._started_ms if is_known and self._started_ms is not None else first_ms
        late = next((event for event in events if event.at_ms - started_ms > _LONGEST_MS), None)
        if late is not None:
            raise NotHistory("this event is more than a day after the beginning of its chat", f"{late.place}.timestamp")
        pages = tuple(sorted(set(self._pages)))
        return Chat(self._id, self._group, started_ms, is_known, self._status, tuple(events), self._n_repeated, self._n_pages, pages)


def _event(row: Mapping[str, Json], place: str) -> HistoryEvent:
    kind = _word(row.get("type"))
    if kind is None:
        raise NotHistory("this event has no type", f"{place}.type")
    text = row.get("message_text")
    if not (text is None or isinstance(text, str)):
        raise NotHistory("this is not text", f"{place}.message_text")
    if text is not None:
        _require_text(text, f"{place}.message_text")
    return HistoryEvent(
        place,
        _id(row, "id") or "",
        kind,
        _word(row.get("role")) or "",
        _milliseconds(row.get("timestamp"), f"{place}.timestamp"),
        text or "",
        _scores(_inner(row.get("emotion_features"), f"{place}.emotion_features"), f"{place}.emotion_features"),
        _inner(row.get("metadata"), f"{place}.metadata"),
        _id(row, "related_event_id"),
    )


def _require_text(text: str, place: str) -> None:
    if len(text) > _LONGEST_TEXT:
        raise NotHistory(f"this text has {len(text)} characters, and at most {_LONGEST_TEXT} are read", place)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise NotHistory("this text has half a surrogate pair", place) from None


def _word(value: Json) -> Optional[str]:
    """A short word of the service's; None where it is none."""
    return value if isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable() else None


def _id(row: Mapping[str, Json], name: str) -> Optional[str]:
    return _word(row.get(name))


def _milliseconds(value: Json, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NotHistory("this is not a time", place)
    if _SECONDS[0] <= value < _SECONDS[1]:
        return round(value * 1000)
    if _MILLISECONDS[0] <= value < _MILLISECONDS[1]:
        return round(value)
    raise NotHistory("this time is neither seconds nor milliseconds since 1970", place)


def _inner(value: Json, place: str) -> Mapping[str, Json]:
    """What a member holds as JSON text; nothing where it holds nothing."""
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        try:
            if has_more_values(value, MAX_VALUES):
                raise NotHistory(f"this has more than {MAX_VALUES} values", place)
            value = strict_json_value(value)
        except RecursionError:
            raise NotHistory("this JSON text is nested too deeply", place) from None
        except NotHistory:
            raise
        except ValueError as error:
            raise NotHistory(f"this is not JSON: {error}", place) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotHistory("this is not a JSON object", place)
    return value


def _scores(value: Mapping[str, Json], place: str) -> Mapping[str, float]:
    for name, score in value.items():
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not -1e6 < score < 1e6:
            raise NotHistory(f"the score of {name[:40]!r} is not a number between -1e6 and 1e6", place)
    return value


def rebuilt(chat: Chat) -> List[Rebuilt]:
    """The events of a chat on its axis, each with the message that the service sent for it, where it sent one.

    Raises:
        NotHistory: Where the speech of a message is, cannot be.
    """
    found = []
    if chat.id is not None and chat.group_id is not None:
        fields = {"type": "chat_metadata", "chat_group_id": chat.group_id, "chat_id": chat.id}
        found.append(Rebuilt(0, None, _frame(fields)))
    for event in chat.events:
        at_ns = (event.at_ms - chat.started_ms) * _MS_NS
        make = _MESSAGES.get(event.type)
        made = None if make is None else make(event)
        if made is None:
            found.append(Rebuilt(at_ns, event, None))
        else:
            found.append(Rebuilt(at_ns, event, _frame(made[0]), made[1]))
    return found


_Made = Optional[Tuple[Dict[str, Json], Tuple[str, ...]]]


def _frame(fields: Mapping[str, Json]) -> Frame:
    return Frame(TEXT, json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8"))


def _models(event: HistoryEvent) -> Dict[str, Json]:
    # A part of them no SDK parses.
    scores = {name: score for name, score in event.scores.items() if name in EMOTIONS}
    return {"prosody": {"scores": scores}} if len(scores) == len(EMOTIONS) else {}


def _user_message(event: HistoryEvent) -> _Made:
    span = _speech(event)
    fields: Dict[str, Json] = {
        "type": "user_message",
        "message": {"role": "user", "content": event.text},
        "models": _models(event),
        "time": {"begin": 0, "end": 0} if span is None else {"begin": span[0], "end": span[1]},
        "from_text": span is None,
        "interim": False,
    }
    return fields, ("time", "from_text", "interim") if span is None else ("interim",)


def _speech(event: HistoryEvent) -> Optional[Tuple[int, int]]:
    """Where the user said it, in milliseconds of the user's audio; None where the history has no speech of it."""
    segments = event.metadata.get("segments")
    times = []
    for segment in segments if isinstance(segments, list) else ():
        time = segment.get("time") if isinstance(segment, dict) else None
        if isinstance(time, dict):
            span = time.get("begin_ms"), time.get("end_ms")
            if not all(isinstance(one, (int, float)) and not isinstance(one, bool) and 0 <= one <= _LONGEST_MS for one in span):
                raise NotHistory("the time of a segment is one that no chat can have", f"{event.place}.metadata")
            times += [round(one) for one in span if one is not None]
    return (min(times), max(times)) if times else None


def _assistant_message(event: HistoryEvent) -> _Made:
    fields: Dict[str, Json] = {
        "type": "assistant_message",
        "id": event.id,
        "message": {"role": "assistant", "content": event.text},
        "models": _models(event),
        "from_text": False,
        "is_quick_response": False,
    }
    return fields, ("id", "from_text", "is_quick_response")


def _assistant_prosody(event: HistoryEvent) -> _Made:
    models = _models(event)
    if event.related is None or not models:
        return None
    return {"type": "assistant_prosody", "id": event.related, "models": models}, ("id",)


def _interruption(event: HistoryEvent) -> _Made:
    return {"type": "user_interruption", "time": event.at_ms}, ("time",)


def _tool_call(event: HistoryEvent) -> _Made:
    try:
        call = strict_json_value(event.text) if event.text[:1] == "{" and not has_more_values(event.text, MAX_VALUES) else None
    except (ValueError, RecursionError):
        call = None
    if not isinstance(call, dict) or not all(isinstance(call.get(name), str) for name in ("name", "parameters", "tool_call_id")):
        return None
    given = {name: call[name] for name in ("name", "parameters", "tool_call_id")}
    required, kind = call.get("response_required"), _word(call.get("tool_type"))
    fields = {
        "type": "tool_call",
        **given,
        "response_required": required if isinstance(required, bool) else True,
        "tool_type": kind or "function",
    }
    assumed = (*(() if isinstance(required, bool) else ("response_required",)), *(() if kind else ("tool_type",)))
    try:
        _frame(fields)
    except UnicodeEncodeError:
        return None
    return fields, assumed


_MESSAGES = {
    "USER_MESSAGE": _user_message,
    "AGENT_MESSAGE": _assistant_message,
    "ASSISTANT_PROSODY": _assistant_prosody,
    "USER_INTERRUPTION": _interruption,
    "FUNCTION_CALL": _tool_call,
}
