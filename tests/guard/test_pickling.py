"""Tests of evi_harness.guard.pickling."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from evi_harness.guard.pickling import dumps
from evi_harness.session.events import TEXT, Frame
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_sent_needs_no_file_of_the_senders():
    """A frame of a folder, and one of memory, come as they are."""
    session = load_session(ROOT / "sessions" / "weather")
    events = pickle.loads(dumps(list(session.events)))
    assert events == list(session.events)
    assert {type(event.frame) for event in events if hasattr(event, "frame")} == {Frame}
    assert pickle.loads(dumps(Frame(TEXT, b"{}"))) == Frame(TEXT, b"{}")


def test_what_cannot_be_pickled_is_an_error():
    """Here, and not where it arrives."""
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        dumps(lambda: None)
