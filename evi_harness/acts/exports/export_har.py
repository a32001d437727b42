"""Export of a session as a HAR file, which browsers' developer tools and proxies open.

Rules of living here: the session's content is written unchanged, except that secrets are removed again, since the session may be a
stranger's.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Dict, Iterator, List, Union
from urllib.parse import urlencode, urlsplit

from evi_harness.acts.exports.whole_file import place_of_file, write_pieces
from evi_harness.errors import SessionUnreadable
from evi_harness.har import OWN_HOST, HarMessage, HarSocket, har_pieces
from evi_harness.redacting.redaction import Redactor, apply
from evi_harness.report.exports.exported_file import ExportedFile
from evi_harness.report.plain import printable
from evi_harness.session.events import Closed, Frame, Received, Sent
from evi_harness.session.header import MEASURED
from evi_harness.session.json_value import Json
from evi_harness.session.session import Session
from evi_harness.verdicts.loading import load_session
from evi_harness.verdicts.redacted_views import redactor_for
from evi_harness.version import __version__

__all__ = ["export_har"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def export_har(session: Union[str, Path, Session], file: Union[str, Path], *, overwrite: bool = False) -> ExportedFile:
    """Write a session as a HAR file with the messages of its WebSocket, as Chrome's developer tools do.

    ``import_har`` makes a session of it again, with the same frames at the same times; notes are not in it.

    Args:
        session: A session, or its folder.
        file: The file; its folder must be there. Only its owner may read it.
        overwrite: Replace the file if it is there.

    Returns:
        What was written.

    Raises:
        UsageError: The file is there already, or is in a session folder; its folder is not there.
        SessionUnreadable: The session cannot be read, or does not begin with the opening of its connection.
        AudioMissing: Audio that a frame needs is not in its folder.
        EviHarnessError: The file cannot be written.
    """
    path = place_of_file(file, session, overwrite=overwrite)
    loaded = session if isinstance(session, Session) else load_session(session)
    if loaded.opened is None:
        raise SessionUnreadable("it does not say how the connection was opened, so there is no request to write", where=loaded.name or None)
    redactor = redactor_for(loaded)
    started_ns, remarks = _started_ns(loaded)
    socket = _socket(loaded, redactor, started_ns)
    comment = f"exported by evi-harness {__version__}; times are {loaded.header.recorded.times}"
    frames = [event for event in loaded.events if isinstance(event, (Sent, Received))]
    write_pieces(path, har_pieces(socket, _messages(frames, redactor), length_ns=loaded.duration_ns, version=__version__, comment=comment))
    remarks += [f"{loaded.header.recorded.times} times"] * (loaded.header.recorded.times != MEASURED)
    if not loaded.header.recorded.sent:
        remarks.append("the messages of the app are not known")
    remarks += [f"missing: {sentence}" for sentence in loaded.missing]
    return ExportedFile(path, f"{len(frames)} messages", tuple(printable(redactor.string(remark)) for remark in remarks))


def _messages(frames: List[Union[Sent, Received]], redactor: Redactor) -> Iterator[HarMessage]:
    for event in frames:
        own: Dict[str, Json] = {}
        if isinstance(event, Sent):
            own = {"_tookNs": event.took_ns, "_outcome": None if event.outcome == "sent" else event.outcome}
        else:
            own = {"_takenNs": event.taken_ns}
        known = {name: value for name, value in own.items() if value is not None}
        yield HarMessage(isinstance(event, Sent), event.at_ns, _discreet(event.frame, redactor), known)


def _discreet(frame: Frame, redactor: Redactor) -> Frame:
    payload = frame.payload
    return Frame(frame.opcode, apply(payload, redactor.edits(payload)) if frame.is_text else redactor.samples(payload))


def _started_ns(session: Session) -> tuple[int, List[str]]:
    """When the session opened, in nanoseconds since 1970; the note is for where that is not known."""
    anchor = session.header.start
    wall = anchor.wall if anchor is not None else session.header.created
    try:
        opened = datetime.strptime(wall, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError:
        # The header is a stranger's.
        opened = datetime(2000, 1, 1, tzinfo=timezone.utc)
        return (opened - _EPOCH) // timedelta(microseconds=1) * 1000, [
            "the session does not say when it was recorded; the file uses the year 2000"
        ]
    opened_ns = (opened - _EPOCH) // timedelta(microseconds=1) * 1000 - (anchor.at_ns if anchor is not None else 0)
    return opened_ns, [] if anchor is not None else [
        "the session does not say when it was recorded; the file uses the time at which it was created"
    ]


def _socket(session: Session, redactor: Redactor, started_ns: int) -> HarSocket:
    header, asked = session.header, session.opened.handshake if session.opened is not None else None
    assert asked is not None
    # First, so that what they teach is known to all the rest.
    headers, query = redactor.headers(asked.headers), redactor.query(asked.query)
    try:
        parts = urlsplit(header.endpoint or "")
        port = "" if parts.port is None else f":{parts.port}"
        # Whoever is named before the host is named by a key.
        host = redactor.string(f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or OWN_HOST) + port
    except ValueError:
        # The header is a stranger's.
        parts, host = urlsplit(""), OWN_HOST
    scheme = {"http": "ws", "ws": "ws"}.get(parts.scheme, "wss")
    path = redactor.string(asked.path if asked.path.startswith("/") else f"/{asked.path}")
    url = f"{scheme}://{host}{path}" + (f"?{urlencode(query)}" if query else "")
    closed = session.closed
    own: Dict[str, Json] = {
        "version": 1,
        "dialect": redactor.string(header.dialect),
        "session": redactor.string(header.id),
        "recorded": {"sent": header.recorded.sent, "closed": header.recorded.closed, "times": header.recorded.times},
        "closed": None if closed is None else _closed(closed, redactor),
    }
    return HarSocket("", url, headers, started_ns, (), None, own)


def _closed(closed: Closed, redactor: Redactor) -> Dict[str, Json]:
    return {"by": closed.by, "code": closed.code, "reason": redactor.string(closed.reason), "at_ns": closed.at_ns}
