from __future__ import annotations

import pytest
from raw_client import frame

from evi_harness.carriers.client_frames import ClientFrames

GOOD = [
    frame(1, b""),
    frame(1, b"x" * 125),
    frame(2, b"x" * 126),
    frame(2, b"y" * 70_000),
    frame(1, b"a", fin=False),
    frame(9, b"ping"),
    frame(0, b"b" * 300),
    frame(8, b"\x03\xe8"),
]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 14, 1000, 1_000_000])
def test_what_is_masked_is_passed_on_as_it_came(step):
    """In whatever pieces it comes; nothing is left behind."""
    stream, frames = b"".join(GOOD), ClientFrames()
    found = [frames.feed(stream[at : at + step]) for at in range(0, len(stream), step)]
    assert {fault for _, fault in found} == {None}
    assert b"".join(passed for passed, _ in found) == stream
    assert frames.n_unfinished == 0


FAULTS = [
    (frame(1, b"", masked=False), "not masked"),
    (frame(1, b"x" * 70_000, masked=False), "not masked"),
    (frame(1, b"x", reserved=4), "reserved bits"),
    (frame(9, b"x", reserved=1), "reserved bits"),
    (frame(3, b"x"), "opcode 3"),
    (frame(11, b""), "opcode 11"),
    (frame(9, b"x", fin=False), "is fragmented"),
    (frame(8, b"x" * 126), "is too long"),
    (frame(0, b"x"), "no message to"),
    (frame(1, b"", fin=False) + frame(1, b"x"), "begins within another"),
]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 14, 1000, 1_000_000])
@pytest.mark.parametrize(("bad", "why"), FAULTS)
def test_a_frame_that_no_client_may_send_is_seen(bad, why, step):
    """Whatever its length says; what came before it is passed on, and nothing of it."""
    before = GOOD[1] + GOOD[3]
    stream, frames = before + bad, ClientFrames()
    passed, fault = b"", None
    for at in range(0, len(stream), step):
        one, fault = frames.feed(stream[at : at + step])
        passed += one
        if fault is not None:
            break
    assert why in fault
    assert passed == before + (frame(1, b"", fin=False) if why == "begins within another" else b"")


def test_an_unfinished_message_is_counted():
    """Frame by frame and within a frame, control frames left out, until it is whole."""
    frames = ClientFrames()
    counted = []
    for data in (
        frame(2, b"x" * 1000, fin=False),
        frame(0, b"y" * 500, fin=False)[:208],
        frame(0, b"y" * 500, fin=False)[208:],
        frame(9, b"ping"),
        frame(0, b"z"),
        frame(1, b""),
    ):
        frames.feed(data)
        counted.append(frames.n_unfinished)
    assert counted == [1000, 1200, 1500, 1500, 0, 0]


def test_what_a_message_will_have_is_known_from_its_heads():
    """Before any of it has come; with what its frames before have brought."""
    frames = ClientFrames()
    frames.feed(frame(2, b"x" * 1000, fin=False) + frame(0, b"", size=50_000_000))
    assert (frames.n_unfinished, frames.n_announced) == (1000, 50_001_000)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 70_000])
def test_a_whole_binary_message_is_given_unmasked(size):
    """One behind the other; what comes behind them is left for ``feed``."""
    payload, last, frames = bytes(place % 251 for place in range(size)), frame(9, b"ping"), ClientFrames()
    stream = frame(2, payload) * 2 + last
    first, at = frames.whole_binary(stream, 0)
    second, then = frames.whole_binary(stream, at)
    assert (first, second) == (payload, payload)
    assert stream[then:] == last
    assert frames.whole_binary(stream, then) == (b"", then)
    assert frames.feed(stream[then:]) == (last, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        frame(1, b"a"),
        frame(8, b"\x03\xe8"),
        frame(2, b"a", fin=False),
        frame(0, b"a"),
        frame(2, b"a", masked=False),
        frame(2, b"a", reserved=4),
        *(frame(2, b"x" * 300)[:n] for n in (1, 2, 3, 5, 8, 307)),
        *(frame(2, b"x" * 70_000)[:n] for n in (2, 9, 10, 14)),
    ],
)
def test_nothing_else_is_given_past_the_library(data):
    """Nor a part of it."""
    assert ClientFrames().whole_binary(data, 0) == (b"", 0)


@pytest.mark.parametrize("before", [frame(1, b"a", fin=False), frame(2, b"x" * 300)[:1], frame(2, b"x" * 300)[:100]])
def test_what_is_within_another_message_is_not_given_either(before):
    """Nor what may be."""
    frames = ClientFrames()
    frames.feed(before)
    assert frames.whole_binary(frame(2, b"b"), 0) == (b"", 0)


def test_messages_that_are_left_to_the_library_are_counted():
    """By their beginning, with close frames, and without pings."""
    frames = ClientFrames()
    frames.feed(frame(1, b"a", fin=False) + frame(9, b"") + frame(0, b"b") + frame(2, b"c"))
    assert frames.n_begun == 2
    frames.feed(frame(8, b"\x03\xe8"))
    assert frames.n_begun == 3
