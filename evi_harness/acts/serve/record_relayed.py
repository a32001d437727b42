"""Write relayed sessions while they happen, one folder per WebSocket.

Rules of living here: the relay's loop is never kept waiting, and nothing that goes wrong here reaches it: bytes are read and folders are
made, written and completed on other threads, and a recording that ends early leaves the conversation alone.
"""

from __future__ import annotations

import asyncio
import base64
import re
import threading
import uuid
from collections import deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable, Deque, Dict, List, Mapping, Optional, Sequence, Tuple

from evi_harness.acts.record_connection import service_at
from evi_harness.acts.serve.record_served import WriterOnDemand
from evi_harness.errors import SessionUnwritable
from evi_harness.redacting.redaction import MIN_VALUE_LENGTH, REDACTED, Redactor
from evi_harness.redacting.source_redaction import is_secret_name
from evi_harness.runs.app_channel import InputLine
from evi_harness.session.events import Closed, Event, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.header import SERVICE_HEADER, Anchor, Header, Recorded
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import RECEIVED, Dialect
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import near, new_folder, now_utc
from evi_harness.settings.versions import software
from evi_harness.storage.writer import SessionWriter
from evi_harness.tap.recorder import EVENT_BYTES, Recorder
from evi_harness.tap.rounds import Rounds
from evi_harness.tap.wire_log import WireLog
from evi_harness.verdicts.redacted_views import known_secrets

__all__ = ["Relayed", "RelayedSession", "RelayedSessions", "recorded_text"]

# A prompt for a key, and an answer that may be one: "press a key" has others.
_KEY = re.compile(r"\bkey\b", re.IGNORECASE)
_LIKE_A_KEY = re.compile(rf"(?=.*\d)[^\s]{{{MIN_VALUE_LENGTH},}}")

# Ids come with one of the first messages; a service that gives none is not asked for ever.
_LOOK_FOR_IDS = 16
# Another process may take the same name in the same second, and one more.
_MOST_NAMES = 100
# Of all that an app asks for while a proxy runs; what is beyond that is no user's.
_MOST_OVERHEARD = 1000
# What may wait to be read of one session; behind that the loop reads it, and so forwards no faster than is read.
_MOST_UNREAD = 1024 * 1024
_READING_FAILED = "the rest of the bytes could not be read"


@dataclass(frozen=True)
class Relayed:
    """A finished session.

    Attributes:
        number: Its position in the order of opening, from 1.
        duration_ns: From its opening to its last event.
        n_sent: Messages from the app.
        n_received: Messages from the service.
        n_unread: Violations of the protocol.
        closed: How it ended, None if nobody saw it.
        folder: Where it was recorded, None if it was not.
        problem: Why the recording is incomplete, None if it is complete.
        opened_ns: When it was opened, by the machine's monotonic clock.
    """

    number: int
    duration_ns: int
    n_sent: int
    n_received: int
    n_unread: int
    closed: Optional[Closed]
    folder: Optional[Path]
    problem: Optional[str]
    opened_ns: int = 0

    def __str__(self) -> str:
        by = "close not seen" if self.closed is None else f"closed by the {self.closed.by}"
        code = "" if self.closed is None or self.closed.code is None else f" with {self.closed.code}"
        odd = f", {self.n_unread} violation{'' if self.n_unread == 1 else 's'} of the protocol" if self.n_unread else ""
        where = "" if self.folder is None else f"; recorded in {near(self.folder)}"
        if self.problem is not None:
            where = f"{where}, incomplete: {self.problem}" if where else f"; not recorded: {self.problem}"
        figures = f"{self.n_sent} messages from the app, {self.n_received} to it"
        return f"session {self.number}: {self.duration_ns / 1e9:.1f} s, {figures}, {by}{code}{odd}{where}"


class RelayedSessions:
    """Keeps the sessions of one relay.

    Args:
        out: The folder for new sessions.
        name: Their name.
        base_url: http or https URL of the service.
        dialect: The dialect.
        max_bytes: The size of the largest message to keep.
        waiting_bytes: How much of one session may wait for the disk; messages beyond that are dropped and counted.
        on_over: Called with each finished session, on the relay's loop.
        on_open: Called when a session has begun.
        catch_up: Called before what was sent is read, so that ``read_line`` has had what it read before.
        watch: Called on the relay's loop with each event, and the number of its session.
    """

    def __init__(
        self,
        out: Path,
        name: str,
        base_url: str,
        dialect: Dialect,
        *,
        max_bytes: int,
        waiting_bytes: int,
        on_over: Callable[[RelayedSession], object],
        on_open: Callable[[], object] = lambda: None,
        catch_up: Callable[[], object] = lambda: None,
        watch: Optional[Callable[[int, Event], object]] = None,
    ) -> None:
        self.catch_up = catch_up
        self.watch = watch
        # What reads and writes for all sessions.
        self.rounds = Rounds()
        self.max_bytes = max_bytes
        self.waiting_bytes = waiting_bytes
        self.on_over = on_over
        self._on_open = on_open
        self.n_opened = 0
        self._out = out
        self._name = name
        self._base_url = base_url
        self._dialect = dialect
        # What runs here is the app's Python only by chance, and its SDK is not installed here.
        self._software = {name: version for name, version in software().items() if name in ("evi_harness", "platform")}
        # Two that open within a second must not find the same name free.
        self._naming = threading.Lock()
        # The sessions that are under way, the latest last; and what the app has read while there was none.
        self._under_way: List[RelayedSession] = []
        self._early: List[InputLine] = []
        # Credentials of other requests, such as those for tokens: a user may have typed them.
        self._overheard: Dict[str, None] = {}

    def overhear(self, request: Handshake) -> None:
        """Learn the credentials of a request that opens no WebSocket."""
        if len(self._overheard) < _MOST_OVERHEARD:
            header = Header(id="", made_by="record", created="", dialect=self._dialect.name, endpoint="", service="", software={})
            found = known_secrets(Session(header, (Opened(seq=0, at_ns=0, handshake=request),)))
            self._overheard.update(dict.fromkeys(part for value in found for part in (value, *_halves(value))))

    def read_line(self, line: InputLine) -> None:
        """Take a line that the app has read from its standard input: it belongs to the latest session, or the next one."""
        if self._under_way:
            self._under_way[-1].read_line(line)
        else:
            self._early.append(line)

    def over(self, session: RelayedSession) -> None:
        """Take that a session is over."""
        self._under_way.remove(session)
        self.on_over(session)

    def open(self, handshake: Handshake, answer: Mapping[str, List[str]], now_ns: int, asked_ns: int) -> RelayedSession:
        """Begin a session; see ``OpenRecording``."""
        self.catch_up()
        self.n_opened += 1
        now, endpoint = now_utc(), self._base_url.replace("http", "ws", 1) + handshake.path
        header = Header(
            id=str(uuid.uuid4()),
            made_by="record",
            created=now,
            dialect=self._dialect.name,
            endpoint=endpoint,
            service=service_at(endpoint, answer.get(SERVICE_HEADER.lower(), [None])[0]),
            software=self._software,
            recorded=Recorded(closed=False),
            start=Anchor(0, now),
            source={"recorded_by": "proxy"},
        )
        secrets = known_secrets(Session(header, (Opened(seq=0, at_ns=0, handshake=handshake),)))
        writer = _RelayedWriter(lambda: self._new(header, secrets), self._dialect)
        extensions = ", ".join(answer.get("sec-websocket-extensions", []))

        def redact(line: str, sent: Frame) -> str:
            found = known_secrets(Session(header, (Sent(seq=0, at_ns=0, frame=sent),)))
            return Redactor(self._dialect.secret_names, self._dialect.folded_names, found).string(line)

        session = RelayedSession(self, self.n_opened, writer, extensions, redact)
        session.opened(handshake, now_ns, asked_ns)
        early, self._early = self._early, []
        for line in early:
            session.read_line(line)
        self._under_way.append(session)
        self._on_open()
        return session

    def _new(self, header: Header, secrets: Sequence[str]) -> SessionWriter:
        secrets = [*secrets, *self._overheard]
        with self._naming:
            for _ in range(_MOST_NAMES):
                folder = new_folder(self._out, self._name)
                try:
                    return SessionWriter(folder, header, self._dialect, secrets=secrets, syncs_on_write=False)
                except SessionUnwritable:
                    if not folder.exists():
                        raise
            folder = new_folder(self._out, self._name)
            return SessionWriter(folder, header, self._dialect, secrets=secrets, syncs_on_write=False)


class RelayedSession:
    """One session; the relay passes it everything that crosses.

    Args:
        sessions: The state that all sessions share.
        number: Its position in the order of opening, from 1.
        writer: The writer of its folder.
        extensions: The WebSocket extensions that the service accepted.
        redact: Takes the secrets in a message of the app's out of a line.
    """

    def __init__(
        self, sessions: RelayedSessions, number: int, writer: _RelayedWriter, extensions: str, redact: Callable[[str, Frame], str]
    ) -> None:
        self._sessions = sessions
        self._number = number
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._recorder = Recorder(writer, limit_bytes=sessions.waiting_bytes, warn=lambda _: None, rounds=sessions.rounds)
        self._log = WireLog(self._put, self._recorder.drop, extensions=extensions, max_bytes=sessions.max_bytes, redact=redact)
        self._is_over = False
        self._opened_ns = 0
        self._ended_at = ""
        # What was forwarded and is still to be read: how to read it, and how much it is. The loop adds, and one thread at a time reads.
        self._unread: Deque[Tuple[Callable[[], object], int]] = deque()
        self._reading = threading.Lock()
        # Each count has one side that writes it.
        self._taken_bytes = 0
        self._read_bytes = 0
        sessions.rounds.join(self._read_waiting)

    @property
    def n_held(self) -> int:
        """How many bytes are kept in memory."""
        return self._taken_bytes - self._read_bytes + self._log.n_held + self._recorder.n_waiting_bytes

    def _put(self, event: Event) -> None:
        self._recorder.put(event)
        if self._sessions.watch is not None:
            self._loop.call_soon_threadsafe(self._sessions.watch, self._number, event)

    def opened(self, handshake: Handshake, now_ns: int, asked_ns: int) -> None:
        """The WebSocket is open."""
        self._opened_ns = now_ns
        self._take(partial(self._log.opened, handshake, now_ns, asked_ns))

    def from_app(self, data: bytes, now_ns: int) -> None:
        """The app has sent bytes."""
        self._sessions.catch_up()
        self._take(partial(self._log.from_app, data, now_ns), len(data))

    def read_line(self, line: InputLine) -> None:
        """The app has read a line from its standard input."""
        self._take(lambda: self._log.read_line(recorded_text(line), line.read_ns))

    def from_service(self, data: bytes, now_ns: int) -> None:
        """The service has sent bytes."""
        self._sessions.catch_up()
        self._take(partial(self._log.from_service, data, now_ns), len(data))

    def give_up(self, why: str) -> None:
        """Stop recording; the session stays incomplete, with the reason."""
        if self._writer.given_up is None:
            self._writer.given_up = why
            self._take(self._log.forget)

    def over(self, now_ns: int, *, is_seen: bool) -> None:
        """The connection is over."""
        if self._is_over:
            return
        self._sessions.catch_up()
        self._take(partial(self._log.over, now_ns, is_seen=is_seen))
        self._is_over, self._ended_at = True, now_utc()
        self._sessions.over(self)

    def complete(self) -> Relayed:
        """Write the rest and complete the folder. Waits for the disk, so it must not run on the loop."""
        self._sessions.rounds.leave(self._read_waiting)
        self._read_waiting()
        log = self._log
        self._recorder.close(end=Anchor(log.last_ns, self._ended_at), recorded=Recorded(closed=log.closed is not None))
        return Relayed(
            self._number,
            log.last_ns,
            log.n_sent,
            log.n_received,
            log.n_unread,
            log.closed,
            self._writer.folder,
            self._problem(),
            self._opened_ns,
        )

    def _problem(self) -> Optional[str]:
        failure, n_dropped = self._recorder.failure, self._recorder.n_dropped
        if self._writer.given_up is not None:
            return self._writer.given_up
        if failure is not None:
            return getattr(failure, "what", None) or str(failure)
        return f"{n_dropped} message{'' if n_dropped == 1 else 's'} dropped: too large, or the disk did not keep up" if n_dropped else None

    def _take(self, read: Callable[[], object], n_bytes: int = 0) -> None:
        """Have something read, behind what waits."""
        size = n_bytes + EVENT_BYTES
        self._taken_bytes += size
        self._unread.append((read, size))
        if self._taken_bytes - self._read_bytes > _MOST_UNREAD:
            self._read_waiting()

    def _read_waiting(self) -> None:
        """Read what waits now, and not what comes meanwhile."""
        if not self._unread:
            return
        with self._reading:
            for _ in range(len(self._unread)):
                read, size = self._unread.popleft()
                self._try(read)
                self._read_bytes += size

    def _try(self, read: Callable[[], object]) -> None:
        if self._writer.given_up is not None:
            read = self._log.forget
        try:
            read()
        except Exception as failure:  # noqa: BLE001 - whatever it is, the conversation goes on
            # Its text may quote what crossed.
            self._writer.given_up = f"{_READING_FAILED}: {type(failure).__name__}"
            self._log.forget()


def recorded_text(line: InputLine) -> Optional[str]:
    """What is recorded of a line: nothing of one that was hidden, or that answers a prompt for a secret."""
    if not line.text:
        return line.text
    words = re.sub(r"\W+", "_", line.prompt)
    is_secret = is_secret_name(words) or (_KEY.search(line.prompt) is not None and _LIKE_A_KEY.fullmatch(line.text.strip()) is not None)
    return REDACTED if line.is_hidden or is_secret else line.text


def _halves(credentials: str) -> Tuple[str, ...]:
    """The name and the password in the credentials of HTTP's Basic scheme."""
    try:
        return tuple(base64.b64decode(credentials, validate=True).decode().split(":", 1))
    except ValueError:
        return ()


class _RelayedWriter(WriterOnDemand):
    """Also reads the session's ids on the way, and leaves the folder incomplete where it was told to; all on the recorder's thread.

    Attributes:
        given_up: Why the session stays incomplete, set from outside; None while it does not.
    """

    def __init__(self, make: Callable[[], SessionWriter], dialect: Dialect) -> None:
        super().__init__(make)
        self.given_up: Optional[str] = None
        self._dialect = dialect
        self._ids: Mapping[str, str] = {}
        self._n_received = 0

    def write(self, event: Event) -> None:
        super().write(event)
        if isinstance(event, Received) and not self._ids and self._n_received < _LOOK_FOR_IDS:
            self._n_received += 1
            self._ids = self._dialect.ids(self._dialect.read(RECEIVED, event.frame))

    def close(self, **changes: Json) -> None:
        if self.given_up is not None:
            self.abandon(self.given_up, counts=changes.get("counts", {}))
        else:
            super().close(ids=self._ids, **changes)
