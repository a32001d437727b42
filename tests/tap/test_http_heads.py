from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.tap.http_heads import BadRequest, ReplyHead, Request, RequestStream

SOCKET = b"GET /v0/evi/chat?api_key=k HTTP/1.1\r\nhost:  localhost:1\r\nUpgrade: WebSocket\r\nX-Twice: a\r\nX-Twice: b\r\n\r\n"
POST = b"POST /oauth2-cc/token HTTP/1.1\r\nContent-Length: 5\r\nHost: localhost:1\r\n\r\nGET /"
CHUNKS = b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nGET\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n"


def followed(stream, *, step=None, host="evi.example:8", prefix=""):
    """What is handed on of a stream given in pieces, and the heads of its requests."""
    requests, step = RequestStream(host, prefix), step or max(1, len(stream))
    found = [one for at in range(0, len(stream), step) for one in requests.feed(stream[at : at + step])]
    told = b"".join(one.data if isinstance(one, Request) else b"" if isinstance(one, BadRequest) else one for one in found)
    return told, [one for one in found if not isinstance(one, bytes)], requests


@given(st.lists(st.sampled_from([POST, CHUNKS, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"])), st.integers(1, 40), st.binary(max_size=50))
def test_the_host_is_changed_and_nothing_else(before, step, behind):
    """In each request of a row, whatever bodies stand between, and however it is cut; behind one for a WebSocket nothing is looked at."""
    stream = b"".join(before) + SOCKET + behind
    told, heads, requests = followed(stream, step=step)
    meant = stream[: len(stream) - len(behind)]
    for name in (b"host:  localhost:1", b"Host: localhost:1", b"Host: x", b"Host: h"):
        meant = meant.replace(name, name.partition(b":")[0] + (b":  " if name[:1] == b"h" else b": ") + b"evi.example:8")
    assert told == meant + behind
    assert [head.is_socket for head in heads] == [False] * len(before) + [True]
    assert (requests.is_open, requests.is_between) == (True, True)
    assert heads[-1].headers["x-twice"] == ["a", "b"]


def test_a_refused_handshake_is_followed_by_requests_again():
    """On the same connection."""
    _, _, requests = followed(SOCKET)
    requests.is_open = False
    (again,) = requests.feed(POST[:-5].replace(b"5", b"0"))
    assert again.data.endswith(b"Host: evi.example:8\r\n\r\n")


@pytest.mark.parametrize(
    ("target", "prefix", "told"),
    [
        (b"/a?b=//c", "", b"/a?b=//c"),
        (b"http://127.0.0.1:9/a?b", "", b"/a?b"),
        (b"http://127.0.0.1:9", "/hume", b"/hume/"),
        (b"/v0/evi/chat?x", "/hume", b"/hume/v0/evi/chat?x"),
        (b"*", "", b"*"),
    ],
)
def test_what_is_asked_for(target, prefix, told):
    """As it came, without a host of its own, and behind the service's own path."""
    data, _, _ = followed(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n", prefix=prefix)
    assert data.split(b" ")[1] == told


HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n"


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (b"\x16\x03\x01", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (HEAD + b" folded: x\r\n\r\n", 400),
        (HEAD + b"a : b\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nGET\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 9000, 400),
        (HEAD + b"Upgrade: websocket\r\nContent-Length: 1\r\n\r\n", 400),
        (HEAD + b"a: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /" + b"a" * (4 << 20), 431),
    ],
)
def test_what_is_not_handed_on(stream, status):
    """Nothing of it is, though what stood before it was; it is answered, with no word of it."""
    told, heads, _ = followed(POST + stream)
    head, end, _ = stream.partition(b"chunked\r\n\r\n")
    begun = head.replace(b"Host: h", b"Host: evi.example:8") + end if end and b"Length" not in head else b""
    assert told == POST.replace(b"localhost:1", b"evi.example:8") + begun
    assert heads[-1].status == status


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize(
    ("stream", "status", "rest"),
    [
        (b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n\x81\x00", 101, b"\x81\x00"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 401 No\r\n\r\nno", 401, b"no"),
        (b"HTTP/1.1 200\r\n\r\n", 200, b""),
        (b"SSH-2.0\r\n\r\n", 0, b""),
    ],
)
def test_the_answer_to_a_handshake(stream, status, rest, step):
    """However it is cut; interim answers are none."""
    head, reply, at = ReplyHead(), None, 0
    while reply is None:
        reply, at = head.feed(stream[at : at + step]), at + step
    assert (reply.status, reply.is_open) == (status, status == 101)
    assert reply.rest + stream[at:] == rest


def test_an_answer_without_an_end_is_none():
    """What is held of it is bounded."""
    head = ReplyHead()
    assert head.feed(b"HTTP/1.1 101 x\r\n" + b"a" * (1 << 20)).status == 0
