"""Tests of evi_harness.audio.sent_microphone."""

from __future__ import annotations

from typing import List

import pytest

from evi_harness.audio.sent_blocks import SentBlock
from evi_harness.audio.sent_microphone import Going, SentMicrophone
from evi_harness.audio.sources import PcmSource
from evi_harness.clocks.virtual import VirtualLoop
from evi_harness.session.wav import Pcm

MS = 1_000_000
PCM = Pcm(8000, 1)
FRAMES = 80
SILENCE = bytes(2 * FRAMES)


class Blocks(list):
    """Some blocks, each given as its time in ms, how many messages were before it, and whether it is behind a hole."""

    is_even = True
    ends_at_ns = 4000 * MS

    def __init__(self, *given):
        super().__init__(
            SentBlock(round(at_ms * MS), number.to_bytes(2, "little") * FRAMES, n_before, n_before * 100 * MS, is_behind)
            for number, (at_ms, n_before, is_behind) in enumerate(given, 1)
        )


class Replay:
    """A microphone on a loop of its own."""

    def __init__(self, blocks, *, opened_ms=0, is_playing=lambda now_ns: False):
        self.loop = VirtualLoop()
        self.sent_ns: List[int] = []
        self.taken = []
        self.opened_ns = opened_ms * MS
        going = Going(self.live_ns, self.sent_ns, lambda: is_playing(self.loop.now_ns()))
        samples = b"".join(block.samples for block in blocks)
        self.microphone = SentMicrophone(blocks, PcmSource(samples, PCM), going, clock=self.loop, block_frames=FRAMES)

    def live_ns(self, at_ns):
        return self.opened_ns + at_ns if self.loop.now_ns() >= self.opened_ns else None

    def run(self, until_ms, *, sends_ms=(), opens_ms=0, n_frames=None):
        """What was delivered until a time, with its time in ms and the number of its block, 0 for silence."""
        for at_ms in sends_ms:
            self.loop.call_at_ns(at_ms * MS, lambda: self.sent_ns.append(self.loop.now_ns()))
        cadence = self.microphone.open(self.take, lambda: None, n_frames)
        self.loop.call_at_ns(opens_ms * MS, lambda: self.microphone.start(cadence))
        self.loop.call_at_ns(until_ms * MS, self.loop.stop)
        self.loop.run_forever()
        cadence.stop()
        self.loop.close()
        return [(at_ns / MS, int.from_bytes(block[:2], "little")) for block, at_ns in self.taken]

    def take(self, block, at_ns):
        assert len(block) == len(SILENCE) or not self.microphone._is_as_sent
        self.taken.append((block, at_ns))
        return True


EVEN = Blocks((20, 0, False), (29.5, 0, False), (41, 0, False))


def test_each_block_comes_when_it_was_sent():
    """Without drift or rounding, from when the connection was opened; before that there is nothing, and close behind them neither."""
    assert Replay(EVEN).run(500) == [(20, 1), (29.5, 2), (41, 3)]
    assert Replay(EVEN, opened_ms=100).run(500) == [(120, 1), (129.5, 2), (141, 3)]


def test_a_microphone_that_is_opened_late_begins_then():
    """All of it comes, later by as much."""
    assert Replay(EVEN).run(500, opens_ms=200) == [(210, 1), (219.5, 2), (231, 3)]


def test_where_nothing_was_sent_there_is_silence():
    """But not close to what was sent, nor to the end, when an app that is the same may be sooner or later by a little."""
    found = Replay(Blocks((20, 0, False), (2000, 0, True))).run(6000)
    silent_ms = [at_ms for at_ms, number in found if not number]
    assert [one for one in found if one[1]] == [(20, 1), (2000, 2)]
    assert silent_ms[0] > 520
    assert not any(1500 < at_ms < 2500 or 3500 < at_ms < 4500 for at_ms in silent_ms)
    assert silent_ms[1] - silent_ms[0] == 10
    assert max(silent_ms) > 5900


@pytest.mark.parametrize(("sends_ms", "begins_ms"), [((130,), 130), ((), 610)])
def test_a_block_waits_for_the_message_before_it(sends_ms, begins_ms):
    """And for no longer than half a second."""
    found = Replay(Blocks((20, 0, False), (110, 1, False), (120, 1, False), (900, 1, False))).run(1000, sends_ms=sends_ms)
    assert [number for _, number in found] == [1, 2, 3, 4]
    assert begins_ms <= found[1][0] <= found[2][0] <= begins_ms + 2
    assert found[3][0] == 900


def test_what_follows_a_message_that_is_sooner_is_as_much_sooner():
    """Since what answers the message is, too."""
    found = Replay(Blocks((20, 0, False), (130, 1, False), (900, 1, True))).run(1000, sends_ms=(70,))
    assert found == [(20, 1), (100, 2), (870, 3)]


def test_a_block_behind_a_hole_waits_for_the_speaker():
    """The app plays a reply, for which it sends nothing."""
    playing = lambda now_ns: now_ns < 1040 * MS  # noqa: E731 - it is handed on
    found = Replay(Blocks((20, 0, False), (1000, 0, True), (1010, 0, False)), is_playing=playing).run(1200)
    assert [(at_ms, number) for at_ms, number in found if number] == [(20, 1), (1040, 2), (1040, 3)]


def test_an_app_that_asks_for_other_blocks_gets_them_on_a_grid():
    """All of it, of the size that it asked for."""
    found = Replay(EVEN).run(100, n_frames=40)
    assert [at_ms for at_ms, _ in found[:3]] == [5, 10, 15]
    assert [number for _, number in found[:6]] == [1, 1, 2, 2, 3, 3]


def test_a_microphone_that_is_opened_again_goes_on():
    """Where it was."""
    replay = Replay(EVEN)
    first = replay.microphone.open(lambda block, at_ns: replay.take(block, at_ns) and False, lambda: replay.loop.stop(), None)
    replay.loop.call_at_ns(0, lambda: replay.microphone.start(first))
    replay.loop.run_forever()
    assert not first.is_active
    assert [number for _, number in replay.run(300, opens_ms=100)] == [1, 2, 3]
