"""Tests of evi_harness.injected.blocking_http."""

from __future__ import annotations

import http.client
import json
import socket
import threading

import pytest

from evi_harness.carriers.plain_server import PlainServer
from evi_harness.clocks.clock import RealClock
from evi_harness.injected.blocking_http import BlockingHttp


class Answering:
    """What answers, and what it was asked that it cannot do."""

    def __init__(self):
        self.unknown, self.refused, self.is_told = [], [], threading.Event()
        server = PlainServer(lambda _: None, clock=RealClock(), chat_paths=["/chat"], token_path="/token", on_unknown=self.unknown.append)
        self.http = BlockingHttp(server, self.refuse)

    def refuse(self, what):
        self.refused.append(what)
        self.is_told.set()

    def ask(self, method, path, body=None):
        """What is answered: the status and the body."""
        client = http.client.HTTPConnection(*self.http.place())
        try:
            client.request(method, path, body)
            answer = client.getresponse()
            assert answer.headers["Connection"] == "close"
            return answer.status, answer.read()
        finally:
            client.close()


def test_a_token_is_given_to_whoever_asks():
    """One connection after another."""
    answering = Answering()
    for _ in range(2):
        status, body = answering.ask("POST", "/token", b"grant_type=client_credentials" * 9999)
        assert (status, bool(json.loads(body)["access_token"])) == (200, True)
    assert answering.unknown == answering.refused == []


def test_what_there_is_no_answer_for_is_told():
    """By its method and path, without its query."""
    answering = Answering()
    assert answering.ask("GET", "/chats?page=1")[0] == 404
    assert answering.unknown == ["GET /chats"]


@pytest.mark.parametrize("data", [b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", b"\x16\x03\x01 TLS", b"no request\r\n\r\n"])
def test_a_conversation_cannot_be_held_so(data):
    """Nor anything else that is no HTTP: it is told, and gets no answer."""
    answering = Answering()
    with socket.create_connection(answering.http.place()) as client:
        client.sendall(data)
        assert client.recv(1) == b""
    answering.is_told.wait()
    assert len(answering.refused) == 1


def test_nothing_is_left_of_who_hangs_up():
    """Neither a thread nor a port."""
    answering = Answering()
    # One of an earlier test may be about to end.
    before = set(threading.enumerate())
    place = answering.http.place()
    (ours,) = set(threading.enumerate()) - before
    socket.create_connection(place).close()
    ours.join()
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place)
