"""The app of command_run.py: as Hume's quickstart has it, and usable as a handler too. It says when its ``main`` began, if it is asked."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from pathlib import Path
from typing import Any

from hume import MicrophoneInterface, Stream
from hume.client import AsyncHumeClient
from hume.empathic_voice.types import ToolResponseMessage

# Names a file: main only writes the monotonic clock and the processor time of its process to it, in nanoseconds, and ends.
STARTED = "BENCHMARK_STARTED"


class App:
    """Queues what it hears to be played, and answers the tool calls, as the made session's app did."""

    def __init__(self) -> None:
        self.socket: Any = None
        self.byte_strs: Any = Stream.new()

    def set_socket(self, socket: Any) -> None:
        """Keep the connection, to answer on."""
        self.socket = socket

    async def on_message(self, message: Any) -> None:
        """Queue audio, and answer a tool call."""
        if message.type == "audio_output":
            await self.byte_strs.put(base64.b64decode(message.data))
        if message.type == "tool_call":
            await asyncio.sleep(0.08)
            found = json.dumps({"found": json.loads(message.parameters)["number"]})
            await self.socket.send_publish(ToolResponseMessage(tool_call_id=message.tool_call_id, content=found))


def note_start(place: str) -> None:
    """Say when main has begun."""
    Path(place).write_text(f"{time.monotonic_ns()} {time.process_time_ns()}", encoding="ascii")


async def main() -> None:
    """Hold the conversation."""
    if STARTED in os.environ:
        note_start(os.environ[STARTED])
        return
    app = App()
    async with AsyncHumeClient(api_key="any").empathic_voice.chat.connect(config_id="made") as socket:
        app.set_socket(socket)

        async def listen() -> None:
            async for message in socket:
                await app.on_message(message)

        await asyncio.gather(listen(), MicrophoneInterface.start(socket, byte_stream=app.byte_strs))


if __name__ == "__main__":
    asyncio.run(main())
