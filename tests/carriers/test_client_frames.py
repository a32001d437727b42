from __future__ import annotations

import pytest

from evi_harness.carriers.client_frames import ClientFrames
from evi_harness.carriers.raw_client import frame

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
    (frame(1, b"", masked=False), "a frame of the client's is not masked"),
    (frame(1, b"x" * 70_000, masked=False), "a frame of the client's is not masked"),
    (frame(1, b"x", reserved=4), "a frame has reserved bits set"),
    (frame(9, b"x", reserved=1), "a frame has reserved bits set"),
    (frame(3, b"x"), "a frame has the opcode 3, which means nothing"),
    (frame(11, b""), "a frame has the opcode 11, which means nothing"),
    (frame(9, b"x", fin=False), "a control frame is fragmented"),
    (frame(8, b"x" * 126), "a control frame is too long"),
    (frame(0, b"x"), "a frame continues no message"),
    (frame(1, b"", fin=False) + frame(1, b"x"), "a message begins within another"),
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
    assert fault == why
    assert passed == before + (frame(1, b"", fin=False) if why == "a message begins within another" else b"")


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
