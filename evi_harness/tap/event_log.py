"""Turn a tap's observations into the events of a session.

Rules of living here:

- One thread calls, in the order in which things happened; nothing here knows the connection. Times are given, never asked for.
- A received frame is held until the app has taken it, since its line holds both times. What the app never takes is handed on at the end.
  The WebSocket library holds the same frames and bounds how many there are.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, List, Optional, Sequence, Tuple, Union

from evi_harness.session.events import BINARY, TEXT, Closed, ClosedBy, Event, Frame, Handshake, Opened, Outcome, Received, Sent
from evi_harness.session.notes import CONNECTED, RECEIVED_BEFORE

__all__ = ["Data", "TapLog", "frame_of"]

# What the library gives and takes; where it is in pieces, a list of them.
Data = Union[str, bytes]


class TapLog:
    """What crossed one connection.

    Args:
        sink: Called with each event, by seq, such as ``Recorder.put``.
        on_over: Called once when the connection is closed and the app has taken all that it received.

    Attributes:
        n_events: Events handed to the sink.
        last_ns: Session time of the latest of them.
        saw_close: Whether the close is among them.
        opened_ns: The clock's reading at the opening; all times that are given are such readings.
    """

    def __init__(self, sink: Callable[[Event], object], on_over: Callable[[], object] = lambda: None) -> None:
        self.n_events = 0
        self.last_ns = 0
        self.saw_close = False
        self.opened_ns = 0
        self._sink = sink
        self._on_over: Optional[Callable[[], object]] = on_over
        self._held: Deque[Tuple[int, Frame]] = deque()
        self._in_doubt = False
        self._is_awaited = False

    def opened(self, handshake: Handshake, now_ns: int) -> None:
        """Write the opening; this instant is time zero."""
        self.opened_ns = now_ns
        self._put(Opened(self.n_events, 0, handshake))

    def connecting(self, since_ns: int) -> None:
        """Write how long connecting took; behind the opening.

        Args:
            since_ns: When connect was called.
        """
        self._put(CONNECTED.make(self.n_events, 0, took_ns=self.opened_ns - since_ns))

    def found(self, waiting: Sequence[Frame], in_doubt: bool = False, is_awaited: bool = False) -> None:
        """Take in what was received before the opening was written and was not taken yet; its time is zero.

        Args:
            waiting: The messages, in order.
            in_doubt: Whether the app may take something first that is not among them: then what it takes is compared, until one fits.
            is_awaited: Whether the app waits for the first message already, in a call that is not heard; it implies doubt.
        """
        self._in_doubt = in_doubt or is_awaited
        self._is_awaited = is_awaited
        if waiting:
            self._put(RECEIVED_BEFORE.make(self.n_events, 0, n_frames=len(waiting)))
        self._held.extend((0, frame) for frame in waiting)

    def arrived(self, frame: Frame, now_ns: int) -> None:
        """The library has a whole message."""
        self._held.append((now_ns - self.opened_ns, frame))

    def taken(self, message: Optional[Data], now_ns: int) -> None:
        """The app takes the next message.

        Args:
            message: What it takes, where that is known; it is looked at only while there is doubt.
            now_ns: When.
        """
        taken_ns = now_ns - self.opened_ns
        if self._in_doubt and message is not None and not self._find(message):
            # It was under way when the tap was set, in a place where nobody could see it.
            self._put(Received(self.n_events, taken_ns, frame_of(message), taken_ns))
        elif self._held:
            at_ns, frame = self._held.popleft()
            self._put(Received(self.n_events, at_ns, frame, taken_ns))
        self._see_whether_over()

    def sent(self, message: Union[Data, List[Data]], text: Optional[bool], outcome: Outcome, began_ns: int, ended_ns: int) -> None:
        """A send is over.

        Args:
            message: What was handed over; a list where it went in pieces, an empty one where nothing did.
            text: Whether the app said that it is text (True) or binary (False); None where the type tells.
            outcome: ``sent``, ``failed`` or ``cancelled``.
            began_ns: When the send began.
            ended_ns: When it ended.
        """
        if message == []:
            return
        pieces = message if isinstance(message, list) else [message]
        is_text = isinstance(pieces[0], str) if text is None else text
        frame = Frame(TEXT if is_text else BINARY, b"".join(map(_encoded, pieces)))
        self._put(Sent(self.n_events, began_ns - self.opened_ns, frame, ended_ns - began_ns, outcome))

    def closed(self, by: ClosedBy, code: Optional[int], reason: str, now_ns: int) -> None:
        """The connection is closed; only the first call counts."""
        if self.saw_close:
            return
        self.saw_close = True
        self._put(Closed(self.n_events, now_ns - self.opened_ns, by, code, reason))
        self._see_whether_over()

    def end(self) -> None:
        """Hand on what the app has not taken."""
        while self._held:
            self._put(Received(self.n_events, *self._held.popleft()))

    def _put(self, event: Event) -> None:
        self.n_events += 1
        self.last_ns = max(self.last_ns, event.at_ns)
        self._sink(event)

    def _find(self, message: Data) -> bool:
        """Hand on what stands before a message among those held; False where it is not there."""
        payload = _encoded(message)
        places = [index for index, (_, frame) in enumerate(self._held) if frame.payload == payload]
        if not places:
            return False
        # Two messages can be equal; the first was most likely taken by the call that was not heard.
        place = places[1] if self._is_awaited and places[0] == 0 and len(places) > 1 else places[0]
        self._in_doubt = False
        for _ in range(place):
            self._put(Received(self.n_events, *self._held.popleft()))
        return True

    def _see_whether_over(self) -> None:
        if self.saw_close and not self._held and self._on_over is not None:
            on_over, self._on_over = self._on_over, None
            on_over()


def frame_of(message: Any) -> Frame:
    """The frame of a message that the library gives as text or bytes."""
    return Frame(TEXT if isinstance(message, str) else BINARY, _encoded(message))


def _encoded(message: Any) -> bytes:
    # No send puts a lone surrogate on the wire; one that was refused is recorded as failed.
    return message.encode("utf-8", "surrogatepass") if isinstance(message, str) else bytes(message)
