from __future__ import annotations

import ssl

import pytest

from evi_harness.injected.tls_left_out import leave_tls_out


@pytest.fixture
def context(monkeypatch):
    """A context of TLS, which leaves it out for one host."""
    monkeypatch.setattr(ssl.SSLContext, "wrap_bio", ssl.SSLContext.wrap_bio)
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


def test_to_every_other_host_tls_is_what_it_was(context):
    """And for a server."""
    assert isinstance(context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.com"), ssl.SSLObject)
