"""The demo's app, after Hume's quickstart: it prints the transcript, plays what is said, and answers a tool call.

An example to copy: all that it does beyond the guide's ``WebSocketInterface`` is what an app of its kind has to do.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from evi_harness.sdk.hume.installed_sdk import import_sdk
from evi_harness.sdk.hume.interface import WebSocketInterface

__all__ = ["WeatherApp"]


class WeatherApp(WebSocketInterface):
    """A weather assistant: knows the tool ``get_weather``, and falls silent when the user interrupts."""

    async def on_message(self, message: Any) -> None:
        """Do what the guide does, and the rest besides.

        Args:
            message: The message, as the SDK parsed it.
        """
        await super().on_message(message)
        if message.type == "tool_call":
            await self._on_tool_call(message)
        elif message.type == "user_interruption":
            self._fall_silent()

    async def _on_tool_call(self, call: Any) -> None:
        import_sdk()
        from hume.empathic_voice.types import ToolResponseMessage

        weather = await self._weather(json.loads(call.parameters)["location"])
        answer = ToolResponseMessage(tool_call_id=call.tool_call_id, content=json.dumps(weather))
        assert self.socket is not None
        # hume up to 0.12.1 has a method for each message, later versions one for all.
        send = getattr(self.socket, "send_publish", None) or self.socket.send_tool_response
        await send(answer)

    async def _weather(self, location: str) -> Any:
        # What it takes to ask a weather service.
        await asyncio.sleep(0.12)
        return {"location": location, "sky": "rain", "celsius": 11}

    def _fall_silent(self) -> None:
        """Drop what is queued of the reply that was interrupted; what the speaker already has it plays."""
        waiting = self.byte_strs.queue
        while not waiting.empty():
            waiting.get_nowait()
