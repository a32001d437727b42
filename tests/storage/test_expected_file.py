"""Tests of evi_harness.storage.expected_file."""

from __future__ import annotations

import json
import os
import re
import stat

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.errors import SessionUnreadable, SessionUnwritable
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import TEXT, Frame, Handshake, Sent
from evi_harness.session.expectation import Expectation
from evi_harness.storage import expected_file as module
from evi_harness.storage.check import check_folder
from evi_harness.storage.expected_file import (
    expectation_in,
    expectation_text,
    put_expectation,
    read_expectation,
    remove_expectation,
    write_expectation,
)
from evi_harness.storage.schema import line_schema
from evi_harness.strategies import frames

HEAD = b'{"format":"evi-harness expectation","version":1,"session":"6f1f8b7e"}\n'
LINE = b'{"event":"sent","seq":2,"at_ns":5,"frame":"text","json":{"type":"user_input","text":"a"}}\n'
OPENED = b'{"event":"opened","seq":0,"at_ns":0,"handshake":{"path":"/"}}\n'


@pytest.fixture
def folder(record):
    """A session's folder."""
    return record([("received", Frame(TEXT, b"{}")), ("sent", Frame(TEXT, b'{"type":"user_input","text":"a"}'))])


def message(seq, payload):
    """A message that was sent."""
    return Sent(seq, seq * 10, Frame(TEXT, payload))


def expected(*sent, handshake=None):
    """What the session expects."""
    return Expectation("6f1f8b7e", sent, handshake)


@given(st.lists(frames().filter(lambda frame: frame.is_text and b"key" not in frame.payload and b"token" not in frame.payload), max_size=4))
def test_what_is_written_is_read_back(record, payloads):
    """Byte for byte, whatever the messages hold, and check finds nothing wrong with it."""
    folder = record([])
    written = expected(*(Sent(seq, seq, frame) for seq, frame in enumerate(payloads, 1)), handshake=Handshake("/c", (("a", "b"),)))
    write_expectation(folder, written, EVI)
    assert read_expectation(folder) == written
    assert check_folder(folder, EVI) == []


def test_its_lines_are_those_of_events(folder):
    """As the schema has them; how long a send took is left out."""
    write_expectation(folder, expected(Sent(2, 5, Frame(TEXT, b"no json"), took_ns=7), handshake=Handshake("/")), EVI)
    head, *lines = (folder / "expected.jsonl").read_text().splitlines()
    assert json.loads(head) == {"format": "evi-harness expectation", "version": 1, "session": "6f1f8b7e"}
    validator = jsonschema.Draft202012Validator(line_schema())
    for line in lines:
        validator.validate(json.loads(line))
    assert [json.loads(line)["event"] for line in lines] == ["opened", "sent"]
    assert "took_ns" not in lines[1]


def test_a_folder_without_one_expects_what_was_recorded(folder):
    """None is read, taking it away once more does nothing, and events.jsonl is never touched."""
    before = (folder / "events.jsonl").read_bytes()
    assert read_expectation(folder) is None
    remove_expectation(folder)
    write_expectation(folder, expected(message(2, b"x")), EVI)
    assert read_expectation(folder) is not None
    remove_expectation(folder)
    assert read_expectation(folder) is None
    assert (folder / "events.jsonl").read_bytes() == before


def test_only_its_owner_may_read_it(folder):
    """And a file that a killed writer left is no obstacle, nor is a link followed."""
    (folder / ".expected.jsonl.new").write_text("half")
    (folder / "expected.jsonl").symlink_to(folder / "events.jsonl")
    write_expectation(folder, expected(message(2, b"x")), EVI)
    assert stat.S_IMODE((folder / "expected.jsonl").lstat().st_mode) == 0o600
    assert not (folder / "expected.jsonl").is_symlink()
    assert not (folder / ".expected.jsonl.new").exists()
    assert b"opened" in (folder / "events.jsonl").read_bytes()


def test_no_secret_reaches_the_disk(folder):
    """By name in messages and in the handshake, and by value; the line says what was replaced."""
    key = "Kq7ApiKeyOfThisRun0123456789"
    asked = Handshake("/", (("api_key", key), ("v", "1")))
    sent = (message(2, b'{"language_model_api_key":"%s"}' % key.encode()), message(3, b'{"text":"my other-secret-value"}'))
    write_expectation(folder, expected(*sent, handshake=asked), EVI, secrets=["other-secret-value"])
    text = (folder / "expected.jsonl").read_text()
    assert key not in text
    assert "other-secret-value" not in text
    found = read_expectation(folder)
    assert found.handshake.query == (("api_key", "[redacted]"), ("v", "1"))
    assert found.sent[0].extra["redacted"] == ("language_model_api_key",)
    assert check_folder(folder, EVI) == []
    # Written once more it says the same.
    write_expectation(folder, found, EVI)
    assert read_expectation(folder) == found


DAMAGED = {
    "empty": (b"", 1, "empty"),
    "no head": (LINE, 1, 'no "format"'),
    "no JSON": (b"nonsense\n", 1, 'no "format"'),
    "another format": (HEAD.replace(b"expectation", b"session"), 1, 'no "format"'),
    "a newer version": (HEAD.replace(b":1,", b":2,"), 1, "version 2"),
    "cut": (HEAD + LINE[:-1], 2, "ends within"),
    "no line": (HEAD + b"{}\n", 2, "cannot be read"),
    "received": (HEAD + LINE.replace(b"sent", b"received"), 2, "messages .*were sent"),
    "failed": (HEAD + LINE.replace(b'"json"', b'"outcome":"failed","json"'), 2, "messages .*were sent"),
    "unknown": (HEAD + LINE.replace(b"sent", b"hologram"), 2, "messages .*were sent"),
    "no body": (HEAD + b'{"event":"sent","seq":2,"at_ns":5,"frame":"text"}\n', 2, "no body"),
    "too deep": (HEAD + LINE.replace(b'"a"', b"[" * 70 + b"]" * 70), 2, "nested"),
    "a payload": (
        HEAD + b'{"event":"sent","seq":2,"at_ns":5,"frame":"text","payload":{"file":"x","offset":0,"length":1}}\n',
        2,
        "another file",
    ),
    "twice": (HEAD + LINE + LINE, 3, "not come after"),
    "two openings": (HEAD + OPENED + OPENED, 3, "second opening"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_is_damaged_is_refused(folder, case):
    """With file and line and the way back; check tells the same."""
    text, line, what = DAMAGED[case]
    (folder / "expected.jsonl").write_bytes(text)
    with pytest.raises(SessionUnreadable, match=what) as raised:
        read_expectation(folder)
    assert raised.value.where.endswith(f"expected.jsonl, line {line}")
    assert "Delete expected.jsonl" in raised.value.hint
    problems = check_folder(folder, EVI)
    assert [(one.file, one.line) for one in problems] == [("expected.jsonl", line)]
    assert re.search(what, problems[0].what)


def test_check_tells_a_secret_and_another_sessions(folder):
    """Wherever it stands in the file."""
    shaken = OPENED.replace(b'"/"', b'"/","query":[["api_key","abcdefgh"]]')
    (folder / "expected.jsonl").write_bytes(
        HEAD.replace(b"6f1f8b7e", b"another") + shaken + LINE.replace(b'"text"', b'"api_key":"abcdefgh","x"')
    )
    problems = check_folder(folder, EVI)
    assert [(one.file, one.line) for one in problems] == [("expected.jsonl", line) for line in (1, 2, 3)]
    assert "another" in problems[0].what
    assert not any("abcdefgh" in str(one) for one in problems)


def test_a_stranger_is_put_up_with(folder):
    """Neither a link nor a pipe in its place is followed or waited for."""
    path = folder / "expected.jsonl"
    path.symlink_to("/etc/hostname")
    with pytest.raises(SessionUnreadable):
        read_expectation(folder)
    assert [one.file for one in check_folder(folder, EVI)] == ["expected.jsonl", "expected.jsonl"]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SessionUnreadable, match="regular file"):
        read_expectation(folder)


def test_what_is_too_large_is_neither_read_nor_written(folder, monkeypatch):
    """The bound is the same both ways; what was there stays."""
    write_expectation(folder, expected(message(2, b"x")), EVI)
    before = read_expectation(folder)
    monkeypatch.setattr(module, "MAX_EXPECTED_BYTES", 200)
    with pytest.raises(SessionUnwritable, match="200"):
        write_expectation(folder, expected(message(2, b"x" * 200)), EVI)
    assert read_expectation(folder) == before
    (folder / "expected.jsonl").write_bytes(b"x" * 201)
    with pytest.raises(SessionUnreadable, match="larger"):
        read_expectation(folder)


def test_a_folder_that_cannot_be_written_is_told(folder):
    """With the file, and what to do."""
    (folder / "expected.jsonl").mkdir()
    with pytest.raises(SessionUnwritable) as raised:
        write_expectation(folder, expected(message(2, b"x")), EVI)
    assert raised.value.where.endswith("expected.jsonl")
    assert not (folder / ".expected.jsonl.new").exists()
    with pytest.raises(SessionUnwritable):
        remove_expectation(folder)


def test_a_text_is_what_will_be_read(folder):
    """Before it is written, and from then on."""
    text = expectation_text(folder, expected(message(2, b'{"type":"user_input","text":"b"}')), EVI)
    assert not (folder / "expected.jsonl").exists()
    put_expectation(folder, text)
    assert (folder / "expected.jsonl").read_bytes() == text
    assert read_expectation(folder) == expectation_in(text, folder)


@pytest.mark.parametrize("text", [b"", HEAD[:-1], HEAD + b"{}\n"])
def test_a_text_that_is_none(folder, text):
    """As a file that is none."""
    with pytest.raises(SessionUnreadable):
        expectation_in(text, folder)
