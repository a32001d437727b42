"""The messages that a handler reads from its connection: by iterating, by ``recv``, or by ``start_listening``.

All three come down to the ``recv`` of the websockets library and to the SDK's parser, whatever its version, so these two are watched. A
handler is busy with a message from when it got it to when it asks for the next.

Rules of living here: messages are not changed; replacements are undone; a message that the SDK cannot parse is reported once it is known
whether the handler survived it.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional

from evi_harness.guard.patches import Hooks
from evi_harness.session.events import Received

__all__ = ["Taking", "leaves"]


class Taking:
    """Watches one connection, from now on.

    Args:
        socket: The SDK's connection.
        websocket: The connection of the websockets library below it.
        taken: Called when the handler gets a message; gives its event.
        let_go: Called with the event when the handler asks for the next message, and with what the SDK's parser raised of it, if it did.
        watch_parsing: See ``Adapter``.
        raised: Called with what the library raises in the place of a message, before the SDK gets it.
        is_iterated: Whether the SDK iterates; else ``raised`` is not called.

    Attributes:
        event: The message that the handler is busy with, None while it is not.
        failure: What the SDK's parser raised of it; None where it could be parsed.
    """

    def __init__(
        self,
        socket: Any,
        websocket: Any,
        taken: Callable[[], Received],
        let_go: Callable[[Received, Optional[Exception]], object],
        watch_parsing: Callable[[Hooks, Any, Callable[[Exception], object]], None],
        raised: Callable[[Exception], object] = id,
        is_iterated: Callable[[], bool] = bool,
    ) -> None:
        self.event: Optional[Received] = None
        self.failure: Optional[Exception] = None
        self._taken = taken
        self._let_go = let_go
        self._raised = raised
        self._is_iterated = is_iterated
        self._hooks = Hooks()
        # Iterating over it calls its ``recv``, in all versions of the library.
        self._hooks.wrap(websocket, "recv", self._receiving)
        watch_parsing(self._hooks, socket, self._failed)

    def stop(self) -> None:
        """Watch no longer."""
        self._hooks.restore()

    def _receiving(self, real: Callable[..., Any]) -> Callable[..., Any]:
        async def recv(*args: Any, **kwargs: Any) -> Any:
            self._end()
            is_iterated = self._is_iterated()
            try:
                payload = await real(*args, **kwargs)
            except Exception as error:
                if is_iterated:
                    self._raised(error)
                raise
            self.event = self._taken()
            return payload

        return recv

    def _failed(self, error: Exception) -> None:
        self.failure = error

    def _end(self) -> None:
        event, failure = self.event, self.failure
        self.event = self.failure = None
        if event is not None:
            self._let_go(event, failure)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group of them, at any depth; an exception that is not a group is its own."""
    inner = getattr(error, "exceptions", None)
    if not isinstance(inner, (tuple, list)):
        yield error
        return
    for one in inner:
        yield from leaves(one)
