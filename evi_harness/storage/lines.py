"""The records of a session folder, and their JSON.

One record one struct; its fields are those of docs/reference/session-format.md, which a test holds to. A struct is decoded strictly; a line
with fields that this version does not know is taken apart the slow way, and what is unknown is handed on beside the record.

Rules of living here: bytes in, bytes out; no files. A field is only ever added, with a default: a field that goes or changes its
meaning is a new version of the format.
"""

from __future__ import annotations

import functools
from types import MappingProxyType
from typing import Annotated, Any, Dict, Iterable, List, Literal, Mapping, Optional, Tuple, Type, Union, get_args

import msgspec

from evi_harness.session.events import NOTHING, ClosedBy, Opcode, Outcome

__all__ = [
    "KINDS",
    "NO_JSON",
    "AnyLine",
    "ClosedLine",
    "Cut",
    "Form",
    "FrameLine",
    "HandshakeFields",
    "NoteLine",
    "OpenedLine",
    "ReceivedLine",
    "SentLine",
    "Slice",
    "UnknownLine",
    "decode",
    "decode_block",
    "encode",
    "known_fields",
    "with_extra",
    "without_extra",
]

# What every language reads exactly as a 64-bit integer; as nanoseconds 292 years.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
# What a close frame has room for; services send 1000 to 4999.
CloseCode = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
# As JSON writes a break between lines, two of the longest at most: a form must not make much of little.
LineBreak = Annotated[str, msgspec.Meta(max_length=24)]
Pairs = Tuple[Tuple[str, str], ...]

# A frame's body can be the JSON text ``null``, so "no body here" is an object of its own.
NO_JSON = msgspec.Raw(b"")


class _Record(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What all records have: unknown fields are an error, defaults are not written."""


class Slice(_Record):
    """Bytes of a file.

    Attributes:
        file: Its name in the folder.
        offset: The first byte.
        length: How many bytes.
    """

    file: str
    offset: Count
    length: Count


class Form(_Record):
    r"""How audio is written as base64 in a JSON string.

    Attributes:
        alphabet: ``std`` (``+/``) or ``url`` (``-_``).
        padded: Whether ``=`` fills the last group of four.
        wrap: Characters in a line, 0 for one line.
        line_break: What stands between lines, as escaped in the JSON text.
        last_break: Whether a line break stands at the end as well.
        escaped_slash: Whether ``/`` is written ``\/``.
    """

    alphabet: Literal["std", "url"]
    padded: bool
    wrap: Count = 0
    line_break: LineBreak = ""
    last_break: bool = False
    escaped_slash: bool = False


class Cut(_Record):
    """Audio that was cut out of a frame.

    Attributes:
        track: ``user`` or ``assistant``.
        file: Where it is.
        offset: The first byte: of the samples in a track's WAV file, of the file under ``payloads/``.
        length: How many bytes of the file.
        at: Where it goes in the body, in bytes.
        size: Bytes that it takes in the frame, where it is base64.
        form: The form of the base64; without it the bytes stand in the frame as they are.
        head: Bytes of the audio before those of the file: a WAV header.
        tail: Bytes of the audio behind them.
    """

    track: Literal["user", "assistant"]
    file: str
    offset: Count
    length: Count
    at: Count = 0
    size: Optional[Count] = None
    form: Optional[Form] = None
    head: bytes = b""
    tail: bytes = b""


class HandshakeFields(_Record):
    """What the client asked for.

    Attributes:
        path: The path of the request target.
        query: Names and values in order, decoded.
        headers: Names and values in order.
    """

    path: str
    query: Pairs = ()
    headers: Pairs = ()


class OpenedLine(_Record, tag_field="event", tag="opened"):
    """The socket is open."""

    seq: Count
    at_ns: Count
    handshake: HandshakeFields
    redacted: Tuple[str, ...] = ()
    digest: Optional[str] = None


class SentLine(_Record, tag_field="event", tag="sent"):
    """A frame that the app sent."""

    seq: Count
    at_ns: Count
    frame: Opcode
    took_ns: Optional[Count] = None
    outcome: Outcome = "sent"
    json: msgspec.Raw = NO_JSON
    text: Optional[str] = None
    base64: Optional[bytes] = None
    payload: Optional[Slice] = None
    audio: Optional[Cut] = None
    redacted: Tuple[str, ...] = ()
    digest: Optional[str] = None


class ReceivedLine(_Record, tag_field="event", tag="received"):
    """A frame that reached the app."""

    seq: Count
    at_ns: Count
    frame: Opcode
    taken_ns: Optional[Count] = None
    json: msgspec.Raw = NO_JSON
    text: Optional[str] = None
    base64: Optional[bytes] = None
    payload: Optional[Slice] = None
    audio: Optional[Cut] = None
    redacted: Tuple[str, ...] = ()
    digest: Optional[str] = None


class ClosedLine(_Record, tag_field="event", tag="closed"):
    """The socket is closed."""

    seq: Count
    at_ns: Count
    by: ClosedBy
    code: Optional[CloseCode] = None
    reason: str = ""
    redacted: Tuple[str, ...] = ()
    digest: Optional[str] = None


class NoteLine(_Record, tag_field="event", tag="note"):
    """Something observed that did not cross the wire."""

    seq: Count
    at_ns: Count
    name: str
    of: Optional[Count] = None
    data: Dict[str, Any] = {}
    redacted: Tuple[str, ...] = ()
    digest: Optional[str] = None


class UnknownLine(msgspec.Struct, omit_defaults=True):
    """A line of a kind that this version does not know."""

    event: str
    seq: Count
    at_ns: Count
    digest: Optional[str] = None


FrameLine = Union[SentLine, ReceivedLine]
KnownLine = Union[OpenedLine, SentLine, ReceivedLine, ClosedLine, NoteLine]
AnyLine = Union[OpenedLine, SentLine, ReceivedLine, ClosedLine, NoteLine, UnknownLine]

KINDS: Dict[str, Type[msgspec.Struct]] = {
    "opened": OpenedLine,
    "sent": SentLine,
    "received": ReceivedLine,
    "closed": ClosedLine,
    "note": NoteLine,
}


_ENCODER = msgspec.json.Encoder(enc_hook=str)
_DECODER = msgspec.json.Decoder(KnownLine)
_RAW_MEMBERS = msgspec.json.Decoder(Dict[str, msgspec.Raw])


def encode(line: AnyLine, extra: Mapping[str, Any] = NOTHING) -> bytes:
    """Write a record as one line, without the newline.

    Args:
        line: The record.
        extra: Fields beside those of the record, as ``decode`` gave them; one that the record knows is left out.
    """
    text = _ENCODER.encode(line)
    return with_extra(text, extra, type(line)) if extra else text


def decode(text: bytes) -> Tuple[AnyLine, Dict[str, Any]]:
    """Read one line.

    Args:
        text: The line without its newline.

    Returns:
        The record, and the fields that this version does not know; a line of an unknown kind has all its fields there.

    Raises:
        ValueError: The line is not JSON, or not what a line must be; the message says what is wrong.
    """
    if not text.isascii():
        text.decode()
    try:
        return _DECODER.decode(text), {}
    except msgspec.ValidationError:
        return _decode_with_extra(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def decode_block(block: bytes) -> Optional[List[AnyLine]]:
    """Read many whole lines at once.

    Args:
        block: Lines with their newlines.

    Returns:
        The records, or None where the lines must be read one by one to tell what they are.
    """
    if not block.isascii():
        try:
            block.decode()
        except ValueError:
            return None
    try:
        lines: List[AnyLine] = list(_DECODER.decode_lines(block))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    # The decoder passes over empty lines and takes two records in one line.
    return lines if len(lines) == block.count(b"\n") else None


@functools.cache
def known_fields(kind: Type[msgspec.Struct]) -> Mapping[str, Optional[Type[msgspec.Struct]]]:
    """The names of a struct's fields, each with the struct that its value is, if it is one."""
    fields: Dict[str, Optional[Type[msgspec.Struct]]] = {}
    tag_field = kind.__struct_config__.tag_field
    if tag_field:
        fields[tag_field] = None
    for field in msgspec.structs.fields(kind):
        fields[field.encode_name] = _struct_in(field.type)
    return MappingProxyType(fields)


def with_extra(text: bytes, extra: Mapping[str, Any], kind: Optional[Type[msgspec.Struct]] = None) -> bytes:
    """Put fields into the JSON text of a record. What the record has, or could have, of its own stays as it is, also within its objects.

    Args:
        text: The text.
        extra: The fields.
        kind: The record's struct, None for an object that is not known.
    """
    members = _RAW_MEMBERS.decode(text)
    names = known_fields(kind) if kind is not None else {}
    added: Dict[str, Any] = dict(members)
    for name, value in extra.items():
        inner = names.get(name)
        if name not in names and name not in members:
            added[name] = value
        elif inner is not None and isinstance(value, Mapping) and bytes(members.get(name, b""))[:1] == b"{":
            added[name] = msgspec.Raw(with_extra(bytes(members[name]), value, inner))
    return _ENCODER.encode(added)


def without_extra(fields: Mapping[str, Any], kind: Type[msgspec.Struct]) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """Part what a record knows from what it does not, also within the objects that it holds."""
    known: Dict[str, Any] = {}
    extra: Dict[str, Any] = {}
    names = known_fields(kind)
    for name, value in fields.items():
        if name not in names:
            extra[name] = value
            continue
        inner = names[name]
        if inner is not None and isinstance(value, Mapping):
            value, more = without_extra(value, inner)
            if more:
                extra[name] = more
        known[name] = value
    return known, extra


def _struct_in(annotation: Any) -> Optional[Type[msgspec.Struct]]:
    candidates: Iterable[Any] = get_args(annotation) or (annotation,)
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)


def _decode_with_extra(text: bytes) -> Tuple[AnyLine, Dict[str, Any]]:
    """Read a line that the strict decoder refuses."""
    line: Any
    try:
        members = _RAW_MEMBERS.decode(text)
        body = members.pop("json", None)
        fields = {name: msgspec.json.decode(value) for name, value in members.items()}
        kind = KINDS.get(fields.get("event", ""))
        if kind is None:
            line = msgspec.convert(fields, UnknownLine)
            fields.pop("digest", None)
            return line, dict(fields, **({} if body is None else {"json": msgspec.json.decode(body)}))
        known, extra = without_extra(fields, kind)
        line = msgspec.convert(known, kind)
        if body is not None and kind in (SentLine, ReceivedLine):
            line.json = body
        elif body is not None:
            extra["json"] = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return line, extra
