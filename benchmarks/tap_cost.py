"""What the tap costs the app's event loop, a message: the same conversation with and without it.

Run it with ``python benchmarks/tap_cost.py``. A server in a process of its own says a sentence with audio of 100 ms ten times a second; the
app sends a microphone frame every 10 ms and takes what comes, through each kind of connection that websockets has. Plain and tapped
conversations take turns. Rows:

- ``send``: a whole send, the library's work and the kernel's included;
- ``around``: what a send takes beyond the library's own; what the tap adds is the difference of the two rows;
- ``heard``: what the tap does for one received frame, where it arrives and where it is taken.

The bar is 5 µs for the median and 50 µs for the 99th percentile of what is added.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack
from importlib import import_module
from typing import Any, Callable, Dict, List, Optional

from evi_harness.harness.recording import record
from evi_harness.live.tap_queue import TapQueue

MICROPHONE = bytes(960)
SENTENCE = json.dumps({"type": "audio_output", "id": "0", "index": 0, "data": "A" * 12_800})
KINDS = {"legacy": "websockets.legacy.client", "asyncio": "websockets.asyncio.client"}

Took = Dict[str, List[int]]


async def serve() -> None:
    """Say sentences to whoever connects, for ever; tells its port."""
    from aiohttp import web

    async def chat(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        listening = asyncio.ensure_future(listen(socket))
        while not listening.done():
            await socket.send_str(SENTENCE)
            await asyncio.sleep(0.1)
        return socket

    async def listen(socket: web.WebSocketResponse) -> None:
        async for _ in socket:
            pass

    application = web.Application()
    application.router.add_get("/", chat)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def converse(connection: Any, seconds: float) -> List[int]:
    """Send a frame every 10 ms and take what comes; gives what each send took, in nanoseconds."""
    took: List[int] = []
    loop = asyncio.get_running_loop()

    async def take() -> None:
        while True:
            await connection.recv()

    taking = asyncio.ensure_future(take())
    began = loop.time()
    for tick in range(int(seconds * 100)):
        await asyncio.sleep(began + tick / 100 - loop.time())
        start = time.perf_counter_ns()
        await connection.send(MICROPHONE)
        took.append(time.perf_counter_ns() - start)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    return took


def timed_send(send: Callable[..., Any], took: List[int]) -> Callable[..., Any]:
    """The library's own send, timed."""

    async def timed(message: Any) -> None:
        start = time.perf_counter_ns()
        await send(message)
        took.append(time.perf_counter_ns() - start)

    return timed


def timed_if_heard(tell: Callable[..., Any], took: List[int]) -> Callable[..., Any]:
    """``tell``, timed; a send that went well does without it."""

    def timed(self: TapQueue, call: Any, *args: Any) -> None:
        start = time.perf_counter_ns()
        tell(self, call, *args)
        if call.__name__ not in ("opened", "closed"):
            took.append(time.perf_counter_ns() - start)

    return timed


async def measure(kind: str, port: int, seconds: float, out: Optional[str]) -> Took:
    """One conversation, recorded to ``out`` or not."""
    connect = import_module(KINDS[kind]).connect
    told: List[int] = []
    inner: List[int] = []
    async with connect(f"ws://127.0.0.1:{port}/") as connection:
        with ExitStack() as stack:
            connection.send = timed_send(connection.send, inner)
            if out is not None:
                tell = TapQueue.tell
                TapQueue.tell = timed_if_heard(tell, told)  # type: ignore[method-assign]
                stack.callback(setattr, TapQueue, "tell", tell)
                recording = stack.enter_context(record(connection, out=out))
            sent = await converse(connection, seconds)
    assert out is None or recording.failure is None, "the benchmark is void: the recording failed"
    around = [whole - own for whole, own in zip(sent, inner)]
    return {"send": sent, "around": around, "heard": [one + other for one, other in zip(told[::2], told[1::2])]}


def percentile(took: List[int], share: int) -> float:
    """A percentile in microseconds."""
    return sorted(took)[min(len(took) - 1, len(took) * share // 100)] / 1000


def show(name: str, took: List[int]) -> None:
    """Print one row, in microseconds."""
    figures = f"p50 {percentile(took, 50):8.1f} µs   p99 {percentile(took, 99):8.1f} µs   max {max(took) / 1000:8.1f} µs"
    print(f"{name:24} {len(took):6} messages   {figures}")


def main() -> None:
    """Measure each kind with and without, alternately, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each conversation")
    parser.add_argument("--rounds", type=int, default=3, help="conversations of each kind, with and without")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    warnings.simplefilter("ignore", DeprecationWarning)
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with tempfile.TemporaryDirectory() as out:
            for kind in KINDS:
                compare(kind, port, options, out)
    finally:
        server.terminate()
        server.wait()


def compare(kind: str, port: int, options: argparse.Namespace, out: str) -> None:
    """Print the rows of one kind of connection."""
    plain: Took = {}
    tapped: Took = {}
    for _ in range(options.rounds):
        for rows, folder in ((plain, None), (tapped, out)):
            for name, took in asyncio.run(measure(kind, port, options.seconds, folder)).items():
                rows.setdefault(name, []).extend(took)
    for name in ("send", "around"):
        show(f"{kind}, {name}, plain", plain[name])
        show(f"{kind}, {name}, tapped", tapped[name])
    show(f"{kind}, heard", tapped["heard"])


if __name__ == "__main__":
    main()
