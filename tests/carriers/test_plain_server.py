from __future__ import annotations

import pytest
from carrier_duties import check_carrier

from evi_harness.carriers.plain_frames import BINARY, CLOSE, PING, TEXT, ClientMessage, ClientMessages, ClientsFault
from evi_harness.carriers.plain_server import PlainServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual


def test_the_server_of_the_standard_library_keeps_the_duties_of_a_carrier():
    """In virtual time nothing is late, so it has no slack."""

    async def main(loop):
        def carrier(open_service):
            return VirtualCarrier(loop, PlainServer(open_service, clock=loop, chat_paths=["/chat"], token_path="/token"))

        await check_carrier(carrier, chat_path="/chat", token_path="/token", slack_ns=0)

    run_virtual(main)


def frame(opcode, payload, *, mask=b"\x01\x02\x03\x04", final=True):
    """A frame as a client sends it."""
    size, head = len(payload), bytes([0x80 * final | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    else:
        head += b"\xfe" + size.to_bytes(2, "big") if size < 1 << 16 else b"\xff" + size.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


STREAM = (
    frame(TEXT, "ä".encode())
    + frame(BINARY, bytes(300), final=False)
    + frame(PING, b"there")
    + frame(0, b"rest")
    + frame(BINARY, bytes(range(256)) * 300)
    + frame(CLOSE, b"\x03\xe8bye")
)
MESSAGES = [
    ClientMessage(TEXT, "ä".encode()),
    ClientMessage(PING, b"there"),
    ClientMessage(BINARY, bytes(300) + b"rest"),
    ClientMessage(BINARY, bytes(range(256)) * 300),
    ClientMessage(CLOSE, b"\x03\xe8bye"),
]


@pytest.mark.parametrize("size", [1, 7, 1000, len(STREAM)])
def test_messages_are_the_same_however_their_bytes_come(size):
    """Control frames come between the pieces of a message."""
    messages = ClientMessages(1 << 20)
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [message for piece in pieces for message in messages.feed(piece)] == MESSAGES


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x01x", 1002),
        (frame(0x41, b"x"), 1002),
        (frame(3, b"x"), 1002),
        (frame(0, b"x"), 1002),
        (frame(TEXT, b"x", final=False) + frame(TEXT, b"y"), 1002),
        (frame(PING, b"x", final=False), 1002),
        (frame(PING, bytes(126)), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (frame(BINARY, bytes(2000)), 1009),
        (frame(BINARY, bytes(900), final=False) + frame(0, bytes(900)), 1009),
    ],
    ids=["not masked", "reserved", "opcode", "continues", "within", "fragmented ping", "long ping", "utf-8", "large", "large in pieces"],
)
def test_what_a_client_may_not_send_has_its_close_code(data, code):
    """The first fault ends the stream."""
    with pytest.raises(ClientsFault) as caught:
        list(ClientMessages(1000).feed(data))
    assert caught.value.code == code
