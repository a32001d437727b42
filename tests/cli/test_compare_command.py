"""Tests of the command ``compare``; what is compared is tested with acts.afterwards.comparing_sessions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
TYPED, WEATHER = str(ROOT / "sessions" / "typed"), str(ROOT / "sessions" / "weather")


def test_exit_codes(capsys, tmp_path):
    """0 the same, 1 different, 2 for what cannot be meant, 3 where one cannot be read."""
    shutil.copytree(TYPED, tmp_path / "broken")
    (tmp_path / "broken" / "session.json").write_text("{")
    for words, code, last in (
        ([TYPED, TYPED], 0, "verdict    the same"),
        ([TYPED, WEATHER, "--no-times"], 1, "verdict    different: 3 differences, in 2 of 2 turns"),
        ([TYPED, str(ROOT / "sessions")], 2, None),
        ([TYPED, TYPED, "--tolerance", "-1"], 2, None),
        ([TYPED, str(tmp_path / "gone")], 2, None),
        ([TYPED, str(tmp_path / "broken")], 3, None),
        ([TYPED, TYPED, "--tolerance", "nan"], 2, None),
        ([TYPED, TYPED, "--no-times", "--tolerance", "5"], 2, None),
    ):
        assert main(["compare", *words]) == code, words
        out, err = capsys.readouterr()
        assert (out.splitlines()[-1:], bool(err)) == ([last] if last else [], not last), words


def test_the_report_as_json(capsys, tmp_path):
    """Into a file, and to standard output, where people then read standard error."""
    assert main(["compare", TYPED, WEATHER, "--tolerance", "250", "--json", str(tmp_path / "x.json")]) == 1
    lines = capsys.readouterr().out
    told = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert (told["exit_code"], told["pairs"][0]["comparison"]["tolerance_ms"]) == (1, 250.0)
    assert main(["compare", TYPED, WEATHER, "--tolerance", "250", "--json", "-"]) == 1
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == (told, lines)


def test_a_page_of_both(capsys, tmp_path):
    """Named before the verdict."""
    assert main(["compare", TYPED, TYPED, "--html", str(tmp_path / "x.html")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[-2], lines[-1]) == (f"page       {tmp_path}/x.html", "verdict    the same")
    assert (tmp_path / "x.html").is_file()
