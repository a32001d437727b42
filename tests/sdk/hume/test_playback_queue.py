from __future__ import annotations

import queue
import re
import threading

import pytest

from evi_harness.clocks.steps import Step
from evi_harness.errors import StuckError
from evi_harness.sdk.hume import playback_queue
from evi_harness.sdk.hume.playback_queue import kind_of_step, virtual_playback_queue
from evi_harness.session.notes import BLOCKED, PLAYBACK_STALL

MS = 1_000_000


class Loop:
    def __init__(self) -> None:
        self.at_ns = 0
        self.charged = []
        self.kinds = set()
        self.thread = threading.get_ident()
        self.is_running = True

    def now_ns(self):
        return self.at_ns

    def charge(self, took_ns, where, kind):
        self.at_ns += took_ns
        self.charged.append((took_ns // MS, where))
        self.kinds.add(kind)

    def runs_here(self):
        return self.is_running and threading.get_ident() == self.thread


class Speaker:
    """Takes one item every third block of 10 ms out of its queue, as often as it is told to."""

    def __init__(self, loop, drained, n_blocks=10**6):
        self.loop = loop
        self.drained = drained
        self.heard = []
        self.n_blocks = n_blocks
        self.next_ns = 5 * MS
        self.number = 0

    def drains_at_ns(self, waiting):
        return self.next_ns if waiting is self.drained and self.number < self.n_blocks else None

    def play_until(self, waiting, at_ns):
        assert waiting is self.drained
        while self.next_ns <= at_ns:
            assert self.loop.now_ns() >= self.next_ns
            self.next_ns += 10 * MS
            self.number += 1
            if self.number % 3 == 0:
                self.heard.append(self.drained.get_nowait())


def made(maxsize=2, **options):
    """A loop, a queue that is full, and its speaker."""
    loop, waiting = Loop(), queue.Queue(maxsize)
    for number in range(maxsize):
        waiting.put(number)
    return loop, waiting, Speaker(loop, waiting, **options)


def test_a_full_queue_is_drained_block_by_block():
    """The clock moves to each block in turn until there is room; the item goes in behind the others."""
    loop, waiting, speaker = made()
    with virtual_playback_queue(loop, speaker):
        waiting.put(2)
        waiting.put(3)
    assert [took_ms for took_ms, _ in loop.charged] == [5, 10, 10, 10, 10, 10]
    assert speaker.heard == [0, 1]
    assert [waiting.get_nowait(), waiting.get_nowait()] == [2, 3]
    assert all(re.match(rf"a queue .*speaker's, .*full \({re.escape(__file__)}:", where) for _, where in loop.charged)
    assert loop.kinds == {BLOCKED}


def test_the_sdks_own_queue_is_told_from_an_apps(monkeypatch):
    """Its stall is the SDK's doing and has a note of its own; the place is the SDK's line."""
    monkeypatch.setattr(playback_queue, "_SDKS_PLAYBACK", __name__)
    loop, waiting, speaker = made()
    with virtual_playback_queue(loop, speaker):
        waiting.put(2)
    assert loop.kinds == {PLAYBACK_STALL}
    assert all(re.match(rf".*SDK's playback queue, .*full \({re.escape(__file__)}:", where) for _, where in loop.charged)


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("/env/site-packages/hume/empathic_voice/chat/audio/audio_utilities.py", PLAYBACK_STALL),
        ("/app/audio_utilities.py", BLOCKED),
        ("", BLOCKED),
    ],
)
def test_a_long_step_of_the_sdks_playback_is_told_from_others(file, kind):
    """In real time a step is known by the file of its code."""
    assert kind_of_step(Step(1, "feeder", 1, 1, file=file)) == kind


def test_a_speaker_that_is_late_is_caught_up_at_no_charge():
    """What was due before now takes no time."""
    loop, waiting, speaker = made()
    loop.at_ns = 100 * MS
    with virtual_playback_queue(loop, speaker):
        waiting.put(2)
    assert [took_ms for took_ms, _ in loop.charged] == [0, 0, 0]
    assert speaker.heard == [0]


def test_room_costs_nothing():
    """A queue that is not full, or has no size, is put into as ever."""
    loop, waiting, speaker = made()
    waiting.get_nowait()
    endless = queue.Queue()
    with virtual_playback_queue(loop, speaker):
        waiting.put(2)
        for number in range(100):
            endless.put(number)
    assert loop.charged == []


@pytest.mark.parametrize(("timeout", "charged", "is_put"), [(0.03, [5, 10, 10], True), (0.024, [5, 10, 9], False), (0, [0], False)])
def test_a_timeout_runs_on_the_virtual_clock(timeout, charged, is_put):
    """There is room in time, or queue.Full is raised when the time is over."""
    loop, waiting, speaker = made()
    with virtual_playback_queue(loop, speaker):
        if is_put:
            waiting.put(2, timeout=timeout)
        else:
            with pytest.raises(queue.Full):
                waiting.put(2, True, timeout)
    assert [took_ms for took_ms, _ in loop.charged] == charged


def test_who_does_not_want_to_wait_does_not():
    """put_nowait raises at once; a negative timeout is refused as ever."""
    loop, waiting, speaker = made()
    with virtual_playback_queue(loop, speaker):
        with pytest.raises(queue.Full):
            waiting.put_nowait(2)
        with pytest.raises(ValueError, match="non-negative"):
            waiting.put(2, timeout=-1)
    assert loop.charged == []


@pytest.mark.parametrize("what", ["another thread", "no loop", "another queue"])
def test_every_other_put_is_the_real_one(what):
    """It blocks for real until somebody takes something out."""
    loop, waiting, speaker = made()
    if what == "another queue":
        speaker.drained = None
    if what == "no loop":
        loop.is_running = False
    with virtual_playback_queue(loop, speaker):
        if what == "another thread":
            putting = threading.Thread(target=waiting.put, args=(2,))
            putting.start()
            taken = waiting.get()
            putting.join()
        else:
            got = []
            taking = threading.Thread(target=lambda: got.append(waiting.get()))
            taking.start()
            waiting.put(2)
            taking.join()
            (taken,) = got
    assert (taken, waiting.qsize(), loop.charged) == (0, 2, [])


@pytest.mark.parametrize("n_blocks", [0, 2])
def test_a_queue_that_nobody_can_drain_is_told(monkeypatch, n_blocks):
    """Put by the SDK with no speaker open, or one that ends meanwhile: in life that is the end of the app, so it is not waited for."""
    loop, waiting, speaker = made(n_blocks=n_blocks)
    monkeypatch.setattr(playback_queue, "_SDKS_PLAYBACK", __name__)
    with virtual_playback_queue(loop, speaker), pytest.raises(StuckError, match=r"(?s)no speaker is open.*byte_strs"):
        waiting.put(2)


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_the_real_put_comes_back(error):
    """However the block ends."""
    real = queue.Queue.put
    try:
        with virtual_playback_queue(Loop(), None):
            assert queue.Queue.put is not real
            if error is not None:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    assert queue.Queue.put is real
