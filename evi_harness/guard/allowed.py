"""The parts of the network that an app under replay may reach.

Rules of living here: nothing is looked up; a name is itself and no address. All spellings of this machine's loopback are one.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Optional, Tuple

from evi_harness.errors import UsageError

__all__ = ["LOOPBACK_NAME", "Allowed", "address_of", "as_text", "is_address", "name_of"]

LOOPBACK_NAME = "localhost"


@dataclass(frozen=True)
class Allowed:
    """A host, and a port of it, that an app may reach.

    Attributes:
        host: A name in lower case, an address in its shortest form, or ``localhost`` for every loopback address.
        port: The port, None for all of them.
    """

    host: str
    port: Optional[int] = None

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """Read ``HOST``, ``HOST:PORT``, ``ADDRESS``, ``[ADDRESS]:PORT``.

        Raises:
            UsageError: It is none of these.
        """
        host, port = _split(text.strip())
        if not host or any(sign in host for sign in "/*@ ,") or (port is not None and not _is_port(port)):
            raise UsageError(
                f"{text!r} is not a valid host",
                hint="Give HOST or HOST:PORT, such as db.example:5432 or [::1]:6379; no URL and no pattern, one host at a time.",
            )
        return cls(name_of(host), None if port is None else int(port))

    def covers(self, host: str, port: Optional[int]) -> bool:
        """Whether it allows a host and port.

        Args:
            host: As ``name_of`` gives it.
            port: The port; None to ask for any.
        """
        return host == self.host and (port is None or self.port is None or port == self.port)

    def __str__(self) -> str:
        return address_of(self.host, self.port)


def _split(text: str) -> Tuple[str, Optional[str]]:
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            return "", None
        return host, rest[1:] if rest else None
    if text.count(":") > 1:
        return text, None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536


def name_of(host: object) -> str:
    """One spelling for a host.

    Args:
        host: A name or an address, text or bytes, as the functions of ``socket`` take it. None and nothing stand for this machine.
    """
    text = as_text(host).lower().rstrip(".")
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return _ascii(text)
    address = getattr(address, "ipv4_mapped", None) or address
    # To connect to no address is to connect to this machine.
    return LOOPBACK_NAME if address.is_loopback or address.is_unspecified else str(address)


def as_text(host: object) -> str:
    """A host as it was given, as text."""
    # asyncio's friends hand names on as IDNA bytes.
    return bytes(host).decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else str(host or LOOPBACK_NAME)


def _ascii(name: str) -> str:
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


def is_address(host: str) -> bool:
    """Whether a host, as ``name_of`` gives it, need not be looked up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == LOOPBACK_NAME
    return True


def address_of(host: str, port: Optional[int]) -> str:
    """``host:port``, with brackets where they are needed; the host alone without a port."""
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
