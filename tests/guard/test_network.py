from __future__ import annotations

import asyncio
import contextlib
import errno
import http.server
import os
import pickle
import socket
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import httpx
import pytest

from evi_harness.errors import EviHarnessError, NetworkRefused
from evi_harness.guard.allowed import Allowed
from evi_harness.guard.network import NetworkGuard, refuse, was_refused

NAME = "api.example"
URL = f"http://{NAME}:8443/"
# Set aside for examples: nobody is there.
ADDRESS = "192.0.2.77"


@pytest.fixture
def refused():
    """What was told."""
    return []


@pytest.fixture
def guard(refused):
    """A guard that allows nothing."""
    with NetworkGuard((), refused.append) as entered:
        yield entered


@pytest.fixture
def nobodys():
    """A loopback port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def connect(address, kind=socket.SOCK_STREAM, family=socket.AF_INET, name="connect"):
    """Connect a socket of one's own."""
    with socket.socket(family, kind) as sock:
        getattr(sock, name)(address)


def send(*args, name="sendto"):
    """Send a datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        getattr(sock, name)(*args)


def in_a_loop(call):
    """Await what a call gives."""

    async def main():
        await call()

    asyncio.run(main())


async def with_httpx():
    """Ask with httpx."""
    async with httpx.AsyncClient() as client:
        await client.get(URL)


async def with_aiohttp():
    """Ask with aiohttp."""
    async with aiohttp.ClientSession() as client, client.get(URL):
        pass


async def with_a_socket():
    """Connect a socket of one's own through the loop."""
    with socket.socket() as sock:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (NAME, 8443))


async def with_datagrams():
    """Open a datagram endpoint."""
    await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(NAME, 8443))


async def in_an_executor():
    """Ask from a job."""
    await asyncio.get_running_loop().run_in_executor(None, urllib.request.urlopen, URL)


# How an app reaches out → what is called at the bottom, and where it would go.
WAYS = {
    "connect to an address": (lambda: connect((ADDRESS, 8443)), "socket.connect", ADDRESS),
    "connect to a name": (lambda: connect((NAME, 8443)), "socket.connect", NAME),
    "connect_ex": (lambda: connect((NAME, 8443), name="connect_ex"), "socket.connect_ex", NAME),
    "connect over IPv6": (lambda: connect(("2001:db8::1", 8443), family=socket.AF_INET6), "socket.connect", "2001:db8::1"),
    "connect a datagram socket": (lambda: connect((ADDRESS, 8443), socket.SOCK_DGRAM), "socket.connect", ADDRESS),
    "send to an address": (lambda: send(b"x", (ADDRESS, 8443)), "socket.sendto", ADDRESS),
    "send to a name": (lambda: send(b"x", (NAME, 8443)), "socket.sendto", NAME),
    "send with flags": (lambda: send(b"x", 0, (NAME, 8443)), "socket.sendto", NAME),
    "sendmsg": (lambda: send([b"x"], [], 0, (ADDRESS, 8443), name="sendmsg"), "socket.sendmsg", ADDRESS),
    "create_connection": (lambda: socket.create_connection((NAME, 8443)), "socket.getaddrinfo", NAME),
    "getaddrinfo": (lambda: socket.getaddrinfo(NAME, 8443), "socket.getaddrinfo", NAME),
    "urllib": (lambda: urllib.request.urlopen(URL), "socket.getaddrinfo", NAME),
    "httpx": (lambda: httpx.get(URL), "socket.getaddrinfo", NAME),
    "httpx, asynchronous": (lambda: in_a_loop(with_httpx), "loop.getaddrinfo", NAME),
    "aiohttp": (lambda: in_a_loop(with_aiohttp), "loop.getaddrinfo", NAME),
    "asyncio, a connection": (lambda: in_a_loop(lambda: asyncio.open_connection(NAME, 8443)), "loop.getaddrinfo", NAME),
    "asyncio, an address": (lambda: in_a_loop(lambda: asyncio.open_connection(ADDRESS, 8443)), "socket.connect", ADDRESS),
    "asyncio, a socket": (lambda: in_a_loop(with_a_socket), "loop.getaddrinfo", NAME),
    "asyncio, datagrams": (lambda: in_a_loop(with_datagrams), "loop.getaddrinfo", NAME),
    "an executor's job": (lambda: in_a_loop(in_an_executor), "socket.getaddrinfo", NAME),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_out(guard, refused, way):
    """The error names host and port, the call, this file and what to do; what was told has the same facts."""
    act, call, host = WAYS[way]
    with pytest.raises(Exception) as caught:
        act()
    assert was_refused(caught.value)
    (refusal,) = refused
    assert (refusal.call, refusal.host, refusal.port) == (call, host, 8443)
    for part in (host, "8443", call, "--allow-host"):
        assert part in str(caught.value)
        assert part in refusal.what
    if way not in ("an executor's job", "aiohttp"):
        assert refusal.places[0].startswith(f"{__file__}:")
        assert str(refusal.error()).startswith(f"{__file__}:")


@pytest.mark.parametrize("call", [socket.gethostbyname, socket.gethostbyname_ex, socket.gethostbyaddr])
def test_a_lookup_alone_is_refused(guard, refused, call):
    """It names no port, so none is told."""
    with pytest.raises(NetworkRefused):
        call(NAME)
    assert [(refusal.host, refusal.port) for refusal in refused] == [(NAME, None)]


def test_a_lookup_that_was_imported_by_name_earlier_is_refused(guard, refused):
    """C code and references that were taken before are no way round."""
    with pytest.raises(NetworkRefused):
        TAKEN_EARLIER(NAME, 80)
    assert len(refused) == 1


TAKEN_EARLIER = socket.getaddrinfo


def test_an_error_that_the_app_swallows_is_told(guard, refused):
    """Once for each place, however often it tries."""
    for _ in range(3):
        with contextlib.suppress(Exception):
            connect((ADDRESS, 80))
    with pytest.raises(NetworkRefused):
        connect((ADDRESS, 80))
    assert [refusal.places[1].rpartition(" ")[2] for refusal in refused] == ["test_an_error_that_the_app_swallows_is_told"] * 2


def test_what_is_no_network_is_left_alone(guard, refused, tmp_path):
    """Socket pairs, Unix sockets, this machine's names, addresses that need no lookup, and processes."""
    one, other = socket.socketpair()
    with one, other, socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))
    socket.getfqdn()
    socket.getaddrinfo("localhost", 80)
    socket.getaddrinfo(None, 0)
    socket.getaddrinfo(ADDRESS, 80, flags=socket.AI_NUMERICHOST)
    subprocess.run([sys.executable, "-c", ""], check=True)
    asyncio.run(asyncio.sleep(0))
    assert refused == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_refused_unless_it_is_allowed(refused, nobodys, host):
    """The service's own port is among what is allowed; any other port of this machine may be anybody's."""
    with NetworkGuard((Allowed.parse(f"127.0.0.1:{nobodys}"),), refused.append):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, nobodys))
        with pytest.raises(NetworkRefused):
            socket.create_connection((host, nobodys + 1))
    assert len(refused) == 1


def test_a_server_of_the_apps_own_is_reached(guard, refused):
    """What this process listens on is no peer, over TCP and by datagrams."""
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.handle_request).start()
        with socket.create_connection(server.server_address):
            pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        send(b"x", receiver.getsockname())
        assert receiver.recv(1) == b"x"
    assert refused == []


def test_what_an_allowed_name_resolves_to_is_allowed(refused, monkeypatch):
    """On the allowed port alone; whoever looked it up."""
    fake = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ADDRESS, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *args, **kwargs: fake)
    with NetworkGuard((Allowed.parse("db.example:5432"),), refused.append):
        # A datagram socket connects without a word.
        connect_anyway((ADDRESS, 5432))
        with pytest.raises(NetworkRefused):
            connect((ADDRESS, 5433), socket.SOCK_DGRAM)
    with NetworkGuard((Allowed.parse("db.example"),), refused.append):
        socket.getaddrinfo("DB.example.", 1)
        connect_anyway((ADDRESS, 5433))
    assert len(refused) == 1


def connect_anyway(address):
    """Connect a datagram socket; the machine may have no way there."""
    with contextlib.suppress(OSError):
        connect(address, socket.SOCK_DGRAM)


def test_a_name_that_is_allowed_is_looked_up(refused):
    """The lookup goes out; what the machine answers is its own business."""
    with NetworkGuard((Allowed.parse("nobody.invalid"),), refused.append), pytest.raises(socket.gaierror):
        socket.getaddrinfo("nobody.invalid", 80)
    assert refused == []


def test_more_may_be_allowed_later(guard, refused, nobodys):
    """A port that is known only when something serves on it."""
    guard.allow(Allowed("localhost", nobodys))
    with pytest.raises(ConnectionRefusedError):
        connect(("127.0.0.1", nobodys))
    assert refused == []


def test_threads_that_are_not_the_runs_go_on(refused, nobodys):
    """A cluster's worker talks to its cluster while a replay runs in it; two replays are judged each by its own guard."""
    with ThreadPoolExecutor(1) as earlier:
        earlier.submit(int).result()
        with NetworkGuard((), refused.append), pytest.raises(ConnectionRefusedError):
            earlier.submit(connect, ("127.0.0.1", nobodys)).result()

        def other_replay():
            with NetworkGuard((Allowed("localhost", nobodys),), refused.append):
                connect(("127.0.0.1", nobodys))

        with NetworkGuard((), refused.append):
            with pytest.raises(ConnectionRefusedError):
                earlier.submit(other_replay).result()
            assert refused == []
            with pytest.raises(NetworkRefused):
                connect(("127.0.0.1", nobodys))


def test_afterwards_nothing_is_refused(refused, nobodys):
    """And nothing that was replaced is left in its place."""
    before = socket.getaddrinfo, dict(vars(socket.socket)), asyncio.BaseEventLoop.getaddrinfo
    with NetworkGuard((), refused.append):
        assert socket.getaddrinfo is not before[0]
    assert (socket.getaddrinfo, dict(vars(socket.socket)), asyncio.BaseEventLoop.getaddrinfo) == before
    with pytest.raises(ConnectionRefusedError):
        connect(("127.0.0.1", nobodys))
    assert refused == []


def test_an_own_refusal_is_told_to_the_guard(guard, refused):
    """Whoever carries connections himself refuses with the same error, with a guard and without."""
    with pytest.raises(NetworkRefused, match="Go home"):
        refuse("loop.create_connection", NAME, 80, "Go home.")
    assert [refusal.hint for refusal in refused] == ["Go home."]
    with ThreadPoolExecutor(1) as pool, pytest.raises(NetworkRefused, match="Go home"):
        pool.submit(refuse, "loop.create_connection", NAME, 80, "Go home.").result()


def test_an_error_that_comes_from_a_refusal_is_known():
    """Raised from it or while it was handled, at any depth; a circle ends."""
    refusal, outer, circle = NetworkRefused("no"), ValueError(), ValueError()
    outer.__cause__ = RuntimeError()
    outer.__cause__.__context__ = refusal
    circle.__context__ = KeyError()
    circle.__context__.__context__ = circle
    assert [was_refused(error) for error in (refusal, outer, circle, None)] == [True, True, False, False]


KEEPS_OUT = """
import sys

def keeps_out(event, args):
    if event == "sys.addaudithook":
        raise RuntimeError("no more hooks")

sys.addaudithook(keeps_out)
from evi_harness.errors import EviHarnessError
from evi_harness.guard.network import NetworkGuard
try:
    NetworkGuard((), print).__enter__()
except EviHarnessError as error:
    print(error)
"""


def test_a_guard_that_would_see_nothing_says_so():
    """Another hook can keep ours out without a word."""
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", KEEPS_OUT], env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True, check=True
    )
    assert "cannot be watched" in done.stdout


def test_virtual_time_names_its_own_ways_out(refused):
    """A blocking client on the loop's thread, and one that looks for the service without the loop."""

    async def blocks():
        httpx.get(URL)  # noqa: ASYNC210 - what an app should not do is what is tried

    with NetworkGuard((), refused.append, carried="evi.invalid"):
        with pytest.raises(httpx.ConnectError, match=r"\bsynchronous client .*--clock real --allow-host api.example:8443"):
            asyncio.run(blocks())
        with pytest.raises(httpx.ConnectError, match=r"asynchronous client\b.*--clock real"):
            httpx.get("http://evi.invalid/")
        with pytest.raises(httpx.ConnectError, match=r"mocked transport.*--allow-host api.example:8443"):
            httpx.get(URL)


def test_an_error_of_ours_is_one_of_the_tree():
    """And one that libraries expect of a network, with what they quote of it."""
    error = NetworkRefused("no way", where="app.py:1", hint="Stay.")
    assert isinstance(error, EviHarnessError)
    assert isinstance(error, ConnectionRefusedError)
    assert (error.errno, error.strerror) == (errno.ECONNREFUSED, "app.py:1: no way\nStay.")
    assert str(pickle.loads(pickle.dumps(error))).startswith("app.py:1: no way")


def test_what_is_allowed_is_told_once(refused, nobodys):
    """By its name and its port, whether anybody answers there or not; what the app listens on itself is not told."""
    reached = []
    allowed = Allowed("localhost", nobodys)
    with NetworkGuard((allowed,), refused.append, on_reached=lambda host, port: reached.append((host, port))):
        for _ in range(2):
            with pytest.raises(OSError):
                connect(("127.0.0.1", nobodys))
        with socket.create_server(("127.0.0.1", 0)) as own:
            connect(own.getsockname())
    assert (reached, refused) == ([("localhost", nobodys)], [])


@pytest.mark.parametrize(
    ("start", "program"),
    [
        (lambda: subprocess.run([sys.executable, "-S", "-c", ""], check=True), Path(sys.executable).name),
        (lambda: os.system("true"), "a shell"),
    ],
    ids=["subprocess", "a shell"],
)
def test_a_program_that_is_started_is_told(start, program):
    """With who starts it; not what a thread of nobody's starts."""
    told = []
    with NetworkGuard((), lambda _: None, on_started=lambda name, stack: told.append((name, stack[0][0]))):
        start()
    start()
    assert set(told) == {(program, __file__)}
