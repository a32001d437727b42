"""What the tap costs the app's event loop, a message: the same conversation with and without it.

Run it with ``python benchmarks/tap_cost.py``. A server in a process of its own says a sentence with audio of 100 ms ten times a second; the
app sends a microphone frame every 10 ms and takes what comes, through each kind of asynchronous connection that websockets has. Plain and
tapped conversations take turns.

Timers stand on both sides of where the tap stands: the inner ones around the library's own work, the outer ones around all. What lies
between the two is the tap, and the timers themselves, which the plain conversation tells. Rows, for each kind of connection:

- ``send``: what one send takes beyond the library's own;
- ``receive``: what one received message takes beyond it, where it arrives and where the app takes it, together;
- ``whole send``: all of a send, the library's and the kernel's work included.

``added`` is the tapped figure less the median of the plain ones, over all rounds; in brackets is the spread of the rounds' medians. The
bar is 5 µs for the median and 50 µs for the 99th percentile of what is added to ``send`` and ``receive``.
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
from itertools import chain
from typing import Any, Callable, Dict, List, Optional, Tuple

from evi_harness.acts.record_connection import record

MICROPHONE = bytes(960)
SENTENCE = json.dumps({"type": "audio_output", "id": "0", "index": 0, "data": "A" * 12_800})
KINDS = {"legacy": "websockets.legacy.client", "asyncio": "websockets.asyncio.client"}

# Row → nanoseconds of each message.
Took = Dict[str, List[int]]
# When something began and ended, by the clock.
Spans = List[Tuple[int, int]]


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


async def converse(connection: Any, seconds: float) -> None:
    """Send a frame every 10 ms and take what comes."""
    loop = asyncio.get_running_loop()

    async def take() -> None:
        while True:
            await connection.recv()

    taking = asyncio.ensure_future(take())
    began = loop.time()
    for tick in range(int(seconds * 100)):
        await asyncio.sleep(began + tick / 100 - loop.time())
        await connection.send(MICROPHONE)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)


class Timers:
    """Timers on some functions of a connection; a second set around the first and around what was set between."""

    def __init__(self) -> None:
        self.spans: Dict[str, Spans] = {}
        self._undo: List[Callable[[], None]] = []

    def set(self, owner: Any, name: str) -> None:
        """Time a function or a coroutine function of an object."""
        before = getattr(owner, name)
        spans = self.spans.setdefault(name, [])
        setattr(owner, name, (timed_coroutine if asyncio.iscoroutinefunction(before) else timed)(before, spans))
        self._undo.append(lambda: setattr(owner, name, before))

    def set_queue(self, connection: Any) -> None:
        """Time what comes into and goes out of the queue of a legacy connection, which is a deque with no attributes to set."""
        before = connection.messages
        connection.messages = TimedQueue(before, self.spans)
        self._undo.append(lambda: setattr(connection, "messages", before))

    def restore(self) -> None:
        """Take the timers away."""
        while self._undo:
            self._undo.pop()()


class TimedQueue:
    """What a legacy connection uses of its deque, timed."""

    def __init__(self, messages: Any, spans: Dict[str, Spans]) -> None:
        self._messages = messages
        self.append = timed(messages.append, spans.setdefault("append", []))
        self.popleft = timed(messages.popleft, spans.setdefault("popleft", []))

    def __len__(self) -> int:
        return len(self._messages)


def timed(call: Callable[..., Any], spans: Spans) -> Callable[..., Any]:
    """A function with its spans kept."""

    def timing(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter_ns()
        result = call(*args, **kwargs)
        spans.append((began, time.perf_counter_ns()))
        return result

    return timing


def timed_coroutine(call: Callable[..., Any], spans: Spans) -> Callable[..., Any]:
    """A coroutine function with its spans kept."""

    async def timing(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter_ns()
        result = await call(*args, **kwargs)
        spans.append((began, time.perf_counter_ns()))
        return result

    return timing


def set_timers(connection: Any, timers: Timers) -> None:
    """Time what the tap replaces, but for the deque of a legacy connection."""
    timers.set(connection, "send")
    if hasattr(connection, "read_message"):
        timers.set(connection, "read_message")
    else:
        timers.set(connection.recv_messages, "put")
        timers.set(connection.recv_messages, "get")


async def measure(kind: str, port: int, seconds: float, out: Optional[str]) -> Took:
    """One conversation, recorded to ``out`` or not."""
    connect = import_module(KINDS[kind]).connect
    inner, outer = Timers(), Timers()
    async with connect(f"ws://127.0.0.1:{port}/") as connection:
        set_timers(connection, inner)
        with ExitStack() as stack:
            recording = None if out is None else stack.enter_context(record(connection, out=out))
            set_timers(connection, outer)
            if kind == "legacy":
                outer.set_queue(connection)
            stack.callback(outer.restore)
            await converse(connection, seconds)
        inner.restore()
    assert recording is None or recording.failure is None, "the benchmark is void: the recording failed"
    return rows(inner.spans, outer.spans)


def rows(inner: Dict[str, Spans], outer: Dict[str, Spans]) -> Took:
    """What each message took."""
    whole = [ended - began for began, ended in outer["send"]]
    # A deque has no inner timers: what it takes itself is in the plain row as well.
    parts = [between(inner.get(name, []), spans) for name, spans in outer.items() if name != "send"]
    n_whole = min(map(len, parts))
    received = [sum(together) for together in zip(*(part[len(part) - n_whole :] for part in parts))]
    return {"send": between(inner["send"], outer["send"]), "receive": received, "whole send": whole}


def between(inner: Spans, outer: Spans) -> List[int]:
    """What lies between inner and outer timers, by call; a call that only one of them saw does not count."""
    if not inner:
        return [ended - began for began, ended in outer]
    # The earliest inner calls were under way before there were outer ones.
    paired = zip(inner[len(inner) - len(outer) :], outer)
    return [(began - before) + (after - ended) for (began, ended), (before, after) in paired]


def percentile(took: List[int], share: int) -> float:
    """A percentile in microseconds."""
    return sorted(took)[min(len(took) - 1, len(took) * share // 100)] / 1000


def show(kind: str, name: str, plain: List[List[int]], tapped: List[List[int]]) -> None:
    """Print one row, in microseconds: over all rounds, and the spread of the rounds' medians."""
    all_plain, all_tapped = list(chain(*plain)), list(chain(*tapped))
    base = percentile(all_plain, 50)
    added = [percentile(took, 50) - base for took in tapped]
    cells = [
        f"{kind + ', ' + name:20} {len(all_tapped):6} messages",
        f"added p50 {percentile(all_tapped, 50) - base:6.2f} µs ({min(added):.2f} to {max(added):.2f})",
        f"p99 {percentile(all_tapped, 99) - base:6.2f} µs",
        f"plain p50 {base:6.2f} µs  p99 {percentile(all_plain, 99):6.2f} µs",
    ]
    print("   ".join(cells), flush=True)


def compare(kind: str, port: int, options: argparse.Namespace, out: str) -> None:
    """Print the rows of one kind of connection."""
    plain: Dict[str, List[List[int]]] = {}
    tapped: Dict[str, List[List[int]]] = {}
    for _ in range(options.rounds):
        for rounds, folder in ((plain, None), (tapped, out)):
            for name, took in asyncio.run(measure(kind, port, options.seconds, folder)).items():
                rounds.setdefault(name, []).append(took)
    for name in plain:
        show(kind, name, plain[name], tapped[name])


def main() -> None:
    """Measure each kind with and without, alternately, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each conversation")
    parser.add_argument("--rounds", type=int, default=5, help="conversations of each kind, with and without")
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


if __name__ == "__main__":
    main()
