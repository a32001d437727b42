"""Tests of evi_harness.audio.sent_blocks."""

from __future__ import annotations

import json

import pytest

from evi_harness.audio.sent_blocks import SOONER_NS, SentBlocks
from evi_harness.audio.sources import UserTrack
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.header import Header
from evi_harness.session.session import Session

MS = 1_000_000
RATE = 16_000
FORMAT = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": RATE, "channels": 1}}
ANSWER = {"type": "tool_response", "tool_call_id": "1", "content": ""}
CALL = {"type": "tool_call", "tool_call_id": "1", "name": "x", "parameters": "{}"}


def block(number, ms=20):
    """So many milliseconds of audio, each of another sample."""
    return number.to_bytes(2, "little") * (RATE * ms // 1000)


def blocks(*events):
    """The blocks of a session in which each event is a time in ms and what was sent, or received."""
    found = [Opened(0, 0, Handshake("/v0/evi/chat", (), ()))]
    for number, (at_ms, what, *received) in enumerate(((0, FORMAT), *events), 1):
        frame = Frame(BINARY, what) if isinstance(what, bytes) else Frame(TEXT, json.dumps(what).encode())
        found.append((Received if received else Sent)(number, round(at_ms * MS), frame))
    found.append(Closed(len(found), 60_000 * MS, "app", 1000, ""))
    session = Session(Header("id", "script", "2026-01-01T00:00:00Z", "evi"), found)
    return SentBlocks(session, EVI, UserTrack(session, EVI))


def times(found):
    """When each is to be delivered, in ms."""
    return [one.at_ns / MS for one in found]


def test_each_block_is_at_its_time_with_its_samples():
    """However uneven that was; and how many messages were before it is counted, and when the last one was."""
    found = blocks((21, block(1)), (39.5, block(2)), (300, ANSWER), (301, block(3)))
    assert found.is_even
    assert found.ends_at_ns == 60_000 * MS
    one, two, three = found
    assert (one.at_ns, two.at_ns, three.at_ns) == (21 * MS, 39.5 * MS, 301 * MS)
    assert (one.samples, two.samples, three.samples) == (block(1), block(2), block(3))
    assert [(each.n_before, each.message_at_ns) for each in (one, two, three)] == [(1, 0), (1, 0), (2, 300 * MS)]
    assert [each.is_behind_hole for each in (one, two, three)] == [False, False, True]


def test_what_was_late_is_no_hole():
    """An app that was busy sends all at once what the microphone heard meanwhile."""
    found = blocks((20, block(1)), *((120, block(number)) for number in range(2, 7)), (140, block(7)))
    assert not any(each.is_behind_hole for each in found)


@pytest.mark.parametrize(
    ("received_ms", "at_ms"),
    [
        # Nothing was received: as soon as that, and no sooner.
        (None, 400 - SOONER_NS / MS),
        # After what the message answers; or, where that was between them, not before it was sent.
        (350, 350 + 1 / MS),
        (380, 370),
    ],
)
def test_a_block_stays_before_the_message_behind_it(received_ms, at_ms):
    """The app sends that sooner in virtual time than it did."""
    call = [] if received_ms is None else [(received_ms, CALL, True)]
    found = blocks(*sorted([(20, block(1)), *call, (370, block(2)), (400, ANSWER), (401, block(3))], key=lambda one: one[0]))
    assert times(found) == [20, pytest.approx(at_ms), 401]


def test_a_block_stays_before_what_silenced_the_app():
    """A reply was received and the app sent two blocks more before it played it, and nothing for a while."""
    reply = {"type": "assistant_message"}
    found = blocks((20, block(1)), (35, reply, True), (40, block(2)), (60, block(3)), (900, block(4)), (920, block(5)))
    assert times(found) == [20, pytest.approx(35), pytest.approx(35), 900, 920]
    assert [one.at_ns < 35 * MS for one in found] == [True, True, True, False, False]


def test_blocks_of_several_lengths_are_not_even():
    """No microphone sends those."""
    assert not blocks((20, block(1)), (40, block(2, ms=10))).is_even
