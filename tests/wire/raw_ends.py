"""Two ends of a connection that say anything: what one sends the other, byte by byte, and what each has seen at the end.

Rules of living here: each end blocks on its own thread and does what a script says; how a connection ended is part of what it has seen.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import contextmanager, suppress
from typing import Any, Callable, Coroutine, Iterator, List, Mapping, Tuple, TypeVar

from raw_client import HANGS_S

from evi_harness.carriers.admission import THIS_MACHINE
from evi_harness.carriers.limits import ServerLimits
from evi_harness.clocks.clock import RealClock
from evi_harness.session.events import Handshake
from evi_harness.tap.relay import Relay, Upstream

__all__ = ["End", "Kept", "Script", "relaying", "serving_script"]

T = TypeVar("T")


class End:
    """One end.

    Args:
        connection: Its socket.

    Attributes:
        seen: What it has seen: bytes, and how the connection ended.
        is_done: Set when its script is over.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(HANGS_S)
        self.seen: List[object] = []
        self.is_done = threading.Event()
        self._socket = connection
        self._read = b""

    def send(self, data: bytes) -> None:
        """Send bytes; a peer that has gone is seen when something is read."""
        with suppress(ConnectionError):
            self._socket.sendall(data)

    def expect(self, mark: bytes) -> None:
        """See what comes, up to these bytes and with them, as one thing; or up to the end."""
        while mark not in self._read and self._more():
            pass
        before, found, self._read = self._read.partition(mark)
        self.seen.append(before + found)

    def count(self, n_bytes: int) -> None:
        """See so many bytes; only how many they were."""
        n = len(self._read)
        self._read = b""
        while n < n_bytes:
            data = self._socket.recv(1 << 16)
            n += len(data)
            if not data:
                break
        self.seen.append(n)

    def rest(self) -> None:
        """See all that comes to the end, and how it ended."""
        while self._more():
            pass
        self.seen += [self._read, self._ended]

    def end(self) -> None:
        """Send nothing more."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _more(self) -> bool:
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionError:
            self._ended = "reset"
            return False
        self._ended = "ended"
        self._read += data
        return bool(data)


Script = Callable[[End], object]


@contextmanager
def serving_script(script: Script) -> Iterator[Tuple[int, List[End]]]:
    """A server that does for each connection what a script says.

    Yields:
        Its port, and the ends so far.
    """
    ends: List[End] = []
    threads: List[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        end = End(connection)
        ends.append(end)
        try:
            script(end)
        finally:
            end.close()
            end.is_done.set()

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=one, args=(listening.accept()[0],)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listening.getsockname()[1], ends
        finally:
            # What waits in accept is not woken by a close on every system.
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join(HANGS_S)
            for thread in threads:
                thread.join(HANGS_S)


class Kept:
    """A recording that keeps the bytes.

    Args:
        answer: The headers of the service's answer.

    Attributes:
        ended: Whether one of the ends has ended it, None before.
        is_over: Set then.
    """

    def __init__(self, answer: Mapping[str, List[str]]) -> None:
        self.answer = answer
        self.app = bytearray()
        self.service = bytearray()
        self.ended: Any = None
        self.is_over = threading.Event()
        self.given_up = ""
        self.n_held = 0

    def from_app(self, data: bytes, now_ns: int) -> None:
        """Keep them."""
        self.app += data

    def from_service(self, data: bytes, now_ns: int) -> None:
        """Keep them."""
        self.service += data

    def give_up(self, why: str) -> None:
        """Say why."""
        self.given_up = why

    def over(self, now_ns: int, *, is_seen: bool) -> None:
        """Say whether it was seen."""
        self.ended = is_seen
        self.is_over.set()


@contextmanager
def relaying(port: int, **options: Any) -> Iterator[Tuple[int, List[Kept], List[str]]]:
    """A relay to a port of this machine, on a thread of its own.

    Yields:
        Its port, what was recorded, and what it warned of.
    """
    kept: List[Kept] = []
    warned: List[str] = []

    def keep(_: Handshake, answer: Mapping[str, List[str]], *__: int) -> Kept:
        kept.append(options.get("recording", Kept)(answer))
        return kept[-1]

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(HANGS_S)

    async def start() -> Tuple[Relay, Any]:
        relay = Relay(
            options.get("upstream", Upstream("127.0.0.1", port)),
            clock=RealClock(),
            limits=options.get("limits", ServerLimits()),
            admission=options.get("admission", THIS_MACHINE),
            open_recording=keep,
            warn=lambda _, line: warned.append(line),
            unreachable=lambda error: f"unreachable: {type(error).__name__}",
        )
        return relay, await loop.create_server(relay, "127.0.0.1", 0)

    async def stop(relay: Relay, listening: Any) -> None:
        # On the loop: a connection that ends meanwhile would be counted twice.
        listening.close()
        await relay.stop()

    relay, listening = run(start())
    try:
        yield listening.sockets[0].getsockname()[1], kept, warned
    finally:
        run(stop(relay, listening))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(HANGS_S)
        loop.close()
