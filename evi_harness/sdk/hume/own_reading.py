"""A handler that takes the connection, in a live conversation: what it reads, and whether it opens the microphone.

Both are seen where they cross: at the connection below the SDK, and at the SDK's interface. ``own_audio`` sees the audio that it sends.

Rules of living here: nothing that the handler does goes otherwise because it is watched; what is replaced is put back.
"""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Awaitable, Callable

from evi_harness.guard.on_behalf_of import behalf
from evi_harness.guard.patches import Hooks

__all__ = ["OwnReading"]

_CHAT_CLIENT = "hume.empathic_voice.chat.audio.chat_client"


class OwnReading:
    """Watches one connection, from now on. Make it inside the running loop.

    Args:
        websocket: The connection of the websockets library below the SDK's.
        heard: Called with each message that the handler takes, before it gets it: its ``type``, and the rest of it as attributes.

    Attributes:
        opens: Set once the handler opens the SDK's microphone itself.
        goes_on: Set once it asks for its second message: what it does at the first, it has done.
    """

    def __init__(self, websocket: Any, heard: Callable[[Any], Awaitable[object]]) -> None:
        self.opens = asyncio.Event()
        self.goes_on = asyncio.Event()
        self._heard = heard
        self._n_asked = 0
        self._hooks = Hooks()
        # Iterating over it calls its ``recv``, in all versions of the library.
        self._hooks.wrap(websocket, "recv", self._receiving)
        try:
            chat_client = import_module(_CHAT_CLIENT).ChatClient
        except (ImportError, OSError):
            # Without the SDK's microphone, or PortAudio for it, nobody opens it.
            return
        self._hooks.wrap(chat_client, "new", lambda new: staticmethod(self._opening(new)))

    def stop(self) -> None:
        """Watch no longer."""
        self._hooks.restore()

    def _receiving(self, real: Callable[..., Any]) -> Callable[..., Any]:
        async def recv(*args: Any, **kwargs: Any) -> Any:
            self._n_asked += 1
            if self._n_asked > 1:
                self.goes_on.set()
            payload = await real(*args, **kwargs)
            message = _parsed(payload)
            if message is not None:
                await self._heard(message)
            return payload

        return recv

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def new(*args: Any, **kwargs: Any) -> Any:
            if behalf() is not None:
                self.opens.set()
            return real(*args, **kwargs)

        return new


def _parsed(payload: Any) -> Any:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return SimpleNamespace(**{"type": "", **found}) if isinstance(found, dict) else None
