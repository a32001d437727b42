from __future__ import annotations

from pathlib import Path

from evi_harness.cli.main import main


def test_sessions_is_where_imports_go(tmp_path, monkeypatch, capsys):
    """Below the current folder, named by time and file."""
    monkeypatch.chdir(tmp_path)
    Path("talk.jsonl").write_text('{"type":"assistant_end"}\n')
    assert main(["import", "capture", "talk.jsonl"]) == 0
    (folder,) = Path("sessions").iterdir()
    assert folder.name.endswith("-talk")
    assert capsys.readouterr().out.splitlines()[0] == str(folder)


def test_a_har_file_becomes_a_session(tmp_path, monkeypatch, capsys):
    """The folder is the first line, and what to do next the last; a file that is none is refused."""
    monkeypatch.chdir(tmp_path)
    typed = Path(__file__).resolve().parents[2] / "sessions" / "typed"
    assert main(["export", str(typed), "--har", "typed.har"]) == 0
    capsys.readouterr()
    assert main(["import", "har", "typed.har", "--out", "out"]) == 0
    (folder,) = Path("out").iterdir()
    assert folder.name.endswith("-typed")
    assert capsys.readouterr().out.splitlines() == [str(folder), "6 received, 2 sent, 3.184 s", f"next: evi-harness replay {folder}"]
    Path("none.har").write_text("{}")
    assert main(["import", "har", "none.har", "--out", "none"]) == 3
    assert capsys.readouterr().err.startswith("error: none.har: ")
    assert not Path("none").exists()


def test_a_capture_that_is_a_har_file_is_told_the_way(tmp_path, capsys):
    """It is refused as ever, and the command that takes it is named."""
    (tmp_path / "x.har").write_text('{"log": {"entries": []}}')
    assert main(["import", "capture", str(tmp_path / "x.har"), "--out", str(tmp_path / "out")]) == 3
    assert f"evi-harness import har {tmp_path / 'x.har'}" in capsys.readouterr().err


def test_a_chat_history_becomes_a_session(tmp_path, monkeypatch, capsys):
    """And as a capture it is refused, with the command that takes it."""
    monkeypatch.chdir(tmp_path)
    Path("chat.json").write_text('[{"timestamp": 1716244940, "role": "USER", "type": "USER_MESSAGE", "message_text": "Hi."}]')
    assert main(["import", "chat-history", "chat.json", "--out", "out"]) == 0
    (folder,) = Path("out").iterdir()
    assert capsys.readouterr().out.splitlines()[0] == str(folder)
    assert main(["import", "capture", "chat.json", "--out", "none"]) == 3
    assert "evi-harness import chat-history chat.json" in capsys.readouterr().err
    assert not Path("none").exists()


def test_what_another_import_takes_is_told_the_way(tmp_path, monkeypatch, capsys):
    """A HAR file as a history, a history as a HAR file, and a session's own header."""
    monkeypatch.chdir(tmp_path)
    files = {"x.har": '{"log": {"entries": []}}', "x.json": '{"events_page": []}', "session.json": '{"format": "evi-harness session"}'}
    for name, text in files.items():
        Path(name).write_text(text)
    told = {
        ("har", "x.json"): "import chat-history x.json",
        ("chat-history", "x.har"): "import har x.har",
        ("har", "session.json"): "needs no import",
    }
    for (form, name), way in told.items():
        assert main(["import", form, name]) == 3
        assert way in capsys.readouterr().err
