"""Tests of evi_harness.injected.listening."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from pathlib import Path

from evi_harness.injected.listening import tell_of_listening


def test_who_listens_is_told(monkeypatch):
    """Once it does, by whatever it was made; not of what is no socket of the Internet."""
    monkeypatch.setattr(socket.socket, "listen", socket.socket.listen)
    told = []
    tell_of_listening(lambda *place: told.append(place))

    async def serve():
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        place = server.sockets[0].getsockname()
        server.close()
        await server.wait_closed()
        return place

    with socket.create_server(("127.0.0.1", 0)) as server:
        assert told == [server.getsockname()]
        assert asyncio.run(serve()) == told[1]
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(Path(folder) / "s"))
        local.listen()
    assert len(told) == 2
