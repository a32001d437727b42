"""Recording a live connection from inside the app: ``record``, one line.

Rules of living here: nothing that goes wrong with the recording reaches the app; it ends the recording and is reported once. The app's
thread does only work of microseconds; folder, header, files and git are on the recorder's thread or, at the end, on one more. Until the
folder is complete the end of the program waits for it. A forked child has no part in its parent's recording.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, Iterable, Iterator, Mapping, Optional, Set, Tuple, Type
from urllib.parse import urlsplit

from evi_harness.bounds import require_word
from evi_harness.dialects import adapter_for, dialect_named, spoken_by, spoken_here
from evi_harness.errors import SdkError, SessionUnwritable, UsageError, value_of
from evi_harness.guard.program_end import at_program_end
from evi_harness.sdk.adapter import Adapter
from evi_harness.session.events import Closed, Event, Received
from evi_harness.session.header import SERVICE_HEADER, Anchor, Header, Recorded
from evi_harness.session.protocols import RECEIVED, Dialect
from evi_harness.session.session import Session
from evi_harness.settings.any_path import AnyPath
from evi_harness.settings.new_folder import DEFAULT_OUT, new_folder, require_name
from evi_harness.settings.versions import app, software
from evi_harness.storage.writer import SessionWriter
from evi_harness.tap.recorder import Recorder
from evi_harness.tap.websocket import Tap, is_tappable
from evi_harness.verdicts.redacted_views import known_secrets

__all__ = ["Recording", "record", "service_at"]

_OURS = ("simulator", "player")
_HUME = ("hume.ai", ".hume.ai")
_USER_INTERRUPT = ("allowed", "dropped", "unknown")
# Ids come with one of the first messages; a service that gives none is not asked for ever.
_LOOK_FOR_IDS = 16

_reserving = threading.Lock()
_reserved: Set[Path] = set()
_logger = logging.getLogger("evi_harness")

# Here, and not when ``record`` is called: by then a conversation has begun, and its loop is not to wait for an import.
for _spoken in spoken_here():
    adapter_for(dialect_named(_spoken))


def record(
    socket: Any,
    *,
    out: AnyPath = DEFAULT_OUT,
    name: str = "session",
    secrets: Iterable[str] = (),
    user_interrupt: str = "unknown",
    service: Optional[str] = None,
    now_ns: Optional[Callable[[], int]] = None,
    connect_ns: Optional[int] = None,
    watch: Optional[Callable[[Event], object]] = None,
    dialect: Optional[str] = None,
) -> Recording:
    """Record everything that crosses a connection, both ways, into a session folder.

    ``with record(socket):`` or ``async with record(socket):`` records inside the block; afterwards the connection is still open and works
    as before. ``record(socket).start()`` records until either side closes the connection, or the program ends.

    Args:
        socket: The SDK's connection object, or the connection of the websockets library below it.
        out: The parent folder; the new session is ``out/<UTC time>-<name>``.
        name: Name of the session, at most 100 characters; anything but letters, digits, dots, dashes and underscores becomes a dash.
        secrets: Values to redact wherever they occur. Keys in the handshake and in the environment (HUME_API_KEY, OPENAI_API_KEY) are
            redacted anyway.
        user_interrupt: ``allowed`` or ``dropped``, if the app knows which.
        service: The kind of service, for the header; by default derived from the endpoint.
        now_ns: The clock that stamps the events, in nanoseconds; by default ``time.monotonic_ns``.
        connect_ns: When the app called connect, by that clock; the session then has how long connecting took.
        watch: Called with each event after it was written, on the recorder's thread; its exceptions are ignored.
        dialect: Name of the dialect: a built-in one, or one that an installed package provides. By default ``openai-realtime`` for a
            connection of the openai package, and ``evi`` for any other.

    Returns:
        The recording, which has not begun.

    Raises:
        UsageError: ``socket`` is not a connection that can be recorded, ``name`` or ``user_interrupt`` is invalid, ``service`` is not text,
            ``connect_ns`` is in the future, or there is no such ``dialect``.
        EviHarnessError: The package that provides the dialect cannot be imported.

    Example:
        >>> async def talk(url):
        ...     chat = hume.AsyncHumeClient(api_key="any", base_url=url).empathic_voice.chat
        ...     async with chat.connect() as socket:
        ...         async with evi_harness.record(socket, name="mine") as recording:
        ...             await socket.recv()
        ...     return recording
        >>> with evi_harness.serve("sessions/typed") as server:
        ...     recording = asyncio.run(talk(server.url))
        >>> recording.is_complete, len(evi_harness.load_session(recording.folder).received) > 0
        (True, True)
    """
    with value_of("name"):
        require_name(name)
    if service is not None and not isinstance(service, str):
        raise UsageError(f"service is {service!r}", hint="Name the service, as text.")
    require_word("user_interrupt", user_interrupt, _USER_INTERRUPT)
    with value_of("dialect"):
        spoken = dialect_named(spoken_by(socket) if dialect is None else dialect)
    adapter = adapter_for(spoken)
    connection = _connection(socket, adapter)
    # The machine's clock itself costs the app less than a method around it.
    now_ns = now_ns or time.monotonic_ns
    if connect_ns is not None and connect_ns > now_ns():
        hint = "Take time.monotonic_ns() right before connect is called."
        raise UsageError(f"connect_ns is {connect_ns}, which is in the future", hint=hint)
    header = {"user_interrupt": user_interrupt, "service": service}
    return Recording(
        connection, spoken, out, name, tuple(secrets), header, now_ns, watch or (lambda _: None), connect_ns, sdk=adapter.package
    )


class Recording:
    """A recording of one connection; ``record`` makes it.

    Attributes:
        folder: The session folder; None before the start, if it could not be created, or if it was deleted during the recording. It exists,
            with a header, moments after the start. If it is moved, this follows within a second.
        closed: How the connection was closed, None until then.
    """

    def __init__(
        self,
        connection: Any,
        dialect: Dialect,
        out: AnyPath,
        name: str,
        secrets: Iterable[str],
        header: Mapping[str, Any],
        now_ns: Callable[[], int],
        watch: Callable[[Event], object],
        connect_ns: Optional[int] = None,
        *,
        sdk: str = "hume",
    ) -> None:
        self.folder: Optional[Path] = None
        self.closed: Optional[Closed] = None
        self._connection = connection
        self._dialect = dialect
        self._place = (Path(out).absolute(), name)
        self._reserved: Optional[Path] = None
        self._secrets = tuple(secrets)
        self._header = dict(header)
        self._now_ns = now_ns
        self._watch = watch
        self._connect_ns = connect_ns
        self._sdk = sdk
        self._ends_with_connection = False
        self._is_started = False
        self._failure: Optional[Exception] = None
        self._tap: Optional[Tap] = None
        self._recorder: Optional[Recorder] = None
        self._writer: Optional[_FolderWriter] = None
        self._leaving = threading.Lock()
        self._finishing = threading.Lock()
        self._is_over = False
        # In a child that was forked while this recorded.
        self._is_the_parents = False
        self._no_longer_at_end: Callable[[], None] = lambda: None
        # When the connection was let go of, on both clocks.
        self._left: Optional[Tuple[datetime, int]] = None

    @property
    def n_events(self) -> int:
        """How many events have been written."""
        return 0 if self._writer is None else self._writer.n_events

    @property
    def n_dropped(self) -> int:
        """How many events were observed but not written, because the disk was full, failed or did not keep up."""
        return 0 if self._recorder is None else self._recorder.n_dropped

    @property
    def failure(self) -> Optional[Exception]:
        """Why the recording ended early, or None."""
        return self._failure or (None if self._recorder is None else self._recorder.failure)

    @property
    def opened_at_ns(self) -> Optional[int]:
        """Session time 0 on the recording's clock, None before the start."""
        return None if self._tap is None else self._tap.log.opened_ns

    @property
    def is_complete(self) -> bool:
        """Whether the recording is over and everything observed is on disk; False while it runs."""
        return self._is_over and self.failure is None and not self.n_dropped

    def start(self) -> Recording:
        """Record until ``stop``, the end of the connection or the end of the program, whichever comes first.

        Raises:
            UsageError: It was started before, or the connection is being recorded already.
        """
        return self._begin(ends_with_connection=True)

    def stop(self) -> None:
        """End the recording and complete the session; waits until everything is written. Never raises. Idempotent.

        In a forked child it does nothing at all: the recording is the parent's.
        """
        self._leave()
        self._finish()

    def __enter__(self) -> Recording:
        return self._begin()

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.stop()

    async def __aenter__(self) -> Recording:
        return self._begin()

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._leave()
        if self._is_the_parents:
            return
        try:
            finishing = asyncio.get_running_loop().run_in_executor(None, self._finish)
        except RuntimeError:
            # The loop's executor takes nothing any more.
            self._finish()
        else:
            await finishing

    def _begin(self, *, ends_with_connection: bool = False) -> Recording:
        if self._is_started:
            raise UsageError("a recording can only begin once", hint="Call record() again for another session.")
        self._is_started = True
        self._ends_with_connection = ends_with_connection
        try:
            self._set_up()
        except UsageError:
            self.stop()
            raise
        except Exception as failure:  # noqa: BLE001 - whatever it is, the app goes on
            self._fail(failure)
            self.stop()
        return self

    def _set_up(self) -> None:
        wall = datetime.now(timezone.utc)
        self.folder = self._reserved = _reserve(*self._place)
        writer = self._writer = _FolderWriter(self._open_folder, self._watch, self._is_now, self._dialect)
        # The tap puts nothing before it is attached, so the recorder that it puts into can be made behind it.
        tap = Tap(
            self._connection,
            self._put,
            now_ns=self._now_ns,
            connect_ns=self._connect_ns,
            on_over=self._connection_is_over,
            on_failure=self._fail,
        )
        self._header.update(
            created=_text(wall),
            start=Anchor(0, _text(wall)),
            endpoint=tap.endpoint,
            service=self._header["service"] or service_at(tap.endpoint, tap.reply_header(SERVICE_HEADER)),
        )
        self._header["recorded"] = Recorded(closed=False, times=tap.times)
        self._recorder = Recorder(writer, warn=self._warn)
        self._tap = tap
        self._no_longer_at_end = at_program_end(self.stop, in_child=self._forked)
        tap.attach()

    def _put(self, event: Event) -> None:
        if isinstance(event, Closed):
            self.closed = event
        if self._recorder is not None:
            self._recorder.put(event)

    def _open_folder(self, opened: Event) -> SessionWriter:
        """Make the folder; on the recorder's thread."""
        header = Header(id=str(uuid.uuid4()), made_by="record", dialect=self._dialect.name, software=software(self._sdk), **self._header)
        secrets = [*self._secrets, *known_secrets(Session(header, (opened,)))]
        folder = self._reserved or _reserve(*self._place)
        try:
            return SessionWriter(folder, header, self._dialect, secrets=secrets)
        except SessionUnwritable:
            _release(folder)
            self.folder = self._reserved = None
            if not folder.exists():
                raise
        # Another process has made it since it was chosen.
        self.folder = self._reserved = _reserve(*self._place)
        return SessionWriter(self.folder, header, self._dialect, secrets=secrets)

    def _is_now(self, folder: Optional[Path]) -> None:
        self.folder = folder

    def _connection_is_over(self) -> None:
        if self._ends_with_connection:
            self._leave()
            # The end of the program waits for the recording, whoever completes it. One that is ending already starts no thread, and
            # does it itself.
            with suppress(RuntimeError):
                threading.Thread(target=self._finish, name="evi-harness finish", daemon=True).start()

    def _leave(self) -> None:
        """Let go of the connection."""
        if self._is_the_parents:
            return
        with self._leaving:
            if self._tap is None or self._left is not None:
                return
            now_ns = 0
            try:
                self._tap.detach()
                now_ns = self._now_ns()
            except Exception as failure:  # noqa: BLE001 - whatever it is, the app goes on
                self._fail(failure)
            self._left = (datetime.now(timezone.utc), now_ns)

    def _finish(self) -> None:
        """Write what waits and complete the folder; takes as long as the disk takes. Interrupted, it can be gone on with."""
        if self._is_the_parents:
            return
        with self._finishing:
            if not self._is_over and self._recorder is not None:
                changes: Dict[str, Any] = {} if self._tap is None else self._seen(self._tap)
                self._recorder.close(**changes)
                if self._reserved is not None:
                    _release(self._reserved)
                self._is_over = True
        # Once more, too: only the main thread can give signals back, and another one may have finished.
        self._no_longer_at_end()

    def _forked(self) -> None:
        """Be a child's copy of a recording that is the parent's; its threads are not in the child, and its locks may be held there."""
        self._is_the_parents = True
        if self._tap is not None:
            self._tap.release()

    def _seen(self, tap: Tap) -> Dict[str, Any]:
        """What the header can say at the end."""
        tap.finish()
        wall, now_ns = self._left or (datetime.now(timezone.utc), 0)
        since = timedelta(microseconds=max(0, now_ns - tap.log.opened_ns - tap.log.last_ns) / 1000)
        return {
            "end": Anchor(tap.log.last_ns, _text(wall - since)),
            "recorded": Recorded(closed=tap.log.saw_close, times=tap.times),
        }

    def _fail(self, failure: Exception) -> None:
        if self._failure is None:
            self._failure = failure
            if self._writer is not None:
                self._writer.failure = failure
            # Its text may quote what crossed, and with it a key.
            self._warn(f"the recording has ended early; the conversation continues: {type(failure).__name__} in the recorder")

    def _warn(self, sentence: str) -> None:
        with suppress(Exception):
            _logger.warning("%s", sentence)


class _FolderWriter:
    """Makes the folder at the first event and writes into it; all on the recorder's thread.

    Args:
        open_folder: Makes the folder.
        watch: Called with each event once it is written.
        is_now: Called with where the folder is, None where it is no more, after each look and at the end.

    Attributes:
        failure: Set from outside when events are missing: then the session is left incomplete.
    """

    def __init__(
        self,
        open_folder: Callable[[Event], SessionWriter],
        watch: Callable[[Event], object],
        is_now: Callable[[Optional[Path]], object],
        dialect: Dialect,
    ) -> None:
        self.failure: Optional[Exception] = None
        self._open_folder = open_folder
        self._watch = watch
        self._is_now = is_now
        self._dialect = dialect
        self._writer: Optional[SessionWriter] = None
        self._ids: Mapping[str, str] = {}
        self._n_received = 0

    @property
    def n_events(self) -> int:
        return 0 if self._writer is None else self._writer.n_events

    def write(self, event: Event) -> None:
        if self._writer is None:
            self._writer = self._open_folder(event)
        self._writer.write(event)
        if isinstance(event, Received):
            self._look_for_ids(event)
        with suppress(Exception):
            self._watch(event)

    def tend(self) -> Optional[str]:
        if self._writer is None:
            return None
        with self._looking(self._writer):
            return self._writer.tend()

    def close(self, **changes: Any) -> None:
        if self._writer is None:
            return
        with self._looking(self._writer):
            if self.failure is not None:
                self._writer.abandon(f"recording failed: {self.failure}", counts=changes.get("counts", {}))
            else:
                self._writer.close(ids=self._ids, app=app(), **changes)

    def abandon(self, reason: str, **changes: Any) -> None:
        if self._writer is not None:
            with self._looking(self._writer):
                self._writer.abandon(reason, **changes)

    @contextmanager
    def _looking(self, writer: SessionWriter) -> Iterator[None]:
        try:
            yield
        finally:
            self._is_now(writer.folder if writer.is_there else None)

    def _look_for_ids(self, event: Received) -> None:
        self._n_received += 1
        if not self._ids and self._n_received <= _LOOK_FOR_IDS:
            self._ids = self._dialect.ids(self._dialect.read(RECEIVED, event.frame))


def _connection(socket: Any, adapter: Adapter) -> Any:
    found = None
    with suppress(SdkError, UsageError):
        found = adapter.websocket_of(socket)
    if found is None or not is_tappable(found):
        kind = f"{type(socket).__module__}.{type(socket).__qualname__}"
        raise UsageError(
            f"{kind} is neither a connection of the SDK nor one of the websockets library (versions 12 to 17)",
            hint="Give record() what the SDK's connect() gives: async with client.empathic_voice.chat.connect(...) as socket, "
            "or client.realtime.connect(...) of the openai package.",
        )
    return found


def service_at(endpoint: str, told: Optional[str]) -> str:
    """Who plays the service's part, as a header says it.

    Args:
        endpoint: The URL of the service.
        told: What the answer to the handshake says of it (``SERVICE_HEADER``), None where it says nothing.
    """
    host = urlsplit(endpoint).hostname or ""
    if host == _HUME[0] or host.endswith(_HUME[1]):
        return "hume"
    told = (told or "").lower()
    return told if told in _OURS else "unknown"


def _reserve(out: Path, name: str) -> Path:
    """A folder that is neither there nor meant by another recording of this process, which makes its own in a moment."""
    with _reserving:
        first = folder = new_folder(out, name)
        number = 1
        while folder in _reserved or folder.exists():
            number += 1
            folder = first.with_name(f"{first.name}.{number}")
        _reserved.add(folder)
    return folder


def _release(folder: Path) -> None:
    with _reserving:
        _reserved.discard(folder)


def _text(wall: datetime) -> str:
    return wall.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
