"""What a command can do a call can do: each command has its call, and each option its argument, or a reason why not."""

from __future__ import annotations

import inspect
from typing import Dict, Tuple

import click
import pytest

import evi_harness
from evi_harness.calls.import_call import FORMS
from evi_harness.calls.replay_call import ReplayArguments
from evi_harness.cli.commands import evi_harness as group

OWN_OUTPUT = "a call returns its report: `json()` is what the file would hold"
SHOWN = "it is about what is printed"
CI = "CI reads what a command or pytest writes"
ASKED = "a call asks nothing"
COUNTED = "the report has an entry for each session, to be counted"
WORKS_ALONE = "the block in which it is used ends it"

# Command → its calls.
CALLS: Dict[str, Tuple[str, ...]] = {
    "ab": ("compare_versions",),
    "check": ("check_sessions",),
    "compare": ("compare_sessions", "write_report"),
    "explain": ("explain_report",),
    "export": ("export_session",),
    "import": ("import_session",),
    "latency": ("measure_latency", "judge_gate"),
    "record": ("record_conversation", "write_report"),
    "repair": ("repair_session",),
    "replay": ("replay_session", "replay_sessions", "replay_live", "app_command", "judge_gate", "write_report"),
    "report": ("write_report",),
    "serve": ("serve",),
}

# Command → why it has no call.
NO_CALL: Dict[str, str] = {
    "demo": "it shows the tool to a person",
    "devices": "it lists this machine's sound devices for a person",
    "doctor": "it advises a person on this machine",
    "play": "it plays to a person; `export_session` writes the audio",
    "proxy": "it is for apps in other languages and processes; `record` records a connection of the app's own",
    "show": "it prints; `load_session` has the events, `measure_latency` the turns",
}

# Command → parameter → the argument of a call that is called otherwise.
CALLED: Dict[str, Dict[str, str]] = {
    "ab": {"in_revisions": "command", "a_rev": "a", "b_rev": "b", "metrics": "metrics", "n_runs": "n_runs"},
    "compare": {"no_times": "tolerance_ms", "html": "out"},
    "record": {"duration": "duration_s", "html": "out"},
    "replay": {"jobs": "n_jobs", "exitfirst": "stop_at_first", "live": "base_url"},
    "report": {"places": "what"},
    "repair": {"session": "folder"},
    "serve": {"patience": "patience_s", "max_duration": "max_duration_s"},
}

# Command → parameter → why no call has it.
NO_ARGUMENT: Dict[str, Dict[str, str]] = {
    "ab": {"json_file": OWN_OUTPUT, "junit_file": CI, "summary_file": CI},
    "check": {"json_file": OWN_OUTPUT, "junit_file": CI, "summary_file": CI, "min_sessions": COUNTED},
    "compare": {"json_file": OWN_OUTPUT},
    "latency": {
        "json_file": OWN_OUTPUT,
        "csv_file": "`csv()` of the report is the table",
        "junit_file": CI,
        "summary_file": CI,
        "min_sessions": COUNTED,
    },
    "record": {
        "words": "a program runs an app of its own with `subprocess`, and records it with evi-harness proxy",
        "simulate": "it is for such an app",
        "script": "likewise",
        "dialect": "likewise",
        "drive": "likewise",
    },
    "repair": {"json_file": OWN_OUTPUT},
    "replay": {
        "json_file": OWN_OUTPUT,
        "junit_file": CI,
        "summary_file": CI,
        "quiet": SHOWN,
        "verbose": SHOWN,
        "last_failed": "the report of the last run says which failed",
        "min_sessions": COUNTED,
    },
    "report": {"is_opened": "`webbrowser.open` opens what is returned"},
    "serve": {
        "parrot": "it is the default",
        "once": WORKS_ALONE,
        "out": "`record` in the app records the conversation",
        "limits": "the client is your own",
    },
}


def params_of(name: str) -> Dict[str, click.Parameter]:
    """A command's parameters by name, those of its own commands included."""
    command = group.get_command(click.Context(group), name)
    assert command is not None
    inner = command.commands.values() if isinstance(command, click.Group) else (command,)
    return {str(param.name): param for one in inner for param in one.params}


def arguments_of(name: str) -> Dict[str, inspect.Parameter]:
    """A call's arguments."""
    return dict(inspect.signature(getattr(evi_harness, name)).parameters)


def test_every_command_has_its_call_or_a_reason() -> None:
    """No more and no less; a call is public."""
    assert sorted({**CALLS, **NO_CALL}) == sorted(group.list_commands(click.Context(group)))
    assert not set(CALLS) & set(NO_CALL)
    assert {call for calls in CALLS.values() for call in calls} <= set(evi_harness.__all__)


@pytest.mark.parametrize("command", sorted(CALLS))
def test_every_option_has_its_argument_or_a_reason(command: str) -> None:
    """An argument has the option's name, or one that the table says; what the table says is there."""
    arguments = {name for call in CALLS[command] for name in arguments_of(call)}
    called, reasons = CALLED.get(command, {}), NO_ARGUMENT.get(command, {})
    missing = {name for name in params_of(command) if called.get(name, name) not in arguments and name not in reasons}
    assert not missing
    assert set(called.values()) <= arguments
    assert {*called, *reasons} <= set(params_of(command))
    assert not set(reasons) & arguments, "an argument needs no reason"


def test_every_import_has_its_form() -> None:
    """``import`` has a command of its own for each."""
    command = group.get_command(click.Context(group), "import")
    assert isinstance(command, click.Group)
    assert sorted(command.commands) == sorted(FORMS)


@pytest.mark.parametrize("call", sorted({call for calls in CALLS.values() for call in calls}))
def test_a_default_is_the_commands(call: str) -> None:
    """Where an option and an argument have one name, leaving out either means the same."""
    for command in (command for command, calls in CALLS.items() if calls[0] == call):
        for name, param in params_of(command).items():
            argument = arguments_of(call).get(name)
            if argument is None or argument.default is inspect.Parameter.empty or (command, name) == ("replay", "child"):
                # A call runs the handler in its own process, where a debugger sees it.
                continue
            default = param.default() if callable(param.default) else param.default
            assert (default or None) == (argument.default or None) or not isinstance(default, (str, int, float)), name


def test_many_replays_take_what_one_takes() -> None:
    """But for what needs the process that asks."""
    one = set(arguments_of("replay_session")) - {"session", "defer", "write"}
    assert set(ReplayArguments.__annotations__) == one
