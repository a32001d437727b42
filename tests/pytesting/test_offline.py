"""Tests that reach this machine alone."""

from __future__ import annotations

import socket
import threading
from typing import List

import pytest

from evi_harness.errors import NetworkRefused, UsageError
from evi_harness.pytesting.offline import Offline


def reach(address: str) -> None:
    """Ask for a way to an address; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((address, 9))


def test_this_machine_and_what_is_allowed_is_reached() -> None:
    """Loopback is open whoever listens there, and of the rest what was allowed; behind the block all is, and it can be entered again."""
    told: List[str] = []
    offline = Offline(["192.0.2.7"], told.append)
    for _ in range(2):
        with offline:
            reach("127.0.0.1")
            reach("192.0.2.7")
            with pytest.raises(NetworkRefused, match=r"192\.0\.2\.1:9 .*\n.*--evi-allow-host 192\.0\.2\.1"):
                reach("192.0.2.1")
    # Once for each place.
    assert len(told) == 1
    assert "test_offline.py" in told[0]
    reach("127.0.0.1")


def test_what_other_threads_do_is_not_judged() -> None:
    """A thread that was there before the block is nobody's test."""
    begin, done, failures = threading.Event(), threading.Event(), []

    def other() -> None:
        begin.wait()
        try:
            socket.getaddrinfo("192.0.2.1", 9)
        except NetworkRefused as error:
            failures.append(error)
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with Offline([], str):
        begin.set()
        done.wait()
    thread.join()
    assert failures == []


def test_a_host_that_cannot_be_meant_is_refused() -> None:
    """A URL is no host."""
    with pytest.raises(UsageError, match="valid host"):
        Offline(["https://example.org/"], str)
