"""Skip TLS to the service: its bytes cross a socket pair unencrypted.

Rules of living here: for the service's host only; to every other host TLS is what it was.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any, Callable, Optional

__all__ = ["leave_tls_out"]


class PlainObject:
    """What an ``SSLObject`` does, with nothing in between: httpx and anyio speak TLS through one.

    Args:
        incoming: What came.
        outgoing: What is to go.
        context: The context that was asked for.
        server_hostname: The host.
    """

    server_side = False
    session = None
    session_reused = False

    def __init__(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, context: ssl.SSLContext, server_hostname: Optional[str]) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self.context = context
        self.server_hostname = server_hostname

    def do_handshake(self) -> None:
        """Nothing to do."""

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - the name is ssl's
        """Read what came.

        Raises:
            SSLWantReadError: Nothing has.
        """
        data = self._incoming.read(len)
        if not data and not self._incoming.eof:
            # Up to Python 3.10, asyncio looks at the number.
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "nothing has come")
        if buffer is None:
            return data
        buffer[: data.__len__()] = data
        return data.__len__()

    def write(self, data: Any) -> int:
        """Have something go."""
        return self._outgoing.write(data)

    def unwrap(self) -> None:
        """Nothing to do."""

    def pending(self) -> int:
        """How much can be read."""
        return self._incoming.pending

    def getpeercert(self, binary_form: bool = False) -> Any:
        """No certificate."""
        return b"" if binary_form else {}

    def selected_alpn_protocol(self) -> Optional[str]:
        """None was agreed on."""
        return None

    def selected_npn_protocol(self) -> Optional[str]:
        """None was agreed on."""
        return None

    def cipher(self) -> Any:
        """None is used."""
        return None

    def shared_ciphers(self) -> Any:
        """None are."""
        return None

    def compression(self) -> Optional[str]:
        """None is used."""
        return None

    def version(self) -> Optional[str]:
        """None is spoken."""
        return None

    def get_channel_binding(self, cb_type: str = "tls-unique") -> Optional[bytes]:  # noqa: ARG002 - the signature is ssl's
        """There is none."""
        return None


class PlainSocket(socket.socket):
    """What an ``SSLSocket`` does, with nothing in between: synchronous HTTP speaks TLS through one.

    Args:
        sock: The socket, which this takes the place of.
        context: The context that was asked for.
        server_hostname: The host.
    """

    server_side = False
    session = None
    session_reused = False

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, server_hostname: Optional[str]) -> None:
        timeout = sock.gettimeout()
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.settimeout(timeout)
        self.context = context
        self.server_hostname = server_hostname

    def do_handshake(self, block: bool = False) -> None:
        """Nothing to do."""

    def unwrap(self) -> socket.socket:
        """It is plain already."""
        return self

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - the name is ssl's
        """Read what came."""
        return self.recv(len) if buffer is None else self.recv_into(buffer, len)

    def write(self, data: Any) -> int:
        """Send something."""
        return self.send(data)

    def pending(self) -> int:
        """Nothing is held back."""
        return 0

    def getpeercert(self, binary_form: bool = False) -> Any:
        """No certificate."""
        return b"" if binary_form else {}

    def selected_alpn_protocol(self) -> Optional[str]:
        """None was agreed on."""
        return None

    def cipher(self) -> Any:
        """None is used."""
        return None

    def version(self) -> Optional[str]:
        """None is spoken."""
        return None


def leave_tls_out(serves: Callable[[str, Optional[int]], bool]) -> None:
    """Have TLS objects for the service's host be plain ones from now on.

    Args:
        serves: Whether the service is at a host.
    """
    real = ssl.SSLContext.wrap_bio

    def wrap_bio(
        self: ssl.SSLContext,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: Any = None,
        session: Any = None,
    ) -> Any:
        name = server_hostname.decode("ascii") if isinstance(server_hostname, bytes) else server_hostname
        if not server_side and isinstance(name, str) and serves(name, None):
            return PlainObject(incoming, outgoing, self, name)
        return real(self, incoming, outgoing, server_side, server_hostname, session)

    real_socket = ssl.SSLContext.wrap_socket

    def wrap_socket(
        self: ssl.SSLContext,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: Any = None,
        session: Any = None,
    ) -> Any:
        name = server_hostname.decode("ascii") if isinstance(server_hostname, bytes) else server_hostname
        if not server_side and isinstance(name, str) and serves(name, None):
            return PlainSocket(sock, self, name)
        return real_socket(self, sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session)

    ssl.SSLContext.wrap_bio = wrap_bio  # type: ignore[method-assign]
    ssl.SSLContext.wrap_socket = wrap_socket  # type: ignore[method-assign]
