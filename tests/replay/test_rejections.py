"""Tests of evi_harness.replay.rejections."""

from __future__ import annotations

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.rejections import rejections

WRONG = {"type": "user_input"}
RIGHT = {"type": "user_input", "text": "Good morning."}


@pytest.mark.parametrize(
    ("recorded", "live", "told"),
    [([], [RIGHT], []), ([], [WRONG], [1]), ([WRONG], [WRONG], []), ([WRONG], [WRONG, WRONG], [2]), ([WRONG], [RIGHT], [])],
    ids=["right", "wrong", "as recorded", "once more than recorded", "mended"],
)
def test_what_the_recording_did_too_is_not_told(session_of, recorded, live, told):
    """As often as it did."""
    then, now = (session_of([("sent", 10, message) for message in messages]) for messages in (recorded, live))
    assert [one.live_seq for one in rejections(then, now, EVI)] == told


def test_a_rejection_says_what_and_why(session_of):
    """The message, the rule that it breaks, and its place."""
    (finding,) = rejections(session_of([]), session_of([("sent", 10, {"type": "user_input", "text": 1})]), EVI)
    assert (finding.kind, finding.at_ns, finding.live_seq) == ("rejected", 10_000_000, 1)
    assert finding.what == "user types: 1: user_input: text is 1, not a string (E0101)"
