from __future__ import annotations

import socket

import pytest

from evi_harness.guard.own_ports import listens_on


@pytest.fixture
def free():
    """Makes a socket bound to a free loopback port."""
    made = []

    def make(kind=socket.SOCK_STREAM):
        made.append(socket.socket(socket.AF_INET, kind))
        made[-1].bind(("127.0.0.1", 0))
        return made[-1], made[-1].getsockname()[1]

    yield make
    for each in made:
        each.close()


def test_a_port_is_listened_on_from_listen_to_close(free):
    """Bound is not enough; and a socket that was asked still works."""
    server, port = free()
    assert not listens_on(port)
    server.listen()
    assert listens_on(port)
    with socket.create_connection(("127.0.0.1", port)) as client:
        assert not listens_on(client.getsockname()[1])
    server.close()
    assert not listens_on(port)


def test_a_datagram_socket_listens_when_it_is_bound(free):
    """It has nothing else to do."""
    _, port = free(socket.SOCK_DGRAM)
    assert listens_on(port)


def test_other_descriptors_are_passed_over(tmp_path, free):
    """Files and Unix sockets have no port."""
    one, other = socket.socketpair()
    with one, other, open(tmp_path / "file", "w"):  # noqa: PTH123 - a descriptor is wanted
        _, port = free()
        assert not listens_on(port)
