"""Tests of evi_harness.storage.header_file; headers that cannot be read stand in the reader's tests."""

from __future__ import annotations

import json
from dataclasses import fields

from evi_harness.redacting.redaction import Redactor
from evi_harness.session.header import FORMAT_MINOR, Anchor, Header, Recorded, TrackFile
from evi_harness.storage import header_file
from evi_harness.storage.header_file import HeaderFields

FULL = Header(
    id="1",
    made_by="record",
    created="2026-11-22T12:00:00Z",
    dialect="evi",
    endpoint="wss://host/v0/evi/chat",
    service="hume",
    software={"python": "3.9"},
    app={"git_dirty": True},
    ids={"chat_id": "x"},
    recorded=Recorded(False, False, "synthesised"),
    user_interrupt="dropped",
    start=Anchor(0, "2026-11-22T12:00:00.000000Z"),
    end=Anchor(5, "2026-11-22T12:00:05.000000Z"),
    tracks=(TrackFile("user", "user.wav", 4, 16_000, 1, 2), TrackFile("user", "payloads/user.1.bin", 4)),
    counts={"sent": 1},
    digests={"user.wav": "00"},
    complete=True,
    abandoned="no",
    source={"file": "x", "deep": {"a": [1]}},
    related={"before": "2"},
    extra={"new": {"a": None}, "recorded": {"smell": 1}},
)


def test_decode_is_the_inverse_of_encode(header):
    """A full header and one with nothing in it come back, with what is unknown, and the version of the lines."""
    for one in (FULL, header):
        got, version = header_file.decode(header_file.encode(one))
        assert (got, got.extra, version) == (one, one.extra, 1)


def test_the_file_is_for_people():
    """It is indented, ends with a newline and begins with what it is."""
    text = header_file.encode(FULL).decode()
    assert text.startswith(f'{{\n  "format": "evi-harness session",\n  "version": 1,\n  "minor": {FORMAT_MINOR},\n')
    assert text.endswith("}\n")
    assert json.loads(text)["tracks"][1]["rate"] is None


def test_file_and_header_have_the_same_members():
    """A member that is added to the one is added to the other, but for those that are about the file."""
    assert {*HeaderFields.__struct_fields__} - {"format", "header_digest"} == {field.name for field in fields(Header)} - {"extra"}


def test_redaction_leaves_what_is_no_text_of_others():
    """Without secrets the header stays what it is."""
    assert header_file.redacted(FULL, Redactor({"api_key"}, (), ["0123456789"])) == FULL
