from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import threading

import pytest

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import PcmSource, SilenceSource
from evi_harness.errors import NetworkRefused
from evi_harness.injected.loops import InjectedLoop, _in_place_of_uvloop
from evi_harness.session.wav import Pcm


class Echo(asyncio.Protocol):
    """The service's end: gives back what it gets."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


@pytest.fixture(autouse=True)
def served(stage):
    """The service gives back what it gets."""
    stage.connection = Echo


async def said(**options):
    """What comes back from the service."""
    reader, writer = await asyncio.open_connection(**options)
    writer.write(b"there")
    back = await reader.readexactly(5)
    writer.close()
    await writer.wait_closed()
    # The other end sees it, and closes too.
    await asyncio.sleep(0.1)
    return back


def test_a_connection_to_the_service_needs_no_network_and_no_tls(run):
    """By its name, over a stream."""
    assert run(said(host="api.hume.ai", port=443, ssl=ssl.create_default_context())) == b"there"


def test_a_socket_of_the_apps_own_reaches_the_service(run):
    """As aiohttp's does: it looks the name up, connects its socket, and hands that to the loop."""

    async def main():
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("api.hume.ai", 443)
        sock = socket.socket(*found[0][:2])
        sock.setblocking(False)
        await loop.sock_connect(sock, found[0][4])
        return await said(sock=sock, ssl=ssl.create_default_context(), server_hostname="api.hume.ai")

    assert run(main()) == b"there"


@pytest.mark.parametrize("port", [443, 80])
def test_all_else_is_refused(run, port):
    """Another host, and another port where the service's has one."""

    async def main():
        host = "api.hume.ai" if port == 80 else "example.com"
        with pytest.raises(NetworkRefused):
            await asyncio.open_connection(host, port)
        with pytest.raises(NetworkRefused):
            await asyncio.get_running_loop().getaddrinfo("example.com", port)
        with socket.socket() as sock, pytest.raises(NetworkRefused):
            await asyncio.get_running_loop().sock_connect(sock, ("192.0.2.77", port))

    run(main())


def test_a_server_is_not_supported(run, stage):
    """Virtual time does not wait for callers."""

    async def main():
        with pytest.raises(NetworkRefused):
            await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)

    run(main())
    assert len(stage.refused) == 1


def test_time_goes_on_from_loop_to_loop(run, app_time):
    """And stands still between them."""
    run(asyncio.sleep(5))
    assert not app_time.has_loop
    assert app_time.now_ns() == 5_000_000_000
    run(asyncio.sleep(1))
    assert app_time.now_ns() == 6_000_000_000


def test_the_end_of_an_executor_does_not_take_time(run):
    """It is waited for as a job is."""

    async def main():
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, str)
        await loop.shutdown_default_executor()
        return loop.time()

    assert run(main()) == 0


async def asleep():
    """Ten minutes, which take no time; on which loop, and when they were over."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(600)
    return type(loop), loop.time()


def test_uvloop_is_replaced_and_that_is_told(app_time):
    """However an app asks for it: by a loop of its own, or by a policy."""
    told = []
    uvloop = _in_place_of_uvloop(lambda: told.append(True), InjectedLoop)
    ended = []
    for make in (uvloop.new_event_loop, uvloop.EventLoopPolicy().new_event_loop, uvloop.Loop):
        loop = make()
        kind, at_s = loop.run_until_complete(asleep())
        loop.close()
        ended.append((kind, at_s))
    assert ended == [(InjectedLoop, 600.0 * number) for number in (1, 2, 3)]
    assert len(told) == 2


def test_a_loop_in_a_thread_is_on_virtual_time(run):
    """As on the main one."""
    found = []
    thread = threading.Thread(target=lambda: found.append(run(asleep())))
    thread.start()
    thread.join()
    assert found == [(InjectedLoop, 600.0)]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.Runner is new in Python 3.11")
def test_a_runner_runs_one_coroutine_after_another(app_time):
    """On one loop, by the factory that a policy of the app's has it made by."""
    with asyncio.Runner(loop_factory=InjectedLoop) as runner:
        assert [runner.run(asleep()) for _ in range(2)] == [(InjectedLoop, 600.0), (InjectedLoop, 1200.0)]


def test_what_is_opened_before_a_loop_begins_with_it(app_time, run):
    """A stream that the app starts before ``asyncio.run`` has its blocks from the first loop on; one that it stops before has none."""
    sd = software_sounddevice(SoftwareMicrophone(SilenceSource(Pcm(1000, 1)), clock=app_time), SoftwareSpeaker(clock=app_time))
    blocks = []

    def heard(block, *_):
        blocks.append(app_time.now_ns() // 1_000_000)

    stopped = sd.RawInputStream(1000, channels=1, dtype="int16", callback=heard)
    stopped.start()
    stopped.stop()
    stream = sd.RawInputStream(1000, channels=1, dtype="int16", callback=heard)
    stream.start()
    run(asyncio.sleep(0.025))
    assert blocks == [10, 20]
    stream.stop()


def test_a_read_before_a_loop_takes_its_time(app_time, run):
    """The first loop begins when it was over; and what an executor's job reads, on the last instants of a loop, is still read."""
    microphone = SoftwareMicrophone(PcmSource(bytes(range(200)), Pcm(1000, 1)), clock=app_time)
    stream = software_sounddevice(microphone, SoftwareSpeaker(clock=app_time)).RawInputStream(1000, channels=1, dtype="int16")
    stream.start()
    data, _ = stream.read(20)

    async def main():
        began_ns = asyncio.get_running_loop().now_ns()
        reading = asyncio.get_running_loop().run_in_executor(None, stream.read, 30)
        await asyncio.get_running_loop().shutdown_default_executor()
        return began_ns, (await reading)[0], asyncio.get_running_loop().now_ns()

    began_ns, more, ended_ns = run(main())
    assert (data + more, began_ns, ended_ns) == (bytes(range(100)), 20_000_000, 50_000_000)
