"""The demo's app of the Realtime protocol: a weather assistant on the openai package and sounddevice.

An example to copy: it sends the microphone, plays the reply, answers a call of its tool, and at an interruption falls silent and says how
much of the reply was played.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from typing import Any, Callable, Dict, Optional, Type

__all__ = ["converses", "truncates_at_received", "weather_talk"]

RATE = 24_000
BYTES_PER_MS = 2 * RATE // 1000
BLOCK_FRAMES = RATE // 25
FORMAT = {"type": "audio/pcm", "rate": RATE}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather at a place.",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
}
SESSION: Dict[str, Any] = {
    "type": "realtime",
    "instructions": "You tell people about the weather.",
    "tools": [WEATHER],
    "audio": {"input": {"format": FORMAT, "transcription": {"model": "gpt-4o-mini-transcribe"}}, "output": {"format": FORMAT}},
}
# Asking a weather service takes that long.
LOOKING_UP_S = 0.12
_LOOK_EVERY_S = 0.05


class ReplyPlayer:
    """Plays the reply that it is given, and knows how much of it was received and how much the speaker has taken."""

    def __init__(self) -> None:
        import sounddevice

        self.item: Optional[str] = None
        self.n_received = self.n_played = 0
        self._waiting = bytearray()
        self._dropped: Optional[str] = None
        # The speaker takes its blocks on a thread.
        self._lock = threading.Lock()
        self.stream = sounddevice.RawOutputStream(RATE, channels=1, dtype="int16", callback=self._fill)

    @property
    def is_playing(self) -> bool:
        """Whether there is more to play."""
        return bool(self._waiting)

    def add(self, item: str, samples: bytes) -> None:
        """Play a piece of an item, behind what there is; nothing of an item that was interrupted.

        Args:
            item: The id of the item.
            samples: 16-bit samples.
        """
        if item == self._dropped:
            return
        with self._lock:
            if item != self.item:
                self.item, self.n_received, self.n_played = item, 0, 0
            self.n_received += len(samples)
            self._waiting += samples

    def stop(self) -> None:
        """Fall silent: drop what is waiting, and what will still come of the item."""
        with self._lock:
            self._waiting.clear()
            self._dropped = self.item

    def heard_ms(self) -> int:
        """How much of the item was played, in milliseconds."""
        return self.n_played // BYTES_PER_MS

    def _fill(self, block: Any, n_frames: int, times: Any, status: Any) -> None:  # noqa: ARG002 - sounddevice's signature
        with self._lock:
            part = bytes(self._waiting[: len(block)])
            del self._waiting[: len(block)]
            self.n_played += len(part)
        block[:] = part.ljust(len(block), b"\0")


class _ReceivedPlayer(ReplyPlayer):
    """A player with a common mistake: it takes what has come for what was heard."""

    def heard_ms(self) -> int:
        """How much of the item has come, in milliseconds."""
        return self.n_received // BYTES_PER_MS


class _Talk:
    """One conversation, held on a connection of the SDK's."""

    def __init__(self, connection: Any, player: ReplyPlayer, tell: Callable[[str], object]) -> None:
        import sounddevice

        self._connection = connection
        self._player = player
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._blocks: asyncio.Queue[bytes] = asyncio.Queue()
        self._microphone = sounddevice.RawInputStream(RATE, BLOCK_FRAMES, channels=1, dtype="int16", callback=self._hear)
        self._owes_response = False
        self._is_last = False

    async def hold(self) -> None:
        """Talk until the assistant has said goodbye, or the service ends the conversation."""
        await self._connection.session.update(session=SESSION)
        sending = asyncio.ensure_future(self._send_microphone())
        try:
            async for event in self._connection:
                await self._take(event)
                if event.type == "response.done" and self._is_last:
                    break
            while self._player.is_playing:  # noqa: ASYNC110 - it is the speaker's thread that takes it
                await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            self._microphone.close()
            self._player.stream.close()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def _hear(self, block: Any, n_frames: int, times: Any, status: Any) -> None:  # noqa: ARG002 - sounddevice's signature
        # It is called on the device's thread.
        self._loop.call_soon_threadsafe(self._blocks.put_nowait, bytes(block))

    async def _send_microphone(self) -> None:
        while True:
            block = await self._blocks.get()
            await self._connection.input_audio_buffer.append(audio=base64.b64encode(block).decode())

    async def _take(self, event: Any) -> None:
        if event.type == "session.updated":
            self._microphone.start()
            self._player.stream.start()
        elif event.type == "response.output_audio.delta":
            self._player.add(event.item_id, base64.b64decode(event.delta))
        elif event.type == "input_audio_buffer.speech_started":
            await self._fall_silent()
        elif event.type == "response.function_call_arguments.done":
            await self._answer(event)
        elif event.type == "response.done" and self._owes_response:
            # Not earlier: there is one response at a time.
            self._owes_response = False
            await self._connection.response.create()
        elif event.type == "conversation.item.input_audio_transcription.completed":
            self._tell(f"user: {event.transcript}")
        elif event.type == "response.output_audio_transcript.done":
            self._tell(f"assistant: {event.transcript}")
            self._is_last = "goodbye" in event.transcript.lower()

    async def _answer(self, call: Any) -> None:
        weather = await self._weather(json.loads(call.arguments)["location"])
        item = {"type": "function_call_output", "call_id": call.call_id, "output": json.dumps(weather)}
        await self._connection.conversation.item.create(item=item)
        self._owes_response = True

    async def _weather(self, location: str) -> Dict[str, Any]:
        await asyncio.sleep(LOOKING_UP_S)
        return {"location": location, "sky": "rain", "celsius": 11}

    async def _fall_silent(self) -> None:
        """Play no more of the reply, and say how much of it was heard: it came faster than it plays."""
        if not self._player.is_playing:
            return
        self._player.stop()
        truncated = {"item_id": self._player.item, "content_index": 0, "audio_end_ms": self._player.heard_ms()}
        await self._connection.conversation.item.truncate(**truncated)


async def weather_talk(connection: Any, tell: Callable[[str], object], player: Type[ReplyPlayer] = ReplyPlayer) -> None:
    """Hold a conversation about the weather, with the microphone and the speaker of sounddevice.

    Args:
        connection: The SDK's, opened.
        tell: Takes the transcript, line by line.
        player: What plays the reply.
    """
    await _Talk(connection, player(), tell).hold()


async def converses(connection: Any) -> None:
    """Hold the conversation and print the transcript.

    Args:
        connection: The SDK's, opened.
    """
    await weather_talk(connection, print)


async def truncates_at_received(connection: Any) -> None:
    """Hold it with a common mistake: what was received of an interrupted reply is given for what was heard of it.

    Args:
        connection: The SDK's, opened.
    """
    await weather_talk(connection, print, _ReceivedPlayer)
