"""Replay of the Realtime protocol in virtual time beside the bare openai SDK: the same app, on the same loop, against a list of frames.

    python benchmarks/realtime_replay.py [--turns 60] [--rounds 5]

The bar: at most 1.3 times. On both sides the app opens sounddevice's streams on the same software sound: it sends the recorded user, plays
what it receives and answers the calls. Both run alternately in one process; the ratio is taken round by round, of processor time, which
other work on the machine changes least. The replays of all rounds must be identical.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, List, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fixtures"))

from aiohttp import WSMsgType, web
from ten_minutes_realtime import App, ten_minutes_realtime

from evi_harness.acts.replay import replay_session
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import UserTrack
from evi_harness.clocks.virtual import VirtualLoop, run_virtual
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.replay.trace import first_difference
from evi_harness.sdk.openai.realtime_connection import open_realtime
from evi_harness.sdk.sound_switch import software_sounddevice_in_place
from evi_harness.session.session import Session
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.loading import load_session

# Seconds since the opening, and what to send then.
Frames = List[Tuple[float, Any]]


def bare(session: Session, received: Frames) -> int:
    """The app and the SDK with nothing of evi-harness but the loop and the software sound; returns the events it took."""

    async def main(loop: VirtualLoop) -> int:
        app = App()
        server = web.AppRunner(_list_server(received, session.duration_ns / 1e9, loop), access_log=None)
        await server.setup()
        loop.carry("bare.invalid", 80, server.server)
        track = UserTrack(session, OPENAI_REALTIME)
        microphone, speaker = SoftwareMicrophone(track, clock=loop), SoftwareSpeaker(clock=loop)
        with software_sounddevice_in_place(software_sounddevice(microphone, speaker)):
            async with open_realtime("http://bare.invalid", None) as connection:
                await app.converse(connection)
        await server.cleanup()
        return app.n_events

    return run_virtual(main)


def _list_server(frames: Frames, ends_s: float, loop: VirtualLoop) -> web.Application:
    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        began = loop.time()

        async def send() -> None:
            for at_s, payload in frames:
                await asyncio.sleep(began + at_s - loop.time())
                await socket.send_frame(payload, WSMsgType.TEXT)
            await asyncio.sleep(began + ends_s - loop.time())
            await socket.close()

        sending = asyncio.ensure_future(send())
        async for _ in socket:
            pass
        await sending
        return socket

    application = web.Application()
    application.router.add_get("/v1/realtime", talk)
    return application


def replayed(session: Session) -> Tuple[int, Session]:
    """The same through evi-harness: the events that the app took, and what crossed; fails unless it passes."""
    app = App()

    async def main(connection: Any) -> None:
        await app.converse(connection)

    result = replay_session(session, handler=main)
    assert result.passed, "\n".join(result.lines())
    return app.n_events, result.session


def main() -> None:
    """Run both sides and print medians, spreads and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=60, help="turns of ten seconds (default 60)")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds, behind one that is not (default 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # As users have it: in a folder.
        session = load_session(write_session(Path(folder) / "made", ten_minutes_realtime(options.turns), OPENAI_REALTIME))
        _compare(session, options.rounds)


def _compare(session: Session, n_rounds: int) -> None:
    n_received = len(session.received)
    python = sys.version.split()[0]
    print(f"{session.duration_ns / 1e9:.0f} s of session, {len(session.sent)} frames sent, {n_received} received; Python {python}")
    frames: Frames = [(event.at_ns / 1e9, event.frame.payload) for event in session.received]
    bare_s: List[float] = []
    replay_s: List[float] = []
    earlier = None
    for number in range(n_rounds + 1):
        began = time.process_time()
        n_bare = bare(session, frames)
        between = time.process_time()
        n_replayed, live = replayed(session)
        ended = time.process_time()
        assert n_bare == n_replayed == n_received, (n_bare, n_replayed, n_received)
        difference = None if earlier is None else first_difference(earlier.events, live.events)
        assert difference is None, difference
        earlier = live
        if number:
            bare_s.append(between - began)
            replay_s.append(ended - between)
    ratios = [replay / alone for replay, alone in zip(replay_s, bare_s)]
    for name, values, unit in (("bare SDK", bare_s, " s"), ("replay", replay_s, " s"), ("ratio", ratios, "")):
        print(f"{name:<9} median {statistics.median(values):.2f}{unit}, {min(values):.2f} to {max(values):.2f}")


if __name__ == "__main__":
    main()
