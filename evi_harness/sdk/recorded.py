"""The client of ``--handler recorded``: sends everything that was recorded, byte for byte, and parses nothing.

It runs on the WebSocket library that the SDK runs on, below the SDK, since a recording may hold what no model can express.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Callable
from urllib.parse import quote, urlencode

from evi_harness.carriers.acted_client import ClientPump, send_close, send_frame
from evi_harness.carriers.journal import Journal
from evi_harness.clocks.clock import Clock
from evi_harness.errors import EviHarnessError
from evi_harness.session.events import Handshake, Received
from evi_harness.session.protocols import Service
from evi_harness.tap.event_log import frame_of

__all__ = ["client_connect", "run_recorded", "url_of"]


async def run_recorded(
    base_url: str, handshake: Handshake, user: Service, journal: Journal, clock: Clock, opened: Callable[[Any], object] = id
) -> None:
    """Act out the recorded user from open to close.

    Args:
        base_url: http URL of the service, without a path.
        handshake: What to ask for; secrets in it are placeholders and are sent as such.
        user: What speaks for the user.
        journal: The session: its clock and its opening.
        clock: What the journal is stamped by.
        opened: Called with the connection once it is open: for a journal that the service's side does not write.

    Raises:
        EviHarnessError: The connection cannot be opened.
    """
    from websockets.exceptions import ConnectionClosed, InvalidHandshake

    url = url_of(base_url, handshake)
    async with AsyncExitStack() as stack:
        try:
            websocket = await stack.enter_async_context(client_connect()(url, max_size=None))
        except (InvalidHandshake, OSError) as failure:
            hint = "evi-harness check SESSION lists what is wrong with it."
            raise EviHarnessError(f"the recorded user cannot connect: {failure}", hint=hint) from failure
        opened(websocket)
        pump = ClientPump(user, journal, clock, partial(send_frame, websocket), partial(send_close, websocket))
        acting = asyncio.ensure_future(pump.run())
        try:
            async for payload in websocket:
                pump.take(Received(seq=0, at_ns=journal.now_ns, frame=frame_of(payload)))
        except ConnectionClosed:
            pass
        finally:
            acting.cancel()
            results = await asyncio.gather(acting, return_exceptions=True)
        for error in results:
            if isinstance(error, Exception) and not isinstance(error, ConnectionClosed):
                raise error


def url_of(base_url: str, handshake: Handshake) -> str:
    """The URL that a handshake asks for at a service elsewhere.

    Args:
        base_url: http or https URL of the service, without a path.
        handshake: The handshake; secrets in it are placeholders.
    """
    path = handshake.path if handshake.path.startswith("/") else f"/{handshake.path}"
    url = base_url.replace("http", "ws", 1) + quote(path)
    return f"{url}?{urlencode(handshake.query)}" if handshake.query else url


def client_connect() -> Any:
    """The ``connect`` of the websockets library that the SDK itself uses, where the installed one still has it."""
    try:
        from websockets.legacy.client import connect
    except ImportError:
        from websockets.asyncio.client import connect  # type: ignore[assignment]
    return connect
