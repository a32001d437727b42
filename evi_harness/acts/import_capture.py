"""Import a wire capture: server messages, one JSON text per line, become a session.

Rules of living here: a line's bytes are the frame's bytes; a file that is not a capture is refused with the line that shows it, before
anything is written; the header marks what the source does not say, and nothing is guessed.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import uuid
from codecs import BOM_UTF8
from pathlib import Path
from typing import List, Optional, Sequence, Union

from evi_harness.errors import CaptureError
from evi_harness.evi.dialect import EVI
from evi_harness.evi.foreign import ForeignForm, form_of_bytes, form_of_row, form_of_whole, is_message
from evi_harness.evi.made_up_times import ASSUMED, implausible, synthesised_times
from evi_harness.evi.messages import MESSAGES
from evi_harness.input_file import file_blocks
from evi_harness.session.events import TEXT, Frame, Handshake, Opened, Received
from evi_harness.session.foreign_text import json_value
from evi_harness.session.header import SYNTHESISED, Header, Recorded
from evi_harness.session.json_value import Json
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import DEFAULT_OUT, new_folder, now_utc
from evi_harness.settings.versions import software
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.redacted_views import known_secrets

__all__ = ["import_capture"]

_SHOWN_TYPES = 4
_LARGEST_WHOLE = 1 << 26
_KNOWN = ", ".join(row.name for row in MESSAGES.values() if row.received and not row.sent)
_FORM = (
    "Supported formats: a wire capture: the messages of an EVI server, one JSON object with a type per line, as Hume's proxy "
    f"records them ({_KNOWN})."
)


def import_capture(file: Union[str, Path], *, out: Union[str, Path] = DEFAULT_OUT) -> Path:
    """Make a session of a wire capture.

    The capture knows what the server said and in which order. Times are synthesised from what the messages say, and the header says so;
    what was sent is not known, and the header says that too.

    Args:
        file: The capture.
        out: The parent folder; the new session is ``out/<UTC time>-<name of the file>``.

    Returns:
        The new session folder.

    Raises:
        CaptureError: The file is not a capture; names the line.
        SessionUnwritable: The folder cannot be made or written.
    """
    path = Path(file)
    data = _content(path)
    # A byte order mark is the editor's: it did not cross the wire.
    lines = data[len(BOM_UTF8) :].split(b"\n") if data.startswith(BOM_UTF8) else data.split(b"\n")
    numbers = [number for number, line in enumerate(lines, 1) if line.strip()]
    frames = [_frame(lines[number - 1], number, path, data) for number in numbers]
    if not frames:
        raise CaptureError("it has no messages", where=str(path), hint=_FORM)
    _require_messages(frames, path)
    times = synthesised_times(frames)
    wrong = implausible(frames, times)
    if wrong is not None:
        raise CaptureError(wrong[1], where=f"{path}:{numbers[wrong[0]]}", hint="Fix the number, or remove the line.")
    folder = new_folder(out, path.stem)
    session = _session(path, data, frames, times)
    write_session(folder, session, EVI, secrets=known_secrets(session))
    return folder


def _content(path: Path) -> bytes:
    pieces = []
    try:
        for piece in file_blocks(path, "capture", CaptureError, hint=_FORM):
            pieces.append(piece)
            if b"\0" in piece:
                # No line can hold one, and the one that does is refused: what is behind it, a hole of any size perhaps, is not read.
                break
    except OSError as error:
        raise CaptureError(f"cannot be read: {error.strerror}", where=str(path)) from None
    return b"".join(pieces)


def _frame(line: bytes, number: int, path: Path, data: bytes) -> Frame:
    where = f"{path}:{number}"
    # Written on Windows, a line ends with a return that did not cross the wire.
    payload = line[:-1] if line.endswith(b"\r") else line
    try:
        # From bytes, json would take other encodings than the wire's.
        value = json_value(payload.decode("utf-8"))
    except UnicodeDecodeError:
        raise _refused("this line is not UTF-8 text", where, path, form_of_bytes(data[:16])) from None
    except RecursionError:
        raise _refused("this line's JSON is nested too deeply", where, path) from None
    except ValueError as error:
        what = "this line is not JSON" if isinstance(error, json.JSONDecodeError) else f"this line's JSON cannot be read: {error}"
        raise _refused(what, where, path, form_of_whole(_whole(data))) from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        form = form_of_row(value) or form_of_whole(_whole(data))
        raise _refused("this line is not a message: it has no type", where, path, form)
    frame = Frame(TEXT, payload)
    row = MESSAGES.get(value["type"])
    if row is not None and not row.received:
        what = f"this line is a message from the app ({row.name}); a capture has only the server's"
        raise _refused(what, where, path)
    return frame


def _whole(data: bytes) -> Json:
    """A file as one JSON value, None where it is none: who pretty-prints has no line that is one."""
    try:
        return json_value(data.decode("utf-8-sig")) if len(data) <= _LARGEST_WHOLE else None
    except (ValueError, RecursionError):
        return None


def _require_messages(frames: Sequence[Frame], path: Path) -> None:
    """Refuse a file of which no line is known: any JSON with a type would pass for messages of a kind that is yet unknown.

    Raises:
        CaptureError: It is one.
    """
    if any(is_message(json_value(frame.payload.decode())) for frame in frames):
        return
    values = [json_value(frame.payload.decode()) for frame in frames]
    lines = "its only line is not" if len(frames) == 1 else f"not one of its {len(frames)} lines is"
    types = list(dict.fromkeys(value["type"] for value in values))
    told = ", ".join(map(repr, types[:_SHOWN_TYPES])) + (f" and {len(types) - _SHOWN_TYPES} more" if len(types) > _SHOWN_TYPES else "")
    form = next(filter(None, map(form_of_row, values)), None)
    raise _refused(f"{lines} a message from an EVI server: the types are {told}", str(path), path, form)


def _refused(what: str, where: str, path: Path, form: Optional[ForeignForm] = None) -> CaptureError:
    """The error for a file that is not a capture, with what it looks like and the formats that are."""
    if form is None:
        return CaptureError(what, where=where, hint=_FORM)
    way = form.way.replace("FILE", shlex.quote(str(path)))
    return CaptureError(what, where=where, hint="\n".join(filter(None, (f"It looks like {form.name}. {way}".strip(), _FORM))))


def _session(path: Path, data: bytes, frames: List[Frame], times: List[int]) -> Session:
    received = [Received(seq=seq, at_ns=at_ns, frame=frame) for seq, (frame, at_ns) in enumerate(zip(frames, times), 1)]
    header = Header(
        id=str(uuid.uuid4()),
        made_by="import",
        created=now_utc(),
        dialect=EVI.name,
        software=software(),
        ids=next(filter(None, (EVI.ids(EVI.read(event.kind, event.frame)) for event in received)), {}),
        recorded=Recorded(sent=False, closed=False, times=SYNTHESISED),
        complete=True,
        source={
            "form": "capture",
            "file": path.name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "n_messages": len(frames),
            "assumed": dict(ASSUMED),
        },
    )
    opened = Opened(seq=0, at_ns=0, handshake=Handshake(EVI.chat_paths[0]))
    return Session(header, (opened, *received), name=path.stem)
