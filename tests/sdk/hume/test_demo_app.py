from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

from evi_harness.sdk.hume.demo_app import WeatherApp


class Socket:
    """Keeps what is sent."""

    def __init__(self):
        self.sent = []

    async def send_publish(self, message):
        self.sent.append(message)


def taken(*messages):
    """An app that has taken some messages, and its socket."""

    async def main():
        app, socket = WeatherApp(lambda _: None), Socket()
        app.set_socket(socket)
        for message in messages:
            await app.on_message(message)
        return app, socket

    return asyncio.run(main())


def test_it_answers_the_tool_call():
    """With the call's id, and the place that was asked for."""
    call = SimpleNamespace(type="tool_call", name="get_weather", parameters='{"location": "Oslo"}', tool_call_id="call-1")
    _, socket = taken(call)
    (answer,) = socket.sent
    assert answer.tool_call_id == "call-1"
    assert json.loads(answer.content)["location"] == "Oslo"


def test_it_falls_silent_when_the_user_interrupts():
    """What is queued is dropped, and what comes later is queued again."""
    sound = SimpleNamespace(type="audio_output", data="AAAA")
    app, _ = taken(sound, sound, SimpleNamespace(type="user_interruption", time=1))
    assert app.byte_strs.queue.empty()
    app, _ = taken(sound, SimpleNamespace(type="user_interruption", time=1), sound)
    assert app.byte_strs.queue.qsize() == 1
