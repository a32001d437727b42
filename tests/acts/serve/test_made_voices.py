from __future__ import annotations

import asyncio
import threading

from evi_harness.acts.serve.made_voices import Voices
from evi_harness.session.wav import Pcm
from evi_harness.simulate.voice import spoken

PCM = Pcm(8_000, 1)


def test_a_voice_is_made_elsewhere_and_is_the_same():
    """It is said when it is there; nobody has waited for it."""

    async def main():
        with Voices() as voices:
            voice, woken = voices.open(), asyncio.Event()
            voice.wake_by(woken.set)
            made = [voice(text, 7, PCM) for text in ("Once upon a time.", "There was a machine.")]
            while any(one.samples is None for one in made):
                woken.clear()
                await woken.wait()
            return [one.samples for one in made]

    assert asyncio.run(main()) == [spoken(text, 7, PCM) for text in ("Once upon a time.", "There was a machine.")]


def test_what_is_no_longer_needed_is_not_made():
    """What waits behind others of a chat that is over is dropped, and wakes nobody; another chat's are made."""

    async def main():
        with Voices() as voices:
            over, other, woken = voices.open(), voices.open(), asyncio.Event()
            over.wake_by(lambda: woken_over.append(1))
            other.wake_by(woken.set)
            # Nothing is begun before the chat is over.
            begin = threading.Event()
            voices._thread.submit(begin.wait, 60)
            made = [over("A word. " * 16, seed, PCM) for seed in range(50)]
            over.close()
            begin.set()
            last = other("Me.", 1, PCM)
            while last.samples is None:
                woken.clear()
                await woken.wait()
            return sum(one.samples is not None for one in made)

    woken_over = []
    assert asyncio.run(main()) == 0
    assert woken_over == []
