"""Forward a client's HTTP requests before a WebSocket is open, unchanged except for the name of the host.

A connection can carry several requests, one behind the other, and each names the host that it was sent to. So the requests are followed:
head, body by its length or in chunks, the next head. Behind a request for a WebSocket all is handed on as it comes.

Rules of living here: bytes in, bytes out. A request is never quoted, since keys stand in it.
"""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

__all__ = ["BadRequest", "ReplyHead", "Request", "RequestStream", "SocketAnswer"]

# A handshake's query can hold a whole prompt.
MAX_HEAD_BYTES = 4 * 1024 * 1024
MAX_HEADERS = 128
# The head of an answer has no prompt in it.
MAX_REPLY_BYTES = 1024 * 1024
_MAX_CHUNK_LINE = 8192

_END = b"\r\n\r\n"
# Empty lines, a method, and what it asks for, as far as they have come. TLS and noise are told from it by their first byte.
_BEGINNING = re.compile(rb"[\r\n]{0,8}[A-Za-z]{0,20}(?:\Z|(?<=[A-Za-z]) )")
_REQUEST = re.compile(rb"([A-Za-z]{1,20}) ([^\x00-\x20\x7f]+) HTTP/1\.[01]")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([ \t]*)([^\x00-\x08\x0a-\x1f\x7f]*)")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r|\Z)")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")

Headers = Dict[str, List[str]]


class BadRequest(NamedTuple):
    """A request that is not forwarded; nothing after it may be either.

    Attributes:
        status: The status of the answer.
        text: The reason, which quotes nothing.
    """

    status: int
    text: str


class _Bad(Exception):
    """A request is bad; it holds the ``BadRequest``."""


class Request(NamedTuple):
    """The head of a request.

    Attributes:
        data: Its bytes, as they are forwarded.
        target: The target in its first line.
        pairs: The headers' names and values, in order.
        is_socket: Whether it asks for a WebSocket.
    """

    data: bytes
    target: str
    pairs: Tuple[Tuple[str, str], ...]
    is_socket: bool

    @property
    def headers(self) -> Headers:
        """Values by name in lower case."""
        return _by_name(self.pairs)


class RequestStream:
    """Follows what one client sends.

    Args:
        host: The value of the forwarded Host header.
        prefix: What to put before each requested path.

    Attributes:
        is_open: Whether everything is forwarded as it comes, as after a request for a WebSocket; False again after its refusal.
    """

    def __init__(self, host: str, prefix: str = "") -> None:
        self.is_open = False
        self._host = host.encode("latin-1")
        self._prefix = prefix.encode("latin-1")
        self._held = b""
        # Bytes of a body, or of a chunk, that are still to come; and whether chunks do.
        self._n_left = 0
        self._in_chunks = False
        self._in_trailer = False

    @property
    def is_between(self) -> bool:
        """Whether no incomplete request is under way."""
        return not (self._held or self._n_left or self._in_chunks or self._in_trailer)

    def feed(self, data: bytes) -> List[Union[Request, bytes, BadRequest]]:
        """Take the next bytes.

        Args:
            data: They may end anywhere.

        Returns:
            The heads of requests that they complete and other bytes to forward, in order; last, what is wrong with them.
        """
        found: List[Union[Request, bytes, BadRequest]] = []
        try:
            self._follow(data, found)
        except _Bad as error:
            found.append(error.args[0])
        return found

    def _follow(self, data: bytes, found: List[Union[Request, bytes, BadRequest]]) -> None:
        data, self._held = self._held + data, b""
        while data:
            if self.is_open:
                found.append(data)
                break
            if self._n_left:
                found.append(data[: self._n_left])
                data, self._n_left = data[self._n_left :], max(0, self._n_left - len(data))
            elif self._in_chunks or self._in_trailer:
                line, data = self._line(data)
                if line is None:
                    break
                self._read_line(line)
                found.append(line)
            else:
                request, data = self._head(data)
                if request is None:
                    break
                found.append(request)

    def _line(self, data: bytes) -> Tuple[Optional[bytes], bytes]:
        line, end, rest = data.partition(b"\r\n")
        if end:
            return line + end, rest
        if len(data) > _MAX_CHUNK_LINE:
            raise _Bad(BadRequest(400, "the request's body is not in chunks that can be read"))
        self._held = data
        return None, b""

    def _read_line(self, line: bytes) -> None:
        if self._in_trailer:
            self._in_trailer = line != b"\r\n"
            return
        found = _CHUNK.fullmatch(line)
        if found is None:
            raise _Bad(BadRequest(400, "the request's body is not in chunks that can be read"))
        size = int(found[1], 16)
        # A chunk ends with a line's end of its own.
        self._n_left = size + 2 if size else 0
        self._in_chunks, self._in_trailer = bool(size), not size

    def _head(self, data: bytes) -> Tuple[Optional[Request], bytes]:
        head, end, rest = data.partition(_END)
        if not end:
            if _BEGINNING.match(data) is None:
                raise _Bad(BadRequest(400, "this is not an HTTP/1.1 request"))
            if len(data) > MAX_HEAD_BYTES:
                raise _Bad(BadRequest(431, "the request is too large"))
            self._held = data
            return None, b""
        # Empty lines before a request are to be passed over (RFC 9112, 2.2).
        lines = head.lstrip(b"\r\n").split(b"\r\n")
        if len(lines) - 1 > MAX_HEADERS:
            raise _Bad(BadRequest(431, f"the request has more than {MAX_HEADERS} headers"))
        first, matches = _REQUEST.fullmatch(lines[0]), [_HEADER.fullmatch(line) for line in lines[1:]]
        if first is None or None in matches:
            raise _Bad(BadRequest(400, "this is not an HTTP/1.1 request"))
        pairs = tuple((match[1].decode(), match[3].decode("latin-1").strip(" \t")) for match in matches if match is not None)
        headers = _by_name(pairs)
        is_socket = "websocket" in [value.lower() for value in headers.get("upgrade", [])]
        self._begin_body(headers, is_socket=is_socket)
        told = b"\r\n".join([self._first_line(first), *(self._with_host(line) for line in lines[1:])]) + _END
        return Request(told, first[2].decode("latin-1"), pairs, is_socket), rest

    def _begin_body(self, headers: Headers, *, is_socket: bool) -> None:
        lengths = headers.get("content-length", [])
        coding = [value.strip().lower() for value in ",".join(headers.get("transfer-encoding", [])).split(",") if value.strip()]
        if len(set(lengths)) > 1 or not all(length.isascii() and length.isdigit() and len(length) < 16 for length in lengths):
            raise _Bad(BadRequest(400, "the request's Content-Length is not a number"))
        if coding and (lengths or coding[-1] != "chunked"):
            # RFC 9112, 6.3: nobody knows where such a request ends; taken in two ways, one request could be hidden in another.
            raise _Bad(BadRequest(400, "the request does not say where its body ends"))
        self._n_left = int(lengths[0]) if lengths else 0
        self._in_chunks = bool(coding)
        if is_socket and (self._n_left or coding):
            raise _Bad(BadRequest(400, "a request for a WebSocket has no body"))
        self.is_open = is_socket

    def _first_line(self, first: re.Match[bytes]) -> bytes:
        path = _ABSOLUTE.sub(b"", first[2], count=1) if _ABSOLUTE.match(first[2]) else first[2]
        if not path.startswith(b"/") and path != b"*":
            path = b"/" + path
        return first[0] if path == first[2] and not self._prefix else first[0].replace(first[2], self._prefix + path, 1)

    def _with_host(self, line: bytes) -> bytes:
        match = _HEADER.fullmatch(line)
        return line if match is None or match[1].lower() != b"host" else match[1] + b":" + match[2] + self._host


class SocketAnswer(NamedTuple):
    """The head of the answer to a request for a WebSocket.

    Attributes:
        status: Its status; 0 if it could not be read.
        headers: Values by name in lower case.
        rest: The bytes after it.
    """

    status: int
    headers: Headers
    rest: bytes

    @property
    def is_open(self) -> bool:
        """Whether there is a WebSocket from now on."""
        return self.status == 101


class ReplyHead:
    """Reads the answer to a request for a WebSocket."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Optional[SocketAnswer]:
        """Take the next bytes.

        Args:
            data: They may end anywhere.

        Returns:
            The answer once its head is complete, None before. Interim answers other than 101 are skipped.
        """
        self._held += data
        while True:
            head, end, rest = self._held.partition(_END)
            if not end:
                return SocketAnswer(0, {}, b"") if len(self._held) > MAX_REPLY_BYTES else None
            lines = head.split(b"\r\n")
            found = _STATUS.match(lines[0])
            status = 0 if found is None else int(found[1])
            if not 100 <= status < 200 or status == 101:
                matches = [_HEADER.fullmatch(line) for line in lines[1:]]
                pairs = ((match[1].decode(), match[3].decode("latin-1").strip(" \t")) for match in matches if match is not None)
                self._held = b""
                return SocketAnswer(status, _by_name(tuple(pairs)), rest)
            self._held = rest


def _by_name(pairs: Tuple[Tuple[str, str], ...]) -> Headers:
    found: Headers = {}
    for name, value in pairs:
        found.setdefault(name.lower(), []).append(value)
    return found
