from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from fractions import Fraction
from importlib import import_module

import pytest
from carrier_duties import ScriptedService, check_carrier
from probe import ConnectionEnded, connect

from evi_harness.carriers.server_process import ProcessCarrier, ServerProcess
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.replay.wrapping import RefusingService
from evi_harness.session.events import TEXT, Closed, Frame, Opened, Received
from evi_harness.session.protocols import Send


def process_of(open_service, **options):
    """A server in a process of its own."""
    return ServerProcess(open_service, chat_paths=["/chat"], token_path="/token", **options)


def talk(url, *, n_messages=0):
    """Connect, read so many messages and close; gives what came."""

    async def main():
        probe = await connect(url, "/chat", lambda: 0)
        items = [await probe.next() for _ in range(n_messages)]
        probe.close(1000)
        while not isinstance(items[-1] if items else None, ConnectionEnded):
            items.append(await probe.next())
        return items

    return asyncio.run(main())


def serve_and(open_service, block):
    """Serve for a block of code."""
    with process_of(open_service) as server:
        block(server)


@pytest.mark.slow
def test_it_keeps_every_duty():
    """The public check, with the service in another process."""

    def make(open_service):
        return ProcessCarrier(process_of(open_service))

    asyncio.run(check_carrier(make, chat_path="/chat", token_path="/token"))


def test_what_was_served_is_known_afterwards():
    """While it serves one asks; after the block all is there, stamped by this machine's clock."""
    with process_of(ScriptedService(opening=[(0, Send(Frame(TEXT, b"hello"), 0))])) as server:
        assert server.look() == []
        talk(server.url, n_messages=1)
        talk(server.url)
        (first, second) = server.look()
        assert [type(event) for event in first.events if event.kind != "note"] == [Opened, Received, Closed]
        assert 0 < first.opened_at_ns < second.opened_at_ns
        n_first = len(first.events)
        talk(server.url)
    assert [len(one.events) > 1 for one in server.served] == [True] * 3
    assert len(server.served[0].events) == n_first
    assert server.look() is server.served


class InAFolder(Frame):
    """A frame whose payload is elsewhere, and that cannot be sent as it is."""

    def __init__(self, payload):
        super().__init__(TEXT, b"")
        self.where = lambda: payload

    @property
    def payload(self):
        return self.where()


def test_frames_are_sent_with_what_is_in_them():
    """The child needs no folder."""
    with process_of(ScriptedService(opening=[(0, Send(InAFolder(b"from afar"), 0))])) as server:
        arrived, _ = talk(server.url, n_messages=1)
    assert arrived.frame == Frame(TEXT, b"from afar")


def test_a_service_that_cannot_be_sent_is_told():
    """Before anything starts."""
    with pytest.raises(UsageError, match="another process"), process_of(lambda _: None):
        raise AssertionError("it was sent")


def test_a_service_that_the_child_cannot_make_is_told(monkeypatch, tmp_path):
    """Its module is there in this process and gone in the other."""
    (tmp_path / "gone_soon.py").write_text("def open_service(_): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    gone_soon = import_module("gone_soon")
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one != str(tmp_path)])
    with (
        pytest.raises(EviHarnessError, match=r"make the service: ModuleNotFoundError.*gone_soon"),
        process_of(gone_soon.open_service),
    ):
        raise AssertionError("it was made")


def test_a_port_in_use_is_told_here():
    """The child's error is this process's."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EviHarnessError, match=f"port {port} .*in use") as caught, process_of(ScriptedService(), port=port):
            raise AssertionError("two servers on one port")
    assert caught.value.exit_code == 3


def test_no_other_address_is_bound():
    """It is refused before a process starts."""
    with pytest.raises(UsageError, match="loopback"):
        process_of(ScriptedService(), host="0.0.0.0")


def test_what_a_service_raises_comes_out_with_where():
    """When the block ends, unless it raises already; what the child saw is the cause."""
    # Anything that is importable and fails when it is called with a handshake.
    with pytest.raises(TypeError) as caught, process_of(Fraction) as server:
        talk(server.url)
    assert "server's process" in str(caught.value.__cause__)
    assert "fractions.py" in str(caught.value.__cause__)
    with pytest.raises(KeyError):
        serve_and(Fraction, lambda server: [talk(server.url), {}["mine"]])


def test_a_child_that_is_gone_is_told():
    """With how it ended; a block that raises already is not disturbed."""
    with pytest.raises(EviHarnessError, match="has ended, with -9"):
        serve_and(ScriptedService(), lambda server: [server._child.kill(), server.look()])
    with pytest.raises(EviHarnessError, match="has ended, with -9"):
        serve_and(ScriptedService(), lambda server: server._child.kill())
    with pytest.raises(KeyError):
        serve_and(ScriptedService(), lambda server: [server._child.kill(), {}["mine"]])


def test_ctrl_c_is_for_the_parent():
    """It reaches every process of a terminal; the child serves on until it is told to stop."""
    with process_of(ScriptedService()) as server:
        server._child.send_signal(signal.SIGINT)
        talk(server.url)
    assert len(server.served) == 1
    assert server._child.returncode == 0


PARENT = """
import os, sys
sys.path[:] = {path!r}
from carrier_duties import ScriptedService
from evi_harness.carriers.server_process import ServerProcess
with ServerProcess(ScriptedService(), chat_paths=["/chat"]) as server:
    print(server.url, flush=True)
    if {forks} and os.fork() == 0:
        os.close(1)
        os.read({held}, 1)
        os._exit(0)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("forks", [False, True], ids=["alone", "a fork holds the channel"])
def test_the_child_dies_with_its_parent(forks):
    """Though the parent was killed and could tell nobody, and also where something else keeps its end of the channel open."""
    held, release = os.pipe()
    program = PARENT.format(path=sys.path, forks=forks, held=held)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, pass_fds=[held]) as parent:
        # The child has the same standard output: it ends when both are gone, or never.
        try:
            told, _ = parent.communicate(timeout=60)
        finally:
            os.close(release)
            os.close(held)
        assert parent.returncode == -9
    assert told.startswith(b"http://127.0.0.1:")
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", int(told.rpartition(b":")[2]))):
        pass


@pytest.mark.slow
def test_a_long_answer_at_the_end_arrives_whole():
    """What the last question brings is more than a socket holds; the process does not end before it is out."""
    payload = b"x" * 900_000
    for _ in range(5):
        with process_of(ScriptedService(opening=[(0, Send(Frame(TEXT, payload), 0))])) as server:
            talk(server.url, n_messages=1)
        (served,) = server.served
        assert [event.frame.payload for event in served.events if event.kind == "received"] == [payload]


class Refusing:
    """A service that refuses each chat."""

    def __call__(self, handshake):
        return RefusingService()


def test_what_was_refused_and_asked_for_in_vain_is_known():
    """While it serves, and afterwards."""
    with process_of(Refusing()) as server:
        for path, status in (("/chat", 503), ("/nowhere?key=x", 404)):
            done = subprocess.run([sys.executable, "-c", UPGRADE, server.url, path], capture_output=True, text=True, check=True)
            assert done.stdout.strip() == str(status)
        server.look()
        assert (server.n_refused, len(server.unknown)) == (1, 1)
    assert server.served == []
    assert "/nowhere" in server.unknown[0]
    assert "key" not in server.unknown[0]


UPGRADE = """
import http.client, sys, urllib.parse
place = urllib.parse.urlsplit(sys.argv[1])
client = http.client.HTTPConnection(place.hostname, place.port)
asks = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="}
client.request("GET", sys.argv[2], headers=asks)
print(client.getresponse().status)
"""
