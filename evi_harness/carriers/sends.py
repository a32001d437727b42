"""Report everything sent over a connection to all observers: its ``send`` is replaced once, however many there are.

Rules of living here: what is sent is sent as ever, unless somebody refuses it; only this one connection's own attribute is replaced. Nearly
all that is sent is audio, which costs a call for each who refuses and nothing for those who look at text.
"""

from __future__ import annotations

from typing import Any, Callable, Tuple

from evi_harness.guard.patches import Hooks

__all__ = ["Sends", "sends_of"]

Look = Callable[[Any], object]
Refuses = Callable[[Any], bool]


def sends_of(websocket: Any) -> Sends:
    """What is sent over a connection of the websockets library; the same object for all who ask while one of them is there.

    What has replaced ``send`` meanwhile stays where it is, and a new object stands above it.
    """
    send = vars(websocket).get("send")
    found = getattr(send, "sends", None)
    return found if isinstance(found, Sends) and found.send is send else Sends(websocket)


class Sends:
    """Tells of what is sent, as long as anybody wants to know. The last one to come is asked first.

    Args:
        websocket: The connection.

    Attributes:
        send: What stands in the place of the connection's ``send``.
    """

    def __init__(self, websocket: Any) -> None:
        self._websocket = websocket
        self._hooks = Hooks()
        self._refusing: Tuple[Refuses, ...] = ()
        self._looking: Tuple[Look, ...] = ()
        # Those who look at all that is sent are among them.
        self._looking_at_text: Tuple[Look, ...] = ()
        self.send = self._sending(websocket.send)

    def refuse(self, refuses: Refuses) -> None:
        """Have a function called with each message when ``send`` is called; a message that it says True of is not sent."""
        self._set()
        self._refusing = (refuses, *self._refusing)

    def look(self, look: Look, *, text_only: bool = False) -> None:
        """Have a function called with each message right before it is sent. One that looks already may be given another reach.

        Args:
            look: The function.
            text_only: Whether it is not called with bytes.
        """
        self._set()
        self._looking_at_text = (look, *_without(look, self._looking_at_text))
        others = _without(look, self._looking)
        self._looking = others if text_only else (look, *others)

    def leave(self, one: Callable[[Any], Any]) -> None:
        """Have a function called no more. Idempotent."""
        self._refusing = _without(one, self._refusing)
        self._looking = _without(one, self._looking)
        self._looking_at_text = _without(one, self._looking_at_text)
        if not (self._refusing or self._looking_at_text):
            self._hooks.restore()

    def _set(self) -> None:
        if not (self._refusing or self._looking_at_text):
            self._hooks.set(self._websocket, "send", self.send)

    def _sending(self, real: Any) -> Any:
        async def look_and_send(looking: Tuple[Look, ...], message: Any, *args: Any, **kwargs: Any) -> Any:
            for look in looking:
                look(message)
            return await real(message, *args, **kwargs)

        def send(message: Any, *args: Any, **kwargs: Any) -> Any:
            for refuses in self._refusing:
                if refuses(message):
                    return _sent_nothing()
            looking = self._looking_at_text if isinstance(message, str) else self._looking
            return look_and_send(looking, message, *args, **kwargs) if looking else real(message, *args, **kwargs)

        send.sends = self  # type: ignore[attr-defined]
        return send


async def _sent_nothing() -> None:
    """What stands in the place of a send that is left out."""


def _without(one: Callable[[Any], Any], several: Tuple[Callable[[Any], Any], ...]) -> Tuple[Callable[[Any], Any], ...]:
    return tuple(other for other in several if other != one)
