"""Tests of evi_harness.verdicts.invoking."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

from evi_harness.cli.replay_command import _asked
from evi_harness.cli.replay_command import command as cli_command
from evi_harness.evi.dialect import EVI
from evi_harness.redacting.redaction import Redactor
from evi_harness.replay.player import DEFAULT_PATIENCE, Patience
from evi_harness.report.invocation import Invocation
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.verdicts import invoking
from evi_harness.verdicts.invoking import (
    Command,
    command_again,
    handlerless_invocation,
    invocation_of,
    is_replay_again,
    secret_arguments,
    with_digest,
)

KEY = "k9Jq2vXw7LmZ4tRb"
# On ``child`` a verdict depends only whether there is one.
PLAIN = {name: value for name, value in ReplayOptions().judged_by().items() if name != "child"}


class App:
    """A handler that has no SPEC."""

    def on_message(self, message): ...


HERE = Command(cwd="folder")


def described(command=HERE, session="sessions/weather", handler="app.py:App", arguments=None, severities=None, **options):
    """How a replay with these options is described."""
    redactor = Redactor(EVI.secret_names, EVI.folded_names, [KEY])
    asked = ReplayOptions(handler=handler, arguments=arguments, severities=severities or {}, **options)
    return invocation_of(command, session, asked, redactor)


def test_what_a_command_is_told(monkeypatch):
    """The script that was called, with its words; else the module, which runs wherever this Python does."""
    words = ["replay", "sessions/weather"]
    monkeypatch.setattr(sys, "argv", [".venv/bin/evi-harness", *words])
    assert Command.here(words) == Command((".venv/bin/evi-harness", *words), None, str(Path.cwd()))
    module = (sys.executable, "-m", "evi_harness", *words)
    for argv in (["evi_harness/__main__.py", *words], ["pytest"], [".venv/bin/evi-harness", "gate"], []):
        monkeypatch.setattr(sys, "argv", argv)
        assert Command.here(words).argv == module
    assert Command.here(test="t.py::test") == Command(None, "t.py::test", str(Path.cwd()))


def test_a_folder_that_is_gone_is_not_told(monkeypatch):
    """And is no error."""

    def gone():
        raise FileNotFoundError

    monkeypatch.setattr(invoking.Path, "cwd", gone)
    assert Command.here().cwd is None


# Options that are not as usual, one of each.
UNUSUAL = {
    "clock": "real",
    "upgrade": True,
    "twice": True,
    "ignore": ("$.a", "tool_response:$.content"),
    "strict": True,
    "max_late_ms": 12.5,
    "update": True,
    "dry_run": True,
    "timeout_s": 1.5,
    "max_run_s": 90.0,
    "thread_wait_s": 0.75,
    "allow_hosts": ("localhost:80", "example.com"),
    "wall_clock": "recorded",
    "seed": 7,
    "blocked_ms": 0.1,
    "speed": "max",
    "max_gap": "250ms",
    "first": "t2",
    "last": "#12",
    "microphone": "off",
    "allow_incomplete": True,
}


def test_every_option_that_a_verdict_depends_on_is_told():
    """A new one is one, or is named as none where options are."""
    assert set(PLAIN) == {*UNUSUAL, "patience"}
    told = described(**UNUSUAL).options
    assert set(told) == {*PLAIN, "child"}
    assert (told["ignore"], told["seed"], told["patience"]["message_ns"]) == (list(UNUSUAL["ignore"]), 7, DEFAULT_PATIENCE.message_ns)


def parsed(words):
    """What the command line makes of words behind ``replay``."""
    with cli_command.make_context("replay", list(words)) as context:
        return vars(_asked(context, (), defer=False)), context.params["sessions"]


@pytest.mark.parametrize("name", [*UNUSUAL, None])
def test_the_command_that_replays_it_again(name, tmp_path, monkeypatch):
    """Read by the command line it gives the very options, one by one and all at once."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-s").mkdir()
    options = UNUSUAL if name is None else {name: UNUSUAL[name]}
    severities, arguments = {"raised": "off", "underrun": "error"}, {"place": "Bath=1", "empty": ""}
    again = described(session="-s", arguments=arguments, severities=severities, **options).again
    assert is_replay_again(again)
    program, replay, *words = again
    assert (program, replay) == ("evi-harness", "replay")
    found, sessions = parsed(words)
    assert sessions == (Path("-s"),)
    expected = {**PLAIN, **options, "severities": severities, "arguments": arguments, "handler": "app.py:App"}
    del expected["patience"]
    assert {name: found[name] for name in expected} == expected


def test_usual_options_are_left_out():
    """Nobody wants to read them."""
    assert described(handler=None).again == ("evi-harness", "replay", "sessions/weather")


@pytest.mark.parametrize(
    "options",
    [{"handler": App}, {"session": None}, {"arguments": {"n": 3}}, {"arguments": {"a b": "c"}}, {"patience": Patience(message_ns=1)}],
    ids=["an object", "in memory", "no text", "no name", "what no flag says"],
)
def test_what_no_command_can_replay(options, weather):
    """It is told by its call alone."""
    if "session" in options:
        options = {"session": weather}
    told = described(**options)
    assert told.again is None
    assert told.call.startswith("replay_session(")


def test_a_call_is_told_as_it_was_made(weather):
    """What is no plain value stands as what it is; usual options are left out; a command has no call."""
    told = described(handler=App, twice=True, arguments={"n": 3, "of": App, "one": App()}).call
    name = f"{__name__}.App"
    assert (
        told == f"replay_session('sessions/weather', handler={name}, arguments={{'n': '3', 'of': '{name}', 'one': '<{name}>'}}, twice=True)"
    )
    assert described(session=weather, handler="a.py:B").call == "replay_session('made', handler='a.py:B')"
    assert described(Command(("evi-harness", "replay"), cwd="x")).call is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--arg", "api_key=short"], ["--arg", "api_key=[redacted]"]),
        (["--arg", "token=a=b"], ["--arg", "token=[redacted]"]),
        (["--arg=password=abc"], ["--arg=password=[redacted]"]),
        (["--arg", f"place={KEY}"], ["--arg", "place=[redacted]"]),
        (["--arg", "place=Bath"], ["--arg", "place=Bath"]),
        (["--base-url", "https://me:secret1@example.com"], ["--base-url", "https://[redacted]@example.com"]),
        (["--base-url", "https://example.com?api_key=abc"], ["--base-url", "https://example.com?api_key=[redacted]"]),
        ([f"sessions/{KEY}"], ["sessions/[redacted]"]),
    ],
)
def test_a_command_holds_no_secret(words, told):
    """By name and by value; and it says that something is gone."""
    found = described(Command(("evi-harness", *words), cwd="x"))
    assert found.argv == ("evi-harness", *told)
    assert found.is_redacted is (words != told)


def test_arguments_hold_no_secret():
    """Under whatever name, in the command and in the call."""
    told = described(arguments={"api_key": "abc", "place": KEY, "n": 1})
    assert told.arguments == {"api_key": "[redacted]", "place": "[redacted]", "n": "1"}
    assert told.is_redacted
    assert "abc" not in told.call
    assert KEY not in told.call
    assert secret_arguments({"api_key": "abc", "token": 3, "place": "Bath"}) == ("abc",)
    assert secret_arguments(None) == ()


def test_what_runs_no_handler():
    """A live replay, or a test's own app: what asked for it, the recording and what was set."""
    redactor = Redactor(EVI.secret_names, EVI.folded_names, [KEY])
    told = handlerless_invocation(Command(("evi-harness", KEY), cwd="x"), Path("s"), {"ca": Path("a.pem"), "n": 1}, redactor)
    assert told == Invocation("x", ("evi-harness", "[redacted]"), path="s", options={"ca": "a.pem", "n": 1}, is_redacted=True)


def test_a_test_is_told_where_no_handler_runs():
    """A test that runs an app of its own is named in the report, without what is secret in its id."""
    redactor = Redactor(EVI.secret_names, EVI.folded_names, [KEY])
    told = handlerless_invocation(Command(test=f"tests/test_app.py::test_one[{KEY}]"), Path("s"), {}, redactor)
    assert told.test == "tests/test_app.py::test_one[[redacted]]"
    assert told.is_redacted


def test_the_digest_is_of_the_folder_that_was_meant(tmp_path, monkeypatch):
    """Wherever the app has gone since; a session may be named by a file in it; one in memory has none."""
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "session.json").write_text("{}")
    found = {with_digest(Invocation(cwd=str(tmp_path), path=path)).sha256 for path in ("s", str(folder), "s/session.json")}
    assert len(found) == 1
    assert None not in found
    assert with_digest(Invocation(cwd=str(tmp_path))).sha256 is None


def test_the_command_of_a_report():
    """With this Python, in its folder; nothing where no command can."""
    told = {"command": {"again": ["evi-harness", "replay", "s"], "cwd": "folder"}}
    assert command_again(told) == ([sys.executable, "-m", "evi_harness", "replay", "s"], "folder")
    assert command_again({"command": {"again": None, "cwd": None}}) == ([], None)


def test_the_flags_are_those_of_the_command_line():
    """No option of a replay that the command line has is left out."""
    flags = {option for param in cli_command.params if isinstance(param, click.Option) for option in param.opts}
    known = {*invoking._SWITCHES.values(), *invoking._VALUES.values(), *invoking._LISTS.values()}
    assert known <= flags
