from __future__ import annotations

import asyncio
import os
import signal

import pytest

from evi_harness.acts.serve.made_voices import Voices
from evi_harness.errors import EviHarnessError
from evi_harness.session.wav import Pcm
from evi_harness.simulate.voice import spoken

PCM = Pcm(8_000, 1)


async def all_made(voice, made):
    """Wait until all are there."""
    woken = asyncio.Event()
    voice.wake_by(woken.set)
    while any(one.samples is None for one in made):
        await woken.wait()
        woken.clear()
    return [one.samples for one in made]


@pytest.mark.parametrize("pcm", [PCM, Pcm(48_000, 2)], ids=["small", "longer than a pipe takes at once"])
def test_a_voice_is_made_elsewhere_and_is_the_same(pcm):
    """It is said when it is there; nobody has waited for it. A text may be empty, or have no UTF-8."""
    texts = ("Once upon a time.", "", "half a pair: \ud83d", "There was a machine. " * 4)

    async def main():
        async with Voices() as voices:
            voice = voices.open()
            return await all_made(voice, [voice(text, -7, pcm) for text in texts])

    assert asyncio.run(main()) == [spoken(text, -7, pcm) for text in texts]


def test_what_is_no_longer_needed_is_not_made():
    """What waits behind others of a chat that is over is dropped, and wakes nobody; another chat's are made."""

    async def main():
        async with Voices() as voices:
            over, other = voices.open(), voices.open()
            over.wake_by(lambda: woken_over.append(1))
            # The first has been asked for; no other can be made before the loop has read that.
            made = [over("A word. " * 16, seed, PCM) for seed in range(50)]
            over.close()
            await all_made(other, [other("Me.", 1, PCM)])
            return [one.samples is not None for one in made]

    woken_over = []
    assert asyncio.run(main()) == [True] + [False] * 49
    assert woken_over == []


def test_no_signal_but_the_end_of_the_server_ends_it():
    """A terminal sends them to every process; the server has still to end what it serves."""

    async def main():
        async with Voices() as voices:
            voice = voices.open()
            await all_made(voice, [voice("Me.", 1, PCM)])
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(voices._child.pid, number)
            await all_made(voice, [voice("You.", 1, PCM)])
        return voices._child.returncode

    assert asyncio.run(main()) == 0


def test_a_process_that_dies_is_said_to_every_chat():
    """To those that wait for a voice, and to those that ask for one later."""

    async def main():
        async with Voices() as voices:
            waits, later = voices.open(), voices.open()
            made = [waits("A word. " * 16, seed, PCM) for seed in range(2)]
            voices._child.kill()
            for one in made:
                with pytest.raises(EviHarnessError, match=r"process .*has ended"):
                    await all_made(waits, [one])
            with pytest.raises(EviHarnessError, match=r"process .*has ended"):
                later("Me.", 1, PCM)

    asyncio.run(main())
