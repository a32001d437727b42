"""Which requests a server on a loopback port answers, depending on their origin.

Any web page that the developer visits can send requests to a port of this machine. A browser says from which page a request comes
(``Origin``), and which name the page used for this machine (``Host``): if the page uses a name that resolves to 127.0.0.1, the server
becomes part of the page's site (DNS rebinding). Programs other than browsers send no ``Origin``, and need none.

Rules of living here: decided by the request alone, before anything else looks at it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from evi_harness.errors import UsageError, value_of
from evi_harness.session.protocols import Refuse

__all__ = ["FOREIGN_HOST", "FOREIGN_ORIGIN", "THIS_MACHINE", "Admission", "is_loopback_name"]

# What a request is refused with that names another machine, or comes from a page of another origin.
FOREIGN_HOST = Refuse(403, "evi-harness: the Host header is not a loopback name; see --known-as\n")
FOREIGN_ORIGIN = Refuse(403, "evi-harness: web pages of this origin are not answered; see --allow-origin\n")

# What a page that was opened as a file may be called; no page of the network is. Browsers say "null", as they do of frames of any page.
FILE_ORIGIN = "file://"
# How long a browser may keep the answer to a preflight.
PREFLIGHT_S = 600


def is_loopback_name(name: str) -> bool:
    """Whether a host name can stand for nothing but this machine: ``localhost``, a name under it (RFC 6761, 6.3), a loopback address."""
    name = name.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Admission:
    """Who is answered: loopback names, and what is named here.

    Attributes:
        origins: Origins of web pages besides those of this machine, as browsers write them: ``https://example.com``, ``null``; or ``*``.
        hosts: Names besides loopback names by which the server may be asked, without a port.

    Raises:
        UsageError: An origin is none, or a name of a host has more in it than a name.
    """

    origins: FrozenSet[str] = frozenset()
    hosts: FrozenSet[str] = frozenset()

    def __post_init__(self) -> None:
        for origin in self.origins:
            if origin not in ("*", "null") and _origin(origin) != origin:
                hint = "Give it as a browser does: SCHEME://HOST[:PORT], with no slash at the end; null; or * for every page."
                with value_of("origins"):
                    raise UsageError(f"{origin!r} is not the origin of a web page", hint=hint)
        for host in self.hosts:
            if _name_of(host) != host.lower():
                with value_of("hosts"):
                    raise UsageError(f"{host!r} is not the name of a host", hint="Give the name alone: no scheme, port or path.")

    def refusal(self, target: str, headers: Mapping[str, List[str]]) -> Optional[Refuse]:
        """Decide whether a request is answered.

        Args:
            target: What it asks for, as its first line has it.
            headers: Values by name in lower case.

        Returns:
            The refusal, None for what is answered.
        """
        hosts = headers.get("host", [])
        if len(hosts) != 1:
            # RFC 9112, 3.2: a server answers so.
            return Refuse(400, f"evi-harness: the request has {len(hosts) or 'no'} Host header{'s' if hosts else ''}; give one\n")
        # A target that is a whole URL names a host too, and goes before the header (RFC 9112, 3.2.2).
        try:
            asked = [hosts[0], *([urlsplit(target).netloc] if "://" in target.partition("?")[0] else [])]
        except ValueError:
            return Refuse(400, "evi-harness: the request's target is not a valid address\n")
        if not all(self._is_host(host) for host in asked):
            return FOREIGN_HOST
        if not all(self._is_origin(origin) for origin in headers.get("origin", [])):
            return FOREIGN_ORIGIN
        return None

    def preflight(self, headers: Mapping[str, List[str]]) -> Optional[Dict[str, str]]:
        """The headers of the answer to a browser's question whether a page may make a request; None where this is not such a question.

        Args:
            headers: Of an ``OPTIONS`` request that is not refused.
        """
        if "origin" not in headers or "access-control-request-method" not in headers:
            return None
        answer = {**self.shared_with(headers["origin"][0]), "Access-Control-Allow-Methods": "GET, POST"}
        if "access-control-request-headers" in headers:
            answer["Access-Control-Allow-Headers"] = headers["access-control-request-headers"][0]
        if headers.get("access-control-request-private-network") == ["true"]:
            answer["Access-Control-Allow-Private-Network"] = "true"
        return {**answer, "Access-Control-Max-Age": str(PREFLIGHT_S)}

    def shared_with(self, origin: Optional[str]) -> Dict[str, str]:
        """The headers that let a page of an origin read the answer; none for a client that is not a page, or that is not answered."""
        if origin is None or not self._is_origin(origin):
            return {}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    def _is_host(self, host: str) -> bool:
        name = _name_of(host)
        return name is not None and (is_loopback_name(name) or name in {one.lower() for one in self.hosts})

    def _is_origin(self, origin: str) -> bool:
        if origin == FILE_ORIGIN or origin in self.origins or "*" in self.origins:
            return True
        parts = urlsplit(origin) if _origin(origin) == origin else None
        return parts is not None and parts.scheme in ("http", "https") and is_loopback_name(parts.hostname or "")


THIS_MACHINE = Admission()


def _parts_of(host: str) -> Optional[Tuple[str, str]]:
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if (
        not host.isprintable()
        or " " in host
        or parts.path
        or parts.query
        or parts.fragment
        or parts.username is not None
        or not parts.hostname
    ):
        return None
    return parts.hostname, parts.netloc


def _name_of(host: str) -> Optional[str]:
    """The name in a Host header, in lower case; None where it is none."""
    found = _parts_of(host.strip())
    return None if found is None else found[0]


def _origin(text: str) -> Optional[str]:
    """An origin as it is written, None for what is none."""
    scheme, mark, rest = text.partition("://")
    found = _parts_of(rest) if mark and scheme.isascii() and scheme.replace("-", "").isalnum() else None
    return None if found is None else f"{scheme}://{found[1]}"
