from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_client import frame

from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.tap.wire_messages import KEPT_BYTES, CloseFrame, Inflater, TooLarge, Unread, WireMessages, inflater_of

MIB = 1 << 20
# Both directions; what is of one alone is masked as it has to be there.
BOTH = pytest.mark.parametrize("of_client", [True, False], ids=["client", "server"])


def read(stream, step=None, *, of_client=True, inflater=None, max_bytes=MIB):
    """What a stream says, given in pieces of a size, and what is left at its end."""
    messages = WireMessages(of_client=of_client, inflater=inflater, max_bytes=max_bytes)
    step = step or max(1, len(stream))
    found = [item for at in range(0, len(stream), step) for item in messages.feed(stream[at : at + step])]
    assert messages.n_held <= max_bytes + KEPT_BYTES + len(stream)
    return found + messages.end()


def deflated(*messages, takes_over=True, level=9):
    """Messages as permessage-deflate has them."""
    stream, found = None, []
    for message in messages:
        if stream is None or not takes_over:
            stream = zlib.compressobj(level, zlib.DEFLATED, -15)
        found.append((stream.compress(message) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4])
    return found


def sentence(items):
    """What is wrong with the one thing that is."""
    (found,) = [item for item in items if isinstance(item, Unread)]
    return found.what


@BOTH
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000, None])
def test_messages_of_every_length_and_form(of_client, step):
    """One frame or several, with pings between, up to the close."""

    def one(opcode, payload=b"", **options):
        return frame(opcode, payload, masked=of_client, **options)

    stream = b"".join(
        [
            one(1, b""),
            one(1, "h\u00e9llo".encode()),
            one(2, b"x" * 125),
            one(2, b"y" * 126),
            one(2, b"z" * 70_000),
            one(9, b"ping"),
            one(1, b"a", fin=False),
            one(10, b"pong"),
            one(0, b"b", fin=False),
            one(0, b"c"),
            one(8, b"\x03\xe8bye"),
        ]
    )
    assert read(stream, step, of_client=of_client) == [
        Frame(TEXT, b""),
        Frame(TEXT, "h\u00e9llo".encode()),
        Frame(BINARY, b"x" * 125),
        Frame(BINARY, b"y" * 126),
        Frame(BINARY, b"z" * 70_000),
        Frame(TEXT, b"abc"),
        CloseFrame(1000, "bye"),
    ]


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=300), st.integers(1, 4)), max_size=8), st.lists(st.integers(1, 90)))
def test_however_it_is_cut(messages, cuts):
    """Into frames by the sender, into pieces by the network: the same messages."""
    stream, meant = b"", []
    for is_text, payload, n_frames in messages:
        data = payload.hex().encode() if is_text else payload
        size = -(-len(data) // n_frames) or 1
        pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        for number, piece in enumerate(pieces):
            stream += frame((1 if is_text else 2) if number == 0 else 0, piece, fin=number == len(pieces) - 1)
        meant.append(Frame(TEXT if is_text else BINARY, data))
    reader, found, at = WireMessages(of_client=True, max_bytes=MIB), [], 0
    for cut in cuts:
        found += reader.feed(stream[at : at + cut])
        at += cut
    assert found + reader.feed(stream[at:]) + reader.end() == meant


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (frame(1, b"x", reserved=4), "reserved bits"),
        (frame(9, b"x", reserved=1), "reserved bits"),
        (frame(3, b"x"), "opcode 3"),
        (frame(11), "opcode 11"),
        (frame(9, b"x", fin=False), "is fragmented"),
        (frame(8, b"x" * 126), "is too long"),
        (frame(0, b"x"), "no message to"),
    ],
)
@pytest.mark.parametrize("step", [1, 5, None])
def test_a_frame_that_breaks_a_rule_is_told_and_the_next_is_read(bad, what, step):
    """With its bytes as they are without the mask."""
    found = read(frame(1, b"before") + bad + frame(1, b"behind"), step)
    assert found[0] == Frame(TEXT, b"before")
    assert found[-1] == Frame(TEXT, b"behind")
    assert what in sentence(found)
    assert all(set(item.begins) <= {ord("x")} for item in found if isinstance(item, Unread))


@pytest.mark.parametrize(
    ("stream", "of_client", "what", "read_as"),
    [
        (frame(1, b"a", masked=False), True, "not masked", [Frame(TEXT, b"a")]),
        (frame(1, b"a"), False, "is masked", [Frame(TEXT, b"a")]),
        (frame(1, b"\xff"), True, "not UTF-8", [Frame(TEXT, b"\xff")]),
        (frame(8, b"x"), True, "code or reason", [CloseFrame(None, "")]),
        (frame(8, b"\x03\xe8\xff"), True, "code or reason", [CloseFrame(1000, "\\xff")]),
        (frame(8) + frame(1, b"a"), True, "the close frame", [CloseFrame(None, "")]),
        (frame(8) + frame(8), True, "the close frame", [CloseFrame(None, "")]),
        (frame(1, b"a", fin=False) + frame(1, b"b") + frame(0, b"c"), True, "begins within another", [Frame(TEXT, b"ac")]),
    ],
)
def test_what_a_lenient_receiver_takes_is_read_too(stream, of_client, what, read_as):
    """And told."""
    found = read(stream, of_client=of_client)
    assert what in sentence(found)
    assert [item for item in found if not isinstance(item, Unread)] == read_as


@pytest.mark.parametrize(
    ("stream", "what", "n_bytes", "begins"),
    [
        (frame(1, b"whole")[:1], "frame", 1, b"\x81"),
        (frame(1, b"whole")[:-2], "frame", 3, b"who"),
        (frame(1, b"part", fin=False), "message", 4, b"part"),
        (frame(2, b"", size=1 << 63)[:20], "frame", 0, b""),
    ],
)
def test_what_is_not_complete_is_told_at_the_end(stream, what, n_bytes, begins):
    """As far as it has come."""
    (unread,) = read(stream)
    assert (unread.n_bytes, unread.begins) == (n_bytes, begins)
    assert unread.what.endswith(f"within a {what}")


@pytest.mark.parametrize("takes_over", [True, False])
def test_compression(takes_over):
    """With and without what came before; in fragments, of which the first is marked; beside a message that is not compressed."""
    texts = [b"said and said again " * 20, b"said and said again, once more", b""]
    one, two, three = deflated(*texts, takes_over=takes_over)
    stream = frame(1, one, reserved=4) + frame(1, b"plain") + frame(1, two[:5], reserved=4, fin=False) + frame(0, two[5:])
    found = read(stream + frame(1, three, reserved=4), 3, inflater=Inflater(takes_over=takes_over))
    assert found == [Frame(TEXT, text) for text in (texts[0], b"plain", *texts[1:])]


def test_a_block_that_calls_itself_the_last():
    """RFC 7692, 7.2.3.4: what follows begins anew."""
    last = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = last.compress(b"whole") + last.flush() + b"\0"
    assert read(frame(1, data, reserved=4) * 2, inflater=Inflater()) == [Frame(TEXT, b"whole")] * 2


def test_what_cannot_be_inflated_is_told_and_so_is_what_refers_to_it():
    """Where each begins anew, the next one is read."""
    (good,) = deflated(b"good")
    stream = frame(1, b"\xff" * 9, reserved=4) + frame(1, good, reserved=4)
    first, second = [item.what for item in read(stream, inflater=Inflater())]
    assert "cannot be inflated" in first
    assert "refers to one" in second
    assert read(stream, inflater=Inflater(takes_over=False))[1:] == [Frame(TEXT, b"good")]


@pytest.mark.parametrize(
    ("stream", "kept"),
    [
        (frame(2, b"x" * 1001), [TooLarge(2, 1001)]),
        (frame(1, b"x" * 600, fin=False) + frame(0, b"y" * 600), [TooLarge(1, 1200)]),
        (frame(2, b"x" * 1000), [Frame(BINARY, b"x" * 1000)]),
        (frame(2, deflated(bytes(1001))[0], reserved=4), [TooLarge(2, len(deflated(bytes(1001))[0]))]),
        (frame(2, deflated(bytes(1000))[0], reserved=4), [Frame(BINARY, bytes(1000))]),
    ],
)
@pytest.mark.parametrize("step", [1, 64, None])
def test_a_message_that_is_too_large_is_not_kept(stream, kept, step):
    """Nor inflated further than to see it."""
    assert read(stream, step, inflater=Inflater(), max_bytes=1000) == kept


def test_a_message_without_an_end_takes_no_memory():
    """In however many fragments, empty ones among them; a frame that is too large and none of a message takes nothing from the next."""
    messages = WireMessages(of_client=True, max_bytes=1000)
    for first, payload in ((2, b"x" * 100), *[(0, b"y" * 100), (0, b"")] * 500):
        assert messages.feed(frame(first, payload, fin=False)) == []
        assert messages.n_held <= 1000 + KEPT_BYTES
    assert len(messages._message) < 20
    assert messages.feed(frame(0)) == [TooLarge(2, 50_100)]
    assert messages.feed(frame(3, b"x" * 9000) + frame(2, b"z"))[1:] == [Frame(BINARY, b"z")]


def test_a_bomb_takes_no_memory_and_an_endless_row_of_last_blocks_no_time():
    """A megabyte that would be a gigabyte, and one that would be half a million windows."""
    (bomb,) = deflated(bytes(64 * MIB))
    assert read(frame(2, bomb, reserved=4), inflater=Inflater()) == [TooLarge(2, len(bomb))]
    ends = b"\x03\x00" * 500_000
    assert read(frame(2, ends, reserved=4), inflater=Inflater()) == [TooLarge(2, len(ends))]


@pytest.mark.parametrize(
    ("extensions", "of_client", "server"),
    [
        ("", None, None),
        ("x-unknown", None, None),
        ("permessage-deflate", True, True),
        ("x, Permessage-Deflate; server_no_context_takeover; client_max_window_bits=10", True, False),
        ("permessage-deflate; client_no_context_takeover", False, True),
    ],
)
def test_what_was_agreed_to(extensions, of_client, server):
    """For each direction, whether messages refer to those before them."""
    found = [inflater_of(extensions, of_client=one) for one in (True, False)]
    assert [one and one._takes_over for one in found] == [of_client, server]
