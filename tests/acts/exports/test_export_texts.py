"""Tests of the exports of text, each opened by what reads such files and is not ours."""

from __future__ import annotations

import csv
import json
import re
import stat
from pathlib import Path

import pytest
import webvtt

from evi_harness.acts.exports.export_files import FORMS, export_files
from evi_harness.acts.exports.export_texts import export_csv, export_labels, export_metrics, export_trace, export_vtt
from evi_harness.acts.replay import replay_session
from evi_harness.errors import EviHarnessError
from evi_harness.evi.dialect import EVI
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "sessions" / "demo"
WEATHER = ROOT / "sessions" / "weather"
KEY = "Qk7OfThisSession123456789"


def test_captions_have_voices(tmp_path):
    """As webvtt-py reads them; what was left out is said, in the file too."""
    exported = export_vtt(DEMO, tmp_path / "x.vtt")
    cues = webvtt.read(str(exported.file))
    assert [cue.voice for cue in cues][:3] == ["User", "Assistant", "Assistant"]
    assert cues[0].text == "What's the weather in Bath?"
    assert [line.startswith("left out: 1 sentence ") for line in exported.lines()[1:]] == [True]
    assert "never heard" in exported.file.read_text(encoding="utf-8").split("\n\n")[1]
    assert stat.S_IMODE(exported.file.stat().st_mode) == 0o600


def test_labels_have_speech_tools_and_interruptions(tmp_path):
    """In time, as Audacity takes them: three columns with tabs between."""
    rows = [line.split("\t") for line in export_labels(DEMO, tmp_path / "x.txt").file.read_text(encoding="utf-8").splitlines()]
    assert all(len(row) == 3 and float(row[0]) <= float(row[1]) for row in rows)
    assert [float(row[0]) for row in rows] == sorted(float(row[0]) for row in rows)
    assert [row[2] for row in rows if not row[2].startswith(("user: ", "assistant: "))] == ["tool: get_weather", "interruption"]


def test_tables_have_a_line_for_each(tmp_path):
    """Events, and what latency measures."""
    with export_csv(DEMO, tmp_path / "x.csv").file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["seq"]) for row in rows] == [event.seq for event in load_session(DEMO).events]
    exported = export_metrics(WEATHER, tmp_path / "y.csv")
    with exported.file.open(encoding="utf-8", newline="") as stream:
        samples = list(csv.DictReader(stream))
    assert re.match(rf"{len(samples)} samples, 0 of", exported.what)
    assert {"connect.open", "turn_gap"} <= {row["metric"] for row in samples}


def test_a_trace_has_the_handler_of_a_replay(tmp_path, monkeypatch):
    """Beside turns, speech and tools; messages are instants, without the user's frames of audio."""
    monkeypatch.syspath_prepend(str(ROOT / "fixtures" / "handlers"))
    replayed = replay_session(WEATHER, handler=f"{ROOT}/fixtures/handlers/weather.py:WeatherApp").session
    events = json.loads(export_trace(replayed, tmp_path / "x.json").file.read_text(encoding="utf-8"))["traceEvents"]
    drawn = [(one["cat"], one["name"]) for one in events if one["ph"] == "X"]
    assert {"turns", "user", "assistant", "tools", "handler"} <= {lane for lane, _ in drawn}
    assert ("tools", "get_weather") in drawn
    assert ("handler", "tool_call") in drawn
    instants = [one["name"] for one in events if one["ph"] == "i"]
    assert len(instants) < 30
    assert "tool_response" in instants


def test_a_session_in_which_nothing_lasts_has_a_trace_and_no_captions(tmp_path, session_of):
    """A trace has a line at least, which viewers ask for; captions and labels of nothing are an error, and no file."""
    session = session_of([("received", 5, "x")])
    assert export_trace(session, tmp_path / "x.json").what == "1 span"
    for export in (export_vtt, export_labels):
        with pytest.raises(EviHarnessError, match="in this session"):
            export(session, tmp_path / "y")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("wav", "flac")])
def test_no_secret_and_no_control_character_is_written(tmp_path, session_of, form):
    """Of a session in memory, in which nothing was redacted."""
    text = f"{KEY} \x1b[2J <script> --> "
    rows = [
        ("sent", 1, {"type": "session_settings", "language_model_api_key": KEY}),
        (
            "received",
            2,
            {"type": "user_message", "message": {"role": "user", "content": text}, "models": {}, "from_text": True, "interim": False},
        ),
        ("received", 3, {"type": "assistant_message", "message": {"role": "assistant", "content": text}, "models": {}, "from_text": False}),
        ("received", 4, {"type": "tool_call", "name": KEY, "parameters": text, "tool_call_id": KEY, "response_required": True}),
        ("received", 5, {"type": text}),
        ("closed", 6, ("service", 1011, text)),
    ]
    session = session_of(rows, query=(("api_key", KEY),), name=KEY)
    told = list(export_files(session, {form: tmp_path / "x"}))
    written = (tmp_path / "x").read_text(encoding="utf-8")
    assert KEY[:12] not in written + "".join(told)
    assert "\x1b" not in written


def test_a_damaged_session_gives_what_is_left_of_it(tmp_path, weather):
    """And what is missing is said of each form."""
    folder = write_session(tmp_path / "s", weather, EVI)
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:-1]))
    for form in ("vtt", "labels", "csv", "har", "trace"):
        told = list(export_files(folder, {form: tmp_path / form}))
        assert any(line.startswith("missing: ") for line in told), form
