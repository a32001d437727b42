from __future__ import annotations

import socket
import ssl

import pytest

from evi_harness.injected.tls_left_out import leave_tls_out


@pytest.fixture
def context(monkeypatch):
    """A context of TLS, which leaves it out for one host."""
    monkeypatch.setattr(ssl.SSLContext, "wrap_bio", ssl.SSLContext.wrap_bio)
    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", ssl.SSLContext.wrap_socket)
    leave_tls_out(lambda host, port: host == "api.hume.ai")
    return ssl.create_default_context()


@pytest.mark.parametrize("host", ["api.hume.ai", b"api.hume.ai"])
def test_what_is_for_the_service_is_not_encrypted(context, host):
    """It is read and written as it is, and there is no certificate."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    plain = context.wrap_bio(incoming, outgoing, server_hostname=host)
    plain.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        plain.read()
    assert plain.write(b"ask") == 3
    incoming.write(b"answer")
    assert plain.pending() == 6
    buffer = bytearray(4)
    assert (outgoing.read(), plain.read(2), plain.read(4, buffer), bytes(buffer)) == (b"ask", b"an", 4, b"swer")
    incoming.write_eof()
    assert plain.read() == b""
    assert (plain.getpeercert(), plain.getpeercert(True), plain.unwrap()) == ({}, b"", None)
    assert {plain.selected_alpn_protocol(), plain.selected_npn_protocol(), plain.cipher(), plain.shared_ciphers()} == {None}
    assert {plain.compression(), plain.version(), plain.get_channel_binding()} == {None}


@pytest.mark.parametrize("host", ["api.hume.ai", b"api.hume.ai"])
def test_a_socket_for_the_service_stays_plain(context, host):
    """It has the surface of one that speaks TLS, and the timeout that it had."""
    here, there = socket.socketpair()
    here.settimeout(7)
    with there, context.wrap_socket(here, server_hostname=host) as plain:
        plain.do_handshake()
        assert plain.gettimeout() == 7
        assert (plain.write(b"ask"), there.recv(9)) == (3, b"ask")
        there.sendall(b"answer")
        buffer = bytearray(4)
        assert (plain.read(2), plain.read(4, buffer), bytes(buffer)) == (b"an", 4, b"swer")
        assert (plain.getpeercert(), plain.getpeercert(True), plain.unwrap(), plain.pending()) == ({}, b"", plain, 0)
        assert {plain.selected_alpn_protocol(), plain.cipher(), plain.version()} == {None}
    assert here.fileno() == -1


def test_to_every_other_host_tls_is_what_it_was(context):
    """And for a server."""
    assert isinstance(context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.com"), ssl.SSLObject)
    here, there = socket.socketpair()
    with there, context.wrap_socket(here, server_hostname="example.com", do_handshake_on_connect=False) as encrypted:
        assert isinstance(encrypted, ssl.SSLSocket)
