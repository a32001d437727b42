"""Tests of evi_harness.report.lost."""

from __future__ import annotations

import re

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.report.lost import lost, lost_text


@pytest.mark.parametrize(
    ("seqs", "told"),
    [
        ((), ""),
        ((16,), r'assistant: "It is sunny\."'),
        ((18, 16), r'assistant: "It is sunny\."; end of .*reply'),
        ((13, 14), r'tool call call-1: get_weather "{"place": "Oslo"}"; user: "What\'s the weather like\?"'),
        ((17, 18, 27), r"0\.20 s .* 2 messages; end of .*reply"),
        ((16, 17, 18, 26, 27, 28), r'assistant: "It is sunny\."; assistant: "You are welcome\."; 0\.20 s .* 2 messages; 2 more'),
        ((29,), "the close .*the app"),
        ((999,), ""),
    ],
    ids=["nothing", "a reply", "the most telling first", "a call", "audio", "at most three", "the close", "what is not there"],
)
def test_what_did_not_happen_is_told_by_what_it_says(weather, seqs, told):
    """Replies, calls, what the user said; audio folded; at most three and how many more."""
    assert re.fullmatch(told, lost_text(seqs, weather, EVI))


def test_programs_get_all_of_it(weather):
    """A row each, with its number; audio from its first message to its last."""
    rows = lost((16, 17, 27, 28), weather, EVI)
    assert [(row.seq, row.last_seq, row.kind) for row in rows] == [(16, 16, "received"), (17, 27, "received"), (28, 28, "received")]


def test_audio_of_no_known_length_has_no_length(session_of):
    """Where it is no WAV, or damaged."""
    session = session_of([("received", 1, {"type": "audio_output", "id": "s", "index": 0, "data": "????"})])
    assert lost_text((1,), session, EVI) == "audio in 1 message"
