"""Tests of the export to HAR; that it comes back as it was is tested with the import."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from haralyzer import HarParser

from evi_harness.acts.exports.export_har import export_har
from evi_harness.errors import SessionUnreadable, UsageError
from evi_harness.session.events import Frame, Received
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[3]
TYPED = ROOT / "sessions" / "typed"
KEY = "Qk7OfThisSession123456789"


def entry_of(exported):
    """The one entry of a HAR file."""
    (entry,) = json.loads(exported.file.read_text(encoding="utf-8"))["log"]["entries"]
    return entry


def test_the_file_is_whole_private_and_said_to_be_made_up(tmp_path):
    """Like any export; haralyzer, which is not ours, reads it; what was not measured is said."""
    exported = export_har(TYPED, tmp_path / "x.har")
    assert exported.lines() == [f"{tmp_path}/x.har: 8 messages", "synthesised times"]
    assert stat.S_IMODE(exported.file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["x.har"]
    with pytest.raises(UsageError, match="already exists"):
        export_har(TYPED, tmp_path / "x.har")
    export_har(TYPED, tmp_path / "x.har", overwrite=True)
    parser = HarParser(json.loads(exported.file.read_text(encoding="utf-8")))
    assert parser.creator["name"] == "evi-harness"
    assert parser.har_data["entries"][0]["response"]["status"] == 101
    assert "times are synthesised" in json.loads(exported.file.read_text(encoding="utf-8"))["log"]["comment"]


def test_the_request_is_the_handshake(tmp_path, session_of):
    """Its URL with the query, and its headers."""
    session = session_of([], query=(("config_id", "a&b c"),), headers=(("User-Agent", "app"),), endpoint="http://127.0.0.1:8765/x")
    request = entry_of(export_har(session, tmp_path / "x.har"))["request"]
    assert request["url"] == "ws://127.0.0.1:8765/v0/evi/chat?config_id=a%26b+c"
    assert request["queryString"] == [{"name": "config_id", "value": "a&b c"}]
    assert request["headers"] == [{"name": "User-Agent", "value": "app"}]
    many = session_of([], query=(("a", "b"),) * 5000)
    assert len(entry_of(export_har(many, tmp_path / "z.har"))["request"]["queryString"]) == 5000
    url = entry_of(export_har(TYPED, tmp_path / "y.har"))["request"]["url"]
    assert url.startswith("wss://unknown.invalid/v0/evi/chat?")


def test_no_secret_of_a_session_is_written(tmp_path, session_of):
    """By name in the query, the headers and messages; by value wherever it stands, in audio and base64 too."""
    rows = [
        ("sent", 1, {"type": "session_settings", "language_model_api_key": KEY}),
        ("sent", 2, f"{KEY} in a text"),
        ("sent", 3, KEY.encode() + b"\0"),
        ("received", 4, {"type": "error", "message": KEY}),
        ("closed", 5, ("service", 4000, KEY)),
    ]
    pairs = (("api_key", KEY), ("x", KEY))
    session = session_of(rows, query=pairs, headers=(("Authorization", f"Bearer {KEY}"),), endpoint=f"https://u:{KEY}@h/?api_key={KEY}")
    opened = replace(session.opened, handshake=replace(session.handshake, path=f"/v0/evi/chat/{KEY}"))
    named = replace(session, header=replace(session.header, id=f"id-{KEY}"), events=(opened, *session.events[1:]))
    exported = export_har(named, tmp_path / "x.har")
    assert entry_of(exported)["request"]["url"].startswith("wss://h/v0/evi/chat/[redacted]?")
    assert KEY[:12] not in exported.file.read_text(encoding="utf-8")
    assert "S3E3T2ZUaGlzU2Vzc2" not in exported.file.read_text(encoding="utf-8")
    assert "[redacted]" in entry_of(exported)["_webSocketMessages"][0]["data"]


def test_a_session_without_times_on_a_clock(tmp_path, session_of):
    """The file says when the session was made, or a year that nobody takes for real; and the command says so."""
    for start, created, told in ((None, "2026-01-02T03:04:05.000000Z", "2026-01-02"), (None, "long ago", "2000-01-01")):
        exported = export_har(session_of([("received", 5, "x")], start=start, created=created), tmp_path / "x.har", overwrite=True)
        assert entry_of(exported)["startedDateTime"].startswith(told)
        assert "not say when" in exported.lines()[1]


def test_what_is_missing_is_said(tmp_path, session_of):
    """What is not in the session is not in the file."""
    session = replace(session_of([("received", 5, "x")]), missing=("the end\x1b[2J",))
    assert export_har(session, tmp_path / "x.har").lines()[1:] == ["missing: the end\\x1b[2J"]
    alone = replace(session, events=(Received(0, 0, Frame("text", b"x")),))
    with pytest.raises(SessionUnreadable, match="connection was opened"):
        export_har(alone, tmp_path / "y.har")
    assert load_session(TYPED).missing == ()
