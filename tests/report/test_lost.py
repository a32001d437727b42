"""Tests of evi_harness.report.lost."""

from __future__ import annotations

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.report.lost import lost, lost_text


@pytest.mark.parametrize(
    ("seqs", "told"),
    [
        ((), ""),
        ((16,), 'assistant: "It is sunny."'),
        ((18, 16), 'assistant: "It is sunny."; end of the reply'),
        ((13, 14), 'tool call call-1: get_weather "{"place": "Oslo"}"; user: "What\'s the weather like?"'),
        ((17, 18, 27), "0.20 s of audio in 2 messages; end of the reply"),
        ((16, 17, 18, 26, 27, 28), 'assistant: "It is sunny."; assistant: "You are welcome."; 0.20 s of audio in 2 messages; 2 more'),
        ((29,), "the close by the app"),
        ((999,), ""),
    ],
    ids=["nothing", "a reply", "the most telling first", "a call", "audio", "at most three", "the close", "what is not there"],
)
def test_what_did_not_happen_is_told_by_what_it_says(weather, seqs, told):
    """Replies, calls, what the user said; audio folded; at most three and how many more."""
    assert lost_text(seqs, weather, EVI) == told


def test_programs_get_all_of_it(weather):
    """A row each, with its number; audio from its first message to its last."""
    rows = lost((16, 17, 27, 28), weather, EVI)
    assert [(row.seq, row.last_seq, row.kind) for row in rows] == [(16, 16, "received"), (17, 27, "received"), (28, 28, "received")]


def test_audio_of_no_known_length_has_no_length(session_of):
    """Where it is no WAV, or damaged."""
    session = session_of([("received", 1, {"type": "audio_output", "id": "s", "index": 0, "data": "????"})])
    assert lost_text((1,), session, EVI) == "audio in 1 message"
