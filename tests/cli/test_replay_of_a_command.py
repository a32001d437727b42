"""``replay SESSION -- COMMAND`` at the command line: what is refused before anything runs, and what the help says."""

from __future__ import annotations

from pathlib import Path

import pytest

from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
TYPED, WEATHER = str(ROOT / "sessions" / "typed"), str(ROOT / "sessions" / "weather")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--handler", "app.py:App"], "--handler cannot be used with a command"),
        (["--arg", "a=b"], "--arg cannot be used with a command"),
        (["--no-child"], "--child cannot be used with a command"),
        (["--microphone", "off"], "--microphone cannot be used with a command"),
        (["--live"], "--live cannot be used with a command"),
        (["-j", "2"], "-j cannot be used with a command"),
        (["--clock", "real"], "virtual time only"),
        (["--base-url", "://"], "--base-url"),
        ([WEATHER], "one session at a time"),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else "",
)
def test_what_does_not_go_with_a_command_is_refused_by_name(words, said, capsys):
    """With exit code 2, and nothing is started."""
    assert main(["replay", TYPED, *words, "--", "no-such-command-anywhere"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_a_command_has_to_be_there(capsys):
    """Nothing behind the dashes, and a program that is not there, are two errors."""
    assert main(["replay", TYPED, "--"]) == 2
    assert "no command" in capsys.readouterr().err
    assert main(["replay", TYPED, "--", "no-such-command-anywhere", "--handler", "of its own"]) == 3
    assert "cannot start 'no-such-command-anywhere'" in capsys.readouterr().err


def test_the_help_has_the_command(capsys):
    """In its first line."""
    assert main(["replay", "--help"]) == 0
    assert "SESSION... [-- COMMAND...]" in capsys.readouterr().out
