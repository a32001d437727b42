from __future__ import annotations

import pytest

from evi_harness.errors import UsageError
from evi_harness.guard.allowed import Allowed, address_of, is_address, name_of

PARSED = [
    ("db.example", "db.example", None),
    ("DB.Example.:5432", "db.example", 5432),
    ("10.0.0.1:80", "10.0.0.1", 80),
    ("localhost:6379", "localhost", 6379),
    ("127.0.0.1", "localhost", None),
    ("[::1]:6379", "localhost", 6379),
    ("[2001:DB8::0:1]", "2001:db8::1", None),
    ("2001:db8::1", "2001:db8::1", None),
    ("bücher.example:1", "xn--bcher-kva.example", 1),
]


@pytest.mark.parametrize(("text", "host", "port"), PARSED, ids=[row[0] for row in PARSED])
def test_a_host_is_read(text, host, port):
    """A name or an address, with or without a port; what is given back reads the same again."""
    allowed = Allowed.parse(text)
    assert allowed == Allowed(host, port)
    assert Allowed.parse(str(allowed)) == allowed


NONE = [
    "",
    ":80",
    "db.example:",
    "db.example:0",
    "db.example:65536",
    "db.example:http",
    "https://db.example",
    "*.example",
    "a b",
    "[::1",
    "[::1]80",
]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_host_is_refused(text):
    """The error quotes it and says what would be one."""
    with pytest.raises(UsageError, match="HOST:PORT"):
        Allowed.parse(text)


@pytest.mark.parametrize(
    ("text", "host", "port", "is_covered"),
    [
        ("db.example", "db.example", 1, True),
        ("db.example:5432", "db.example", 5432, True),
        ("db.example:5432", "db.example", 5433, False),
        ("db.example:5432", "db.example", None, True),
        ("db.example", "a.db.example", 1, False),
        ("localhost:1", "localhost", 1, True),
    ],
)
def test_an_entry_covers_its_host_and_port(text, host, port, is_covered):
    """Without a port it covers all of them; a name covers no other name."""
    assert Allowed.parse(text).covers(host, port) is is_covered


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"Example.COM", "example.com"),
        ("127.8.9.1", "localhost"),
        ("::ffff:127.0.0.1", "localhost"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("0.0.0.0", "localhost"),
        ("", "localhost"),
        (None, "localhost"),
        ("fe80::1%eth0", "fe80::1"),
        ("x" * 70 + ".example", "x" * 70 + ".example"),
    ],
)
def test_a_host_has_one_spelling(host, name):
    """However an app writes it: case, bytes, mapped addresses, this machine."""
    assert name_of(host) == name


def test_an_address_is_told_from_a_name():
    """An address need not be looked up, nor need this machine."""
    assert [is_address(host) for host in ("10.0.0.1", "2001:db8::1", "localhost", "db.example")] == [True, True, True, False]


def test_an_address_is_written_as_it_is_read():
    """With brackets where colons would be taken for a port's."""
    assert [address_of("a", 1), address_of("a", None), address_of("::2", 1), address_of("::2", None)] == ["a:1", "a", "[::2]:1", "::2"]
