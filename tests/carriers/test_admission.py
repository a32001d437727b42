from __future__ import annotations

import pytest

from evi_harness.carriers.admission import THIS_MACHINE, Admission, is_loopback_name
from evi_harness.errors import UsageError
from evi_harness.session.protocols import Refuse


def status(admission, target="/v0/evi/chat", **headers):
    """The status of the refusal, None where there is none."""
    found = admission.refusal(target, {name: [value] for name, value in {"host": "127.0.0.1:8000", **headers}.items()})
    return None if found is None else found.status


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8000", None),
        ("127.1.2.3", None),
        ("localhost", None),
        ("LocalHost:1", None),
        ("localhost.", None),
        ("app.localhost:5173", None),
        ("[::1]:8000", None),
        ("[::ffff:127.0.0.1]", 403),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:8000", 403),
        ("evil.example:8000", 403),
        ("0.0.0.0:8000", 403),
        ("192.168.0.10", 403),
        ("127.0.0.1@evil.example", 403),
        ("localhost:80:80", 403),
        ("localhost/x", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_only_loopback_names_are_answered(host, expected):
    """A name of somebody's own that resolves to this machine is none: so no page becomes one of the server's (DNS rebinding)."""
    assert status(THIS_MACHINE, host=host) == expected


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://localhost:5173", None),
        ("https://127.0.0.1", None),
        ("http://[::1]:3000", None),
        ("http://app.localhost", None),
        ("file://", None),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("http://127.0.0.1.evil.example", 403),
        ("null", 403),
        ("", 403),
        ("http://", 403),
        ("localhost", 403),
        ("chrome-extension://abcdef", 403),
        ("http://localhost/path", 403),
        ("http://localhost@evil.example", 403),
    ],
)
def test_only_pages_of_this_machine_are_answered(origin, expected):
    """A page says where it is from. ``null`` is said by frames of any page."""
    assert status(THIS_MACHINE, origin=origin) == expected


def test_programs_say_no_origin():
    """And are answered."""
    assert status(THIS_MACHINE) is None


@pytest.mark.parametrize("origin", ["https://app.example", "http://app.example:8080", "null", "chrome-extension://abcdef"])
def test_an_origin_can_be_allowed(origin):
    """That one and no other; with a port it is another."""
    admission = Admission(frozenset({origin}))
    assert status(admission, origin=origin) is None
    assert status(admission, origin="https://app.example:444") == 403
    assert admission.shared_with(origin) == {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def test_a_star_allows_every_page():
    """But no other name for this machine."""
    admission = Admission(frozenset({"*"}))
    assert status(admission, origin="https://evil.example") is None
    assert status(admission, origin="https://evil.example", host="evil.example") == 403


def test_a_host_can_be_allowed():
    """In any case, with any port."""
    admission = Admission(hosts=frozenset({"Host.docker.internal"}))
    assert status(admission, host="host.docker.internal:8000") is None
    assert status(admission, host="docker.internal") == 403


@pytest.mark.parametrize("values", [[], ["localhost", "localhost"], ["localhost", "evil.example"]])
def test_there_is_one_host_header(values):
    """RFC 9112, 3.2."""
    assert THIS_MACHINE.refusal("/", {"host": values}).status == 400


@pytest.mark.parametrize(
    ("target", "expected"), [("http://localhost/x", None), ("http://evil.example/x", 403), ("/x?http://evil.example", None)]
)
def test_a_target_that_is_a_url_names_a_host_too(target, expected):
    """RFC 9112, 3.2.2: it goes before the header."""
    assert status(THIS_MACHINE, target) == expected


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/", "https://", "https://a b", "https://u@h", "https://h:x", ""])
def test_what_is_no_origin_is_said(origin):
    """With the form that is right."""
    with pytest.raises(UsageError, match="not the origin"):
        Admission(frozenset({origin}))


@pytest.mark.parametrize("host", ["http://h", "h:80", "h/x", ""])
def test_what_is_no_host_name_is_said(host):
    """With the form that is right."""
    with pytest.raises(UsageError, match="of a host"):
        Admission(hosts=frozenset({host}))


def test_a_preflight_is_answered_with_what_it_asks_for():
    """Only where it is one, and the headers are those that the page wants to send."""
    asked = {
        "origin": ["http://localhost:5173"],
        "access-control-request-method": ["POST"],
        "access-control-request-headers": ["authorization,content-type"],
        "access-control-request-private-network": ["true"],
    }
    answer = THIS_MACHINE.preflight(asked)
    assert answer["Access-Control-Allow-Origin"] == "http://localhost:5173"
    assert answer["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert answer["Access-Control-Allow-Private-Network"] == "true"
    assert "POST" in answer["Access-Control-Allow-Methods"]
    assert THIS_MACHINE.preflight({"origin": ["http://localhost"]}) is None


def test_an_answer_is_shared_with_nobody_else():
    """Neither with a page that is refused nor with a program, which need not be told."""
    assert THIS_MACHINE.shared_with("https://evil.example") == THIS_MACHINE.shared_with(None) == {}


def test_a_refusal_names_the_option():
    """So that who means it can go on."""
    refusal = THIS_MACHINE.refusal("/", {"host": ["localhost"], "origin": ["https://x.example"]})
    assert isinstance(refusal, Refuse)
    assert "--allow-origin" in refusal.body


@pytest.mark.parametrize(("name", "is_one"), [("localhost", True), ("::1", True), ("[::1]", True), ("local", False), ("", False)])
def test_loopback_names(name, is_one):
    """Names that can stand for nothing else."""
    assert is_loopback_name(name) is is_one
