"""A handler that takes the connection, in a live conversation: what it takes of it, and whether it speaks for the user itself.

It does so where it opens the SDK's microphone, or sends audio that it has from elsewhere, as a bridge does. Both are seen where they cross:
at the SDK's interface, and at the connection below the SDK.

Rules of living here: nothing that the handler does goes otherwise because it is watched; what is replaced is put back.
"""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Awaitable, Callable

from evi_harness.evi.reading import read
from evi_harness.live.behalf import behalf
from evi_harness.live.hooks import Hooks
from evi_harness.session.events import TEXT, Frame
from evi_harness.session.protocols import SENT

__all__ = ["OwnReading"]

_CHAT_CLIENT = "hume.empathic_voice.chat.audio.chat_client"
_AUDIO = "audio_input"


class OwnReading:
    """Watches one connection, from now on. Make it inside the running loop.

    Args:
        websocket: The connection of the websockets library below the SDK's.
        heard: Called with each message that the handler takes, before it gets it: its ``type``, and the rest of it as attributes.

    Attributes:
        speaks: Set once the handler speaks for the user itself.
        goes_on: Set once it asks for its second message: what it does at the first, it has done.
    """

    def __init__(self, websocket: Any, heard: Callable[[Any], Awaitable[object]]) -> None:
        self.speaks = asyncio.Event()
        self.goes_on = asyncio.Event()
        self._heard = heard
        self._n_asked = 0
        self._hooks = Hooks()
        # Iterating over it calls its ``recv``, in all versions of the library.
        self._hooks.set(websocket, "recv", self._receiving(websocket.recv))
        self._hooks.set(websocket, "send", self._sending(websocket.send))
        try:
            chat_client = import_module(_CHAT_CLIENT).ChatClient
        except (ImportError, OSError):
            # Without the SDK's microphone, or PortAudio for it, nobody opens it.
            return
        self._hooks.set(chat_client, "new", staticmethod(self._opening(chat_client.new)))

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

    def _sending(self, real: Callable[..., Any]) -> Callable[..., Any]:
        async def send(message: Any, *args: Any, **kwargs: Any) -> Any:
            if behalf() is not None and not self.speaks.is_set() and _is_audio(message):
                self.speaks.set()
            return await real(message, *args, **kwargs)

        return send

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def new(*args: Any, **kwargs: Any) -> Any:
            if behalf() is not None:
                self.speaks.set()
            return real(*args, **kwargs)

        return new


def _parsed(payload: Any) -> Any:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return SimpleNamespace(**{"type": "", **found}) if isinstance(found, dict) else None


def _is_audio(message: Any) -> bool:
    if not isinstance(message, str):
        return isinstance(message, (bytes, bytearray, memoryview))
    return _AUDIO in message and read(SENT, Frame(TEXT, message.encode("utf-8", "surrogatepass"))).type == _AUDIO
