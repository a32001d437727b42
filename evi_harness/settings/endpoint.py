"""The address of a service, from ``base_url`` or a variable of the environment, in one normalised form.

People write http, https, ws or wss, a host alone, a slash at the end, the path of the chat or none; the SDK, the token's request and a
plain client each need another form of it.

Rules of living here: strings only, nothing is looked up. A URL that could hold a password or a key is refused and not quoted.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Optional, Union
from urllib.parse import SplitResult, urlsplit

from evi_harness.dialects import default_dialect
from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.session.protocols import Dialect

__all__ = ["Endpoint", "endpoint_of"]

# What gives an endpoint, where nothing else does.
_GIVEN = Parameter("base_url")

_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?!-)[\w.-]+")


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of a service, or of what takes its place.

    Attributes:
        base_url: http or https URL, with no slash at the end and without the chat's path: what the SDK takes.
        chat_path: The path of the chat behind it.
        token_path: The path behind it on which access tokens are got, None where there is none.
    """

    base_url: str
    chat_path: str
    token_path: Optional[str]

    @property
    def chat_url(self) -> str:
        """ws or wss URL of the chat, without a query."""
        return self.base_url.replace("http", "ws", 1) + self.chat_path

    @property
    def token_url(self) -> str:
        """Where access tokens are got; the service itself where there is no path for them."""
        return self.base_url + (self.token_path or "")

    @property
    def host(self) -> str:
        """The host's name or address, without brackets."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def port(self) -> int:
        """The port, that of the scheme where none is given."""
        parts = urlsplit(self.base_url)
        return parts.port or _PORTS[parts.scheme]

    @property
    def is_secure(self) -> bool:
        """Whether it is reached over TLS."""
        return self.base_url.startswith("https:")

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine: a simulator or a proxy, which takes any key."""
        return _is_loopback(self.host)


def endpoint_of(url: Optional[str], *, source: Union[str, Parameter] = _GIVEN, dialect: Optional[Dialect] = None) -> Endpoint:
    """Read what a user gave as the endpoint.

    Args:
        url: http, https, ws or wss URL, or a host with or without a port (https then, http for loopback). A slash at the end and the
            chat's path, whole or in part, make no difference; any other path stays before it. None is the service's own.
        source: What gave it, for errors.
        dialect: What is spoken there, None for the default one.

    Raises:
        UsageError: It is none of these.
    """
    dialect = default_dialect() if dialect is None else dialect
    chat_path, token_path = dialect.chat_paths[0], dialect.token_path
    if url is None:
        return Endpoint(dialect.service_url, chat_path, token_path)
    parts = _split(url.strip(), source, dialect)
    scheme = _SCHEMES[parts.scheme]
    host = (parts.hostname or "").rstrip(".")
    port = _port(parts, _shown(url), source)
    netloc = f"[{host}]" if ":" in host else host
    if port not in (None, _PORTS[scheme]):
        netloc += f":{port}"
    return Endpoint(f"{scheme}://{netloc}{_prefix(parts.path, url, source, dialect)}", chat_path, token_path)


def _form(dialect: Dialect) -> str:
    return f"Give a URL like {dialect.service_url}, wss://voice.example.com or http://127.0.0.1:8000."


def _split(url: str, source: Union[str, Parameter], dialect: Dialect) -> SplitResult:
    form = _form(dialect)
    shown = _shown(url)
    if re.match(r"(https?|wss?):(?!//)", url):
        raise UsageError(Words(source, f" {shown} is not a URL: two slashes belong after the colon"), hint=form)
    if "://" not in url:
        host = re.split(r"[/?#]", url, maxsplit=1)[0].rpartition("@")[2]
        url = f"{'http' if _is_loopback(_without_port(host)) else 'https'}://{url}"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(Words(source, f" {shown} is not a URL: {error}"), hint=form) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            Words(source, " must not have a user, a query or a fragment"), hint=f"{form} Keys go into {dialect.variables.api_key}."
        )
    if parts.scheme not in _SCHEMES:
        raise UsageError(Words(source, f" {shown} has the scheme {parts.scheme!r}, and not http, https, ws or wss"), hint=form)
    if not _is_host(parts.hostname or "", is_bracketed="[" in parts.netloc):
        raise UsageError(Words(source, f" {shown} has no valid host"), hint=form)
    return parts


def _port(parts: SplitResult, shown: str, source: Union[str, Parameter]) -> Optional[int]:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        raise UsageError(Words(source, f" {shown} has no valid port"), hint="A port is a number from 1 to 65535.")
    return port


def _prefix(path: str, url: str, source: Union[str, Parameter], dialect: Dialect) -> str:
    path = path.rstrip("/")
    suffixes = sorted({*dialect.chat_paths, *dialect.bases}, key=len, reverse=True)
    prefix = next((path[: -len(suffix)] for suffix in suffixes if path.endswith(suffix)), path).rstrip("/")
    # What every chat's path begins with stands before no other.
    begins = [base for base in dialect.bases if all(chat.startswith(f"{base}/") for chat in dialect.chat_paths)]
    if re.search(r"[\s\\]", prefix) or any(f"{base}/" in f"{prefix}/" for base in begins):
        raise UsageError(Words(source, f" {_shown(url)} has a path that does not lead to a chat"), hint=_form(dialect))
    return prefix


def _is_host(host: str, *, is_bracketed: bool) -> bool:
    if is_bracketed:
        try:
            return ipaddress.ip_address(host).version == 6
        except ValueError:
            return False
    return _HOST.fullmatch(host) is not None


def _without_port(host: str) -> str:
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _shown(url: str) -> str:
    """A value as an error may quote it: whatever could hold a password or a key is left out."""
    return "(not shown)" if re.search("[@?#]", url) else repr(url)
