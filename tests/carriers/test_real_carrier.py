from __future__ import annotations

import asyncio
import errno
import socket

import pytest
from carrier_duties import ScriptedService, check_carrier
from probe import ConnectionEnded, connect

from evi_harness.carriers import real_carrier as real
from evi_harness.carriers.real_carrier import RealCarrier, loopback
from evi_harness.carriers.server import ChatServer
from evi_harness.clocks.clock import RealClock
from evi_harness.errors import EviHarnessError, UsageError

IDLE = ScriptedService()


def carrier_of(open_service=IDLE, **options):
    """A carrier on a port of its own."""
    return RealCarrier(ChatServer(open_service, clock=RealClock(), chat_paths=["/chat"], token_path="/token"), **options)


def test_it_keeps_every_duty():
    """The public check, over TCP."""
    asyncio.run(check_carrier(carrier_of, chat_path="/chat", token_path="/token"))


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("127.1.2.3", "127.1.2.3"), ("::1", "::1")]
)
def test_loopback_addresses_are_served_on(host, address):
    """localhost is one by definition."""
    assert loopback(host) == address


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.0.1", "api.hume.ai", "127.0.0.1.example", "127.1", "8.8.8.8", "localhost."])
def test_no_other_address_is(host):
    """Not even by a name, which could stand for anything; nothing is looked up."""
    with pytest.raises(UsageError, match="loopback"):
        carrier_of(host=host)


def test_the_url_names_the_port_that_was_picked():
    """With port 0 the system picks one, for each carrier another."""

    async def main():
        async with carrier_of() as first, carrier_of() as second:
            return first.url, second.url

    first, second = asyncio.run(main())
    assert first != second
    assert all(url.startswith("http://127.0.0.1:") and not url.endswith(":0") for url in (first, second))


def test_an_ipv6_url_has_brackets():
    """So that the port can be told from the address."""
    try:
        with socket.socket(socket.AF_INET6) as free:
            free.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback here")

    async def main():
        async with carrier_of(host="::1") as carrier:
            probe = await connect(carrier.url, "/chat", carrier.now_ns)
            probe.close(1000)
            return carrier.url, await probe.next()

    url, end = asyncio.run(main())
    assert url.startswith("http://[::1]:")
    assert end == ConnectionEnded(1000, "")


def test_a_port_in_use_is_named():
    """The error names it, and what was made by then is gone again."""

    async def main(port):
        async with carrier_of(port=port):
            raise AssertionError("two servers on one port")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EviHarnessError, match=rf"port {port} on 127\.0\.0\.1 .*\bin use") as caught:
            asyncio.run(main(port))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(("number", "words"), [(errno.EACCES, "is not allowed"), (errno.EADDRNOTAVAIL, "cannot be listened")])
def test_a_port_that_cannot_be_had_is_named(number, words, monkeypatch):
    """Whatever the reason is; for a port that only root may have, with one that anybody may."""

    def refuse(*_):
        raise OSError(number, "said by the system in more words")

    monkeypatch.setattr(real, "_bound", refuse)

    async def main():
        async with carrier_of(port=80):
            raise AssertionError("it listens")

    with pytest.raises(EviHarnessError, match=rf"port 80 .*127\.0\.0\.1 {words}") as caught:
        asyncio.run(main())
    assert "0 for any" in caught.value.hint
    assert ("1024" in caught.value.hint) is (number == errno.EACCES)


def test_a_port_is_free_again_afterwards():
    """The same one can be had at once."""

    async def main(port):
        async with carrier_of(port=port) as carrier:
            probe = await connect(carrier.url, "/chat", carrier.now_ns)
            probe.close(1000)
            await probe.next()
            return int(carrier.url.rpartition(":")[2])

    port = asyncio.run(main(0))
    assert asyncio.run(main(port)) == port


def failing(_):
    """A service that cannot be made."""
    raise LookupError("no such voice")


def test_what_a_service_raises_comes_out():
    """When the block ends, unless it raises already."""

    async def main(error=None):
        async with carrier_of(failing) as carrier:
            probe = await connect(carrier.url, "/chat", carrier.now_ns)
            while not isinstance(await probe.next(), ConnectionEnded):
                pass
            if error is not None:
                raise error

    with pytest.raises(LookupError, match="no such voice"):
        asyncio.run(main())
    with pytest.raises(KeyError):
        asyncio.run(main(KeyError("mine")))
