"""session.json: the header as it stands on disk.

Rules of living here: no files; unknown fields survive; a version that is newer than this one is refused, a newer minor of a known
version is read.
"""

from __future__ import annotations

from typing import Annotated, Any, Dict, Literal, Mapping, Optional, Tuple

import msgspec

from evi_harness.session.header import FORMAT_MINOR, FORMAT_VERSION, Anchor, Header, Recorded, TrackFile
from evi_harness.storage import upgrades
from evi_harness.storage.lines import with_extra, without_extra
from evi_harness.storage.redaction import Redactor

__all__ = ["FORMAT_NAME", "AnchorFields", "HeaderFields", "RecordedFields", "TrackFields", "decode", "encode", "redacted"]

FORMAT_NAME = "evi-harness session"


class RecordedFields(msgspec.Struct):
    """What the session knows and what it does not."""

    sent: bool
    closed: bool
    times: Literal["measured", "synthesised", "taken"]


class AnchorFields(msgspec.Struct):
    """One instant on both clocks."""

    at_ns: int
    wall: str


class TrackFields(msgspec.Struct):
    """One audio file of the folder."""

    track: Annotated[str, msgspec.Meta(description="user, assistant or heard; a newer minor version may add some")]
    file: str
    n_bytes: int
    rate: Optional[int] = None
    channels: Optional[int] = None
    width: Optional[int] = None


class HeaderFields(msgspec.Struct, kw_only=True):
    """The members of session.json, in the order in which they are written."""

    format: str
    version: int
    minor: int = 0
    id: str
    made_by: str
    created: str
    dialect: str
    recorded: RecordedFields
    complete: bool
    endpoint: Optional[str] = None
    service: str = "unknown"
    user_interrupt: str = "unknown"
    abandoned: Optional[str] = None
    start: Optional[AnchorFields] = None
    end: Optional[AnchorFields] = None
    software: Dict[str, str] = {}
    app: Dict[str, Any] = {}
    ids: Dict[str, str] = {}
    source: Dict[str, Any] = {}
    related: Dict[str, str] = {}
    counts: Dict[str, int] = {}
    tracks: Tuple[TrackFields, ...] = ()
    digests: Dict[str, str] = {}


# The members that hold what people and services wrote, and so could hold a secret.
_FREE_MEMBERS = ("endpoint", "software", "app", "ids", "source", "related", "abandoned", "extra")


def encode(header: Header) -> bytes:
    """Write a header as the text of session.json."""
    members: Dict[str, Any] = {"format": FORMAT_NAME}
    for name in HeaderFields.__struct_fields__[1:]:
        value = getattr(header, name)
        members[name] = dict(value) if isinstance(value, Mapping) else value
    text = with_extra(msgspec.json.encode(members, enc_hook=str), header.extra)
    return msgspec.json.format(text, indent=2) + b"\n"


def decode(text: bytes) -> Tuple[Header, int]:
    """Read a header.

    Args:
        text: The text of session.json.

    Returns:
        The header as of the present version, and the version that the lines are of.

    Raises:
        ValueError: It is no header, or one of a newer version; the message says what is wrong.
    """
    try:
        members = msgspec.json.decode(text)
        if not isinstance(members, dict) or members.get("format") != FORMAT_NAME:
            raise ValueError(f'there is no "format": "{FORMAT_NAME}" in it')
        version: Any = members.get("version")
        members = _current(members, version)
        known, extra = without_extra(members, HeaderFields)
        fields = msgspec.convert(known, HeaderFields)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
    values = {name: getattr(fields, name) for name in HeaderFields.__struct_fields__ if name != "format"}
    values["recorded"] = Recorded(**msgspec.structs.asdict(fields.recorded))
    values["tracks"] = tuple(TrackFile(**msgspec.structs.asdict(track)) for track in fields.tracks)
    values.update(start=_anchor(fields.start), end=_anchor(fields.end), extra=extra)
    return Header(**values), version


def redacted(header: Header, redactor: Redactor) -> Header:
    """The header with secrets replaced in all that people and services wrote."""
    changed = {name: getattr(header, name) for name in header.__dataclass_fields__}
    changed.update((name, redactor.data(changed[name])) for name in _FREE_MEMBERS)
    return Header(**changed)


def _current(members: Dict[str, Any], version: Any) -> Dict[str, Any]:
    """The members of a header of any version that this one opens, as of this version."""
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"version {version!r} is no version of the format")
    if version > FORMAT_VERSION:
        raise ValueError(f"it is of format version {version}, and this evi-harness knows versions up to {FORMAT_VERSION}.{FORMAT_MINOR}")
    try:
        return upgrades.upgraded_header(members, version, FORMAT_VERSION)
    except KeyError as error:
        raise ValueError(f"it is of format version {version}, which nothing brings up to {FORMAT_VERSION}") from error


def _anchor(fields: Optional[AnchorFields]) -> Optional[Anchor]:
    return Anchor(fields.at_ns, fields.wall) if fields else None
