"""Write served sessions while they happen, one folder per conversation.

Rules of living here: the server's loop is never kept waiting: folders are made and completed on other threads. A disk that fails ends a
recording, never a conversation.
"""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Callable, Optional, Sequence

from evi_harness.session.events import Event, Handshake, Opened
from evi_harness.session.header import Anchor, Header
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import new_folder, now_utc
from evi_harness.settings.versions import software
from evi_harness.storage.writer import SessionWriter
from evi_harness.tap.recorder import Recorder
from evi_harness.verdicts.redacted_views import known_secrets

__all__ = ["Keeper", "Keeping", "WriterOnDemand"]


class Keeper:
    """Keeps the conversations of one server.

    Args:
        out: The folder of sessions.
        recorded: The session that is served, None where it is another service.
        service: Who plays the service's part, where no session is served.
        dialect: What is spoken.
    """

    def __init__(self, out: Path, recorded: Optional[Session], service: str, dialect: Dialect) -> None:
        self._out = out
        self._dialect = dialect
        self._service = service if recorded is None else "player"
        self._name = f"{self._service if recorded is None else recorded.name or 'session'}-served"
        self._source = {} if recorded is None else {"session": recorded.header.id, "clock": "real", "causes": dialect.version}
        self._secrets = [] if recorded is None else known_secrets(recorded)
        self._software = software()
        # Two conversations that open within a second must not find the same name free.
        self._naming = threading.Lock()

    def keep(self, handshake: Handshake) -> Keeping:
        """Begin to keep one conversation; nothing is written before its first event."""
        now = now_utc()
        header = Header(
            id=str(uuid.uuid4()),
            made_by="replay" if self._source else "record",
            created=now,
            dialect=self._dialect.name,
            service=self._service,
            software=self._software,
            start=Anchor(0, now),
            source=self._source,
        )
        secrets = [*self._secrets, *known_secrets(Session(header, (Opened(seq=0, at_ns=0, handshake=handshake),)))]
        return Keeping(lambda: self._new(header, secrets))

    def _new(self, header: Header, secrets: Sequence[str]) -> SessionWriter:
        with self._naming:
            return SessionWriter(new_folder(self._out, self._name), header, self._dialect, secrets=secrets)


class Keeping:
    """Writes one conversation.

    Args:
        make: Makes the writer, at the first event and on the recorder's thread.
    """

    def __init__(self, make: Callable[[], SessionWriter]) -> None:
        self._writer = WriterOnDemand(make)
        self._recorder = Recorder(self._writer)
        self._last_ns = 0

    def put(self, event: Event) -> None:
        """Take an event; returns at once."""
        self._last_ns = max(self._last_ns, event.at_ns)
        self._recorder.put(event)

    def close(self) -> Optional[Path]:
        """Write what is left and complete the folder; waits for the disk.

        Returns:
            The folder, None where none was made, or where it was deleted while it was being written.
        """
        self._recorder.close(end=Anchor(self._last_ns, now_utc()))
        return self._writer.folder

    @property
    def problem(self) -> Optional[str]:
        """Why the folder is not complete, in words; None where it is, or there was nothing to keep."""
        failure, n_dropped = self._recorder.failure, self._recorder.n_dropped
        if failure is not None:
            return getattr(failure, "what", None) or str(failure)
        return f"{n_dropped} events were dropped, since the disk did not keep up" if n_dropped else None


class WriterOnDemand:
    """An ``EventWriter`` that makes its folder when there is something to write.

    Args:
        make: Makes the folder and its writer; called on the recorder's thread, at the first event.
    """

    def __init__(self, make: Callable[[], SessionWriter]) -> None:
        self._make = make
        self._writer: Optional[SessionWriter] = None

    @property
    def folder(self) -> Optional[Path]:
        """The folder, None while there is none."""
        return self._writer.folder if self._writer is not None and self._writer.is_there else None

    def write(self, event: Event) -> None:
        """Write an event, the first one into a new folder."""
        if self._writer is None:
            self._writer = self._make()
        self._writer.write(event)

    def tend(self) -> Optional[str]:
        """As ``SessionWriter.tend``."""
        return None if self._writer is None else self._writer.tend()

    def close(self, **changes: Json) -> None:
        """Complete the folder, if there is one."""
        if self._writer is not None:
            self._writer.close(**changes)

    def abandon(self, reason: str, **changes: Json) -> None:
        """Leave the folder incomplete, if there is one, and say why in it."""
        if self._writer is not None:
            self._writer.abandon(reason, **changes)
