"""Replay in virtual time beside the bare SDK: the same app, on the same loop, against a server that sends the same frames from a list.

    python benchmarks/virtual_replay.py [--turns 60] [--rounds 5]

On both sides the SDK's own microphone plays the recorded user on the same software sound, and the SDK's own playback plays what the app
queues. Both run alternately in one process; the ratio is taken round by round. The app prints nothing and answers the tool calls.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, List, Tuple

from aiohttp import WSMsgType, web
from hume.empathic_voice.types import ToolResponseMessage

from evi_harness.acts.replay import replay_session
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import UserTrack
from evi_harness.clocks.virtual import VirtualLoop, run_virtual
from evi_harness.evi.dialect import EVI
from evi_harness.sdk.hume.connection import open_chat
from evi_harness.sdk.hume.microphone import run_microphone
from evi_harness.sdk.hume.playback_queue import virtual_playback_queue
from evi_harness.sdk.hume.sound import software_sound
from evi_harness.session.events import Received, Sent
from evi_harness.session.session import Session
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.loading import load_session

# Seconds since the opening, and what to send then.
Frames = List[Tuple[float, Any]]


class App:
    """Queues what it hears to be played, and answers the tool calls, as the made session's app did."""

    def __init__(self) -> None:
        from hume import Stream

        self.socket: Any = None
        self.byte_strs: Any = Stream.new()
        self.n_messages = 0

    def set_socket(self, socket: Any) -> None:
        """Keep the connection, to answer on."""
        self.socket = socket

    async def on_message(self, message: Any) -> None:
        """Count, queue audio, and answer a tool call."""
        self.n_messages += 1
        if message.type == "audio_output":
            await self.byte_strs.put(base64.b64decode(message.data))
        if message.type == "tool_call":
            await asyncio.sleep(0.08)
            found = json.dumps({"found": json.loads(message.parameters)["number"]})
            await self.socket.send_publish(ToolResponseMessage(tool_call_id=message.tool_call_id, content=found))


def fixed_list(session: Session) -> Frames:
    """What the bare side's server sends, with times in seconds."""
    return [(event.at_ns / 1e9, event.frame.payload) for event in session.received]


def bare(session: Session, received: Frames) -> int:
    """The app and the SDK with nothing of evi-harness but the loop and the software sound; returns the messages it took."""

    async def main(loop: VirtualLoop) -> int:
        app = App()
        server = web.AppRunner(_list_server(received, loop), access_log=None)
        await server.setup()
        loop.carry("bare.invalid", 80, server.server)
        track = UserTrack(session, EVI)
        # In the recorded blocks, as a replay has them.
        microphone, speaker = SoftwareMicrophone(track, clock=loop, block_frames=track.block_frames), SoftwareSpeaker(clock=loop)
        with software_sound(software_sounddevice(microphone, speaker)), virtual_playback_queue(loop, speaker):
            async with open_chat("http://bare.invalid", api_key="bare", options={"config_id": "made"}) as socket:
                app.set_socket(socket)
                speaking = asyncio.ensure_future(run_microphone(socket, app.byte_strs, None))
                async for message in socket:
                    await app.on_message(message)
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)
        await server.cleanup()
        return app.n_messages

    return run_virtual(main)


def _list_server(frames: Frames, loop: VirtualLoop) -> web.Application:
    async def chat(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        began = loop.time()

        async def send() -> None:
            for at_s, payload in frames:
                await asyncio.sleep(began + at_s - loop.time())
                await socket.send_frame(payload, WSMsgType.TEXT)
            await socket.close()

        sending = asyncio.ensure_future(send())
        async for _ in socket:
            pass
        await sending
        return socket

    application = web.Application()
    application.router.add_get("/v0/evi/chat", chat)
    return application


def replayed(session: Session) -> int:
    """The same through evi-harness; fails unless it passes."""
    made: List[App] = []

    def make() -> App:
        made.append(App())
        return made[0]

    result = replay_session(session, handler=make)
    assert result.passed, "\n".join(result.lines())
    return made[0].n_messages


def main() -> None:
    """Run both sides and print medians, spreads and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=60, help="turns of ten seconds (default 60)")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds, behind one that is not (default 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # As users have it: in a folder.
        _compare(load_session(write_session(Path(folder) / "made", _made(options.turns), EVI)), options.rounds)


def _compare(session: Session, n_rounds: int) -> None:
    n_sent = sum(isinstance(event, Sent) for event in session.events)
    n_received = sum(isinstance(event, Received) for event in session.events)
    print(f"{session.duration_ns / 1e9:.0f} s of session, {n_sent} frames sent, {n_received} received; Python {sys.version.split()[0]}")
    frames = fixed_list(session)
    bare_s: List[float] = []
    replay_s: List[float] = []
    for number in range(n_rounds + 1):
        counts = []
        for side, run in ((bare_s, lambda: bare(session, frames)), (replay_s, lambda: replayed(session))):
            began = time.perf_counter()
            counts.append(run())
            if number:
                side.append(time.perf_counter() - began)
        assert counts[0] == counts[1] == n_received, counts
    ratios = [replay / alone for replay, alone in zip(replay_s, bare_s)]
    for name, values, unit in (("bare SDK", bare_s, " s"), ("replay", replay_s, " s"), ("ratio", ratios, "")):
        print(f"{name:<9} median {statistics.median(values):.2f}{unit}, {min(values):.2f} to {max(values):.2f}")


def _made(n_turns: int) -> Session:
    path = Path(__file__).parent.parent / "fixtures" / "ten_minutes.py"
    spec = importlib.util.spec_from_file_location("ten_minutes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ten_minutes(n_turns)


if __name__ == "__main__":
    main()
