from __future__ import annotations

import asyncio
import os
import signal

import pytest

from evi_harness.acts.serve.ears import BEHIND_BYTES, Ears
from evi_harness.audio.ear import Ear
from evi_harness.audio.silero import detector_maker
from evi_harness.errors import EviHarnessError
from evi_harness.session.wav import Pcm

PCM = Pcm(48_000, 1)
SECOND = 1_000_000_000
PIECE = bytes(1920)


def tone(place):
    """Ten milliseconds of something that changes."""
    return b"".join(((place * 7919 + n * 104729) % 20_000 - 10_000).to_bytes(2, "little", signed=True) for n in range(480))


async def all_of(ear, until_ns):
    """What is heard up to a place."""
    marks = []
    while not marks or marks[-1].end_ns < until_ns:
        woken = asyncio.Event()
        ear.wake_by(woken.set)
        if not ear.has_heard:
            await woken.wait()
        marks.extend(ear.heard())
    return marks


def pieces():
    """Audio in pieces, with a gap and a change of format."""
    found = [(tone(place), PCM, place * 10_000_000) for place in range(50)]
    found += [(tone(place), PCM, 2 * SECOND + place * 10_000_000) for place in range(50)]
    found += [(tone(place), Pcm(16_000, 1), 2_500_000_000 + place * 30_000_000) for place in range(20)]
    return found


def test_it_hears_what_an_ear_in_this_process_hears():
    """Piece by piece, whatever the process has heard of them together."""

    async def main():
        async with Ears() as ears:
            ear = ears.open()
            marks = [mark for piece in pieces() for mark in ear.hear(*piece)]
            expected = [mark for piece in pieces() for mark in own.hear(*piece)]
            if not marks or marks[-1].end_ns < expected[-1].end_ns:
                marks += await all_of(ear, expected[-1].end_ns)
            return ear.name, marks, expected

    own = Ear(detector_maker()())
    name, marks, expected = asyncio.run(main())
    assert name == own.name
    assert [(mark.start_ns, mark.end_ns) for mark in marks] == [(mark.start_ns, mark.end_ns) for mark in expected]
    assert [mark.probability for mark in marks] == pytest.approx([mark.probability for mark in expected], abs=1e-5)


def test_who_sends_minutes_at_once_holds_nobody_up():
    """It is behind, and says when it is no longer; another is heard meanwhile."""

    async def main():
        async with Ears() as ears:
            greedy, modest = ears.open(), ears.open()
            greedy.hear(bytes(8 * BEHIND_BYTES), PCM, 0)
            modest.hear(bytes(9600), PCM, 0)
            await all_of(modest, 64_000_000)
            was_behind, is_free = greedy.is_behind, asyncio.Event()
            greedy.wake_by(is_free.set)
            while greedy.is_behind:
                is_free.clear()
                greedy.heard()
                await is_free.wait()
            return was_behind

    assert asyncio.run(main())


def test_an_ear_that_nothing_was_said_to_costs_nothing():
    """The process has not heard of it; closing it, once or twice, is nothing either."""

    async def main():
        async with Ears() as ears:
            for _ in range(1000):
                ears.open().close()
            ear = ears.open()
            ear.hear(PIECE, PCM, 0)
            n_known = len(ears._open)
            ear.close()
            ear.close()
            return n_known, len(ears._open)

    assert asyncio.run(main()) == (1, 0)


def test_no_signal_but_the_end_of_the_server_ends_it():
    """A terminal sends them to every process; the server has still to end what it serves."""

    async def main():
        async with Ears() as ears:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(ears._child.pid, number)
            ear = ears.open()
            ear.hear(bytes(9600), PCM, 0)
            await all_of(ear, 64_000_000)
        return ears._child.returncode

    assert asyncio.run(main()) == 0


def test_a_process_that_dies_is_said_to_every_chat():
    """Nobody waits for what nobody hears."""

    async def listen(ear):
        while True:
            ear.heard()
            await asyncio.sleep(0)

    async def main():
        async with Ears() as ears:
            ear = ears.open()
            ear.hear(PIECE, PCM, 0)
            ears._child.kill()
            with pytest.raises(EviHarnessError, match=r"process .*has ended"):
                await listen(ear)

    asyncio.run(main())
