"""Tests of ``import events``: real sessions of five services, files in every form, and files that are something else."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import yaml

import evi_harness
from evi_harness.acts.imports.import_events import import_events
from evi_harness.acts.replay import replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.cli.main import main
from evi_harness.dialects import dialect_of
from evi_harness.errors import ImportRefused
from evi_harness.session.events import Closed, Note, Received, Sent
from evi_harness.session.session import Session
from evi_harness.verdicts.loading import load_session

CREATE = {"type": "response.create", "event_id": "mine"}
DONE = {"type": "response.done", "response": {"id": "r", "status": "completed"}}

MARCELO = "Hello, my name is Marcelo."
COLOUR = "What is my name and favorite color?"
LONDON = "What is the weather in London?"
GREET = "Say a short greeting."
# By file: its turns as (what the user says, how the reply begins, how many tools are called), and how many events answer the opening, what
# was sent, what was received, and a position.
SESSIONS: Dict[str, Tuple[List[Tuple[str, str, int]], Tuple[int, int, int, int]]] = {
    "azure-audio_in_server_vad_transcribes": ([(MARCELO, "Hi Marcelo,", 0)], (1, 1, 0, 55)),
    "azure-message_history_seeding": ([(COLOUR, "Your name", 0)], (1, 47, 0, 0)),
    "azure-tool_call_round": ([(LONDON, "It is", 1)], (1, 44, 0, 0)),
    "azure_voice_live-audio_in_server_vad_turn": ([("Cześć, nazywam się Marcelo.", "Hi Marcelo,", 0)], (1, 1, 0, 45)),
    "azure_voice_live-text_in_audio_out_turn": ([(GREET, "Hola, ¿qué", 0)], (1, 23, 0, 0)),
    "azure_voice_live-tool_call_round": ([(LONDON, "It's foggy", 1)], (1, 41, 0, 0)),
    "openai-audio_in_server_vad_turn": ([(MARCELO, "Hello, Marcelo!", 0)], (1, 1, 0, 66)),
    "openai-input_audio_retention_segments_three_server_vad_turns": (
        [(MARCELO, "Hi Marcelo!", 0), (MARCELO, "Hi Marcelo!", 0), (MARCELO, "Hey Marcelo,", 0)],
        (1, 1, 3, 127),
    ),
    "openai-message_history_seeding": ([(COLOUR, "Your name", 0)], (1, 28, 0, 0)),
    "openai-tool_call_round": ([(LONDON, "It is", 1)], (1, 44, 0, 0)),
    "openai_ws_sideband-webrtc_sideband_text_turn": ([("Say hello.", "Hello there!", 0)], (0, 15, 0, 0)),
    "parity-history_seeding_parity-gateway-openai": ([(COLOUR, "Your name", 0)], (1, 27, 0, 0)),
    "parity-text_tool_round_parity-openai-current": ([(LONDON, "I’ll check", 1)], (1, 55, 1, 0)),
    "parity-text_tool_round_parity-xai-current": ([(LONDON, "I'll check", 1)], (2, 46, 1, 0)),
    "xai-audio_in_server_vad_turn": ([(MARCELO, "Hello Marcelo!", 0)], (2, 1, 1, 28)),
    "xai-text_in_audio_out_turn": ([(GREET, "Hello there!", 0)], (2, 15, 1, 0)),
    "xai-tool_call_round": ([(LONDON, "I'll check", 1)], (2, 48, 1, 0)),
}


def imported(path: Path, content: str, out: Path) -> Session:
    """The session that becomes of a file."""
    path.write_text(content, encoding="utf-8")
    (folder,) = import_events(path, out=out).folders
    return load_session(folder, verify=True)


def messages(session: Session) -> List[Any]:
    """What crossed, with its direction."""
    return [(event.kind, json.loads(event.frame.payload)) for event in session.events if isinstance(event, (Sent, Received))]


@pytest.mark.parametrize("name", SESSIONS)
def test_a_real_session(name: str, shared_data: Path, tmp_path: Path) -> None:
    """It is imported whole, has nothing wrong with it, meets itself twice over, and has the turns and causes that are known of it."""
    file = shared_data / "openai-realtime" / f"{name}.yaml"
    (folder,) = import_events(file, out=tmp_path).folders
    assert check_session(folder) == []
    session = load_session(folder, verify=True)
    rows = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["interactions"]
    assert messages(session) == [(row["direction"], row["data"]) for row in rows]
    assert (session.header.dialect, session.header.recorded.times, session.header.recorded.closed) == (
        "openai-realtime",
        "synthesised",
        False,
    )
    dialect = dialect_of(session)
    turns, kinds = SESSIONS[name]
    found = [(turn.user_text, " ".join(turn.reply_text.split()[:2]), len(turn.tool_calls)) for turn in dialect.turns(session.events)]
    assert found == turns
    counts = Counter(cause.kind for cause in dialect.causes(session.events).values())
    assert tuple(counts[kind] for kind in ("opened", "sent", "received", "position")) == kinds
    assert dialect.rejected(session.events) == {}
    assert replay_session(folder, handler="recorded", twice=True).passed


def test_all_real_sessions_are_in_the_table(shared_data: Path) -> None:
    """So that one that is added has its row."""
    assert {file.stem for file in (shared_data / "openai-realtime").glob("*.yaml")} == set(SESSIONS)


@pytest.mark.parametrize(
    "content",
    [
        f"{json.dumps(CREATE)}\n\n{json.dumps(DONE)}\r\n",
        "\ufeff" + json.dumps(CREATE) + "\n" + json.dumps({"direction": "received", "message": DONE}),
        json.dumps([CREATE, DONE], indent=2),
        json.dumps({"events": [CREATE, {"data": DONE}]}),
        json.dumps({"events": [CREATE, {"data": DONE}], "version": 1}, indent=1),
        yaml.safe_dump({"version": 1, "interactions": [{"direction": "sent", "data": CREATE}, {"direction": "received", "data": DONE}]}),
        yaml.safe_dump([CREATE, DONE]),
    ],
    ids=["lines", "lines with a mark", "list", "list in an object on a line", "list in an object", "yaml", "yaml list"],
)
def test_every_form(content: str, tmp_path: Path) -> None:
    """Two messages, in the form that the file has."""
    session = imported(tmp_path / "log", content, tmp_path / "out")
    assert messages(session) == [("sent", CREATE), ("received", DONE)]
    (note,) = [event for event in session.events if isinstance(event, Note)]
    assert note.data["form"] == "events"


def test_lines_keep_their_bytes(tmp_path: Path) -> None:
    """And what is written anew is said to be."""
    line = '{ "type" :\t"response.create" }'
    session = imported(tmp_path / "log.jsonl", f"{line}\n{json.dumps({'data': DONE})}\n", tmp_path / "out")
    assert session.sent[0].frame.payload == line.encode()
    (note,) = [event for event in session.events if isinstance(event, Note)]
    assert str(note.data["assumed"]).count("1") == 1


def test_times_of_a_file(tmp_path: Path) -> None:
    """They count from the first row and are measured; what goes back is simultaneous with what was before it, and said."""
    rows = [{"time_ms": 500, "data": CREATE}, {"time_ms": 740, "data": DONE}, {"time_ms": 730, "data": DONE}]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    result = import_events(path, out=tmp_path / "out")
    session = load_session(result.folders[0])
    assert session.header.recorded.times == "measured"
    assert [event.at_ns // 1_000_000 for event in session.events if isinstance(event, (Sent, Received))] == [0, 240, 240]
    assert any("10.000 ms" in remark for remark in result.remarks)


def test_the_close_is_kept(tmp_path: Path) -> None:
    """By whom and with which code; what comes behind it is left out, and counted."""
    rows = [{"data": CREATE}, {"kind": "close", "direction": "received", "code": 1001}, {"data": DONE}]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    result = import_events(path, out=tmp_path / "out")
    session = load_session(result.folders[0])
    assert session.header.recorded.closed
    closed = session.events[-1]
    assert isinstance(closed, Closed)
    assert (closed.by, closed.code) == ("service", 1001)
    assert any(remark.startswith("1 row") for remark in result.remarks)


def test_no_secret_is_kept(tmp_path: Path) -> None:
    """Not by the names that the protocol has for them, however deep."""
    key = "ek_0123456789abcdef"
    update = {
        "type": "session.created",
        "session": {"client_secret": {"value": key}, "tools": [{"type": "mcp", "headers": {"X-Key": key}}]},
    }
    imported(tmp_path / "log.jsonl", json.dumps(update), tmp_path / "out")
    assert not any(key.encode() in file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "empty"),
        (b"\xff\xfe\0", "UTF-8"),
        (b'{"type": "response.create"}\n{broken\n', "line 2"),
        (b'{"a": "b"}', "no type"),
        (b"[]", "no list"),
        (b"a: [1, 2", "JSON nor YAML"),
        (b"a: &x [1]\nb: [*x, *x]", "aliases"),
        (b"- !!python/object/apply:os.system [ls]", "neither"),
        (b"- 2026-11-30", "row 1"),
        (b"- {type: response.create, at: 1, x: 2026-11-30}", "JSON does"),
        (b"- {type: response.create, x: .nan}", "JSON does"),
        (b"- {type: response.create, x: " + b"7" * 5000 + b"}", "value"),
        (b"- {type: response.create, time: " + b"7" * 5000 + b"}", "value"),
        (b"just text", "no list"),
        (b"[" * 100_000, "nested"),
        (b'{"type": "session.start"}', "GPT-Live"),
        (b'{"setupComplete": {}}', "Gemini"),
        (b'{"type": "chat_metadata"}', "chat_metadata"),
        (b'{"time": 1, "data": {"type": "response.create"}}\n{"time": 200000, "data": {"type": "response.create"}}', "day"),
    ],
)
def test_what_is_refused(content: bytes, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the place and what is supported; nothing is written."""
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(ImportRefused) as caught:
        import_events(path, out=tmp_path / "out")
    assert named in str(caught.value)
    assert "JSON lines" in str(caught.value.hint)
    assert not (tmp_path / "out").exists()
    assert main(["import", "events", str(path), "--out", str(tmp_path / "out")]) == caught.value.exit_code
    assert named in capsys.readouterr().err


def test_the_command_and_the_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both give the folder, and say what it lacks."""
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(CREATE), encoding="utf-8")
    assert main(["import", "events", str(path), "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "0 received, 1 sent" in out
    result = evi_harness.import_session(path, "events", out=tmp_path / "other")
    assert [evi_harness.load_session(folder).header.dialect for folder in result.folders] == ["openai-realtime"]
