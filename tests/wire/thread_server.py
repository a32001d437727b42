"""A server of a service in this process, on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import Any, Coroutine, Iterator, TypeVar

from evi_harness.carriers.server import ChatServer, OpenService
from evi_harness.clocks.clock import RealClock
from evi_harness.evi.dialect import EVI

__all__ = ["serving_in_thread"]

T = TypeVar("T")


@contextmanager
def serving_in_thread(open_service: OpenService, **options: Any) -> Iterator[str]:
    """Serve for as long as the block runs.

    Args:
        open_service: Makes the service for one connection, given its handshake.
        **options: Of ``ChatServer``, besides its clock and its paths.

    Yields:
        The server's URL.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    async def start() -> Any:
        chat = ChatServer(open_service, clock=RealClock(), chat_paths=EVI.chat_paths, token_path=EVI.token_path, **options)
        return chat, await loop.create_server(await chat.start(), "127.0.0.1", 0)

    async def stop(chat: ChatServer, listening: Any) -> None:
        # On the loop: a connection that ends meanwhile would be counted twice.
        listening.close()
        await chat.stop()

    chat, listening = run(start())
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        run(stop(chat, listening))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
