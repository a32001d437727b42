"""session.json: the header on disk.

Rules of living here: no files; unknown fields survive; a version that is newer than this one is refused, a newer minor of a known
version is read. The digest of the header itself is of the file's bytes: it is made when a header is encoded, and held against the bytes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields, is_dataclass, replace
from typing import Annotated, Any, Dict, Optional, Tuple

import msgspec

from evi_harness.redacting.redaction import Redactor
from evi_harness.session.foreign_text import has_more_values
from evi_harness.session.header import (
    FORMAT_MINOR,
    FORMAT_VERSION,
    MINOR_OF_HEADER_DIGEST,
    MINOR_OF_LINE_DIGESTS,
    Anchor,
    Header,
    Recorded,
    Times,
    TrackFile,
)
from evi_harness.session.plausible_times import anchors_problem
from evi_harness.storage import upgrades
from evi_harness.storage.codec import is_too_deep, plain
from evi_harness.storage.layout import MAX_NESTING
from evi_harness.storage.lines import Count, with_extra, without_extra

__all__ = ["FORMAT_NAME", "AnchorFields", "HeaderFields", "RecordedFields", "TrackFields", "decode", "digest_problem", "encode", "redacted"]

FORMAT_NAME = "evi-harness session"


class RecordedFields(msgspec.Struct):
    """What the session knows and what it does not."""

    sent: bool
    closed: bool
    times: Times


class AnchorFields(msgspec.Struct):
    """One instant on both clocks."""

    at_ns: Count
    wall: str


class TrackFields(msgspec.Struct):
    """One audio file of the folder."""

    track: Annotated[str, msgspec.Meta(description="user, assistant or heard; a newer minor version may add some")]
    file: str
    n_bytes: Count
    rate: Optional[Count] = None
    channels: Optional[Count] = None
    width: Optional[Count] = None


class HeaderFields(msgspec.Struct, kw_only=True):
    """The members of session.json, in the order in which they are written."""

    format: str
    version: int
    minor: Count = 0
    header_digest: Annotated[
        Optional[str],
        msgspec.Meta(description="SHA-256 in hex of this file's bytes without these 64 digits; null or absent in older versions"),
    ] = None
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
    counts: Dict[str, Count] = {}
    tracks: Tuple[TrackFields, ...] = ()
    digests: Dict[str, str] = {}
    repaired: Optional[Tuple[str, ...]] = None


# The members that hold what people and services wrote, and so could hold a secret.
_FREE_MEMBERS = ("endpoint", "service", "software", "app", "ids", "source", "related", "abandoned", "repaired", "extra")
# It is about the bytes of a file, and a header is not bound to one.
_OF_THE_FILE = ("format", "header_digest")
_MEMBERS = tuple(name for name in HeaderFields.__struct_fields__ if name not in _OF_THE_FILE)
# Eight for each audio file: of a session whose every message brings one it holds six hours.
MAX_VALUES = 1_000_000
_DIGEST = re.compile("[0-9a-f]{64}")


def encode(header: Header) -> bytes:
    """Write a header as the text of session.json; it has its own digest from the minor on that brought it.

    Raises:
        ValueError: It cannot be read again: a value is not of the type that its member has.
    """
    # Before there were digests of lines, a session that was not complete had no digest of anything.
    has_digest = header.minor >= (MINOR_OF_HEADER_DIGEST if header.complete else MINOR_OF_LINE_DIGESTS)
    values = {name: _plain(getattr(header, name)) for name in _MEMBERS}
    if values["repaired"] is None:
        del values["repaired"]
    first = {"format": FORMAT_NAME, "version": values.pop("version"), "minor": values.pop("minor")}
    members: Dict[str, Any] = {**first, **({"header_digest": ""} if has_digest else {}), **values}
    try:
        text = with_extra(msgspec.json.encode(members, enc_hook=str), plain(header.extra), HeaderFields)
    except (msgspec.MsgspecError, TypeError) as error:
        raise ValueError(str(error)) from error
    decode(text)
    text = msgspec.json.format(text, indent=2) + b"\n"
    return _with_digest(text) if has_digest else text


def _with_digest(text: bytes) -> bytes:
    """Put the digest of a text into its place, which is left empty in it and comes before all that people and services wrote."""
    before, name, behind = text.partition(b'"header_digest": "')
    return before + name + hashlib.sha256(text).hexdigest().encode() + behind


def digest_problem(text: bytes) -> Optional[str]:
    """Why a header that can be read is not as it was written.

    Args:
        text: The text of session.json.

    Returns:
        A few words; None where its digest is right, and where it has none: it is of an older minor, or somebody took the digest away on
        purpose.
    """
    members = msgspec.json.decode(text, type=Dict[str, Any])
    digest = members.get("header_digest")
    if digest is None:
        return "its digest is malformed" if _has_misspelt_digest(members) else None
    # What a digest is of can hold everything but that digest.
    rest = text.replace(str(digest).encode(), b"", 1)
    return None if hashlib.sha256(rest).hexdigest() == digest else "its digest differs"


def _has_misspelt_digest(members: Dict[str, Any]) -> bool:
    """Whether a digest stands under a name that no version up to this one knows: the name is the one thing that a digest cannot keep."""
    minor = members.get("minor", 0)
    if not MINOR_OF_HEADER_DIGEST <= minor <= FORMAT_MINOR:
        return False
    unknown = members.keys() - set(HeaderFields.__struct_fields__)
    return any(isinstance(members[name], str) and _DIGEST.fullmatch(members[name]) for name in unknown)


def decode(text: bytes) -> Tuple[Header, int]:
    """Read a header.

    Args:
        text: The text of session.json.

    Returns:
        The header as of the present version, and the version that the lines are of.

    Raises:
        ValueError: It is not a header, or one of a newer version; the message says what is wrong.
    """
    try:
        if has_more_values(text.decode(), MAX_VALUES):
            raise ValueError(f"it has more than {MAX_VALUES} values")
        members = msgspec.json.decode(text)
        if not isinstance(members, dict) or members.get("format") != FORMAT_NAME:
            raise ValueError(f'it has no "format": "{FORMAT_NAME}"')
        version: Any = members.get("version")
        members = _current(members, version)
        if is_too_deep(members):
            raise ValueError(f"it is nested more than {MAX_NESTING} deep")
        known, extra = without_extra(members, HeaderFields)
        found = msgspec.convert(known, HeaderFields)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
    values = {name: getattr(found, name) for name in _MEMBERS}
    values["recorded"] = Recorded(**msgspec.structs.asdict(found.recorded))
    values["tracks"] = tuple(TrackFile(**msgspec.structs.asdict(track)) for track in found.tracks)
    values.update(start=_anchor(found.start), end=_anchor(found.end), extra=extra)
    problem = anchors_problem(values["start"], values["end"])
    if problem is not None:
        raise ValueError(problem)
    return Header(**values), version


def redacted(header: Header, redactor: Redactor) -> Header:
    """The header with secrets replaced in all that people and services wrote."""
    return replace(header, **{name: redactor.data(plain(getattr(header, name))) for name in _FREE_MEMBERS})


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return plain({one.name: getattr(value, one.name) for one in fields(value)} if is_dataclass(value) else value)


def _current(members: Dict[str, Any], version: Any) -> Dict[str, Any]:
    """The members of a header of any version that this one opens, as of this version."""
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"version {version!r} is not a version of the format")
    if version > FORMAT_VERSION:
        raise ValueError(f"it is of format version {version}, and this evi-harness reads versions up to {FORMAT_VERSION}.{FORMAT_MINOR}")
    try:
        return upgrades.upgraded_header(members, version, FORMAT_VERSION)
    except KeyError as error:
        raise ValueError(f"it has format version {version}, which cannot be upgraded to {FORMAT_VERSION}") from error


def _anchor(found: Optional[AnchorFields]) -> Optional[Anchor]:
    return Anchor(found.at_ns, found.wall) if found else None
