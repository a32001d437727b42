"""Tests of evi_harness.settings.program."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evi_harness.cli.commands import evi_harness
from evi_harness.cli.main import main
from evi_harness.settings.program import as_started, program, program_words, text_as_started


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A script evi-harness in a folder bin, and a PATH on which nothing is."""
    (tmp_path / "bin").mkdir()
    path = tmp_path / "bin" / "evi-harness"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    return path


def test_a_script_that_no_path_has_is_named_as_it_was_started(script, monkeypatch):
    """Relative, where the command is to be typed in this folder; whole in another one."""
    monkeypatch.setattr(sys, "argv", ["bin/evi-harness", "demo"])
    assert program_words() == ("bin/evi-harness",)
    assert program_words(str(Path.cwd())) == ("bin/evi-harness",)
    assert program_words("/") == (str(Path.cwd() / "bin" / "evi-harness"),)
    assert as_started(["evi-harness", "replay", "x"]) == ("bin/evi-harness", "replay", "x")
    assert as_started(["pytest", "x"]) == ("pytest", "x")
    assert as_started(()) == ()


def test_a_script_that_the_path_has_is_named_by_its_name(script, monkeypatch):
    """However it was started; but another program of that name is not it."""
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == "evi-harness"
    other = script.parent.parent / "other"
    other.mkdir()
    (other / "evi-harness").write_text("#!/bin/sh\necho another\n")
    (other / "evi-harness").chmod(0o755)
    monkeypatch.setenv("PATH", str(other))
    assert program() == str(script)


def test_a_module_is_started_as_one(script, monkeypatch):
    """By the name of Python where a shell finds it, unless a shell finds the script of the same installation."""
    monkeypatch.setattr(sys, "argv", [str(Path("/x/evi_harness/__main__.py"))])
    monkeypatch.setattr(sys, "executable", "/my python/bin/python3")
    assert program() == "'/my python/bin/python3' -m evi_harness"
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == "'/my python/bin/python3' -m evi_harness"
    monkeypatch.setattr(sys, "executable", str(script.parent / "python3"))
    assert program() == "evi-harness"


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("evi-harness check FOLDER", "{} check FOLDER"),
        ("next: `evi-harness import har`, or evi-harness ab", "next: `{} import har`, or {} ab"),
        ("this evi-harness knows version 1", "this evi-harness knows version 1"),
        ("pages of evi-harness", "pages of evi-harness"),
        ("./evi-harness check", "./evi-harness check"),
        ("my-evi-harness check, evi-harness checked", "my-evi-harness check, evi-harness checked"),
    ],
)
def test_a_command_in_a_text_is_as_it_was_started(script, monkeypatch, text, typed):
    """Nothing else in the text is changed; by its name nothing at all."""
    monkeypatch.setattr(sys, "argv", ["/x/evi_harness/__main__.py"])
    monkeypatch.setattr(sys, "executable", "/x/bin/python3")
    assert text_as_started(text) == typed.format(*["/x/bin/python3 -m evi_harness"] * 2)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pytest"])
    assert text_as_started(text) == text


def test_every_command_is_known_in_a_text(script, monkeypatch):
    """The list here is that of the command line."""
    monkeypatch.setattr(sys, "argv", ["bin/evi-harness"])
    for name in evi_harness.list_commands(None):
        assert text_as_started(f"evi-harness {name}") == f"bin/evi-harness {name}"


def test_errors_and_reports_name_the_program_as_it_was_started(script, monkeypatch, capsys):
    """What a door prints goes through it."""
    monkeypatch.setattr(sys, "argv", ["bin/evi-harness"])
    Path("none.json").write_text("{}", encoding="utf-8")
    assert main(["explain", "none.json"]) == 3
    assert "bin/evi-harness replay --json" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], [""], ["/usr/bin/pytest"], ["x.py"]])
def test_from_python_it_is_the_name(script, monkeypatch, argv):
    """What started it has no part in the command."""
    monkeypatch.setattr(sys, "argv", argv)
    assert program() == "evi-harness"
