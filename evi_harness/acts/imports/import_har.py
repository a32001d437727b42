"""Import a HAR file: each WebSocket in a known dialect becomes a session.

Rules of living here: a message's bytes are the frame's bytes; what the file does not say is said in a note of the session, and nothing is
made up; nothing is written before the whole file was understood.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.acts.imports.json_file import hint_for, json_file
from evi_harness.dialects import dialect_named, known_dialects
from evi_harness.errors import EviHarnessError, ImportRefused
from evi_harness.har import MAX_LENGTH_NS, OWN_HOST, Crossed, HarMessage, HarSocket, NotHar, crossed, iso_of, sockets_in
from evi_harness.report.plain import printable
from evi_harness.session.events import Closed, Event, Handshake, Note, Opened, Received, Sent
from evi_harness.session.header import MEASURED, SYNTHESISED, TAKEN, Anchor, Header, Recorded, Times
from evi_harness.session.json_value import Json
from evi_harness.session.notes import IMPORTED
from evi_harness.session.protocols import RECEIVED, Dialect
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import DEFAULT_OUT, new_folder, now_utc
from evi_harness.settings.sink import redacted
from evi_harness.settings.versions import software
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.redacted_views import known_secrets

__all__ = ["Imported", "import_har"]

_SHOWN_SOCKETS = 3
_FORM_NAME = "har"
_FORM = (
    "Supported: HAR files with the messages of WebSockets (_webSocketMessages), as Chrome's developer tools, Playwright (recordHar, not a "
    "ZIP) and mitmproxy (save.har) write them. Start recording before the app connects."
)


@dataclass(frozen=True)
class Imported:
    """The result of importing a file.

    Attributes:
        folders: The session folders.
        remarks: Remarks, one sentence each.
    """

    folders: Tuple[Path, ...]
    remarks: Tuple[str, ...] = ()

    def lines(self) -> List[str]:
        """For people: the folders, what they lack, and what to do next."""
        remarks = [printable(redacted(one)) for one in self.remarks]
        return [*map(str, self.folders), *remarks, *(f"next: evi-harness replay {one}" for one in self.folders[:1])]


def import_har(file: Union[str, Path], *, out: Union[str, Path] = DEFAULT_OUT) -> Imported:
    """Make a session of each conversation in a HAR file.

    A conversation is a WebSocket whose path is one that a known dialect has, or one on which the service sent messages of that dialect.
    Times are those of the browser or proxy, to the precision that it writes; the handshake's keys are redacted like those of a recording.
    How the socket was closed is not in such a file, and the session says so.

    Args:
        file: The file.
        out: The folder of sessions; a new one is ``out/<UTC time>-<name of the file>``.

    Returns:
        The new session folders, and what there is to say of them.

    Raises:
        ImportRefused: The file is not a HAR file, or has no conversation in it; names the place in it.
        SessionUnwritable: A folder cannot be made or written.
    """
    path = Path(file)
    read = json_file(path, "har", _FORM)
    try:
        sockets = sockets_in(read.value)
        found = [(socket, dialect) for socket, dialect in ((one, _dialect_of(one)) for one in sockets) if dialect is not None]
        held = [(socket, dialect, _sound(socket)) for socket, dialect in found]
        spoken = [one for one in held if one[2].messages]
        digest = hashlib.sha256(read.data).hexdigest()
        sessions = [(_session(path, digest, *one), one[1]) for one in spoken]
    except NotHar as error:
        if error.place:
            raise ImportRefused(error.what, where=f"{path}: {error.place}", hint=_FORM) from None
        raise ImportRefused(error.what, where=str(path), hint=hint_for(path, read.value, _FORM)) from None
    if not sessions:
        raise _nothing(path, sockets, [socket for socket, _ in found])
    folders = []
    for session, dialect in sessions:
        folder = new_folder(out, path.stem)
        write_session(folder, session, dialect, secrets=known_secrets(session))
        folders.append(folder)
    return Imported(tuple(folders), tuple(_remarks(sockets, held, [session for session, _ in sessions])))


def _sound(socket: HarSocket) -> Crossed:
    """What crossed a socket that becomes a session: nothing of it may be broken."""
    if socket.fault is not None:
        raise socket.fault
    return crossed(socket)


def _dialect_of(socket: HarSocket) -> Optional[Dialect]:
    """The dialect that a socket is in: as the file says, as its path does, or as its messages do; None where none is known."""
    dialects = []
    for name in known_dialects():
        try:
            dialects.append(dialect_named(name))
        except EviHarnessError:
            # A package that brings one and cannot be loaded is no reason to refuse the others.
            continue
    path = socket.path.rstrip("/")
    by_name = [one for one in dialects if one.name == socket.own.get("dialect")]
    by_path = [one for one in dialects if any(path.endswith(chat.rstrip("/")) for chat in one.chat_paths)]
    return next((one for one in (*by_name, *by_path)), None) or next((one for one in dialects if _is_spoken(socket, one)), None)


def _is_spoken(socket: HarSocket, dialect: Dialect) -> bool:
    """Whether the service sent any message of a dialect; an error has the same type in many."""
    try:
        messages = crossed(socket).messages
    except NotHar:
        # Of sockets that are nothing here, nothing need be understood.
        return False
    for message in messages:
        if not message.is_sent and message.frame.is_text:
            read = dialect.read(RECEIVED, message.frame)
            if dialect.is_known(read) and not dialect.is_error(read):
                return True
    return False


def _nothing(path: Path, sockets: Sequence[HarSocket], found: Sequence[HarSocket]) -> ImportRefused:
    """The error for a file with no conversation in it."""
    if any(socket.file is not None for socket in found):
        what = f"its messages are in another file, {next(one.file for one in found if one.file is not None)!r}"
        return ImportRefused(
            what, where=str(path), hint="Record with recordHar's content 'embed', which Playwright uses for files that are not ZIP."
        )
    if found:
        return ImportRefused(f"no message of {printable(found[0].shown)} is in it", where=str(path), hint=_FORM)
    if not sockets:
        return ImportRefused("it has no WebSocket", where=str(path), hint=_FORM)
    faults = [one.fault for one in sockets if one.fault is not None]
    if len(faults) == len(sockets):
        return ImportRefused(faults[0].what, where=f"{path}: {faults[0].place}", hint=_FORM)
    shown = ", ".join(printable(redacted(one.shown)) for one in sockets[:_SHOWN_SOCKETS])
    more = f" and {len(sockets) - _SHOWN_SOCKETS} more" if len(sockets) > _SHOWN_SOCKETS else ""
    what = f"none of its WebSockets is a conversation in a known protocol ({', '.join(known_dialects())}): {shown}{more}"
    return ImportRefused(what, where=str(path), hint="evi-harness reads conversations in these protocols, whatever the host.")


def _session(path: Path, digest: str, socket: HarSocket, dialect: Dialect, spoken: Crossed) -> Session:
    own = _own(socket)
    asked = Handshake(socket.path, socket.query, socket.headers)
    events: List[Event] = [Opened(0, 0, asked), _note(socket, spoken, own)]
    events += [_event(seq, one) for seq, one in enumerate(spoken.messages, 2)]
    if own.closed is not None:
        events.append(replace(own.closed, seq=len(events), at_ns=max(own.closed.at_ns, events[-1].at_ns)))
    ids: Mapping[str, str] = next(
        filter(None, (dialect.ids(dialect.read(one.kind, one.frame)) for one in events if isinstance(one, Received))), {}
    )
    header = Header(
        id=str(uuid.uuid4()),
        made_by="import",
        created=now_utc(),
        dialect=dialect.name,
        endpoint=None if socket.origin.endswith(OWN_HOST) else socket.shown,
        software=software(),
        ids=ids,
        recorded=Recorded(sent=own.sent, closed=own.closed is not None, times=own.times),
        start=Anchor(0, iso_of(spoken.opened_ns)),
        end=Anchor(events[-1].at_ns, iso_of(spoken.opened_ns + events[-1].at_ns)),
        complete=True,
        source={
            "form": "har",
            "file": path.name,
            "sha256": digest,
            "entry": socket.place,
            "n_messages": len(spoken.messages),
            "times_in": spoken.unit,
        },
    )
    return Session(header, tuple(events), name=path.stem)


def _event(seq: int, message: HarMessage) -> Event:
    if not message.is_sent:
        taken_ns = message.own.get("_takenNs")
        return Received(seq, message.at_ns, message.frame, taken_ns=taken_ns if _is_time(taken_ns) else None)
    took_ns, outcome = message.own.get("_tookNs"), message.own.get("_outcome")
    sent = Sent(seq, message.at_ns, message.frame, took_ns=took_ns if _is_time(took_ns) else None)
    return replace(sent, outcome=outcome) if outcome in ("failed", "cancelled") else sent


@dataclass(frozen=True)
class _Own:
    """What a file that was exported here says besides what HAR files say.

    Attributes:
        is_own: Whether it was.
        closed: How the socket was closed; its seq means nothing.
        sent: Whether what the app sent was recorded.
        times: Where the times are from.
    """

    is_own: bool = False
    closed: Optional[Closed] = None
    sent: bool = True
    times: Times = MEASURED


def _own(socket: HarSocket) -> _Own:
    if socket.own.get("version") != 1:
        return _Own()
    told, recorded = socket.own.get("closed"), socket.own.get("recorded")
    closed = None
    if isinstance(told, dict) and told.get("by") in ("app", "service", "network") and _is_time(told.get("at_ns")):
        code, reason = told.get("code"), told.get("reason")
        is_code = type(code) is int and 1000 <= code < 5000
        closed = Closed(0, told["at_ns"], told["by"], code if is_code else None, reason if isinstance(reason, str) else "")
    said: Mapping[str, Json] = recorded if isinstance(recorded, dict) else {}
    times = next((one for one in (SYNTHESISED, TAKEN) if one == said.get("times")), MEASURED)
    return _Own(True, closed, said.get("sent") is not False, times)


def _is_time(value: Json) -> bool:
    return type(value) is int and 0 <= value <= MAX_LENGTH_NS


def _note(socket: HarSocket, spoken: Crossed, own: _Own) -> Note:
    """What a note says: what the file lacks, what was assumed, and what was left out of it."""
    if own.is_own:
        return IMPORTED.make(1, 0, form=_FORM_NAME, lacks=["the notes of the session that was exported"])
    if spoken.is_opening_known:
        opened = "the connection opened when the file says that it was requested; how long the handshake took is not known"
    else:
        opened = "the connection opened with its first message: the file does not say when it was requested, or its time is impossible"
    counted = ((spoken.n_control, "control frame"), (spoken.n_errors, "browser error"))
    lacks = ["how and when the connection was closed", "when the app read a message, and how long its sends took"]
    lacks += [] if socket.headers else ["the headers of the handshake"]
    left_out = [_counted(n, what) for n, what in counted if n]
    return IMPORTED.make(1, 0, form=_FORM_NAME, lacks=lacks, assumed=[opened], left_out=left_out)


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _remarks(sockets: Sequence[HarSocket], held: Sequence[Tuple[HarSocket, Dialect, Crossed]], sessions: Sequence[Session]) -> List[str]:
    told = []
    for session in sessions:
        counts = {kind: sum(one.kind == kind for one in session.events) for kind in ("sent", "received")}
        end = "" if session.header.recorded.closed else "; how it was closed is not in the file"
        told.append(f"{counts['received']} received, {counts['sent']} sent, {session.duration_ns / 1e9:.3f} s{end}")
    n_empty = sum(not spoken.messages for _, _, spoken in held)
    if n_empty:
        told.append(f"{_counted(n_empty, 'conversation')} without any message left out")
    if len(sockets) > len(held):
        chosen = {socket.place for socket, _, _ in held}
        faults = [one.fault for one in sockets if one.fault is not None and one.place not in chosen]
        broken = f"; {len(faults)} of them cannot be read, the first at {faults[0]}" if faults else ""
        told.append(f"{_counted(len(sockets) - len(held), 'other WebSocket')} left out{broken}")
    return told
