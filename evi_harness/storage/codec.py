"""One event, one line.

A frame's audio is cut out of it and stored once, in a file of its track; the body that is left stands in the line, as readable as it can
be without losing a byte: ``json`` where it is one line of strict JSON, ``text`` where it is UTF-8, ``base64`` otherwise.

Rules of living here: no files; what the audio's file is, the caller says. ``put_together`` is the inverse of ``cut``, and whoever
writes a line reads it back with it before trusting it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Callable, Dict, NamedTuple, Optional, Set, Tuple, Union

import msgspec

from evi_harness.redacting.redaction import Redactor
from evi_harness.session import wav
from evi_harness.session.events import NOTHING, Closed, Event, Frame, Handshake, Note, Opened, Received, Sent, Unknown
from evi_harness.session.foreign_text import MAX_VALUES
from evi_harness.session.json_places import members, nesting
from evi_harness.session.protocols import AudioPlace
from evi_harness.session.wav import Pcm
from evi_harness.storage import base64_form
from evi_harness.storage.layout import MAX_NESTING
from evi_harness.storage.lines import (
    NO_JSON,
    AnyLine,
    ClosedLine,
    Form,
    FrameLine,
    HandshakeFields,
    NoteLine,
    OpenedLine,
    ReceivedLine,
    SentLine,
    UnknownLine,
)
from evi_harness.storage.magic import Container, container

__all__ = [
    "Audio",
    "Pieces",
    "body_fields",
    "body_of",
    "cut",
    "event_extra",
    "event_of",
    "frame_line",
    "has_too_much",
    "is_readable_json",
    "is_too_deep",
    "other_line",
    "payload_of",
    "pieces",
    "plain",
    "put_together",
]

# JSON has integers of any size; beyond 64 bits most readers get them wrong.
_MAX_INTEGER = 2**64
_MAX_DECIMAL_BITS = 10_000
_TOO_DEEP = "[nested too deep]"
# A WAV header with its extra chunks is short; one that is not stays with its audio, in a file of its own.
_MAX_AROUND_BYTES = 4096
_CONTROL_BYTES = bytes(range(0x20))


class Audio(NamedTuple):
    """A frame with its audio cut out.

    Attributes:
        body: The frame without the audio's text or bytes.
        at: Where in the body they belong.
        data: The audio, decoded.
        form: How it is written in base64, None where its bytes stand as they are.
    """

    body: bytes
    at: int
    data: bytes
    form: Optional[Form]


class Pieces(NamedTuple):
    """What of a frame's audio goes into the track's file and what stands around it.

    Attributes:
        samples: The bytes for the file.
        pcm: The format of a WAV file of 16-bit samples, None for a file kept verbatim.
        container: What the verbatim bytes begin, None where they begin nothing that is known.
        whole: Whether the samples begin with a whole frame of their own, as those out of a WAV do.
        head: Bytes before the samples.
        tail: Bytes behind them.
    """

    samples: bytes
    pcm: Optional[Pcm]
    container: Optional[Container] = None
    whole: bool = False
    head: bytes = b""
    tail: bytes = b""


def cut(payload: bytes, place: AudioPlace) -> Optional[Audio]:
    """Cut the audio out of a frame.

    Args:
        payload: The frame's bytes.
        place: Where the audio is.

    Returns:
        The frame in pieces; None where the place is empty or outside of the frame, or holds base64 that cannot be given back exactly.
    """
    if not 0 <= place.start < place.stop <= len(payload):
        return None
    text = payload[place.start : place.stop]
    body = payload[: place.start] + payload[place.stop :]
    if not place.base64:
        return Audio(body, place.start, text, None)
    found = base64_form.read(text)
    return Audio(body, place.start, *found) if found else None


def pieces(data: bytes, place: AudioPlace) -> Pieces:
    """Part the audio of a frame into samples and what stands around them.

    Args:
        data: The audio, decoded.
        place: What the dialect says of it.
    """
    riff = wav.split(data)
    if riff is not None and _is_storable(riff.pcm) and len(riff.head) + len(riff.tail) <= _MAX_AROUND_BYTES:
        return Pieces(riff.samples, riff.pcm, whole=True, head=riff.head, tail=riff.tail)
    is_pcm = place.pcm is not None and _is_storable(place.pcm)
    found = container(data, may_be_samples=is_pcm)
    if found is None and is_pcm:
        return Pieces(data, place.pcm)
    return Pieces(data, None, found)


def _is_storable(pcm: Pcm) -> bool:
    """Whether a format goes into a WAV file: 16 bits, and figures that its header has room for."""
    return pcm.width == 2 and pcm.frame_bytes <= 0xFFFF and pcm.rate * pcm.frame_bytes <= 0xFFFFFFFF


def put_together(body: bytes, at: int, data: bytes, form: Optional[Form]) -> bytes:
    """Put the audio back into a frame; the inverse of ``cut``."""
    return body[:at] + (data if form is None else base64_form.write(data, form)) + body[at:]


def is_readable_json(body: bytes) -> bool:
    """Whether a body can stand in a line as it is: strict JSON on one line, of bounded nesting, that every reader reads."""
    if body.translate(None, _CONTROL_BYTES) != body or body[:1] == b" " or body[-1:] == b" ":
        return False
    if body.count(b"{") + body.count(b"[") > MAX_NESTING and nesting(body) > MAX_NESTING:
        return False
    try:
        body.decode()
        # msgspec refuses a lone surrogate and a number beyond a double, and lets pass what it skips; the scan judges the grammar.
        msgspec.json.decode(body)
        for _ in members(body):
            pass
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


def body_fields(body: bytes) -> Dict[str, Any]:
    """The one field of a line that a body stands in: ``json``, ``text`` or ``base64``."""
    if is_readable_json(body):
        return {"json": msgspec.Raw(body)}
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"base64": body}


def body_of(line: FrameLine) -> bytes:
    """The body that stands in a line; nothing where all of the frame is audio, or where it is in a file of its own."""
    if line.json is not NO_JSON:
        return bytes(line.json)
    if line.text is not None:
        return line.text.encode()
    return line.base64 or b""


def payload_of(line: FrameLine, samples: bytes) -> bytes:
    """The frame of a line, given the bytes of its audio's file; not for a line whose body is in a file of its own."""
    body, audio = body_of(line), line.audio
    return body if audio is None else put_together(body, audio.at, audio.head + samples + audio.tail, audio.form)


def frame_line(event: Union[Sent, Received], **fields: Any) -> FrameLine:
    """The line of a frame.

    Args:
        event: The event; of its frame the opcode alone.
        fields: The body's field, as of ``body_fields`` or ``payload``, none where all is audio; ``audio`` and ``redacted``.
    """
    opcode = event.frame.opcode
    if isinstance(event, Sent):
        return SentLine(event.seq, event.at_ns, opcode, took_ns=event.took_ns, outcome=event.outcome, **fields)
    return ReceivedLine(event.seq, event.at_ns, opcode, taken_ns=event.taken_ns, **fields)


def other_line(event: Event, redactor: Redactor) -> Tuple[AnyLine, Mapping[str, Any]]:
    """The line of an event that holds no frame, with its secrets replaced, and the fields beside it.

    Raises:
        TypeError: It is not such an event.
    """
    found: Set[str] = set()
    extra = redactor.data(plain({name: value for name, value in event_extra(event).items() if name != "redacted"}), found)
    found.update(event_extra(event).get("redacted", ()))
    line: AnyLine
    if isinstance(event, Opened):
        shake = event.handshake
        # Names go first: what they show to be secret is then found by value in the path.
        query, headers = redactor.query(shake.query, found), redactor.headers(shake.headers, found)
        line = OpenedLine(event.seq, event.at_ns, HandshakeFields(redactor.string(shake.path, found), query, headers))
    elif isinstance(event, Closed):
        line = ClosedLine(event.seq, event.at_ns, event.by, event.code, redactor.string(event.reason, found))
    elif isinstance(event, Note):
        name = redactor.string(event.name, found)
        line = NoteLine(event.seq, event.at_ns, name, event.of, redactor.data(plain(event.data), found))
    elif isinstance(event, Unknown):
        line = UnknownLine(redactor.string(event.name, found), event.seq, event.at_ns)
        return line, {**extra, "redacted": sorted(found)} if found else extra
    else:
        raise TypeError(f"an event is opened, sent, received, closed, a note or unknown, not {type(event).__name__}")
    line.redacted = tuple(sorted(found))
    return line, extra


def plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON can hold it and every reader reads it.

    Args:
        value: Anything. A number that JSON does not have, or of more than 64 bits, becomes text; so do names that are not text, and what
            is nested deeper than may be; a lone surrogate becomes its escape. What is not a JSON value at all is left to the encoder.
        depth: How many objects and lists are around it.
    """
    if isinstance(value, str):
        return value if value.isascii() else _text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if -_MAX_INTEGER < value < _MAX_INTEGER else _digits(value)
    is_object = isinstance(value, Mapping)
    if not is_object and not isinstance(value, (list, tuple)):
        return value
    if depth >= MAX_NESTING:
        return _TOO_DEEP
    if is_object:
        return {_text(str(name)): plain(inner, depth + 1) for name, inner in value.items()}
    return [plain(inner, depth + 1) for inner in value]


def is_too_deep(value: Any) -> bool:
    """Whether a JSON value is nested deeper than may be; what a stranger wrote may be nested deeper than the stack is."""
    level = [value]
    for _ in range(MAX_NESTING + 1):
        level = [inner for one in level if isinstance(one, (dict, list)) for inner in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return False
    return True


def has_too_much(value: Any) -> bool:
    """Whether a JSON value holds more values than a message may."""
    n_values, waiting = 0, [value]
    while waiting and n_values <= MAX_VALUES:
        one = waiting.pop()
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        n_values += len(inner)
        waiting += inner if n_values <= MAX_VALUES else ()
    return n_values > MAX_VALUES


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()


def _digits(value: int) -> str:
    # Python writes no decimal number of more than some thousand digits.
    return str(value) if value.bit_length() <= _MAX_DECIMAL_BITS else hex(value)


def event_extra(event: Event) -> Mapping[str, Any]:
    """The fields of an event that this version does not know."""
    extra: Mapping[str, Any] = getattr(event, "extra", NOTHING)
    return extra


def event_of(line: AnyLine, extra: Mapping[str, Any], frame: Optional[Frame]) -> Event:
    """The event of a line.

    Args:
        line: The record.
        extra: The fields beside it.
        frame: The frame of a sent or received line.
    """
    kind = type(line)
    if kind is not UnknownLine and line.redacted:  # type: ignore[union-attr]
        extra = {**extra, "redacted": line.redacted}  # type: ignore[union-attr]
    return _MAKERS[kind](line, extra, frame)


def _opened(line: Any, extra: Mapping[str, Any], _frame: Optional[Frame]) -> Event:
    shake = line.handshake
    return Opened(line.seq, line.at_ns, Handshake(shake.path, shake.query, shake.headers), extra)


def _sent(line: Any, extra: Mapping[str, Any], frame: Any) -> Event:
    return Sent(line.seq, line.at_ns, frame, line.took_ns, line.outcome, extra)


def _received(line: Any, extra: Mapping[str, Any], frame: Any) -> Event:
    return Received(line.seq, line.at_ns, frame, line.taken_ns, extra)


def _closed(line: Any, extra: Mapping[str, Any], _frame: Optional[Frame]) -> Event:
    return Closed(line.seq, line.at_ns, line.by, line.code, line.reason, extra)


def _note(line: Any, extra: Mapping[str, Any], _frame: Optional[Frame]) -> Event:
    return Note(line.seq, line.at_ns, line.name, line.of, line.data, extra)


def _unknown(line: Any, extra: Mapping[str, Any], _frame: Optional[Frame]) -> Event:
    return Unknown(line.seq, line.at_ns, line.event, extra)


_MAKERS: Dict[type, Callable[[Any, Mapping[str, Any], Optional[Frame]], Event]] = {
    OpenedLine: _opened,
    SentLine: _sent,
    ReceivedLine: _received,
    ClosedLine: _closed,
    NoteLine: _note,
    UnknownLine: _unknown,
}
