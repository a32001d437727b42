"""Tests of the demo's app: its player, on software sound in virtual time. tests/acts/demos holds whole conversations."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Coroutine

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource
from evi_harness.clocks.virtual import run_virtual
from evi_harness.sdk.openai.realtime_demo_app import BYTES_PER_MS, RATE, ReplyPlayer
from evi_harness.sdk.sound_switch import software_sounddevice_in_place
from evi_harness.session.wav import Pcm

SECOND = b"\1\0" * RATE


def with_player(play: Callable[[ReplyPlayer], Coroutine[Any, Any, None]]) -> SoftwareSpeaker:
    """Play in virtual time; gives the speaker."""

    async def main(loop: Any) -> SoftwareSpeaker:
        microphone, speaker = SoftwareMicrophone(SilenceSource(Pcm(RATE, 1)), clock=loop), SoftwareSpeaker(clock=loop)
        with software_sounddevice_in_place(software_sounddevice(microphone, speaker)):
            player = ReplyPlayer()
            player.stream.start()
            await play(player)
            player.stream.close()
        return speaker

    return run_virtual(main)


def test_it_knows_how_much_was_played_of_what_came() -> None:
    """To the block of the speaker; then it falls silent, and nothing more of that item is played."""

    async def play(player: ReplyPlayer) -> None:
        player.add("one", SECOND)
        assert player.is_playing
        await asyncio.sleep(0.5)
        assert (player.n_received, 500 <= player.heard_ms() <= 520) == (len(SECOND), True)
        player.stop()
        heard_ms = player.heard_ms()
        player.add("one", SECOND)
        assert not player.is_playing
        await asyncio.sleep(0.5)
        assert player.heard_ms() == heard_ms

    speaker = with_player(play)
    (playback,) = speaker.playbacks
    assert 500 * BYTES_PER_MS <= sum(span.n_bytes for span in playback.spans if not span.is_silence) <= 520 * BYTES_PER_MS


def test_each_item_is_counted_by_itself() -> None:
    """What came of the one before does not count, whether that was interrupted or not."""

    async def play(player: ReplyPlayer) -> None:
        player.add("one", SECOND)
        await asyncio.sleep(2)
        assert (player.heard_ms(), player.is_playing) == (1000, False)
        player.add("two", SECOND[: 100 * BYTES_PER_MS])
        await asyncio.sleep(1)
        assert (player.item, player.heard_ms()) == ("two", 100)

    with_player(play)
