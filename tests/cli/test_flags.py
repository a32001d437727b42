"""Tests of evi_harness.cli.flags."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from evi_harness.acts.replay import replay_session
from evi_harness.cli.flags import in_flags
from evi_harness.cli.main import main
from evi_harness.cli.replay_command import command
from evi_harness.errors import Parameter, UsageError, Words

ROOT = Path(__file__).resolve().parents[2]
WEATHER = str(ROOT / "sessions" / "weather")


@pytest.mark.parametrize(
    ("parameter", "in_python", "at_the_command_line"),
    [
        (Parameter("speed"), "speed", "--speed"),
        (Parameter("first"), "first", "--from"),
        (Parameter("max_late_ms"), "max_late_ms", "--max-late"),
        (Parameter("n_jobs"), "n_jobs", "--n-jobs"),
        (Parameter("clock", "real"), "clock='real'", "--clock real"),
        (Parameter("out", "DIR"), "out=DIR", "--out DIR"),
        (Parameter("allow_incomplete", True), "allow_incomplete=True", "--allow-incomplete"),
        (Parameter("arguments", {"a": "1", "b": "2"}), "arguments={'a': '1', 'b': '2'}", "--arg a=1 --arg b=2"),
    ],
    ids=lambda value: str(value),
)
def test_a_parameter_has_two_names(parameter: Parameter, in_python: str, at_the_command_line: str) -> None:
    """That of a call, and the flag of the command that runs; another command's is guessed from its name."""
    words = Words("Leave out ", Words(parameter, "."))
    assert str(words) == f"Leave out {in_python}."
    assert in_flags(words, command) == f"Leave out {at_the_command_line}."


def test_a_text_without_parameters_is_left_alone() -> None:
    """Whatever a user wrote in it."""
    assert in_flags("speed='2' and --speed", command) == "speed='2' and --speed"


def test_an_error_keeps_its_parameters_on_its_way() -> None:
    """Also from another process."""
    error = UsageError(Words(Parameter("speed"), " 'x'"), where="s", hint=Words("Leave out ", Parameter("speed"), "."))
    there = pickle.loads(pickle.dumps(error))
    assert str(there) == str(error) == "s: speed 'x'\nLeave out speed."
    assert in_flags(there.words(), command) == "s: --speed 'x'\nLeave out --speed."


@pytest.mark.parametrize(
    ("options", "words", "in_python", "at_the_command_line"),
    [
        ({"speed": "x"}, ["--speed", "x"], "speed 'x' ", "--speed 'x' "),
        ({"max_gap": "x"}, ["--max-gap", "x"], "max_gap 'x' ", "--max-gap 'x' "),
        ({"first": "x"}, ["--from", "x"], "first 'x' ", "--from 'x' "),
        ({"last": "t99"}, ["--until", "t99"], "last t99: ", "--until t99: "),
        (
            {"clock": "real", "twice": True},
            ["--clock", "real", "--twice"],
            "Leave out clock='real', or twice.",
            "Leave out --clock real, or --twice.",
        ),
        ({"arguments": {"a": "b"}}, ["--arg", "a=b"], "Name yours with handler.", "Name yours with --handler."),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_an_error_names_the_parameter_and_the_command_its_flag(
    options: Any, words: Any, in_python: str, at_the_command_line: str, capsys: Any
) -> None:
    """What somebody reads is what they wrote."""
    with pytest.raises(UsageError) as raised:
        replay_session(WEATHER, **options)
    assert in_python in str(raised.value)
    assert main(["replay", WEATHER, *words]) == 2
    assert at_the_command_line in capsys.readouterr().err


def test_of_many_sessions_too(capsys: Any) -> None:
    """Each could not run, for a reason that has the flag in it."""
    typed = str(ROOT / "sessions" / "typed")
    assert main(["replay", WEATHER, typed, "--speed", "x", "--jobs", "1", "--no-child"]) == 2
    told = capsys.readouterr().out
    assert ": --speed 'x' " in told
    assert " speed 'x'" not in told


HANDLER = {"handler": "recorded"}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("clock", "x", None),
        ("wall_clock", "x", None),
        ("microphone", "x", None),
        ("allow_hosts", ("http://x",), ["--allow-host", "http://x"]),
        ("ignore", ("x",), ["--ignore", "x"]),
        ("severities", {"x": "off"}, ["--severity", "x=off"]),
        ("severities", {"raised": "x"}, ["--severity", "raised=x"]),
        ("seed", -1, None),
        ("max_late_ms", float("inf"), ["--max-late", "inf"]),
        ("blocked_ms", float("inf"), ["--blocked-ms", "inf"]),
        ("max_run_s", 0, None),
        ("timeout_s", 0, None),
        ("thread_wait_s", -1, None),
    ],
)
def test_an_invalid_value_is_named_as_it_was_given(name: str, value: Any, words: Any, capsys: Any) -> None:
    """By the parameter from Python, by the flag on the command line; what click checks itself needs no second row there."""
    with pytest.raises(UsageError) as raised:
        replay_session(WEATHER, **HANDLER, **{name: value})
    assert str(raised.value).startswith(f"invalid value for {name}: ")
    if words is not None:
        assert main(["replay", WEATHER, "--handler", "recorded", *words]) == 2
        assert capsys.readouterr().err.startswith(f"error: invalid value for {words[0]}: ")


@pytest.mark.parametrize(
    "line",
    [
        "latency {WEATHER} --gate x",
        "latency {WEATHER} --detector x",
        "latency {WEATHER} --baseline base.json --least-effect x",
        "replay {WEATHER} --gate x",
        "serve {WEATHER} --limit x=1",
        "serve {WEATHER} --limit chats=x",
        "serve {WEATHER} --allow-origin x/",
        "serve {WEATHER} --known-as x:1",
        "serve {WEATHER} --host 192.0.2.1",
        "ab --a true --b true --metric x",
        "ab --a true --b true --least-effect x",
    ],
)
def test_of_every_command(line: str, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """The flag comes first, and its value after it."""
    monkeypatch.chdir(tmp_path)
    Path("base.json").touch()
    *_, flag, value = line.split()
    assert main(line.format(WEATHER=WEATHER).split()) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: invalid value for {flag}: ")
    assert value.split("=")[0] in err


@pytest.mark.parametrize(
    ("key", "value"), [("gate", '["x"]'), ("baseline", "1"), ("false-alarm", "9"), ("job-noise", "-1"), ("least-effect", '"x"')]
)
def test_in_a_configuration_file_it_is_the_key(key: str, value: str, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """And the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(f"[tool.evi-harness]\n{key} = {value}\n", encoding="utf-8")
    assert main(["latency", WEATHER, "--detector", "none"]) == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert "pyproject.toml" in first
    assert key in first
