"""Tests of evi_harness.replay.typed_lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from evi_harness.evi.dialect import EVI
from evi_harness.replay.typed_lines import TypedLines
from evi_harness.session.notes import STDIN_ENDED, STDIN_LINE
from evi_harness.storage.reader import read_session

TYPED = read_session(Path(__file__).resolve().parents[2] / "sessions" / "typed")


def due(typed):
    """The lines that are due, without waiting for what they answer, once all has come."""
    for event in TYPED.received:
        typed.user.take(event, event.at_ns)
    return [typed.lines[action.recorded_seq] for action in typed.user.due(TYPED.duration_ns)]


def test_what_was_sent_as_typed_text_was_typed():
    """If the recording does not say what the app read."""
    typed = TypedLines.of(TYPED, EVI)
    assert (typed.early, due(typed), bool(typed)) == ([], ["What's the weather in Bath?"], True)


def test_what_the_app_read_was_typed():
    """And the end of the input; what it read before the connection opened comes first."""
    seq = max(event.seq for event in TYPED.events) + 1
    notes = [
        STDIN_LINE.make(seq, 0, text="yes", early_ns=5),
        STDIN_LINE.make(seq + 1, 900_000_000, text="hello"),
        STDIN_ENDED.make(seq + 2, 950_000_000),
    ]
    typed = TypedLines.of(replace(TYPED, events=(*TYPED.events, *notes)), EVI)
    assert (typed.early, list(typed.lines.values()), due(typed)) == (["yes"], ["hello", None], ["hello", None])


def test_nothing_may_have_been_typed():
    """Then there is nothing to give."""
    assert not TypedLines.of(replace(TYPED, events=TYPED.events[:1]), EVI)
