"""What answers HTTP that an app speaks to the service on sockets of its own, as synchronous clients do: to get a token before it connects.

It takes no virtual time. A conversation cannot work like this, because the clock does not advance while a socket blocks.

Rules of living here: a connection is answered on a thread of ours, one request, and closed; nothing of it outlives the answer.
"""

from __future__ import annotations

import socket
import threading
from typing import Callable, Tuple

from evi_harness.carriers.plain_server import PlainServer

__all__ = ["BlockingHttp"]

_LOOPBACK = "127.0.0.1"
# How long a client may take for its request, in real seconds.
PATIENCE_S = 30.0
_MOST_BYTES = 16 * 1024 * 1024


class BlockingHttp:
    """Answers such connections.

    Args:
        server: What knows the answers.
        not_supported: Called with what the app does that cannot be replayed.
    """

    def __init__(self, server: PlainServer, not_supported: Callable[[str], object]) -> None:
        self._server = server
        self._not_supported = not_supported

    def place(self) -> Tuple[str, int]:
        """The address at which one connection is waited for, from now on."""
        listener = socket.create_server((_LOOPBACK, 0), backlog=1)
        listener.settimeout(PATIENCE_S)
        threading.Thread(target=self._answer, args=(listener,), name="evi-harness http", daemon=True).start()
        host, port = listener.getsockname()[:2]
        return host, port

    def _answer(self, listener: socket.socket) -> None:
        try:
            with listener:
                client, _ = listener.accept()
            with client:
                client.settimeout(PATIENCE_S)
                self._converse(client)
        except OSError:
            # The app has hung up, or never asked.
            return

    def _converse(self, client: socket.socket) -> None:
        data = b""
        while len(data) < _MOST_BYTES:
            more = client.recv(1 << 16)
            if not more:
                return
            data += more
            answer = self._server.answer_at_once(data)
            if answer is not None:
                break
        else:
            return
        if not answer:
            self._not_supported(
                "the app holds its conversation on a blocking socket, as synchronous clients do; virtual time supports only event loops"
            )
            return
        client.sendall(answer)
