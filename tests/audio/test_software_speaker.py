from __future__ import annotations

import functools
import queue
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.audio.software_speaker import Playback, SoftwareSpeaker, queues_of
from evi_harness.clocks.virtual import run_virtual
from evi_harness.session.wav import Pcm

MS = 1_000_000
PCM = Pcm(1000, 1)


def chunk(n_frames, first=1):
    """Frames of which no two are alike, and none silent."""
    return b"".join((first + number).to_bytes(2, "little") for number in range(n_frames))


def from_queue(waiting):
    """A callback as the SDK's: takes chunks out of a queue, fills up with silence."""
    rest = b""

    def fill(block, at_ns):
        nonlocal rest
        while len(rest) < len(block) and not waiting.empty():
            rest += waiting.get_nowait()
        played, rest = rest[: len(block)], rest[len(block) :]
        block[: len(played)] = played
        return True

    return fill


def played(puts, until_ms, n_frames=10, start_ms=0, **options):
    """What a stream plays of chunks that are put into its queue at their times, in virtual time."""

    async def main(loop):
        waiting = queue.Queue()
        speaker = SoftwareSpeaker(clock=loop, **options)
        fill = from_queue(waiting)
        stream = speaker.open(PCM, n_frames, fill, lambda: None, fill)
        loop.call_at_ns(start_ms * MS, stream.start)
        for at_ms, samples in puts:
            loop.call_at_ns(int(at_ms * MS), functools.partial(waiting.put, samples))
        over = loop.create_future()
        loop.call_at_ns(int(until_ms * MS), lambda: over.set_result(stream.stop()))
        await over
        assert "_get" not in vars(waiting)
        return speaker.playbacks[0]

    return run_virtual(main)


def spans(playback):
    """Spans in milliseconds and frames."""
    return [(span.at_ns // MS, span.n_bytes // 2, span.is_silence) for span in playback.spans]


def test_what_was_heard_and_what_was_silence():
    """Audio and silence in turn, to the frame, with when each began."""
    playback = played([(15, chunk(25)), (55, chunk(10, 100))], 95)
    assert playback.samples == chunk(25) + chunk(10, 100)
    assert spans(playback) == [(0, 20, True), (20, 25, False), (45, 15, True), (60, 10, False), (70, 30, True)]
    assert playback.piece(40, 56) == playback.samples[40:56] == chunk(5, 21) + chunk(3, 100)
    assert (playback.piece(60, 900), playback.speed) == (chunk(5, 105), 1)
    assert (playback.began_ns, playback.ended_ns, playback.n_heard) == (0, 95 * MS, 70)


def test_silence_that_was_played_is_audio():
    """Zeros that came out of the queue were there."""
    playback = played([(15, bytes(40))], 55)
    assert spans(playback) == [(0, 20, True), (20, 20, False), (40, 20, True)]
    assert playback.first_heard_ns(bytes(40)) == 20 * MS


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=12, unique_by=lambda put: put[0]), st.integers(3, 64))
def test_every_chunk_comes_out_and_tells_when(puts, n_frames):
    """Whatever comes when: all of it, in order; each chunk's time is where the chunks and the gaps before it put it."""
    puts = sorted(puts)
    chunks, first = [], 1
    for at_ms, length in puts:
        chunks.append((at_ms, chunk(length, first)))
        first += length
    playback = played(chunks, 1200, n_frames)
    assert playback.samples == b"".join(samples for _, samples in chunks)
    assert sum(span.n_bytes for span in playback.spans) % (n_frames * 2) == 0
    for at_ms, samples in chunks:
        heard_ns = playback.first_heard_ns(samples)
        assert heard_ns is not None
        assert heard_ns >= at_ms * MS
    starts = [playback.heard_ns(start) for start in playback.chunks]
    assert starts == sorted(starts) == [playback.first_heard_ns(samples) for _, samples in chunks]


def test_the_same_chunk_twice_is_told_apart_by_time():
    """Asked from a later time on, it tells the later one; what was not played is None."""
    playback = played([(5, chunk(5)), (45, chunk(5))], 80)
    assert playback.first_heard_ns(chunk(5)) == 10 * MS
    assert playback.first_heard_ns(chunk(5), since_ns=11 * MS) == 50 * MS
    assert playback.first_heard_ns(chunk(5), since_ns=51 * MS) is None
    assert playback.first_heard_ns(chunk(5, 7)) is None
    assert playback.first_heard_ns(b"") is None
    assert playback.heard_ns(1000) is None


def test_times_count_from_the_start_of_the_stream():
    """A stream that is started late sounds late."""
    playback = played([(0, chunk(10))], 90, start_ms=33)
    assert playback.began_ns == 33 * MS
    assert playback.first_heard_ns(chunk(10)) == 33 * MS
    assert playback.first_heard_ns(chunk(4, 3)) == 35 * MS


@pytest.mark.parametrize("puts", [[(0, chunk(20)), (42, chunk(20, 50))], [(0, chunk(75)), (42, chunk(20, 150))]], ids=["apart", "queued"])
def test_a_stream_that_plays_on_has_a_playback_for_each_part(puts):
    """What was in the queue at the cut is heard in the second; each part has its own times, and what is not cut is one."""

    async def main(loop):
        waiting = queue.Queue()
        speaker = SoftwareSpeaker(clock=loop)
        fill = from_queue(waiting)
        stream = speaker.open(PCM, 10, fill, lambda: None, fill)
        stream.start()
        for at_ms, samples in puts:
            loop.call_at_ns(int(at_ms * MS), functools.partial(waiting.put, samples))
        cut = loop.create_future()
        loop.call_at_ns(41 * MS, lambda: cut.set_result(speaker.part()))
        n_first = await cut
        over = loop.create_future()
        loop.call_at_ns(200 * MS, lambda: over.set_result(stream.stop()))
        await over
        return n_first, speaker.playbacks, speaker.part()

    n_first, (first, second), n_all = run_virtual(main)
    assert (n_first, n_all) == (1, 2)
    assert first.samples + second.samples == b"".join(samples for _, samples in puts)
    assert (first.began_ns, first.ended_ns) == (0, 41 * MS)
    assert second.began_ns >= first.ended_ns
    assert second.first_heard_ns(puts[1][1]) == second.heard_ns(second.n_heard - len(puts[1][1]))
    assert (second.first_heard_ns(puts[1][1]) - second.began_ns) % (10 * MS) in (0, 5 * MS)


def test_without_a_queue_a_block_of_zeros_is_silence():
    """There is nothing else to tell it by."""

    async def main(loop):
        blocks = [bytes(20), chunk(10), bytes(20)]
        speaker = SoftwareSpeaker(clock=loop)
        over = loop.create_future()

        def fill(block, at_ns):
            if not blocks:
                return False
            block[:] = blocks.pop(0)
            return True

        speaker.open(PCM, 10, fill, lambda: over.set_result(None)).start()
        await over
        return speaker.playbacks[0]

    playback = run_virtual(main)
    assert spans(playback) == [(0, 10, True), (10, 10, False), (20, 10, True)]
    assert playback.ended_ns == 30 * MS


def test_at_a_speed_all_is_heard_so_many_times_as_early():
    """Two chunks put at their times divided play at their times divided, to the nanosecond."""
    playback = played([(5, chunk(25)), (55 / 3, chunk(10, 100))], 95 / 3, speed=Fraction(3))
    assert playback.samples == chunk(25) + chunk(10, 100)
    assert [(span.at_ns, span.n_bytes // 2, span.is_silence) for span in playback.spans[:4]] == [
        *((0, 20, True), (20 * MS // 3, 25, False), (15 * MS, 15, True), (20 * MS, 10, False))
    ]
    assert playback.heard_ns(2 * 24) == 44 * MS // 3


def test_as_fast_as_taken_audio_takes_no_time_and_silence_does():
    """What waits is taken at once, block after block; then the speaker is silent for a block at a time."""
    playback = played([(15, chunk(25)), (55, chunk(10, 100))], 95, speed=None)
    assert playback.samples == chunk(25) + chunk(10, 100)
    assert spans(playback) == [(0, 20, True), (20, 25, False), (20, 45, True), (60, 10, False), (60, 40, True)]
    assert {playback.heard_ns(start) for start in range(0, 50, 2)} == {20 * MS}


def test_an_odd_place_is_no_sample():
    """Samples are looked for where frames begin."""
    playback = Playback(PCM, 0)
    playback.add(b"\x00\x01\x00\x01\x01\x00", 6, 0)
    assert playback.first_heard_ns(b"\x01\x00") == 2 * MS


def test_a_speaker_drains_the_queues_of_playing_streams_only():
    """It says when, and plays when it is told; nothing before the start and behind the stop."""

    async def main(loop):
        waiting, other = queue.Queue(), queue.Queue()
        speaker = SoftwareSpeaker(clock=loop)
        fill = from_queue(waiting)
        stream = speaker.open(PCM, 10, fill, lambda: None, fill)
        told = [speaker.drains_at_ns(waiting)]
        stream.start()
        told += [speaker.drains_at_ns(waiting), speaker.drains_at_ns(other)]
        waiting.put(chunk(15))
        speaker.play_until(waiting, 10 * MS)
        told += [waiting.qsize(), speaker.drains_at_ns(waiting)]
        stream.stop()
        return [*told, speaker.drains_at_ns(waiting)], speaker.playbacks[0].samples

    assert run_virtual(main) == ([None, 0, None, 0, 20 * MS, None], chunk(15))


class Bound:
    def __init__(self):
        self.waiting = queue.Queue()

    def fill(self, block):
        pass


def test_queues_that_a_callback_can_reach():
    """Closed over, bound to it, handed to it; a callback that has none has none."""
    waiting, bound = queue.Queue(), Bound()
    unassigned = lambda: (waiting, later)  # noqa: E731 - its second cell is empty when it is looked at
    assert queues_of(unassigned) == (waiting,)
    later = None
    assert queues_of(bound.fill) == (bound.waiting,)
    assert queues_of(functools.partial(lambda one, two: None, waiting, two=bound.waiting)) == (waiting, bound.waiting)

    @functools.wraps(bound.fill)
    def standing_for(*_):
        pass

    assert queues_of(standing_for) == (bound.waiting,)
    assert queues_of(print) == queues_of(None) == queues_of(lambda: later) == ()


@pytest.mark.parametrize(("own", "asked", "n_frames"), [(None, 0, 480), (None, 256, 256), (100, 0, 100), (100, 256, 256)])
def test_the_size_of_a_block(own, asked, n_frames):
    """The app's, then the speaker's, then 10 ms."""
    sizes = []

    async def main(loop):
        speaker = SoftwareSpeaker(clock=loop, block_frames=own)
        over = loop.create_future()
        speaker.open(Pcm(48000, 2), asked, lambda block, at_ns: bool(sizes.append(len(block))), lambda: over.set_result(None)).start()
        await over

    run_virtual(main)
    assert sizes == [n_frames * 4]


def test_how_much_was_heard_is_known_while_it_plays():
    """Of all streams together, without the silence between."""
    speaker = SoftwareSpeaker()
    assert speaker.heard_ns == 0
    for n_frames in (10, 5):
        playback = Playback(PCM, 0)
        playback.add(chunk(n_frames) + bytes(20), 2 * n_frames, 0)
        speaker.playbacks.append(playback)
    assert speaker.heard_ns == 15 * MS
