"""Tests of evi_harness.replay.judging.rejections."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.rejections import rejections
from evi_harness.session.events import Note
from evi_harness.session.places import Place, SourceLine

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


QUERY = tuple((f"session_settings[audio][{name}]", value) for name, value in (("sample_rate", "16000"), ("channels", "1")))


@pytest.mark.parametrize(
    ("recorded", "live", "by_app", "harness"), [((), (), 1, 1), (QUERY, (), 1, 0), ((), QUERY, 0, 1), (QUERY, QUERY, 0, 0)]
)
def test_the_format_of_audio_is_that_of_the_handshake(session_of, recorded, live, by_app, harness):
    """The app's own, where it opened the connection; where somebody else did, what the recorded app had said."""
    then, now = session_of([], query=recorded), session_of([("sent", 10, bytes(320))], query=live)
    assert len(rejections(then, now, EVI, handshake_by_app=True)) == by_app
    assert len(rejections(then, now, EVI)) == harness


def test_a_rejection_says_what_and_why(session_of):
    """The message, the rule that it breaks, and its place."""
    (finding,) = rejections(session_of([]), session_of([("sent", 10, {"type": "user_input", "text": 1})]), EVI)
    assert (finding.kind, finding.at_ns, finding.live_seq) == ("rejected", 10_000_000, 1)
    assert finding.what == "user types: 1: user_input: text is 1, not a string (E0101)"


@pytest.mark.parametrize(
    ("number", "places", "told"),
    [
        (1, ["app.py:3 in send", "app.py:9 in on_open"], ("sent at app.py:3 in send", "app.py:9 in on_open")),
        (0, ["app.py:3 in send"], ()),
        (1, [], ()),
        (9, ["app.py:3 in send"], ()),
    ],
    ids=["of this one", "of another", "nowhere", "of one that never arrived"],
)
def test_a_rejection_says_where_it_was_sent(session_of, number, places, told):
    """Where a note tells it, by which of the sent events it is."""
    live = session_of([("sent", 10, RIGHT), ("sent", 20, WRONG)])
    note = Note(90, 30, name="sent_from", data={"number": number, "detail": places})
    (finding,) = rejections(session_of([]), replace(live, events=(*live.events, note)), EVI)
    assert finding.detail == told


def test_a_rejection_has_the_places_of_its_sending(session_of):
    """As its note holds them."""
    live = session_of([("sent", 10, WRONG)])
    place = {"file": "app.py", "line": 3, "function": "send", "source": [{"line": 3, "text": "x"}]}
    note = Note(90, 30, name="sent_from", data={"number": 0, "detail": ["app.py:3 in send"], "places": [place]})
    (finding,) = rejections(session_of([]), replace(live, events=(*live.events, note)), EVI)
    assert finding.places == (Place("app.py", 3, "send", (SourceLine(3, "x"),)),)
