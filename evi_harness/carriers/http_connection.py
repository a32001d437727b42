"""An HTTP connection of the server that sends only our own texts.

aiohttp logs a request that it cannot parse with a traceback that contains the request line, and sends the same back; and the query of a
request line is where keys occur most often.

Rules of living here: of a request that cannot be parsed, only its arrival and the kind of error are reported.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Callable, Optional

from aiohttp import web

from evi_harness.carriers.client_frames import ClientFrames

__all__ = ["HttpConnection"]

_END = b"\r\n\r\n"
_UNREADABLE = "this is not an HTTP request that can be read"
_FAULT = "an internal error of evi-harness; see its output"
# Hands on nothing, whoever configures logging: it is in no tree of loggers.
_NOWHERE = logging.Logger("evi_harness.http")  # noqa: LOG001 - so that no handler of the root's gets it
_NOWHERE.addHandler(logging.NullHandler())
_ANSWER = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}"


class HttpConnection(web.RequestHandler):
    """aiohttp's protocol with a voice of ours.

    Args:
        server: aiohttp's server, whose connection it is.
        loop: The running loop.
        on_error: Called with a line for each request that could not be answered; it quotes nothing.
        options: Others of aiohttp's.

    Attributes:
        on_binary: As of ``Shortcut``; nothing is handed on before ``follow``.
    """

    def __init__(self, server: web.Server, *, loop: asyncio.AbstractEventLoop, on_error: Callable[[str], object], **options: Any) -> None:
        # aiohttp's access log would write the query, and with it the key.
        super().__init__(server, loop=loop, logger=_NOWHERE, **{"access_log": None, **options})
        self._on_error = on_error
        # Behind the first request another may be under way, or a chat, into which no answer to this one may be written.
        self._has_read = False
        self.on_binary: Optional[Callable[[bytes], bool]] = None
        self._frames: Optional[ClientFrames] = None
        self._max_bytes = 0
        # Whether what came last is the end of a request's head, and nothing behind it.
        self._ends_head = False

    async def start(self) -> None:
        """Serve the client, unless it has already gone, which aiohttp would report as an internal error."""
        if self.transport is not None:
            await super().start()

    def follow(self, max_bytes: int) -> bool:
        """Follow the client's frames from now on: the handshake is answered.

        Args:
            max_bytes: The library closes the socket over a longer message, so it is left to it.

        Returns:
            Whether they can be. Of a client that has sent more than its request by now nobody knows where its next frame begins.
        """
        self._max_bytes = max_bytes
        self._frames = ClientFrames() if self._ends_head else None
        return self._ends_head

    @property
    def n_passed_on(self) -> int:
        """How many messages were left to the library since ``follow``, close frames with them."""
        return 0 if self._frames is None else self._frames.n_begun

    def data_received(self, data: bytes) -> None:
        """Take what the client sent. What aiohttp's own parser does not expect, as some errors of yarl's, is an unreadable request too."""
        frames = self._frames
        try:
            if frames is None:
                self._ends_head = data.endswith(_END) and data.count(_END) == 1
            else:
                data = self._left_for_library(data, frames)
                if not data:
                    return
            super().data_received(data)
            self._has_read = True
        except Exception as error:  # noqa: BLE001 - asyncio would log whatever it is with a traceback, and leave the client without an answer
            self._on_error(f"{_UNREADABLE}: {type(error).__name__} (answered with 400)")
            if self.transport is not None and not self._has_read:
                text = f"evi-harness: {_UNREADABLE}\n"
                self.transport.write(_ANSWER.format(len(text), text).encode())
            self.force_close()

    def _left_for_library(self, data: bytes, frames: ClientFrames) -> bytes:
        """Hand on the binary messages that are taken; gives what else is whole enough for the library."""
        if self.on_binary is not None:
            data = frames.hand_on(data, self.on_binary, self._max_bytes)
        held = frames.held
        passed, fault = frames.feed(data)
        if fault is None:
            return passed
        # The library's to judge, with all that follows; this is no port that is open to anybody.
        self._frames = self.on_binary = None
        return held + data

    @property
    def _is_gone(self) -> bool:
        """Whether the client has gone: what goes wrong then, for want of somebody to write to, is not a fault."""
        return self.transport is None or self.transport.is_closing()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: Optional[BaseException] = None,
        message: Optional[str] = None,  # noqa: ARG002 - it quotes the request
    ) -> web.StreamResponse:
        """Answer a request that could not be read, or that something went wrong with, in a sentence of ours; the connection ends."""
        what = _UNREADABLE if status < 500 else _FAULT
        kind = "" if exc is None else f": {type(exc).__name__}"
        if not self._is_gone:
            self._on_error(f"{what}{kind} (answered with {status})")
        if request.writer.output_size > 0:
            # As in aiohttp: half an answer is out, and no other can follow.
            raise ConnectionError("only half of an answer was sent")
        answer = web.Response(status=status, text=f"evi-harness: {what}\n")
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Tell by its type of an exception that ends the connection."""
        error = kw.get("exc_info")
        if self._is_gone:
            return
        self._on_error(f"{_FAULT}: {type(error).__name__ if isinstance(error, BaseException) else args[0]}")
