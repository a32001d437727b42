"""Playback of the SDK before 0.9, through software sound.

Up to 0.8.6 the SDK handed each chunk to pydub, which looks for a player on the machine and plays it on another thread. None of that works
on a machine without sound, or in virtual time; so its one function, ``play_audio``, is replaced by one that plays the chunk through the
stand-in for sounddevice. From 0.9 on the SDK plays through sounddevice itself, and nothing is replaced.
"""

from __future__ import annotations

import asyncio
import importlib
import queue
from types import ModuleType
from typing import Any, Awaitable, Callable, Dict

from evi_harness.errors import SdkError
from evi_harness.sdk.hume.installed_sdk import silence_pydub
from evi_harness.sdk.installed import version_of
from evi_harness.session.wav import split

__all__ = ["old_playback"]

CHAT_CLIENT = "hume.empathic_voice.chat.audio.chat_client"


def old_playback(stand_in: ModuleType) -> Dict[str, Dict[str, Any]]:
    """What to set in the SDK's modules, by module; nothing from 0.9 on, or where there is no SDK.

    The module is imported, so that there is something to set it in.

    Args:
        stand_in: What stands in for sounddevice.
    """
    try:
        major, minor = (int(part) for part in (version_of("hume") or "").split(".")[:2])
    except ValueError:
        return {}
    if (major, minor) >= (0, 9):
        return {}
    silence_pydub()
    importlib.import_module(CHAT_CLIENT)
    return {CHAT_CLIENT: {"play_audio": playing(stand_in)}}


def playing(stand_in: Any) -> Callable[[bytes], Awaitable[None]]:
    """Make the function that plays one chunk and returns when it is over."""

    async def play_audio(byte_str: bytes) -> None:
        wav = split(byte_str)
        if wav is None or wav.pcm.width != 2:
            raise SdkError("software sound plays WAV of 16-bit PCM only, and the app plays something else", hint="Use hume 0.9 or newer.")
        loop, is_over = asyncio.get_running_loop(), asyncio.Event()
        # The speaker tells audio from silence by what leaves a queue.
        waiting: queue.Queue[bytes] = queue.Queue()
        waiting.put(wav.samples)
        rest = b""

        def callback(outdata: Any, *_: Any) -> None:
            nonlocal rest
            if not waiting.empty():
                rest = waiting.get_nowait()
            if not rest:
                raise stand_in.CallbackStop
            block, rest = rest[: len(outdata)], rest[len(outdata) :]
            outdata[: len(block)] = block

        with stand_in.RawOutputStream(
            samplerate=wav.pcm.rate,
            channels=wav.pcm.channels,
            dtype="int16",
            callback=callback,
            finished_callback=lambda: loop.call_soon_threadsafe(is_over.set),
        ):
            await is_over.wait()

    return play_audio
