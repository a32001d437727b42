from __future__ import annotations

import pytest
from probe import request

from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import NetworkRefused, UsageError


def carrier(loop, **options):
    """A carrier with a token endpoint and no service."""
    return VirtualCarrier(loop, ChatServer(lambda handshake: None, clock=loop, chat_paths=["/chat"], token_path="/token"), **options)


def test_two_carriers_serve_side_by_side():
    """Each under its own name and port, the default port not in the URL."""

    async def main(loop):
        async with carrier(loop) as one, carrier(loop, port=8080) as two, carrier(loop, host="other.invalid") as three:
            statuses = [(await request(each.url, "POST", "/token"))[0] for each in (one, two, three)]
            return statuses, [one.url, two.url, three.url]

    assert run_virtual(main) == ([200] * 3, ["http://evi.invalid", "http://evi.invalid:8080", "http://other.invalid"])


def test_the_same_address_twice_is_refused():
    """And the first one goes on."""

    async def main(loop):
        async with carrier(loop) as one:
            with pytest.raises(UsageError, match="already served"):
                await carrier(loop).__aenter__()
            return (await request(one.url, "POST", "/token"))[0]

    assert run_virtual(main) == 200


def test_nothing_answers_before_and_behind_the_block():
    """The address is free again afterwards, and a connection to it refused."""

    async def main(loop):
        for _ in range(2):
            async with carrier(loop) as here:
                assert (await request(here.url, "POST", "/token"))[0] == 200
        with pytest.raises(NetworkRefused):
            await request(here.url, "POST", "/token")

    run_virtual(main)


def test_an_error_of_the_block_goes_before_one_of_the_service():
    """What the block raises comes out even where a service has failed too."""

    async def main(loop):
        server = ChatServer(lambda handshake: None, clock=loop, chat_paths=["/chat"])
        server.failures.append(ValueError())
        async with VirtualCarrier(loop, server):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_virtual(main)
