"""The lane of messages, each with its JSON without audio and secrets; sent audio appears as a density.

Rules of living here: what is cut says so. All texts of a page together are bounded, since a browser has to hold them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from evi_harness.pages.axis_ms import ms
from evi_harness.pages.plain_json import plain_json
from evi_harness.redacting.redaction import Redactor
from evi_harness.replay.judging.findings import FINDINGS
from evi_harness.report.plain import printable
from evi_harness.session.events import Closed, Event, Note, Opened, Received, Sent, Unknown
from evi_harness.session.json_value import Json
from evi_harness.session.notes import STDIN_LINE, sentence_of
from evi_harness.session.protocols import Dialect, Message
from evi_harness.session.session import Session
from evi_harness.session.session_audio import SessionAudio

__all__ = ["MessagesLane", "messages_lane"]

DENSITY_BIN_MS = 100
_MAX_BINS = 200_000
# Longer strings in a message that holds audio are audio, and elsewhere longer than anybody reads.
_LONG_AUDIO = 512
_LONG = 20_000
_MAX_TEXT = 40_000
# Of all messages together; behind that each has its line and no text.
_MAX_TEXTS = 8_000_000
_NS_A_MS = 1_000_000


@dataclass
class MessagesLane:
    """What the lane holds.

    Attributes:
        messages: A row each, in time.
        density: How many frames of audio were sent when; None where none was.
    """

    messages: List[Dict[str, Json]] = field(default_factory=list)
    density: Optional[Dict[str, Json]] = None


def messages_lane(session: Session, dialect: Dialect, redactor: Redactor, handled: Mapping[int, Tuple[int, Optional[int]]]) -> MessagesLane:
    """The messages of a session.

    Args:
        session: The session.
        dialect: What it is in; it tells no secrets.
        redactor: Takes secrets out of the texts.
        handled: When the handler had each received message, by seq.
    """
    heard, texts, lane = session.audio(dialect), _Texts(redactor), MessagesLane()
    audio: List[Sent] = []
    for event in session.events:
        if isinstance(event, Sent) and event in heard:
            audio.append(event)
        elif not isinstance(event, Unknown) and not _is_beside(event):
            lane.messages.append(_message(event, dialect, heard, texts, handled))
    lane.density = _density(audio) if audio else None
    return lane


def _is_beside(event: Event) -> bool:
    """Whether a note has a lane of its own, or says something of every message."""
    return isinstance(event, Note) and event.name not in FINDINGS and not STDIN_LINE.matches(event)


def _message(
    event: Event,
    dialect: Dialect,
    heard: SessionAudio,
    texts: _Texts,
    handled: Mapping[int, Tuple[int, Optional[int]]],
) -> Dict[str, Json]:
    message = dialect.read(event.kind, event.frame) if isinstance(event, (Sent, Received)) else None
    text, is_json, is_cut = None, False, False
    if isinstance(event, (Sent, Received)) and message is not None:
        text, is_json, is_cut = texts.of(message.fields, message.text, is_audio=event in heard)
    elif isinstance(event, Note):
        text, is_json, is_cut = texts.of(event.data, None, is_audio=False)
    begun = handled.get(event.seq)
    return {
        "seq": event.seq,
        "at_ms": ms(event.at_ns),
        "direction": event.kind,
        "type": event.name if isinstance(event, Note) else None if message is None or message.type is None else texts.short(message.type),
        "what": printable(plain_json(texts.redacted(_what(event, message, dialect)))),
        "text": text,
        "is_json": is_json,
        "is_cut": is_cut,
        "n_bytes": event.frame.size if isinstance(event, (Sent, Received)) else 0,
        "audio_ms": ms(heard.length_ns(event.seq)),
        "handled": None if begun is None else {"begin_ms": ms(begun[0]), "end_ms": ms(begun[1])},
    }


def _what(event: Event, message: Optional[Message], dialect: Dialect) -> str:
    if message is not None:
        failed = f" ({event.outcome})" if isinstance(event, Sent) and event.outcome != "sent" else ""
        return dialect.describe(event.kind, message) + failed
    if isinstance(event, Opened):
        return event.handshake.path
    if isinstance(event, Closed):
        code = "no code" if event.code is None else f"code {event.code}"
        return f"by {event.by}, {code}{': ' + event.reason if event.reason else ''}"
    line = STDIN_LINE.read(event)
    if line is not None:
        return f'the app read "{line.text}"'
    return (sentence_of(event) or event.name) if isinstance(event, Note) else event.kind


class _Texts:
    """The texts of messages, as far as there is room for them."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._left = _MAX_TEXTS

    def short(self, text: str) -> str:
        """A word of a message's, such as its type."""
        return printable(self._redactor.string(text))[:200]

    def redacted(self, text: str) -> str:
        """A text without secrets."""
        return self._redactor.string(text)

    def of(self, fields: Mapping[str, Json], text: Optional[str], *, is_audio: bool) -> Tuple[Optional[str], bool, bool]:
        """The text of a message, whether it is JSON, and whether it was cut."""
        if text is None and not fields:
            return None, False, False
        cut = _Cut(_LONG_AUDIO if is_audio else _LONG)
        is_json = text is None
        if text is None:
            whole = json.dumps(cut.value(self._redactor.data(fields)), indent=2, ensure_ascii=False)
        else:
            whole = self._redactor.string(text)
        room = min(_MAX_TEXT, self._left)
        is_cut = len(whole) > room or (cut.n > 0 and not is_audio)
        shown = whole[:room]
        self._left -= len(shown)
        return shown, is_json and len(shown) == len(whole), is_cut


class _Cut:
    """Leaves long strings out of JSON values, and says how long they were.

    Attributes:
        n: How many.
    """

    def __init__(self, longest: int) -> None:
        self.n = 0
        self._longest = longest

    def value(self, value: Json) -> Json:
        if isinstance(value, str) and len(value) > self._longest:
            self.n += 1
            return f"({len(value)} characters)"
        if isinstance(value, Mapping):
            return {name: self.value(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(inner) for inner in value]
        return value


def _density(audio: Sequence[Sent]) -> Dict[str, Json]:
    # A stranger's session may claim to last for years.
    bin_ms = DENSITY_BIN_MS * (audio[-1].at_ns // (_MAX_BINS * DENSITY_BIN_MS * _NS_A_MS) + 1)
    counts = bytearray(audio[-1].at_ns // (bin_ms * _NS_A_MS) + 1)
    for event in audio:
        at = event.at_ns // (bin_ms * _NS_A_MS)
        counts[at] = min(255, counts[at] + 1)
    return {
        "bin_ms": bin_ms,
        "data": base64.b64encode(bytes(counts)).decode(),
        "n_frames": len(audio),
        "n_bytes": sum(event.frame.size for event in audio),
        "begin_ms": ms(audio[0].at_ns),
        "end_ms": ms(audio[-1].at_ns),
    }
