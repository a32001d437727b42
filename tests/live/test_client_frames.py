from __future__ import annotations

import pytest

from evi_harness.live.client_frames import ClientFrames
from evi_harness.live.raw_client import frame

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
    assert all(is_masked for _, is_masked in found)
    assert b"".join(passed for passed, _ in found) == stream
    assert frames.n_unfinished == 0


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 14, 1000, 1_000_000])
@pytest.mark.parametrize("payload", [b"", b"x", b"x" * 126, b"x" * 70_000])
def test_a_frame_that_is_not_masked_is_seen(payload, step):
    """Whatever its length says; what came before it is passed on, and nothing of it."""
    before = GOOD[1] + GOOD[3]
    stream, frames = before + frame(1, payload, masked=False), ClientFrames()
    passed = b""
    for at in range(0, len(stream), step):
        one, is_masked = frames.feed(stream[at : at + step])
        passed += one
        if not is_masked:
            break
    assert (passed, is_masked) == (before, False)


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
