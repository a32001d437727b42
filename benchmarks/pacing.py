"""How late a real-time server sends what is due: messages on a grid of 20 ms, one session and fifty at once.

Run it with ``python benchmarks/pacing.py`` on a machine that has nothing else to do; whatever else runs is in the 99th percentile.
``plain`` is an aiohttp server that sleeps with ``asyncio.sleep`` until a message is due; ``serve`` is the project's own server in its
process, playing a session; ``serve, plain loop`` is the same on asyncio's own loop, which shows what the precise timers alone bring. Each
is measured by itself: due against the instant before the bytes are handed to the socket. ``cpu`` is the server's processor time, as a
share of one core. The bar for ``serve``: p50 ≤ 0.15 ms and p99 ≤ 1 ms for one session, p99 ≤ 2 ms for fifty.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import multiprocessing
import sys
import time
from typing import Any, Callable, Dict, List

import aiohttp
from aiohttp import web

from evi_harness.acts.serve.serving import play
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.lateness import Lateness, lateness_ns
from evi_harness.carriers.real_carrier import RealCarrier
from evi_harness.carriers.server import ChatServer
from evi_harness.clocks.clock import RealClock
from evi_harness.clocks.pacing import own_process, run_precisely
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import TEXT, Closed, Event, Frame, Opened, Received
from evi_harness.session.header import Header
from evi_harness.session.session import Session

GRID_NS = 20_000_000
# 20 ms of 24 kHz, as large as EVI's would be if it cut so finely.
MESSAGE = json.dumps({"type": "audio_output", "id": "0", "index": 0, "data": base64.b64encode(bytes(960)).decode()})
CHAT = EVI.chat_paths[0]


def session(n_messages: int) -> Session:
    """A session in which the service sends on the grid and then closes."""
    frame = Frame(TEXT, MESSAGE.encode())
    events: List[Event] = [Opened(0, 0)]
    events += [Received(seq, seq * GRID_NS, frame) for seq in range(1, n_messages + 1)]
    events.append(Closed(n_messages + 1, (n_messages + 1) * GRID_NS, "service", 1000))
    return Session(Header(id="benchmark", made_by="script", created="2026-01-01T00:00:00Z", dialect="evi"), tuple(events))


def is_over(journal: Journal) -> bool:
    """Whether a session is closed."""
    return any(isinstance(event, Closed) for event in journal.events[-2:])


async def serve(n_messages: int, n_sessions: int, listening: Callable[[str], Any]) -> List[int]:
    """The project's server on the running loop: lateness of each message once all sessions are over."""
    server = ChatServer(play(session(n_messages)), clock=RealClock(), chat_paths=EVI.chat_paths)
    async with RealCarrier(server) as carrier:
        listening(carrier.url)
        while len(server.journals) < n_sessions or not all(map(is_over, server.journals)):  # noqa: ASYNC110 - no timer of the server's is touched
            await asyncio.sleep(0.5)
        return [late_ns for journal in server.journals for late_ns in lateness_ns(journal.events)]


async def plain(n_messages: int, n_sessions: int, listening: Callable[[str], Any]) -> List[int]:
    """A server that sleeps until each message is due."""
    late: List[int] = []

    async def chat(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        opened_ns = time.monotonic_ns()
        for number in range(1, n_messages + 1):
            due_ns = opened_ns + number * GRID_NS
            await asyncio.sleep((due_ns - time.monotonic_ns()) / 1e9)
            late.append(time.monotonic_ns() - due_ns)
            await socket.send_str(MESSAGE)
        await socket.close()
        return socket

    application = web.Application()
    application.router.add_get(CHAT, chat)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    listening(f"http://127.0.0.1:{runner.addresses[0][1]}")
    while len(late) < n_messages * n_sessions:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.5)
    await runner.cleanup()
    return late


def run_plainly(main: Callable[[], Any]) -> Any:
    """Run on asyncio's own loop."""
    return asyncio.run(main())


KINDS: Dict[str, Any] = {"plain": (run_plainly, plain), "serve, plain loop": (run_plainly, serve), "serve": (run_precisely, serve)}


def child(kind: str, n_messages: int, n_sessions: int, pipe: Any) -> None:
    """Be the server: tell the URL, then what was measured."""
    run, main = KINDS[kind]
    if run is run_precisely:
        own_process()
    used: List[float] = []

    def listening(url: str) -> None:
        used.extend([time.process_time(), time.monotonic()])
        pipe.send(url)

    late = run(lambda: main(n_messages, n_sessions, listening))
    pipe.send((late, (time.process_time() - used[0]) / (time.monotonic() - used[1])))


async def listen(url: str, n_sessions: int, n_messages: int) -> None:
    """Be the apps: open the sessions one shortly after another and read them to their ends."""

    async def app(number: int) -> None:
        # No two on the same beat, as with people; 37 and 20 have no divisor in common.
        await asyncio.sleep(number * 0.037)
        async with client.ws_connect(url + CHAT, autoclose=False, autoping=True) as socket:
            n_got = 0
            async for message in socket:
                if message.type is aiohttp.WSMsgType.CLOSE:
                    await socket.close()
                    break
                n_got += 1
            assert n_got == n_messages, f"{n_got} of {n_messages} messages came"

    async with aiohttp.ClientSession() as client:
        await asyncio.gather(*map(app, range(n_sessions)))


def measure(kind: str, n_messages: int, n_sessions: int) -> None:
    """Measure one row and print it."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=child, args=(kind, n_messages, n_sessions, there))
    process.start()
    asyncio.run(listen(here.recv(), n_sessions, n_messages))
    late, cpu = here.recv()
    process.join()
    print(f"{kind:18} {n_sessions:3} sessions {len(late):6} messages  {Lateness.of(late)}  cpu {cpu:.0%}", flush=True)


def main() -> None:
    """Measure side by side and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each session")
    parser.add_argument("--sessions", type=int, nargs="*", default=[1, 50], help="how many at once")
    parser.add_argument("--only", choices=list(KINDS), help="one kind alone")
    options = parser.parse_args()
    for n_sessions in options.sessions:
        for kind in [options.only] if options.only else KINDS:
            measure(kind, int(options.seconds * 1e9) // GRID_NS, n_sessions)


if __name__ == "__main__":
    sys.exit(main())
