"""Turn the bytes that a relay forwards into the events of a session.

Rules of living here:

- One thread calls, in the order in which things happened. Times are given, never asked for.
- A frame's time is that at which its last byte was read, in either direction: nobody here knows when the app began to send it, or took it.
- The close is written when the closing handshake is complete or the connection is over, whichever comes first; whoever sent the first close
  frame has closed it.
"""

from __future__ import annotations

from collections import deque
from typing import Callable, Deque, Dict, Iterable, List, Optional, Tuple
from urllib.parse import parse_qsl

from evi_harness.session.events import BINARY, TEXT, Closed, ClosedBy, Event, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.notes import CONNECTED, STDIN_ENDED, STDIN_LINE, UNREAD
from evi_harness.tap.wire_messages import CloseFrame, TooLarge, Unread, WireItem, WireMessages, inflater_of

__all__ = ["WireLog", "asked_for"]

# A session tells of so many oddities one by one, and of the others how many they are.
MAX_TOLD = 100
_TEXT_OPCODE = 1


class WireLog:
    """Everything that crosses one connection, from its opening on.

    Args:
        sink: Called with each event, by seq, such as ``Recorder.put``.
        drop: Called with an event that is not kept, and its size in bytes, such as ``Recorder.drop``.
        extensions: The extensions that the server accepted: its Sec-WebSocket-Extensions, joined by commas.
        max_bytes: The size of the largest message to keep.
        redact: Takes the secrets in a message that the app sends out of a line that it read before.

    Attributes:
        n_sent: Messages from the app.
        n_received: Messages from the service.
        n_unread: All violations of the protocol.
        last_ns: Session time of the latest event.
        closed: The close, None until it is known.
    """

    def __init__(
        self,
        sink: Callable[[Event], object],
        drop: Callable[[Event, int], object],
        *,
        extensions: str = "",
        max_bytes: int,
        redact: Callable[[str, Frame], str] = lambda line, _: line,
    ) -> None:
        self.n_sent = 0
        self.n_received = 0
        self.n_unread = 0
        self.last_ns = 0
        self.closed: Optional[Closed] = None
        self._sink = sink
        self._drop = drop
        self._n_events = 0
        self._opened_ns = 0
        self._app = WireMessages(of_client=True, inflater=inflater_of(extensions, of_client=True), max_bytes=max_bytes)
        self._service = WireMessages(of_client=False, inflater=inflater_of(extensions, of_client=False), max_bytes=max_bytes)
        self._first_close: Optional[Tuple[ClosedBy, CloseFrame]] = None
        self._redact = redact
        # What the app has read from its standard input since the latest event, and when.
        self._lines: Deque[Tuple[Optional[str], int]] = deque()

    @property
    def n_held(self) -> int:
        """How many bytes of incomplete messages are held."""
        return self._app.n_held + self._service.n_held

    def opened(self, handshake: Handshake, now_ns: int, asked_ns: int) -> None:
        """Write the opening; this instant is time zero.

        Args:
            handshake: The app's handshake.
            now_ns: The clock's reading, like all other times here.
            asked_ns: When the first byte of its request came.
        """
        self._opened_ns = now_ns
        self._put(Opened(self._n_events, 0, handshake))
        self._put(CONNECTED.make(self._n_events, 0, took_ns=max(0, now_ns - asked_ns)))

    def from_app(self, data: bytes, now_ns: int) -> None:
        """Take bytes from the app."""
        self._take("app", self._app.feed(data), now_ns)

    def from_service(self, data: bytes, now_ns: int) -> None:
        """Take bytes from the service."""
        self._take("service", self._service.feed(data), now_ns)

    def read_line(self, line: Optional[str], now_ns: int) -> None:
        """The app has read a line from its standard input. It is written with the next event, before that.

        Args:
            line: The line, without its end; None for the end of the input.
            now_ns: When; it may be before the opening.
        """
        self._lines.append((line, now_ns))

    def forget(self) -> None:
        """Drop everything that is held. Nothing may follow."""
        self._app = self._service = WireMessages(of_client=True, max_bytes=0)

    def over(self, now_ns: int, *, is_seen: bool = True) -> None:
        """The connection is over.

        Args:
            now_ns: When.
            is_seen: Whether one of its ends has ended it; otherwise its real end is unknown.
        """
        self._take("app", self._app.end(), now_ns)
        self._take("service", self._service.end(), now_ns)
        if self.n_unread > MAX_TOLD:
            n_more = self.n_unread - MAX_TOLD
            self._note(Unread(f"{n_more} more that break a rule are not listed one by one", 0, b""), "app", now_ns)
        if is_seen or self._first_close is not None:
            self._close(now_ns)
        self._write_lines(now_ns)

    def _take(self, side: ClosedBy, items: List[WireItem], now_ns: int) -> None:
        for item in items:
            if isinstance(item, Frame):
                self._write_lines(now_ns, item if side == "app" else None)
                self._put(self._message(side, item, now_ns))
            elif isinstance(item, CloseFrame):
                if self._first_close is None:
                    self._first_close = (side, item)
                else:
                    self._close(now_ns)
            elif isinstance(item, TooLarge):
                event = self._message(side, Frame(TEXT if item.opcode == _TEXT_OPCODE else BINARY, b""), now_ns)
                self._n_events += 1
                self._drop(event, item.n_bytes)
            else:
                self.n_unread += 1
                if self.n_unread <= MAX_TOLD:
                    self._note(item, side, now_ns)

    def _write_lines(self, now_ns: int, sent: Optional[Frame] = None) -> None:
        """Write the lines that were read before an event; the message that the app sends then may show that one is a secret."""
        while self._lines and self._lines[0][1] <= now_ns:
            line, read_ns = self._lines.popleft()
            if line is not None and sent is not None:
                line = self._redact(line, sent)
            at_ns = read_ns - self._opened_ns
            early: Dict[str, int] = {"early_ns": -at_ns} if at_ns < 0 else {}
            # Lines of a session are in the order of their times, and a report may take longer than what came meanwhile.
            seq, at_ns = self._n_events, max(at_ns, self.last_ns)
            self._put(STDIN_ENDED.make(seq, at_ns, **early) if line is None else STDIN_LINE.make(seq, at_ns, text=line, **early))

    def _message(self, side: ClosedBy, frame: Frame, now_ns: int) -> Event:
        at_ns = now_ns - self._opened_ns
        if side == "app":
            self.n_sent += 1
            return Sent(self._n_events, at_ns, frame)
        self.n_received += 1
        return Received(self._n_events, at_ns, frame)

    def _note(self, item: Unread, side: ClosedBy, now_ns: int) -> None:
        note = UNREAD.make(
            self._n_events,
            now_ns - self._opened_ns,
            what=item.what,
            sent_by=side,
            n_bytes=item.n_bytes,
            begins=item.begins.decode("utf-8", "backslashreplace"),
        )
        self._put(note)

    def _close(self, now_ns: int) -> None:
        if self.closed is not None:
            return
        self._write_lines(now_ns)
        by, frame = self._first_close or ("network", CloseFrame(None, ""))
        self.closed = Closed(self._n_events, now_ns - self._opened_ns, by, frame.code, frame.reason)
        self._put(self.closed)

    def _put(self, event: Event) -> None:
        self._n_events += 1
        self.last_ns = max(self.last_ns, event.at_ns)
        self._sink(event)


def asked_for(target: str, pairs: Iterable[Tuple[str, str]]) -> Handshake:
    """Return the handshake in a request.

    Args:
        target: The target in its first line.
        pairs: Its headers.
    """
    path, _, query = target.partition("?")
    if "://" in path:
        # A whole URL: what names the host is no part of the path.
        path = "/" + path.partition("://")[2].partition("/")[2]
    return Handshake(path, tuple(parse_qsl(query, keep_blank_values=True)), tuple(pairs))
