"""Tests of evi_harness.storage.schema."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import jsonschema
import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.session import wav
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Note, Opened, Received, Sent
from evi_harness.session.header import Anchor
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm
from evi_harness.storage.schema import SCHEMA_FILES, header_schema, line_schema, write_schemas
from evi_harness.storage.writer import write_session

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference"
BLOB = wav.header(Pcm(24_000, 1), 40) + b"\xff\xfe" * 20
WRAPPED = b"\\n".join([base64.b64encode(BLOB)[:76], base64.b64encode(BLOB)[76:]]).rstrip(b"=").replace(b"/", b"\\/")


@pytest.fixture(scope="module")
def folder(new_folder, header):
    """A folder with every kind of line and every form of body."""
    frames = [b'{"a":null}', b"null", b"text", b"\xff", b'{"type":"audio_output","data":"' + WRAPPED + b'"}', b"x" * 9_000_000]
    events = [
        Opened(0, 0, Handshake("/", (("api_key", "abc"),), (("X", "y"),))),
        *(Received(seq, seq, Frame(TEXT, payload), taken_ns=seq) for seq, payload in enumerate(frames, 1)),
        Sent(10, 10, Frame(BINARY, b"abc"), took_ns=1, outcome="cancelled"),
        Sent(11, 11, Frame(TEXT, b'{"api_key":"abc"}')),
        Note(12, 12, "x", 11, {"a": 1}),
        Note(13, 13, "y"),
        Closed(14, 14, "app", 1000, "bye"),
        Closed(15, 15, "network"),
    ]
    return write_session(new_folder(), Session(header, tuple(events)), EVI)


def closed(schema):
    """A schema that forbids members it does not name, where it names some."""
    if isinstance(schema, dict):
        schema = {name: closed(inner) for name, inner in schema.items()}
        return {**schema, "additionalProperties": False} if "properties" in schema and "title" in schema else schema
    return [closed(inner) for inner in schema] if isinstance(schema, list) else schema


def test_every_line_is_as_the_schema_says(folder):
    """All that the writer makes is valid, also where no unknown member is allowed."""
    validator = jsonschema.Draft202012Validator(closed({**line_schema(), "title": None}))
    lines = (folder / "events.jsonl").read_text().splitlines()
    assert len(lines) == 13
    for line in lines:
        validator.validate(json.loads(line))


def test_the_header_is_as_the_schema_says(folder, new_folder, header):
    """A complete and an incomplete header are valid."""
    validator = jsonschema.Draft202012Validator(header_schema())
    validator.validate(json.loads((folder / "session.json").read_text()))
    anchored = Session(header.__class__(**{**vars(header), "complete": True, "start": Anchor(0, "x")}), ())
    validator.validate(json.loads((write_session(new_folder(), anchored, EVI) / "session.json").read_text()))


@pytest.mark.parametrize(
    "line",
    [
        {"event": "closed", "seq": 0, "at_ns": 0},
        {"event": "hologram", "seq": 0, "at_ns": 0},
        {"event": "note", "seq": -1, "at_ns": 0, "name": "x"},
        {"event": "sent", "seq": 0, "at_ns": 0, "frame": "ping", "text": ""},
        {"event": "sent", "seq": 0, "at_ns": 0, "frame": "text", "audio": {"track": "nobody", "file": "x", "offset": 0, "length": 0}},
    ],
)
def test_what_is_wrong_is_not_valid(line):
    """The schema refuses what the reader refuses."""
    assert not jsonschema.Draft202012Validator(line_schema()).is_valid(line)


def test_a_newer_minor_version_is_valid():
    """Members that are not named are allowed in what is published."""
    line = {"event": "note", "seq": 0, "at_ns": 0, "name": "x", "new": 1}
    assert jsonschema.Draft202012Validator(line_schema()).is_valid(line)


def test_the_published_schemas_are_up_to_date(tmp_path):
    """docs/reference/ holds what the records give; if not: python -m evi_harness.storage.schema docs/reference."""
    write_schemas(tmp_path)
    for name, schema in SCHEMA_FILES.items():
        jsonschema.Draft202012Validator.check_schema(schema())
        assert (DOCS / name).read_text() == (tmp_path / name).read_text()
