"""What `evi-harness proxy` adds to the way of a message, in turns with the same way without it, and what a message costs its processor.

    python benchmarks/proxy.py [--clients 1,50] [--seconds 20] [--rounds 3] [--beside CHECKOUT]

Each client has two connections to a plain server in a process of its own, one through the proxy and one past it, and sends a frame of audio
every 20 ms on the one and the other in turn; the server answers each with one of its own. Each frame carries the time at which it was sent,
on the clock that all processes share, so both directions are one-way delays. The proxy records all of it. Its processor time is given for
the thread that relays, and for the process with all its threads that read and write. Each figure is a median of the rounds, with the
lowest and the highest. With ``--beside``, the proxy of another checkout takes turns with this one.

On a machine that does other work, start it with a real-time priority, as root: ``chrt -r 5 python benchmarks/proxy.py``. Otherwise both
ways wait for that work, and the delays say nothing; the processor time does.

Bars: p50 at most 0.3 ms more; p99 at most 1 ms more where the direct way's p99 is below 1 ms, else the machine is too noisy to say; at most
60 µs of processor a message for what relays.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Dict, List, Tuple

ROOT = Path(__file__).resolve().parents[1]
WAYS = ("direct", "proxied")
REQUEST = (
    "GET /v0/evi/chat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
EVERY_S = 0.02
# 20 ms of 16-bit sound at 16 kHz.
PAYLOAD_BYTES = 640
WARM_UP_ROUNDS = 50

# When a frame was sent, and how long it was under way.
Delays = List[Tuple[int, int]]


def frame(*, masked: bool) -> bytes:
    """A frame that holds when it was made; the mask is zeros."""
    payload = struct.pack("!Q", time.monotonic_ns()) + bytes(PAYLOAD_BYTES - 8)
    return b"\x82" + (b"\xfe" if masked else b"\x7e") + struct.pack("!H", PAYLOAD_BYTES) + (bytes(4) if masked else b"") + payload


class End(asyncio.Protocol):
    """One end of a connection: what it takes is stamped, and answered by the server's."""

    def __init__(self, delays: Delays, *, is_server: bool) -> None:
        self.is_open = asyncio.get_running_loop().create_future()
        self._delays = delays
        self._is_server = is_server
        self._data = b""
        self._n_head = 8 if is_server else 4

    def connection_made(self, transport: Any) -> None:
        """Keep it."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the head of HTTP, then frames of one size."""
        now_ns = time.monotonic_ns()
        self._data += data
        if not self.is_open.done():
            _, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            self._data = rest
            self.is_open.set_result(None)
            if self._is_server:
                self.transport.write(ANSWER)
        size = self._n_head + PAYLOAD_BYTES
        while len(self._data) >= size:
            (sent_ns,) = struct.unpack_from("!Q", self._data, self._n_head)
            self._delays.append((sent_ns, now_ns - sent_ns))
            self._data = self._data[size:]
            if self._is_server:
                self.transport.write(frame(masked=False))


async def serve() -> None:
    """Be the server, until standard input ends: one port for each way, told in a line, and the delays in the last."""
    loop = asyncio.get_running_loop()
    delays: Dict[str, Delays] = {way: [] for way in WAYS}
    servers = {way: await loop.create_server(lambda way=way: End(delays[way], is_server=True), "127.0.0.1", 0) for way in WAYS}
    print(json.dumps({way: server.sockets[0].getsockname()[1] for way, server in servers.items()}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(delays), flush=True)


def quantile(values: List[int], share: float) -> float:
    """Of nanoseconds, in milliseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e6


def processor_s(pid: int, *, whole: bool) -> float:
    """What a process or its main thread has used of the processor, by the scheduler's nanoseconds; ended threads are not in it."""
    tasks = Path(f"/proc/{pid}/task")
    threads = tasks.iterdir() if whole else [tasks / str(pid)]
    return sum(int((thread / "schedstat").read_text(encoding="ascii").split()[0]) for thread in threads) / 1e9


async def talk(ports: Dict[str, int], pid: int, n_clients: int, seconds: float) -> Tuple[Dict[str, Delays], int, List[float]]:
    """Be the clients; gives the delays, from when on they count, and what the thread and the process have used."""
    loop = asyncio.get_running_loop()
    delays: Dict[str, Delays] = {way: [] for way in WAYS}
    ends, counts_ns, used_s = [], 0, [0.0, 0.0]
    for _ in range(n_clients):
        for way in WAYS:
            _, end = await loop.create_connection(lambda way=way: End(delays[way], is_server=False), "127.0.0.1", ports[way])
            end.transport.write(REQUEST.format(port=ports[way]).encode())
            await end.is_open
            ends.append(end)
    began_s = loop.time()
    for number in range(WARM_UP_ROUNDS + int(seconds / EVERY_S)):
        if number == WARM_UP_ROUNDS:
            counts_ns, used_s = time.monotonic_ns(), [processor_s(pid, whole=whole) for whole in (False, True)]
        for place in range(n_clients):
            # Each client in a time of its own within the round, and its ways in turn.
            at_s = began_s + (number + place / n_clients) * EVERY_S
            await asyncio.sleep(max(0.0, at_s - loop.time()))
            ends[2 * place + number % 2].transport.write(frame(masked=True))
    await asyncio.sleep(0.5)
    used_s = [processor_s(pid, whole=whole) - before for whole, before in zip((False, True), used_s)]
    for end in ends:
        end.transport.close()
    return delays, counts_ns, used_s


def measure(n_clients: int, seconds: float, checkout: Path) -> Dict[str, float]:
    """Measure once; gives milliseconds of delay, and microseconds of processor time a message."""
    with ExitStack() as stack:
        out = stack.enter_context(tempfile.TemporaryDirectory())
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": {**os.environ, "PYTHONPATH": str(checkout)}}
        server = stack.enter_context(subprocess.Popen([sys.executable, __file__, "--serve"], **pipes))
        ports = json.loads(server.stdout.readline())
        command = [sys.executable, "-m", "evi_harness", "proxy", "--upstream", f"http://127.0.0.1:{ports['proxied']}", "--out", out]
        proxy = stack.enter_context(subprocess.Popen(command, cwd=out, **pipes))
        ports["proxied"] = int(proxy.stdout.readline().rpartition(":")[2])
        down, counts_ns, used_s = asyncio.run(talk(ports, proxy.pid, n_clients, seconds))
        proxy.terminate()
        proxy.communicate()
        up = json.loads(server.communicate("")[0])
    counted = {way: [delay for at_ns, delay in [*up[way], *down[way]] if at_ns >= counts_ns] for way in WAYS}
    n = len(counted["proxied"])
    found = {f"{way} p{round(share * 100)}": quantile(counted[way], share) for way in WAYS for share in (0.5, 0.99)}
    return {
        **found,
        "added p50": found["proxied p50"] - found["direct p50"],
        "added p99": found["proxied p99"] - found["direct p99"],
        "relay": used_s[0] / n * 1e6,
        "all": used_s[1] / n * 1e6,
    }


def show(rounds: List[Dict[str, float]]) -> None:
    """Print the medians of some rounds, with the lowest and the highest."""

    def said(name: str, digits: int) -> str:
        values = [one[name] for one in rounds]
        return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"

    for way in (*WAYS, "added"):
        print(f"    {way:<8} p50 {said(f'{way} p50', 3)} ms, p99 {said(f'{way} p99', 3)} ms")
    if median(one["direct p99"] for one in rounds) >= 1:
        print("    too noisy: the direct p99 is 1 ms or more")
    print(f"    processor, a message: {said('relay', 0)} µs what relays, {said('all', 0)} µs with what reads and writes", flush=True)


def main() -> None:
    """Measure for each number of clients."""
    parser = argparse.ArgumentParser(description="What the proxy adds.")
    parser.add_argument("--clients", default="1,50")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beside", type=Path, help="another checkout, whose proxy takes turns with this one")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve())
        return
    checkouts = [ROOT, *([asked.beside.resolve()] if asked.beside else [])]
    for n_clients in map(int, asked.clients.split(",")):
        rounds: Dict[Path, List[Dict[str, float]]] = {checkout: [] for checkout in checkouts}
        for _ in range(asked.rounds):
            for checkout, found in rounds.items():
                found.append(measure(n_clients, asked.seconds, checkout))
        print(f"{n_clients} client{'' if n_clients == 1 else 's'}, {asked.rounds} rounds, load {os.getloadavg()[0]:.1f}")
        for checkout, found in rounds.items():
            print("  this checkout" if checkout == ROOT else f"  {checkout}")
            show(found)


if __name__ == "__main__":
    main()
