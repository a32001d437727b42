"""Tests of evi_harness.runs.run: what runs of all kinds share."""

from __future__ import annotations

import functools
from typing import Any, Optional

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.runs.run import BUILT_IN, RunOptions, longest_s, name_of, recording_of
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.session.session import Session


def hears(message: Any) -> None:
    """Does nothing."""


class Hears:
    """Does nothing."""

    def hear(self, message: Any) -> None:
        """Does nothing either."""


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        *((None, BUILT_IN), ("recorded", "recorded"), ("app.py:App", "app.py:App"), (hears, "hears"), (Hears, "Hears"), (Hears(), "Hears")),
        *((functools.partial(functools.partial(hears), message=1), "hears"), (Hears().hear, "Hears.hear")),
    ],
)
def test_what_a_handler_is_called(handler: Any, name: str) -> None:
    """As it was given, or as the code calls it; an object as its class."""
    assert name_of(handler) == name


def test_a_session_is_acted_out_as_it_was(weather: Session) -> None:
    """What is on an axis already stays there."""
    assert recording_of(weather, EVI) == PlayedRecording.of(weather, EVI)
    recording = PlayedRecording.of(weather, EVI)
    assert recording_of(recording, EVI) is recording


@pytest.mark.parametrize(("said", "is_real", "longest"), [(None, False, 3600.0), (7.0, False, 7.0), (7.0, True, 7.0)])
def test_how_long_a_run_may_take(weather: Session, said: Optional[float], is_real: bool, longest: float) -> None:
    """As it is told; else an hour, and in real time twice what is replayed besides."""
    recording = PlayedRecording.of(weather, EVI)
    assert longest_s(recording, RunOptions(EVI, HUME, ReplayOptions(max_run_s=said)), is_real=is_real) == longest
    assert longest_s(recording, RunOptions(EVI, HUME), is_real=True) == 3600 + 2 * weather.duration_ns / 1e9
