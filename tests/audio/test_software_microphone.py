from __future__ import annotations

import threading
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.sources import PcmSource, SilenceSource
from evi_harness.clocks.virtual import run_virtual
from evi_harness.session.wav import Pcm

MS = 1_000_000
NARROW = Pcm(16000, 1)


def samples_of(n_frames, pcm=NARROW):
    """Samples of which no two frames are alike, and none silent."""
    return b"".join((number % 65535 + 1).to_bytes(2, "little") * pcm.channels for number in range(n_frames))


def heard(source, n_blocks, n_frames=None, **options):
    """So many blocks in virtual time: each with when it came and how long it is; and the microphone."""

    async def main(loop):
        blocks = []
        done = loop.create_future()

        def take(block, at_ns):
            blocks.append((at_ns, block))
            return len(blocks) < n_blocks

        microphone = SoftwareMicrophone(source, clock=loop, **options)
        microphone.open(take, lambda: done.set_result(None), n_frames).start()
        await done
        return blocks, microphone

    return run_virtual(main)


class Grudging:
    """Gives less than it is asked for, a byte over a frame's border at worst."""

    def __init__(self, samples, sizes):
        self.pcm = NARROW
        self._samples = samples
        self._sizes = iter(sizes)

    def read(self, n_frames):
        n_bytes = min(n_frames, next(self._sizes, n_frames)) * 2
        part, self._samples = self._samples[:n_bytes], self._samples[n_bytes:]
        return part


@given(n_frames=st.integers(0, 2000), block=st.integers(1, 700), sizes=st.lists(st.integers(1, 300), max_size=20))
def test_the_source_comes_out_whole_and_in_order(n_frames, block, sizes):
    """Whatever the sizes of blocks and reads: all the samples, then silence to the end of the block and behind it."""
    samples = samples_of(n_frames)
    n_blocks = n_frames // block + 3
    blocks, _ = heard(Grudging(samples, sizes), n_blocks, block)
    assert {len(one) for _, one in blocks} == {block * 2}
    assert b"".join(one for _, one in blocks) == samples.ljust(n_blocks * block * 2, b"\0")


@pytest.mark.parametrize(
    ("pcm", "asked", "own", "n_frames"),
    [
        (Pcm(48000, 1), None, None, 480),
        (Pcm(48000, 1), 0, None, 480),
        (Pcm(44100, 2), None, None, 441),
        (Pcm(16000, 1), 256, None, 256),
        (Pcm(16000, 1), None, 320, 320),
        (Pcm(16000, 1), 256, 320, 256),
        (Pcm(50, 1), None, None, 1),
    ],
)
def test_blocks_are_10_ms_unless_someone_asks(pcm, asked, own, n_frames):
    """The app's size counts, then the microphone's, then a hundredth of a second; a block comes when it is full."""
    blocks, microphone = heard(SilenceSource(pcm), 3, asked, block_frames=own)
    assert [len(block) for _, block in blocks] == [n_frames * pcm.frame_bytes] * 3
    assert [at_ns for at_ns, _ in blocks] == [number * n_frames * 1_000_000_000 // pcm.rate for number in (1, 2, 3)]
    assert microphone.pcm == pcm


@pytest.mark.parametrize(("n_frames", "ended_ms"), [(0, 10), (1, 10), (160, 10), (161, 20), (320, 20)])
def test_the_end_is_told_once_with_the_last_sample(n_frames, ended_ms):
    """Not a block later, also where the source ends with a block; an empty one ends with the first."""
    ends = []
    _, microphone = heard(PcmSource(samples_of(n_frames), NARROW), 5, on_end=lambda: ends.append(1))
    assert ends == [1]
    assert (microphone.began_at_ns, microphone.ended_at_ns) == (0, ended_ms * MS)


def test_at_a_speed_the_same_samples_come_so_many_times_as_early():
    """Not one is lost or changed; a block is complete at its time divided."""
    samples = samples_of(480)
    blocks, microphone = heard(PcmSource(samples, NARROW), 4, speed=Fraction(5, 2))
    assert b"".join(one for _, one in blocks) == samples.ljust(4 * 320, b"\0")
    assert [at_ns for at_ns, _ in blocks] == [number * 4 * MS for number in (1, 2, 3, 4)]
    assert microphone.ended_at_ns == 12 * MS


@pytest.mark.parametrize(
    ("source", "times"), [(PcmSource(samples_of(480), NARROW), [0, 0, 0, 10, 20]), (SilenceSource(NARROW), [0, 10, 20])]
)
def test_as_fast_as_taken_only_silence_takes_its_time(source, times):
    """What there is to hear comes at once; what is behind it, and what is nothing but silence, a block at a time."""
    blocks, _ = heard(source, len(times), speed=None)
    assert [at_ns // MS for at_ns, _ in blocks] == times


def test_a_second_listener_gets_what_follows():
    """A microphone that is opened again goes on where its source stood."""
    samples = samples_of(480)
    source = PcmSource(samples, NARROW)

    async def main(loop):
        microphone = SoftwareMicrophone(source, clock=loop)
        blocks = []
        for _ in range(3):
            done = loop.create_future()
            microphone.open(lambda block, at_ns: blocks.append(block), lambda done=done: done.set_result(None)).start()
            await done
        return b"".join(blocks)

    assert run_virtual(main) == samples


def test_in_real_time_not_a_sample_is_lost():
    """The thread delivers the source whole and in order, and tells the end."""
    samples, blocks, ended = samples_of(1600), [], threading.Event()
    microphone = SoftwareMicrophone(PcmSource(samples, NARROW), on_end=ended.set)
    cadence = microphone.open(lambda block, at_ns: blocks.append(block) or True, lambda: None)
    cadence.start()
    assert ended.wait(60)
    cadence.stop()
    assert b"".join(blocks).rstrip(b"\0") == samples.rstrip(b"\0")
    assert microphone.ended_at_ns - microphone.began_at_ns == 100 * MS


@pytest.mark.parametrize(
    ("began_ms", "came_ms"),
    [(100, [110, 120, 130]), (85, [100, 105, 115]), (120, [130, 140, 150])],
    ids=["when it is opened", "before: what was due comes at once", "later: it takes its time"],
)
def test_when_a_microphone_counts_as_opened_can_be_said(began_ms, came_ms):
    """Blocks of 10 ms are counted from there; none of the source is lost by it."""

    async def main(loop):
        blocks, done = [], loop.create_future()

        def take(block, at_ns):
            blocks.append((loop.now_ns() // MS, block))
            return len(blocks) < 3

        asked = []
        microphone = SoftwareMicrophone(
            PcmSource(samples_of(480), NARROW), clock=loop, began_ns=lambda now_ns: asked.append(now_ns) or began_ms * MS
        )
        cadence = microphone.open(take, lambda: done.set_result(None))
        loop.call_at_ns(100 * MS, lambda: microphone.start(cadence))
        await done
        return blocks, asked, microphone.began_at_ns

    blocks, asked, began_at_ns = run_virtual(main)
    assert [at_ms for at_ms, _ in blocks] == came_ms
    assert b"".join(block for _, block in blocks) == samples_of(480)
    assert (asked, began_at_ns) == ([100 * MS], began_ms * MS)


def test_a_microphone_is_open_while_an_app_listens():
    """Not before it is started, and not behind its stop."""

    async def main(loop):
        microphone = SoftwareMicrophone(SilenceSource(NARROW), clock=loop)
        told = [microphone.is_open]
        cadence = microphone.open(lambda block, at_ns: True, lambda: None)
        told.append(microphone.is_open)
        microphone.start(cadence)
        told.append(microphone.is_open)
        cadence.stop()
        return [*told, microphone.is_open]

    assert run_virtual(main) == [False, False, True, False]
