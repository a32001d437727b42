"""Tests of evi_harness.runs.real_commands.listening_places."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from evi_harness.runs.real_commands import listening_places as module
from evi_harness.runs.real_commands.listening_places import address_of_app, listening_places


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1:80"),
        ("0.0.0.0", "127.0.0.1:80"),
        ("::1", "[::1]:80"),
        ("::", "[::1]:80"),
        ("10.1.2.3", "10.1.2.3:80"),
        ("fe80::1%eth0", "[fe80::1]:80"),
    ],
)
def test_the_address_for_who_calls_from_here(host, address):
    """What listens everywhere is called on this machine's own address."""
    assert address_of_app(host, 80) == address


def test_where_a_process_listens():
    """As far as the system tells, of either family; not where it is only connected, or bound, and not of a process that is gone."""
    if not Path("/proc/net/tcp").exists():
        pytest.skip("this system does not tell")
    before = listening_places([os.getpid()])
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()), socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        expected = {server.getsockname()}
        if socket.has_dualstack_ipv6():
            with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
                expected.add(other.getsockname()[:2])
                assert set(listening_places([os.getpid()])) - set(before) == expected
        else:
            assert set(listening_places([os.getpid()])) - set(before) == expected
    assert listening_places([]) == []


def test_a_system_that_does_not_tell(monkeypatch, tmp_path):
    """Then nobody listens, as far as is known."""
    monkeypatch.setattr(module, "_PROCESSES", tmp_path)
    assert listening_places([os.getpid()]) == []
