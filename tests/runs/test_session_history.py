from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.runs.session_history import SessionHistory, told_session
from evi_harness.session.events import Handshake
from evi_harness.session.header import Anchor

# 2026-01-02 03:04:05 UTC.
WALL_MS = 1_767_323_045_000


@pytest.mark.parametrize(
    ("header", "began_ms"),
    [
        ({}, WALL_MS),
        ({"start": Anchor(2_000_000_000, "2026-01-02T03:04:05.500000Z")}, WALL_MS - 1500),
        ({"start": None}, WALL_MS),
        ({"start": None, "created": "long ago"}, 946_684_800_000),
    ],
    ids=["anchored", "anchored later", "no clock", "no time at all"],
)
def test_a_session_began_when_its_header_says(weather, header, began_ms):
    """At its anchor, else when it was made."""
    session = replace(weather, header=replace(weather.header, **header))
    assert told_session(session).began_ms == began_ms


def test_it_is_pickled_and_answers_as_before(weather):
    """In the process of a server."""
    history = SessionHistory(EVI, [told_session(weather)])
    (path, *_) = history.paths
    answer = history.answer(Handshake(path))
    assert answer is not None
    assert pickle.loads(pickle.dumps(history)).answer(Handshake(path)) == answer


def test_events_that_come_later_are_told_then(weather):
    """Those of a replay under way; before the first there is no chat."""
    events = []
    history = SessionHistory(EVI, [told_session(weather, events)])
    counts = []
    for event in weather.events:
        events.append(event)
        answer = history.answer(Handshake("/v0/evi/chats"))
        counts.append(None if answer is None else answer.body["chats_page"][0]["event_count"])
    assert counts[0] is None
    assert counts[-1] > 3
    assert [one for one in counts if one is not None] == sorted(one for one in counts if one is not None)
