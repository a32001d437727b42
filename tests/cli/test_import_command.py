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
