"""An app without an SDK that speaks in two conversations, with one microphone and one speaker for both.

``python two_conversations.py BLOCK FAULT``: frames a block of the microphone, and in which conversation half of each piece is played
(``halve 1``, ``halve 2``) or the app blocks (``block 1``, ``block 2``); ``none`` for neither.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import queue
import sys
import time
import wave

import sounddevice as sd
import websockets

URL = "wss://api.hume.ai/v0/evi/chat?config_id=00000000-0000-4000-8000-000000000003"
FORMAT = {"audio": {"channels": 1, "encoding": "linear16", "sample_rate": 16000}, "type": "session_settings"}
WEATHER = json.dumps({"location": "Bath", "sky": "rain", "celsius": 11})
BLOCK, FAULT = int(sys.argv[1]), sys.argv[2]


class Speaker:
    """Plays what is put into it, one piece after another."""

    def __init__(self):
        self.waiting = queue.Queue()
        self._left = bytearray()

    def fill(self, block, *_):
        """Fill a block of the device's."""
        while len(self._left) < len(block) and not self.waiting.empty():
            self._left += self.waiting.get()
        part = bytes(self._left[: len(block)])
        del self._left[: len(block)]
        block[:] = part + bytes(len(block) - len(part))


async def chat(number, microphone, speaker, group):
    """One conversation; the first ends by itself, the second goes on."""
    n_replies = 0
    async with websockets.connect(URL + group) as websocket:
        await websocket.send(json.dumps(FORMAT))

        async def speak():
            while True:
                await websocket.send(await microphone.get())

        speaking = asyncio.ensure_future(speak())
        async for frame in websocket:
            message = json.loads(frame)
            if message["type"] == "chat_metadata":
                group = f"&resumed_chat_group_id={message['chat_group_id']}"
            elif message["type"] == "audio_output":
                with wave.open(io.BytesIO(base64.b64decode(message["data"]))) as sound:
                    samples = sound.readframes(sound.getnframes())
                speaker.waiting.put(samples[: len(samples) // 4 * 2] if f"halve {number}" == FAULT else samples)
            elif message["type"] == "tool_call":
                if f"block {number}" == FAULT:
                    time.sleep(1)  # noqa: ASYNC251 - the fault
                await asyncio.sleep(0.12)
                answer = {"type": "tool_response", "tool_call_id": message["tool_call_id"], "content": WEATHER}
                await websocket.send(json.dumps(answer))
            elif message["type"] == "assistant_end":
                n_replies += 1
                if n_replies == 2 and number == 1:
                    # What is left of the reply is heard.
                    await asyncio.sleep(2.5)
                    break
        speaking.cancel()
    return group


async def main():
    """Both conversations."""
    loop, microphone, speaker = asyncio.get_running_loop(), asyncio.Queue(), Speaker()

    def heard(data, *_):
        loop.call_soon_threadsafe(microphone.put_nowait, bytes(data))

    sound = {"channels": 1, "dtype": "int16"}
    output = sd.RawOutputStream(samplerate=24000, callback=speaker.fill, **sound)
    with output, sd.RawInputStream(samplerate=16000, blocksize=BLOCK, callback=heard, **sound):
        group = await chat(1, microphone, speaker, "")
        await asyncio.sleep(3)
        while not microphone.empty():
            microphone.get_nowait()
        await chat(2, microphone, speaker, group)


if __name__ == "__main__":
    asyncio.run(main())
