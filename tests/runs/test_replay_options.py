"""Tests of evi_harness.runs.replay_options."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import FrozenInstanceError, fields
from typing import Any, Dict

import pytest

from evi_harness.acts.replay import replay_session
from evi_harness.cli.replay_command import command
from evi_harness.errors import UsageError
from evi_harness.runs.replay_options import ReplayOptions

# What a call is told besides the options.
OF_THE_CALL = ("session", "write", "command")
# An option that is no plain value, which commands and calls leave as it is.
NOT_OF_THE_CALL = ("patience",)


def test_a_call_takes_the_options_by_their_names() -> None:
    """And with the same defaults, so that whoever asks for a replay reads one table."""
    of_call = {name: one.default for name, one in inspect.signature(replay_session).parameters.items() if name not in OF_THE_CALL}
    assert of_call == {one.name: getattr(ReplayOptions(), one.name) for one in fields(ReplayOptions) if one.name not in NOT_OF_THE_CALL}


def test_the_command_line_has_each_by_its_name() -> None:
    """But for what it cannot say, and what it decides by itself."""
    names = {param.name for param in command.params}
    assert {one.name for one in fields(ReplayOptions)} - names == {"patience", "defer"}


def test_options_are_frozen_and_go_to_another_process() -> None:
    """They are plain data."""
    asked = ReplayOptions(handler="app.py:App", ignore=("$.content",), severities={"raised": "off"})
    assert pickle.loads(pickle.dumps(asked)) == asked
    with pytest.raises(FrozenInstanceError):
        asked.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "options",
    [
        {"dry_run": True},
        {"clock": "moon"},
        {"clock": "real", "twice": True},
        {"allow_hosts": ("http://x",)},
        {"wall_clock": "sundial"},
        {"seed": -1},
        {"severities": {"nothing": "off"}},
        {"severities": {"raised": "bad"}},
        {"microphone": "loud"},
        {"handler": "recorded", "microphone": "off"},
        {"max_late_ms": -1.0},
        {"blocked_ms": float("nan")},
        {"max_run_s": 0.0},
        {"max_run_s": 1e300},
        {"timeout_s": 0.0},
        {"timeout_s": 1e300},
        {"thread_wait_s": -1.0},
        {"thread_wait_s": 1e300},
        {"max_late_ms": 1e305},
        {"arguments": {"a": "b"}},
        {"handler": "recorded", "arguments": {"a": "b"}},
    ],
    ids=lambda options: " ".join(options),
)
def test_what_cannot_be_meant_is_refused(options: Dict[str, Any]) -> None:
    """Before anything runs, or is read."""
    with pytest.raises(UsageError):
        ReplayOptions(**options).check()


def test_lengths_of_time_in_the_unit_of_a_run() -> None:
    """Nanoseconds; where nothing is said, nothing."""
    asked = ReplayOptions(max_late_ms=1.5, blocked_ms=0, thread_wait_s=0.25)
    assert (asked.max_late_ns, asked.blocked_ns, asked.thread_wait_ns) == (1_500_000, 0, 250_000_000)
    assert (ReplayOptions().max_late_ns, ReplayOptions().blocked_ns) == (None, None)
