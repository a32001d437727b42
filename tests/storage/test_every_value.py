"""Whatever can be written can be read: events and headers are made from the types of their own fields, so that none is forgotten.

A new kind of event, a new field, or a new value of one is tried here without a change of this file.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import typing
from collections.abc import Mapping as AbstractMapping
from typing import Any, ClassVar, Literal, Union

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.evi.dialect import EVI
from evi_harness.session.events import Closed, Event, Unknown
from evi_harness.session.header import Anchor, Header, Recorded, TrackFile
from evi_harness.session.plausible_times import PlausibleTimes
from evi_harness.storage import append, header_file, lines
from evi_harness.storage.check import check_folder
from evi_harness.storage.header_file import AnchorFields, HeaderFields, RecordedFields, TrackFields
from evi_harness.storage.lines import KINDS, known_fields
from evi_harness.storage.reader import read_session
from evi_harness.storage.schema import header_schema, line_schema
from evi_harness.storage.writer import SessionWriter, write_session

EVENTS = sorted(Event.__subclasses__(), key=lambda kind: kind.__name__)
# What names of members can be: any text, and above all those that mean something.
NAMES = sorted({field.name for kind in (*EVENTS, Header) for field in dataclasses.fields(kind)} | {"event", "json", "format"})
# Lone surrogates too: Python has them wherever bytes that are no UTF-8 were a file's name or an argument.
TEXT = st.text(st.characters(exclude_categories=()))
INTEGERS = st.one_of(st.integers(0, 2**63 - 1), st.integers(), st.sampled_from([-1, 0, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**400]))
# Of these a line says where a frame's body is, and what is beside them depends on that.
MEMBERS = st.one_of(TEXT, st.sampled_from(NAMES)).filter(lambda name: name not in ("redacted", "audio", "payload"))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), INTEGERS, st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(MEMBERS, inner)),
    max_leaves=5,
)


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of a type, as the annotation of a field has it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return JSON
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is Union:
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
        return st.tuples(*map(values_of, arguments))
    if origin is AbstractMapping:
        return st.dictionaries(MEMBERS, values_of(arguments[1]), max_size=4)
    simple = {int: INTEGERS, str: TEXT, bool: st.booleans(), bytes: st.binary(max_size=50), type(None): st.none()}
    return simple[annotation] if annotation in simple else made_of(annotation)


def made_of(kind: type) -> st.SearchStrategy[Any]:
    """Objects of a class, from the types of what it is made of."""
    hints = typing.get_type_hints(kind if dataclasses.is_dataclass(kind) else kind.__init__)
    names = [name for name in inspect.signature(kind).parameters if typing.get_origin(hints[name]) is not ClassVar]
    return st.builds(kind, **{name: values_of(hints[name]) for name in names})


def as_read(value: Any, *, is_typed: bool = False) -> Any:
    """A value as the format page says that it comes back: what JSON has no form for as text, and escapes for lone surrogates.

    The integers of a field that holds nothing else are as they were, or the field is refused.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not is_typed and abs(value) >= 2**64:
        return str(value)
    if isinstance(value, AbstractMapping):
        return {as_read(name): as_read(inner, is_typed=is_typed) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(as_read(inner, is_typed=is_typed) for inner in value)
    return fields_as_read(value) if dataclasses.is_dataclass(value) else value


def fields_as_read(one: Any) -> Any:
    """An event, a header or a part of one as it comes back."""
    hints = typing.get_type_hints(type(one))
    kept = {
        field.name: as_read(getattr(one, field.name), is_typed=Any not in typing.get_args(hints[field.name]))
        for field in dataclasses.fields(one)
    }
    return dataclasses.replace(one, **kept)


def struct_of(event: Event) -> Any:
    """The record that an event is written as."""
    return KINDS.get(event.kind, lines.UnknownLine)


def event_as_read(event: Event) -> Event:
    """An event as it comes back: what stands in place of a field of its own is no extra."""
    found = fields_as_read(event)
    return dataclasses.replace(found, extra=unknown_in(found.extra, struct_of(event), found))


def unknown_in(extra: Any, struct: Any, own: Any) -> Any:
    """What of some fields a record does not know, also within the objects that it has."""
    known, found = known_fields(struct), {}
    for name, value in extra.items():
        if name not in known:
            found[name] = value
        elif known[name] is not None and isinstance(value, dict) and getattr(own, name, None) is not None:
            inner = {one: more for one, more in value.items() if one not in known_fields(known[name])}
            found.update({name: inner} if inner else {})
    return found


def extra_of(event: Event) -> Any:
    """The fields beside those of an event as it was read; of an unknown kind that is all of the line."""
    own = ("redacted", *(known_fields(lines.UnknownLine) if isinstance(event, Unknown) else ()))
    return {name: value for name, value in event.extra.items() if name not in own}


def is_refused(event: Event, times: PlausibleTimes) -> bool:
    """Whether an event is none that a line can stand for: a number out of bounds, or a kind that is unknown and has a known one's name."""
    if isinstance(event, Closed) and event.code is not None and not 0 <= event.code <= 0xFFFF:
        return True
    bounded = [
        field.name for field in msgspec.structs.fields(struct_of(event)) if lines.Count in (field.type, *typing.get_args(field.type))
    ]
    numbers = [getattr(event, name) for name in bounded]
    if any(number is not None and not 0 <= number < 2**63 for number in numbers):
        return True
    if isinstance(event, Unknown) and as_read(event.name) in KINDS:
        return True
    over_ns = max(event.at_ns + (getattr(event, "took_ns", None) or 0), getattr(event, "taken_ns", None) or 0)
    return times.problem(event.at_ns, over_ns) is not None


class Plain:
    """A dialect with no audio and no secrets, so that nothing is redacted."""

    secret_names = folded_names = frozenset()

    def reader(self, handshake=None):
        return self

    def read(self, kind, frame):
        return None


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    """What a disk holds when the power fails is not what is tried here."""
    monkeypatch.setattr(append.os, "fsync", lambda fd: None)


@pytest.mark.parametrize("dialect", [Plain(), EVI], ids=["plain", "evi"])
@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.kind)
def test_every_event_that_is_written_is_read(new_folder, header, kind, dialect):
    """Writer, reader, equal; as the schema says; nothing wrong with the folder; and so again for a copy. Others are refused."""
    validator = jsonschema.Draft202012Validator(line_schema())

    @given(st.lists(made_of(kind), max_size=4))
    @settings(max_examples=settings.default.max_examples // 4)
    def run(events):
        written, times = [], PlausibleTimes(header)
        with SessionWriter(new_folder(), header, dialect) as writer:
            for event in events:
                numbered = dataclasses.replace(event, seq=len(written))
                if is_refused(numbered, times):
                    with pytest.raises(ValueError, match="read again"):
                        writer.write(numbered)
                else:
                    writer.write(numbered)
                    written.append(numbered)
        for line in (writer.folder / "events.jsonl").read_bytes().split(b"\n")[:-1]:
            record = json.loads(line)
            assert record["event"] not in KINDS or validator.is_valid(record)
        session = read_session(writer.folder)
        again = read_session(write_session(new_folder(), session, dialect))
        for read in (session, again):
            found = sorted(read.events, key=lambda event: event.seq)
            if any("redacted" in event.extra for event in found):
                continue
            expected = [event_as_read(event) for event in written]
            assert found == expected
            assert [extra_of(event) for event in found] == [dict(event.extra) for event in expected]
        assert [one for one in check_folder(writer.folder) if one.kind not in ("unknown_event", "time_goes_back", "secret")] == []

    run()


def numbers_of(header: Header) -> Any:
    """The integers of a header that are nothing else."""
    yield from header.counts.values()
    for part in (header.start, header.end, *header.tracks):
        yield from (value for value in vars(part or header).values() if type(value) is int)


# What a writer makes anew, whatever the header says.
MADE_ANEW = ("counts", "tracks", "digests", "complete", "abandoned", "repaired", "version", "minor", "extra")


def test_every_header_that_is_written_is_read(new_folder):
    """Writer, reader, equal; as the schema says; and so for a header alone, with all that a writer makes anew."""
    validator = jsonschema.Draft202012Validator(header_schema())

    @given(made_of(Header))
    @settings(max_examples=settings.default.max_examples)
    def run(header):
        header = dataclasses.replace(header, version=1, minor=0)
        if any(not 0 <= number < 2**63 for number in numbers_of(header)):
            with pytest.raises(ValueError, match="int"):
                header_file.encode(header)
            return
        text = header_file.encode(header)
        validator.validate(json.loads(text))
        found, _ = header_file.decode(text)
        header = fields_as_read(header)
        assert found == header
        assert found.extra == unknown_in(header.extra, HeaderFields, header)
        writer = SessionWriter(new_folder(), header, Plain())
        writer.close()
        session = read_session(writer.folder)
        written = {name: getattr(session.header, name) for name in session.header.__dataclass_fields__ if name not in MADE_ANEW}
        if "[redacted]" not in str(written):
            assert written == {name: getattr(header, name) for name in written}
        assert session.missing == ()

    run()


# What stands for a field of a frame, or for an object that is a record of its own.
OF_A_LINE = {"handshake", "frame", "json", "text", "base64", "payload", "audio", "redacted", "digest"}
RECORDS = [
    (RecordedFields, Recorded, set()),
    (AnchorFields, Anchor, set()),
    (TrackFields, TrackFile, set()),
    (HeaderFields, Header, {"format", "header_digest", "recorded", "start", "end", "tracks"}),
    *((KINDS[kind.kind], kind, OF_A_LINE) for kind in EVENTS if kind.kind in KINDS),
]


@pytest.mark.parametrize(("struct", "kind", "own"), RECORDS, ids=lambda one: getattr(one, "__name__", ""))
def test_records_have_the_types_of_what_they_stand_for(struct, kind, own):
    """Each field of a record has the values of the field of its event or header: all of them, and no others."""
    hints = typing.get_type_hints(kind)
    for field in msgspec.structs.fields(struct):
        if field.name not in own:
            assert values_in(field.type) == values_in(hints[field.name]), field.name


def values_in(annotation: Any) -> Any:
    """A type without what differs in how it is spelt, and without bounds."""
    if hasattr(annotation, "__metadata__"):
        return values_in(annotation.__origin__)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return frozenset(arguments)
    if origin is None:
        return annotation
    return ({AbstractMapping: dict}.get(origin, origin), tuple(map(values_in, arguments)))


def test_the_types_are_those_that_are_written():
    """The test can fail: a value that a record lacks is seen."""
    assert values_in(Literal["measured", "synthesised"]) != values_in(typing.get_type_hints(Recorded)["times"])
