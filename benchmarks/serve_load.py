"""Many clients at a time, and hostile ones, before `evi-harness serve`: how long a handshake takes, how late it answers, and its memory.

    python benchmarks/serve_load.py [--chats 200] [--turns 5] [--only spoken,session,attacks] [--chunk-ms 20] [--spread-ms 0]

    spoken    spoken chats of some turns against `serve --simulate`, all at once: a second and a quarter of speech a turn, then silence, in
              binary frames; each turn begins when the reply to the one before has ended. Bars on two quiet cores, for 200 chats of five
              turns: all complete; handshake p99 250 ms; lateness p99 20 ms; 2 MB a chat.
    session   clients that go through the whole of `serve SESSION` (sessions/typed), all at once, or begun within --spread-ms. Bar:
              lateness p99 5 ms.
    attacks   a spoken chat against `serve --simulate`, under each attack of many clients. Bars: p99 30 ms; 300 MB in all. How late the
              chat's own messages were is the server's record; how long a ping of the chat's took, one a frame of audio, is the client's.

Lateness is the server's record of what it sent, behind what was due (docs/how-to/serve.md). Memory is the resident memory of the server and
of the process that hears for it, each with all that it shares with others; a chat's is the growth behind a first chat, divided. The clients
run in a process of their own, on plain sockets; on two cores they take what the server does not get, so their share is printed too, and
how late they were themselves: where that is more than the bar, the machine is too busy to say anything of the server. What is not complete
after four minutes was given up by them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

ROOT = Path(__file__).resolve().parents[1]
SPEECH = ROOT / "fixtures" / "speech" / "user-1.flac"
TYPED = ROOT / "sessions" / "typed"
MIB = 1024 * 1024
HANGS_S = 240.0

UPGRADE = (
    "GET /v0/evi/chat?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(opcode: int, payload: bytes, size: Optional[int] = None) -> bytes:
    """A client's frame; the mask is zeros, which leaves the payload as it is and costs nothing."""
    size = len(payload) if size is None else size
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = b"\xfe" + struct.pack("!H", size)
    else:
        length = b"\xff" + struct.pack("!Q", size)
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


class Client:
    """One connection: what comes is read frame by frame, and what of it matters is in the first bytes."""

    def __init__(self, port: int, query: str = "") -> None:
        self.began_s = time.monotonic()
        self.handshake_s: Optional[float] = None
        self.is_over = False
        self.types: List[str] = []
        # How long each ping took to be answered.
        self.pongs_s: List[float] = []
        # How much later than it should have each frame of audio was sent.
        self.late_s: List[float] = []
        self.socket = socket.socket()
        self.socket.setblocking(False)
        # As every WebSocket client does.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(("127.0.0.1", port))
        self._request = UPGRADE.format(query=query).encode()
        self._in = bytearray()
        self._out = bytearray(self._request)

    def send(self, data: bytes) -> None:
        """Send bytes, at once as far as they go."""
        if not self._out:
            try:
                n = self.socket.send(data)
            except BlockingIOError:
                n = 0
            except OSError:
                self.is_over = True
                return
            data = data[n:]
        self._out += data

    def write(self) -> None:
        """Send what waits."""
        if self._out and not self.is_over:
            try:
                del self._out[: self.socket.send(self._out)]
            except BlockingIOError:
                return
            except OSError:
                self.is_over = True

    @property
    def has_more(self) -> bool:
        """Whether anything waits to be sent."""
        return bool(self._out)

    def read(self) -> None:
        """Take what has come."""
        try:
            data = self.socket.recv(MIB)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.is_over = True
            return
        self._in += data
        if self.handshake_s is None:
            end = self._in.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._in.startswith(b"HTTP/1.1 101"):
                self.is_over = True
                return
            self.handshake_s = time.monotonic() - self.began_s
            del self._in[: end + 4]
        while len(self._in) >= 2:
            head, size = 2, self._in[1]
            if size == 126:
                head, size = 4, int.from_bytes(self._in[2:4], "big")
            elif size == 127:
                head, size = 10, int.from_bytes(self._in[2:10], "big")
            if len(self._in) < head + size:
                return
            if self._in[0] & 0x0F == 8:
                self.is_over = True
            elif self._in[0] & 0x0F == 10:
                self.pongs_s.append(time.monotonic() - struct.unpack("!d", self._in[head : head + 8])[0])
            else:
                found = re.match(rb'\{"type":\s*"(\w+)"', bytes(self._in[head : head + 60]))
                self.types.append(found[1].decode() if found else "")
            del self._in[: head + size]


class Crowd:
    """Clients that are served by one selector."""

    def __init__(self) -> None:
        self.clients: List[Client] = []
        self._selector = selectors.DefaultSelector()

    def add(self, client: Client) -> Client:
        """Take one in."""
        self.clients.append(client)
        self._selector.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
        return client

    def turn(self, timeout_s: float) -> None:
        """Read and write what can be, for at most so long."""
        for key, events in self._selector.select(max(0.0, timeout_s)):
            client: Client = key.data
            if events & selectors.EVENT_WRITE:
                client.write()
            if events & selectors.EVENT_READ:
                client.read()
            if client.is_over:
                self._selector.unregister(client.socket)
                client.socket.close()
            else:
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.has_more else 0)
                if wanted != key.events:
                    self._selector.modify(client.socket, wanted, client)

    def awaken(self, client: Client) -> None:
        """Have what waits with a client sent when it can be."""
        if client.has_more and not client.is_over:
            self._selector.modify(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, client)


def speech(rate: int) -> bytes:
    """A sentence of a user's, as 16-bit samples."""
    from evi_harness.audio.resampling import convert
    from evi_harness.audio.sources import FileSource
    from evi_harness.session.wav import Pcm

    source = FileSource(SPEECH, mono=True)
    samples = b"".join(iter(lambda: source.read(source.pcm.rate), b""))
    return convert(samples, source.pcm, Pcm(rate, 1))


QUERY = "session_settings[audio][encoding]=linear16&session_settings[audio][sample_rate]={rate}&session_settings[audio][channels]=1"


def talk(port: int, n_chats: int, n_turns: int, rate: int, chunk_ms: int, pings: int = 0) -> Tuple[int, List[Client]]:
    """Hold spoken chats, all at once, each with a ping a frame if asked; gives how many came to their end, and the clients."""
    said = speech(rate)
    step = rate * chunk_ms // 1000 * 2
    frames = [frame(2, said[at : at + step].ljust(step, b"\0")) for at in range(0, len(said), step)]
    silence = frame(2, bytes(step))
    crowd, random_ = Crowd(), random.Random(1)
    # Everybody's microphone has its own beat, and people do not speak at the same moment.
    starts = [random_.random() * chunk_ms / 1000 for _ in range(n_chats)]
    began_s = time.monotonic()
    for _ in range(n_chats):
        crowd.add(Client(port, QUERY.format(rate=rate)))
    state = [{"place": -random_.randrange(50), "turns": 0, "sent": 0} for _ in range(n_chats)]
    next_s = [began_s + start for start in starts]
    n_done = 0
    while time.monotonic() - began_s < HANGS_S:
        now_s = time.monotonic()
        for number, client in enumerate(crowd.clients):
            if client.is_over or now_s < next_s[number]:
                continue
            client.late_s.append(now_s - next_s[number])
            next_s[number] += chunk_ms / 1000
            if client.handshake_s is None:
                continue
            one = state[number]
            if client.types.count("assistant_end") > one["turns"]:
                one["turns"] += 1
                one["place"] = 0
                client.types.clear()
                client.types.extend(["assistant_end"] * one["turns"])
                if one["turns"] == n_turns:
                    n_done += 1
                    client.send(frame(8, b"\x03\xe8"))
                    crowd.awaken(client)
                    continue
            if one["turns"] < n_turns:
                place = one["place"]
                client.send(frames[place] if 0 <= place < len(frames) else silence)
                one["place"] += 1
                if pings:
                    client.send(frame(9, struct.pack("!d", time.monotonic())))
                if client.has_more:
                    crowd.awaken(client)
        if all(client.is_over for client in crowd.clients):
            break
        crowd.turn(min((at_s for at_s, client in zip(next_s, crowd.clients) if not client.is_over), default=now_s) - time.monotonic())
    return n_done, crowd.clients


def go_through(port: int, n_clients: int, spread_ms: int) -> Tuple[int, List[Client]]:
    """Be the recorded user of sessions/typed, so many times, begun within a time; gives how many came to the end, and the clients."""
    from evi_harness.verdicts.loading import load_session

    recorded = load_session(TYPED)
    user, answer = (
        next(one.frame.payload for one in recorded.sent if name in one.frame.payload) for name in (b"user_input", b"tool_response")
    )
    query = "&".join(f"{name}={value}" for name, value in recorded.handshake.query)
    crowd = Crowd()
    began_s, done = time.monotonic(), [0] * n_clients
    while time.monotonic() - began_s < HANGS_S and not (len(crowd.clients) == n_clients and all(one.is_over for one in crowd.clients)):
        if len(crowd.clients) < n_clients and (time.monotonic() - began_s) * 1000 * n_clients >= spread_ms * len(crowd.clients):
            crowd.add(Client(port, query))
        for number, client in enumerate(crowd.clients):
            if client.is_over or client.handshake_s is None:
                continue
            if done[number] == 0:
                client.send(frame(1, user))
                done[number] = 1
            if done[number] == 1 and "tool_call" in client.types:
                client.send(frame(1, answer))
                done[number] = 2
            if done[number] == 2 and "assistant_end" in client.types:
                client.send(frame(8, b"\x03\xe8"))
                done[number] = 3
            crowd.awaken(client)
        crowd.turn(0.05 if len(crowd.clients) == n_clients else 0.001)
    return done.count(3), crowd.clients


# Attacks: each is begun, and goes on until it is told to stop.


def lasting(port: int, send: Callable[[socket.socket, int], object], n: int, pause_s: float) -> Iterator[None]:
    """Open so many connections and do something with each of them again and again; a connection that ends is opened anew."""
    open_: List[socket.socket] = []
    while True:
        while len(open_) < n:
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            open_.append(one)
        for one in list(open_):
            try:
                send(one, port)
            except BlockingIOError:
                pass
            except OSError:
                open_.remove(one)
                one.close()
        time.sleep(pause_s)
        yield None


def settings(rate: int) -> bytes:
    """The opening of a chat whose audio has some sample rate."""
    audio = {"encoding": "linear16", "sample_rate": rate, "channels": 1}
    return UPGRADE.format(query="").encode() + frame(1, json.dumps({"type": "session_settings", "audio": audio}).encode())


def attack(name: str, port: int) -> Iterator[None]:
    """One of the attacks."""
    opened: Dict[socket.socket, int] = {}

    def once(data: bytes, then: bytes = b"") -> Callable[[socket.socket, int], object]:
        def send(one: socket.socket, _: int) -> None:
            left = opened.get(one, 0)
            whole = data if left < len(data) else then
            start = left if left < len(data) else 0
            if whole:
                n = one.send(whole[start : start + MIB])
                opened[one] = left + n if left < len(data) else left
            elif one.recv(1 << 16) == b"":
                opened.pop(one, None)
                raise ConnectionError

        return send

    def abort(one: socket.socket, _: int) -> None:
        one.send(UPGRADE.format(query="").encode())
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionError

    talk_ = frame(1, json.dumps({"type": "user_input", "text": "Tell me everything that there is to be said of it. " * 4}).encode())
    ways: Dict[str, Tuple[Callable[[socket.socket, int], object], int, float]] = {
        "sample rate of 1 Hz": (once(settings(1) + frame(2, bytes(64_000))), 20, 0.02),
        "aborted handshakes": (abort, 20, 0.05),
        "clients that never read": (once(settings(16_000), talk_), 50, 0.05),
        "messages of 50 MB": (once(UPGRADE.format(query="").encode() + frame(2, bytes(50 * MIB))), 4, 0.02),
        "half of a 16 MB message": (once(UPGRADE.format(query="").encode() + frame(2, bytes(8 * MIB), 16 * MIB)), 50, 0.05),
        "noise that is no request": (once(bytes(8 * MIB)), 50, 0.05),
        "half-sent requests": (once(b"GET /v0/evi/chat HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1000), 200, 0.1),
        "more connections than descriptors": (once(b"GET /"), 1500, 0.2),
    }
    send, n, pause_s = ways[name]
    yield from lasting(port, send, n, pause_s)


ATTACKS = (
    "nothing",
    "sample rate of 1 Hz",
    "aborted handshakes",
    "clients that never read",
    "messages of 50 MB",
    "half of a 16 MB message",
    "noise that is no request",
    "half-sent requests",
    "more connections than descriptors",
)


# The server, and what is read off it.


class Server:
    """`evi-harness serve` in a process of its own. A context manager."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-m", "evi_harness", "serve", *words]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline().rpartition(":")[2])
        self.lines: List[str] = []
        self.told: List[str] = []

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def mb(self) -> float:
        """Resident memory of the server and the processes that it has started, in MB."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        n_pages = [int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in (self._process.pid, *children)]
        return sum(n_pages) * resource.getpagesize() / 1e6

    def cpu_s(self) -> Tuple[float, float]:
        """Processor time of the server, and of the processes that it has started, in seconds."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        ticks = [
            sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:13])) for one in (self._process.pid, *children)
        ]
        return ticks[0] / os.sysconf("SC_CLK_TCK"), sum(ticks[1:]) / os.sysconf("SC_CLK_TCK")

    def summary(self) -> str:
        """End it, and give its last line."""
        self._process.send_signal(signal.SIGINT)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.lines = self._process.stdout.read().splitlines()
        self.told = self._process.stderr.read().splitlines()
        return self.lines[-1]


def crowd_of(kind: str, *words: Any) -> subprocess.Popen[str]:
    """Clients in a process of their own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--as", kind, *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


def percent(values: List[float], share: float) -> float:
    """A percentile, nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] if ranked else float("nan")


def watched(server: Server, crowd: subprocess.Popen[str]) -> Tuple[Dict[str, Any], float]:
    """What the clients found, and the most memory that the server had meanwhile."""
    most = server.mb()
    while crowd.poll() is None:
        most = max(most, server.mb())
        time.sleep(0.2)
    assert crowd.stdout is not None
    return json.loads(crowd.stdout.read()), most


def report(title: str, found: Dict[str, Any], n: int, most_mb: float, before_mb: float, server: Server) -> None:
    """Print the figures of one run."""
    cpu = server.cpu_s()
    handshakes = [one * 1e3 for one in found["handshakes"]]
    lines = [
        f"{title}: {found['done']} of {n} complete in {found['took_s']:.1f} s",
        f"handshake p50 {percent(handshakes, 0.5):.1f} ms, p99 {percent(handshakes, 0.99):.1f} ms",
        f"{server.summary()}",
        *([f"the clients sent p99 {found['late_s'] * 1e3:.1f} ms late"] if found["late_s"] is not None else []),
        *([f"the clients gave up after {HANGS_S:.0f} s"] if found["took_s"] >= HANGS_S else []),
        f"{before_mb:.0f} MB before, {most_mb:.0f} MB at most: {(most_mb - before_mb) / max(1, n):.2f} MB a chat",
        f"processor: server {cpu[0]:.1f} s, hearing {cpu[1]:.1f} s, clients {found['cpu_s']:.1f} s",
        *server.told,
    ]
    sys.stdout.write("\n    ".join(lines) + "\n")
    sys.stdout.flush()


def measure_spoken(options: argparse.Namespace) -> None:
    """Spoken chats, all at once."""
    with Server("--simulate") as server:
        watched(server, crowd_of("spoken", server.port, 1, 1, options.rate, options.chunk_ms))
        before_mb = server.mb()
        found, most = watched(server, crowd_of("spoken", server.port, options.chats, options.turns, options.rate, options.chunk_ms))
        report(f"{options.chats} spoken chats of {options.turns} turns", found, options.chats, most, before_mb, server)


def measure_session(options: argparse.Namespace) -> None:
    """Whole conversations with a session."""
    with Server(str(TYPED)) as server:
        watched(server, crowd_of("session", server.port, 1, 0))
        before_mb = server.mb()
        found, most = watched(server, crowd_of("session", server.port, options.chats, options.spread_ms))
        report(f"{options.chats} clients of sessions/typed", found, options.chats, most, before_mb, server)


def measure_attacks(options: argparse.Namespace) -> None:
    """One chat after another, under each attack."""
    for name in ATTACKS:
        with Server("--simulate", "--limit", "waiting=500") as server:
            chat = crowd_of("spoken", server.port, 1, options.turns, options.rate, options.chunk_ms, 1)
            crowd = None if name == "nothing" else crowd_of("attack", server.port, name)
            found, most = watched(server, chat)
            if crowd is not None:
                crowd.kill()
                crowd.wait()
            server.summary()
            report_attack(name, found, most, server)


def report_attack(name: str, found: Dict[str, Any], most_mb: float, server: Server) -> None:
    """Print what another chat saw of an attack."""
    pongs = [one * 1e3 for one in found["pongs"]]
    # No attacker closes in due form.
    own = [line.partition("late: ")[2] for line in server.lines if "closed by the app with 1000" in line]
    figures = [
        f"under {name}: {found['done']} of 1 complete",
        f"handshake {percent([one * 1e3 for one in found['handshakes']], 0.5):.1f} ms",
        f"late {own[0] if own else 'not known'}",
        f"ping p50 {percent(pongs, 0.5):.1f}, p99 {percent(pongs, 0.99):.1f}, max {max(pongs, default=0):.1f} ms",
        f"{most_mb:.0f} MB",
        *([f"told: {server.told[0]} ({len(server.told)} lines)"] if server.told else []),
    ]
    sys.stdout.write("; ".join(figures) + "\n")
    sys.stdout.flush()


def be(kind: str, words: List[str]) -> None:
    """Be the clients."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if kind == "attack":
        for _ in attack(words[1], int(words[0])):
            pass
    began_s = time.monotonic()
    done, clients = talk(*map(int, words)) if kind == "spoken" else go_through(*map(int, words))
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = {
        "done": done,
        "handshakes": [client.handshake_s for client in clients if client.handshake_s is not None],
        "pongs": [one for client in clients for one in client.pongs_s],
        "late_s": percent([late_s for client in clients for late_s in client.late_s], 0.99) if kind == "spoken" else None,
        "took_s": time.monotonic() - began_s,
        "cpu_s": used.ru_utime + used.ru_stime,
    }
    sys.stdout.write(json.dumps(found))


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--as"]:
        be(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, default=200)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--rate", type=int, default=16_000)
    parser.add_argument("--chunk-ms", type=int, default=20)
    parser.add_argument("--spread-ms", type=int, default=0, help="within which time the clients of session begin")
    parser.add_argument("--only", default="spoken,session,attacks")
    options = parser.parse_args()
    for name, measure in (("spoken", measure_spoken), ("session", measure_session), ("attacks", measure_attacks)):
        if name in options.only.split(","):
            measure(options)


if __name__ == "__main__":
    main()
