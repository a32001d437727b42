"""``WebSocketInterface``: the class of Hume's guide, to be inherited from.

Rules of living here: it has the guide's members and no others that an app sees. A subclass may leave out anything, ``super().__init__()``
included, so nothing here depends on having been built.
"""

from __future__ import annotations

import base64
from typing import Any, Callable, Optional

from evi_harness.evi.failures import explain
from evi_harness.sdk.connect_reasons import status_of
from evi_harness.sdk.hume.installed_sdk import import_sdk
from evi_harness.sdk.hume.quickstart import Quickstart

__all__ = ["WebSocketInterface"]


class WebSocketInterface:
    """Prints the transcript with the three strongest emotions of each message, and queues the assistant's audio for playback.

    Give its methods to ``connect_with_callbacks`` and its ``byte_strs`` to the SDK's ``MicrophoneInterface``. Override methods to add your
    app's behaviour; ``await super().on_message(message)`` keeps the default.

    Args:
        write: Called with each line of text; prints it by default.

    Attributes:
        socket: The SDK's connection, None until ``set_socket``.

    Example:
        >>> class App(evi_harness.WebSocketInterface):
        ...     async def on_message(self, message):
        ...         await super().on_message(message)
        >>> lines = []
        >>> result = evi_harness.replay_session("sessions/typed", handler=App(write=lines.append))
        >>> len(lines) > 0
        True
    """

    socket: Optional[Any] = None
    _write: Optional[Callable[[str], object]] = None
    _byte_strs: Optional[Any] = None

    def __init__(self, write: Optional[Callable[[str], object]] = None) -> None:
        self._write = write

    @property
    def byte_strs(self) -> Any:
        """The stream (the SDK's ``Stream[bytes]``) of audio to play: each item is a WAV file."""
        if self._byte_strs is None:
            # On first use: on Python 3.9 a queue belongs to the loop that runs when it is made.
            import_sdk()
            from hume import Stream

            self._byte_strs = Stream.new()
        return self._byte_strs

    @byte_strs.setter
    def byte_strs(self, stream: Any) -> None:
        self._byte_strs = stream

    def set_socket(self, socket: Any) -> None:
        """Keep the connection for sending.

        Args:
            socket: The SDK's connection object.
        """
        self.socket = socket

    async def on_open(self) -> None:
        """Print that the connection is open."""
        self._say("connected")

    async def on_message(self, message: Any) -> None:
        """Queue audio, print transcripts, and ignore everything else.

        Args:
            message: The message, as the SDK parsed it.
        """
        if getattr(message, "type", "") == "audio_output":
            await self.byte_strs.put(base64.b64decode(message.data))
            return
        await Quickstart(self._say).on_message(message)

    async def on_close(self) -> None:
        """Print that the connection is closed."""
        self._say("closed")

    async def on_error(self, error: BaseException) -> None:
        """Print the error in one line.

        Args:
            error: What was raised.
        """
        self._say(f"error: {_sentence(error)}")

    def _say(self, line: str) -> None:
        (self._write or print)(line)


# Their exceptions may quote a header or a URI, and with it a key.
_CARRY_KEYS = ("websockets", "httpx", "httpcore", "h11")


def _sentence(error: BaseException) -> str:
    from websockets.exceptions import ConnectionClosed

    status = status_of(error)
    if status is not None:
        # The SDK's ApiError shows the request's headers, and with them the key.
        return f"status {status}: {explain(status)}"
    may_carry = type(error).__module__.partition(".")[0] in _CARRY_KEYS and not isinstance(error, ConnectionClosed)
    # The first line: the models of the SDK name a hundred fields where a message has an unknown type.
    text = "" if may_carry else str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
