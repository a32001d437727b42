"""Recognise files that are not wire captures, and suggest how to convert them.

Rules of living here: what a form looks like is the word of whoever writes it, seen in real files; of what looks like none of these, nothing
is said. A file is only looked at: what is wrong with it has been decided.
"""

from __future__ import annotations

import json
from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Tuple

from evi_harness.evi.messages import MESSAGES
from evi_harness.session.foreign_text import json_value

__all__ = ["ForeignForm", "form_of_bytes", "form_of_row", "form_of_whole", "is_message"]


class ForeignForm(NamedTuple):
    """A form that is not a capture.

    Attributes:
        name: What it is, for the sentence "it looks like …".
        way: What to do with it, as sentences.
    """

    name: str
    way: str


def is_message(value: Any) -> bool:
    """Whether a JSON value is a message of an EVI server that the dialect knows: its type, and what each version of that type has."""
    row = MESSAGES.get(value["type"]) if isinstance(value, Mapping) and isinstance(value.get("type"), str) else None
    return row is not None and row.received and all(name in value for name in row.required)


def form_of_row(value: Any) -> Optional[ForeignForm]:
    """What a line that is not such a message looks like.

    Args:
        value: The line, as JSON; it may be anything.

    Returns:
        The form, None where it looks like nothing that is known here.
    """
    if not isinstance(value, Mapping):
        return None
    return next((form for looks_so, form in _ROWS if looks_so(value)), None) or _wrapped(value)


def form_of_whole(value: Any) -> Optional[ForeignForm]:
    """What a file that is one JSON value looks like.

    Args:
        value: All of it.
    """
    if isinstance(value, list):
        if any(map(is_message, value)):
            return ForeignForm("a JSON array of messages", _by_jq("-c '.[]'"))
        return next(filter(None, map(form_of_row, value[:_LOOKED_AT])), None)
    if not isinstance(value, Mapping):
        return None
    log = value.get("log")
    if isinstance(log, Mapping) and "entries" in log:
        return ForeignForm("a HAR file of a browser", "Import it: evi-harness import har FILE")
    if "events_page" in value:
        return _HISTORY
    if value.get("format") == "evi-harness session":
        return _SESSION
    if is_message(value):
        return ForeignForm("a message on several lines", _by_jq("-c ."))
    return form_of_row(value)


def form_of_bytes(head: bytes) -> Optional[ForeignForm]:
    """What a file that is not text looks like by its first bytes."""
    name = next((name for at, signature, name in _SIGNATURES if head.startswith(signature, at)), None)
    if name is None:
        return None
    return ForeignForm(name, "evi-harness record --mic plays an audio file to EVI." if "audio" in name else "")


_LOOKED_AT = 20
_RECEIVED = 'select(.type == "receive" and .opcode == 1).data'


def _by_jq(program: str) -> str:
    return f"This extracts a capture: jq {program} FILE > capture.jsonl"


_HISTORY = ForeignForm(
    "Hume's chat history",
    "It has neither the messages nor the audio that crossed the wire. This imports what was said: evi-harness import chat-history FILE",
)
_SESSION = ForeignForm("a file of a session folder", "That needs no import: evi-harness replay takes the folder.")
_REALTIME = ("session.", "response.", "conversation.item.", "input_audio_buffer.", "output_audio_buffer.", "rate_limits.")


def _is_of_history(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("type"), str) and row["type"].isupper() and "role" in row and "timestamp" in row


def _is_of_browser(row: Mapping[str, Any]) -> bool:
    return row.get("type") in ("send", "receive") and "opcode" in row and "data" in row


def _is_of_realtime(row: Mapping[str, Any]) -> bool:
    is_error = row.get("type") == "error" and isinstance(row.get("error"), Mapping)
    return is_error or (isinstance(row.get("type"), str) and row["type"].startswith(_REALTIME))


def _is_of_session(row: Mapping[str, Any]) -> bool:
    return "event" in row and "seq" in row and "at_ns" in row


_ROWS: Tuple[Tuple[Callable[[Mapping[str, Any]], bool], ForeignForm], ...] = (
    (_is_of_browser, ForeignForm("the WebSocket messages of a browser, as a HAR file has them", _by_jq(f"-r '{_RECEIVED}'"))),
    (_is_of_history, _HISTORY),
    (_is_of_realtime, ForeignForm("events of OpenAI's Realtime API", "That is not EVI's protocol.")),
    (_is_of_session, _SESSION),
)


def _wrapped(row: Mapping[str, Any]) -> Optional[ForeignForm]:
    """Rows of anybody's with a message in one of their members, as JSON or as its text."""
    for name, inner in row.items():
        if is_message(inner):
            return ForeignForm(f"messages in the member {name!r} of each line", _by_jq(f"-c '.[{json.dumps(name)}]'"))
        if isinstance(inner, str) and is_message(_of_text(inner)):
            return ForeignForm(f"messages as text in the member {name!r} of each line", _by_jq(f"-r '.[{json.dumps(name)}]'"))
    return None


def _of_text(text: str) -> Any:
    try:
        return json_value(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None


_SIGNATURES: List[Tuple[int, bytes, str]] = [
    (8, b"WAVE", "a WAV file, which is audio"),
    (0, b"OggS", "an Ogg file, which is audio"),
    (0, b"fLaC", "a FLAC file, which is audio"),
    (0, b"ID3", "an MP3 file, which is audio"),
    (0, b"\x1aE\xdf\xa3", "a WebM file, which is audio or video"),
    (4, b"ftyp", "an MP4 file, which is audio or video"),
    (0, b"\x1f\x8b", "a file packed by gzip"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\xff\xfe", "UTF-16 text"),
    (0, b"\xfe\xff", "UTF-16 text"),
]
