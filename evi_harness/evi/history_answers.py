"""Hume's chat history, told of sessions: what its API answers about their chats, as far as the messages that crossed say it.

The forms are those of the SDK's models ``ReturnPagedChats``, ``ReturnChatPagedEvents``, ``ReturnPagedChatGroups``,
``ReturnChatGroupPagedChats`` and ``ReturnChatGroupPagedEvents``; ``chat_history.py`` reads the same. Timestamps are milliseconds, as in
Hume's own examples, and what an event has nothing to say in (``emotion_features``, ``metadata``) is empty text, as there.

Told are the events whose role Hume's definition gives: what user and assistant said, what was heard in it, interruptions, and calls of
tools with their results. How the text of a call is written is in no document, so a call and its result have none. Left out are
SYSTEM_PROMPT, which a configuration has and no message tells, and the marks whose role nobody has written down.

Rules of living here: pure; what a session cannot tell is not made up. A chat that resumed another is one of several in its group: where
the first of them is not among the sessions, nothing is told of the group.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple
from uuid import UUID

from evi_harness.evi.failures import ERRORS
from evi_harness.evi.messages import EMOTIONS
from evi_harness.evi.reading import read, text_of
from evi_harness.json_dialects.json_messages import member
from evi_harness.session.events import Closed, Handshake, Opened, Received, Sent
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import RECEIVED, SENT, HttpAnswer, Message, ToldSession

__all__ = ["PATHS", "history_answer"]

PATHS: Tuple[str, ...] = (
    "/v0/evi/chats",
    "/v0/evi/chats/{id}",
    "/v0/evi/chat_groups",
    "/v0/evi/chat_groups/{id}",
    "/v0/evi/chat_groups/{id}/events",
)

_MS_NS = 1_000_000
# The SDK's docstrings have both.
_PAGE_SIZE, _MOST_A_PAGE = 10, 100
_NO_NUMBER = 1 << 31
# What ends a chat, in the words of the SDK's ReturnChatStatus. An end without an error is the user's: no other of them fits it better.
_ENDED_BY = {"E0714": "INACTIVITY_TIMEOUT", "E0715": "MAX_DURATION_TIMEOUT"}
_ACTIVE, _USER_ENDED, _ERROR = "ACTIVE", "USER_ENDED", "ERROR"
# RFC 6455, 7.4.1: the codes of an end that was meant. Without a code nothing is known to be wrong either.
_MEANT = frozenset({1000, 1001, None})

Row = Dict[str, Json]


class _NotAsked(ValueError):
    """A request that the service's documentation excludes; its text says why."""


@dataclass(frozen=True)
class _Chat:
    """The chat of a session, as far as it has got.

    Attributes:
        id, group_id: Its ids.
        resumes: Whether it resumed an earlier one.
        config: The configuration that its handshake names, None for none.
        began_ms, ended_ms: When, in milliseconds since 1970; None while it goes on.
        status: How it ended.
        rows: Its events, oldest first.
    """

    id: str
    group_id: str
    resumes: bool
    config: Optional[Row]
    began_ms: int
    ended_ms: Optional[int]
    status: str
    rows: Tuple[Row, ...]

    @property
    def summary(self) -> Row:
        """What lists have of it, a ReturnChat."""
        return {
            "id": self.id,
            "chat_group_id": self.group_id,
            "status": self.status,
            "start_timestamp": self.began_ms,
            "end_timestamp": self.ended_ms,
            "event_count": len(self.rows),
            "metadata": None,
            "config": self.config,
        }


@dataclass(frozen=True)
class _Group:
    """A group of chats, all of which are known.

    Attributes:
        chats: Its chats, oldest first.
    """

    chats: Sequence[_Chat]

    @property
    def id(self) -> str:
        """Its id."""
        return self.chats[0].group_id

    @property
    def summary(self) -> Row:
        """What it says of itself."""
        return {
            "id": self.id,
            "first_start_timestamp": self.chats[0].began_ms,
            "most_recent_start_timestamp": self.chats[-1].began_ms,
            "num_chats": len(self.chats),
            "active": any(chat.status == _ACTIVE for chat in self.chats),
        }


class _History:
    """What sessions tell.

    Args:
        chats: Their chats, oldest first.
    """

    def __init__(self, chats: Sequence[_Chat]) -> None:
        self.chats = chats
        by_group: Dict[str, List[_Chat]] = {}
        for chat in chats:
            by_group.setdefault(chat.group_id, []).append(chat)
        # One whose first chat resumed another has more that nobody knows.
        self.groups = [_Group(found) for found in by_group.values() if not found[0].resumes]

    def chat(self, found: str) -> Optional[_Chat]:
        """The chat with an id."""
        return next((chat for chat in self.chats if chat.id == found), None)

    def group(self, found: str) -> Optional[_Group]:
        """The group with an id."""
        return next((group for group in self.groups if group.id == found), None)


def history_answer(request: Handshake, sessions: Sequence[ToldSession]) -> Optional[HttpAnswer]:
    """Answer a GET request about the chats of sessions.

    Args:
        request: Its path, query and headers.
        sessions: The sessions, as far as they have got, oldest first.

    Returns:
        The answer, which is 400 for a page that cannot be asked for; None where the sessions do not have it: another path, the id of
        another chat, a group with more chats than these, or no chat yet.
    """
    for path, tell in _TOLD.items():
        found = _id_in(path, request.path)
        if found is None:
            continue
        chats = [chat for chat in map(_chat_of, sessions) if chat is not None]
        try:
            body = tell(_History(chats), found, _Asked(request)) if chats else None
        except _NotAsked as error:
            return HttpAnswer({"message": str(error)}, status=400)
        return None if body is None else HttpAnswer(body)
    return None


def _id_in(path: str, asked: str) -> Optional[str]:
    """The id in a path that was asked for, empty where the path has none; None where it is another path."""
    before, mark, after = path.partition("{id}")
    asked = asked.rstrip("/")
    if not mark:
        return "" if asked == path else None
    found = asked[len(before) : len(asked) - len(after)] if asked.startswith(before) and asked.endswith(after) else ""
    return found if found and "/" not in found else None


class _Asked:
    """The page that is asked for, and which rows.

    Raises:
        _NotAsked: The page is none that can be asked for.
    """

    def __init__(self, request: Handshake) -> None:
        self._query = dict(request.query)
        self._number = self._whole("page_number", 0, 0, _NO_NUMBER)
        self._size = self._whole("page_size", _PAGE_SIZE, 1, _MOST_A_PAGE)
        rising = self._query.get("ascending_order", "true").lower()
        if rising not in ("true", "false"):
            raise _NotAsked(f"ascending_order is true or false, not {rising[:40]!r}")
        self._is_rising = rising == "true"

    def _whole(self, name: str, default: int, least: int, most: int) -> int:
        text = self._query.get(name, "")
        if not text:
            return default
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
        if not least <= number <= most:
            raise _NotAsked(f"{name} is a whole number from {least} to {most}, not {text[:40]!r}")
        return number

    def has(self, chat: _Chat) -> bool:
        """Whether a chat is among those that are asked for, by its configuration and status."""
        config_id, status = self._query.get("config_id"), self._query.get("status")
        of_config = not config_id or (chat.config is not None and chat.config["id"] == config_id)
        return of_config and (not status or status == chat.status)

    def page(self, name: str, rows: Sequence[Row]) -> Row:
        """The members of a page.

        Args:
            name: Of the list.
            rows: All rows, oldest first.
        """
        ordered = rows if self._is_rising else rows[::-1]
        first = self._number * self._size
        return {
            "page_number": self._number,
            "page_size": self._size,
            "total_pages": -(-len(rows) // self._size),
            "pagination_direction": "ASC" if self._is_rising else "DESC",
            name: list(ordered[first : first + self._size]),
        }


def _chats(history: _History, _: str, asked: _Asked) -> Optional[Row]:
    return asked.page("chats_page", [chat.summary for chat in history.chats if asked.has(chat)])


def _chat_events(history: _History, found: str, asked: _Asked) -> Optional[Row]:
    chat = history.chat(found)
    if chat is None:
        return None
    told = {name: value for name, value in chat.summary.items() if name != "event_count"}
    return {**told, **asked.page("events_page", chat.rows)}


def _groups(history: _History, _: str, asked: _Asked) -> Optional[Row]:
    if not history.groups:
        return None
    rows: List[Row] = []
    for group in history.groups:
        latest = group.chats[-1]
        if any(map(asked.has, group.chats)):
            rows.append({**group.summary, "most_recent_chat_id": latest.id, "most_recent_config": latest.config})
    return asked.page("chat_groups_page", rows)


def _group(history: _History, found: str, asked: _Asked) -> Optional[Row]:
    group = history.group(found)
    if group is None:
        return None
    return {**group.summary, **asked.page("chats_page", [chat.summary for chat in group.chats if asked.has(chat)])}


def _group_events(history: _History, found: str, asked: _Asked) -> Optional[Row]:
    group = history.group(found)
    if group is None:
        return None
    return {"id": group.id, **asked.page("events_page", [row for chat in group.chats for row in chat.rows])}


_TOLD: Mapping[str, Callable[[_History, str, _Asked], Optional[Row]]] = dict(
    zip(PATHS, (_chats, _chat_events, _groups, _group, _group_events))
)


def _chat_of(session: ToldSession) -> Optional[_Chat]:
    """The chat of a session; None where no message has given its ids."""
    events, began_ms = session.events, session.began_ms
    ids: Optional[Tuple[str, str]] = None
    handshake: Optional[Handshake] = None
    closed: Optional[Closed] = None
    ended_by: Optional[str] = None
    told: List[Tuple[int, _Told]] = []
    for event in events:
        if isinstance(event, Opened):
            handshake = event.handshake
        elif isinstance(event, Closed):
            closed = event
        elif isinstance(event, (Sent, Received)) and event.frame.is_text:
            kind = SENT if isinstance(event, Sent) else RECEIVED
            message = read(kind, event.frame)
            fields = message.fields
            if message.type == "chat_metadata" and kind == RECEIVED:
                chat_id, group_id = fields.get("chat_id"), fields.get("chat_group_id")
                ids = (chat_id, group_id) if isinstance(chat_id, str) and isinstance(group_id, str) else ids
            elif message.type == "error" and kind == RECEIVED:
                ended_by = str(fields.get("code"))
            make = _ROWS.get((kind, message.type or ""))
            row = None if make is None else make(message)
            if row is not None:
                told.append((began_ms + event.at_ns // _MS_NS, row))
    if ids is None:
        return None
    query = {} if handshake is None else dict(handshake.query)
    return _Chat(
        *ids,
        resumes=bool(query.get("resumed_chat_group_id")),
        config=_config(query),
        began_ms=began_ms,
        ended_ms=None if closed is None else began_ms + closed.at_ns // _MS_NS,
        status=_status(closed, ended_by),
        rows=_rows(ids[0], told),
    )


def _config(query: Mapping[str, str]) -> Optional[Row]:
    config_id, version = query.get("config_id"), query.get("config_version", "")
    if not config_id:
        return None
    return {"id": config_id, "version": int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else None}


def _status(closed: Optional[Closed], code: Optional[str]) -> str:
    """How a chat ended: by the last error where that ends chats, else by who closed it, and how."""
    if closed is None:
        return _ACTIVE
    error = None if code is None else ERRORS.get(code)
    if error is not None and error.ends_chat:
        return _ENDED_BY.get(error.code, _ERROR)
    is_meant = closed.by == "app" or (closed.by == "service" and closed.code in _MEANT)
    return _USER_ENDED if is_meant else _ERROR


@dataclass(frozen=True)
class _Told:
    """What a message leaves in the history.

    Attributes:
        type, role: Of the event.
        text: Its text, None for one that is not known.
        scores: What was heard in it, as JSON text; empty for nothing.
        metadata: Likewise.
        sentence: The id of the assistant's sentence that it is, or is about; None for none.
    """

    type: str
    role: str
    text: Optional[str] = ""
    scores: str = ""
    metadata: str = ""
    sentence: Optional[str] = None


def _rows(chat_id: str, told: Sequence[Tuple[int, _Told]]) -> Tuple[Row, ...]:
    ids = [_made_id(chat_id, number) for number in range(len(told))]
    sentences = {one.sentence: own for (_, one), own in zip(told, ids) if one.type == "AGENT_MESSAGE" and one.sentence is not None}
    rows = []
    for (at_ms, one), own in zip(told, ids):
        row: Row = {
            "id": own,
            "chat_id": chat_id,
            "timestamp": at_ms,
            "role": one.role,
            "type": one.type,
            "message_text": one.text,
            "emotion_features": one.scores,
            "metadata": one.metadata,
        }
        if one.type == "ASSISTANT_PROSODY":
            row["related_event_id"] = None if one.sentence is None else sentences.get(one.sentence)
        rows.append(row)
    return tuple(rows)


def _made_id(chat_id: str, number: int) -> str:
    """The id of an event: a UUID, and the same one whenever the session is told."""
    return str(UUID(bytes=hashlib.sha256(f"{chat_id} {number}".encode("utf-8", "surrogatepass")).digest()[:16], version=4))


def _scores(message: Message) -> Dict[str, Json]:
    """The scores of a message, all of them or none."""
    scores = member(message.fields, "models", "prosody", "scores")
    return {name: scores[name] for name in EMOTIONS} if all(name in scores for name in EMOTIONS) else {}


def _json(value: Json) -> str:
    return json.dumps(value) if value else ""


def _user_message(message: Message) -> Optional[_Told]:
    if message.fields.get("interim"):
        return None
    scores, time, text = _scores(message), member(message.fields, "time"), text_of(message.fields)
    metadata = ""
    if message.fields.get("from_text") is False and "begin" in time and "end" in time:
        span: Row = {"begin_ms": time["begin"], "end_ms": time["end"]}
        metadata = _json({"segments": [{"content": text, "scores": list(scores.values()), "time": span}]})
    return _Told("USER_MESSAGE", "USER", text, _json(scores), metadata)


def _sentence(message: Message) -> Optional[str]:
    found = message.fields.get("id")
    return found if isinstance(found, str) else None


def _agent_message(message: Message) -> Optional[_Told]:
    return _Told("AGENT_MESSAGE", "AGENT", text_of(message.fields), _json(_scores(message)), sentence=_sentence(message))


def _prosody(message: Message) -> Optional[_Told]:
    return _Told("ASSISTANT_PROSODY", "AGENT", scores=_json(_scores(message)), sentence=_sentence(message))


def _interruption(_: Message) -> Optional[_Told]:
    return _Told("USER_INTERRUPTION", "USER")


def _call(_: Message) -> Optional[_Told]:
    return _Told("FUNCTION_CALL", "TOOL", text=None)


def _result(_: Message) -> Optional[_Told]:
    return _Told("FUNCTION_CALL_RESPONSE", "TOOL", text=None)


# What is sent answers a tool of the app's, what is received one of the service's own.
_ROWS: Mapping[Tuple[str, str], Callable[[Message], Optional[_Told]]] = {
    (RECEIVED, "user_message"): _user_message,
    (RECEIVED, "assistant_message"): _agent_message,
    (RECEIVED, "assistant_prosody"): _prosody,
    (RECEIVED, "user_interruption"): _interruption,
    (RECEIVED, "tool_call"): _call,
    **{(kind, name): _result for kind in (SENT, RECEIVED) for name in ("tool_response", "tool_error")},
}
