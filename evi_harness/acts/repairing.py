"""Repair a damaged session: write what can be recovered into a new folder, and report what was lost.

Rules of living here: the damaged folder is only read. The new one is written as any session is, by the writer, with its redaction. It is
complete only where the other was and nothing of it was lost.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import List, Optional, Tuple

from evi_harness.dialects import DEFAULT, dialect_of, known_dialects
from evi_harness.errors import Parameter, SessionError, SessionUnreadable, UsageError, Words
from evi_harness.report.plain import printable
from evi_harness.report.repair_report import RepairReport
from evi_harness.session.expectation import Expectation
from evi_harness.session.header import HEARD, TrackFile
from evi_harness.session.loss import Loss
from evi_harness.session.wav import Pcm
from evi_harness.settings.any_path import AnyPath
from evi_harness.storage.expected_file import read_expectation, write_expectation
from evi_harness.storage.heard_track import add_heard
from evi_harness.storage.layout import EVENTS_FILE, EXPECTED_FILE, HEADER_FILE
from evi_harness.storage.opening import Folder, sessions_below
from evi_harness.storage.reader import read_session
from evi_harness.storage.salvage import Salvage, salvage
from evi_harness.storage.writer import SessionWriter
from evi_harness.verdicts.redacted_views import known_secrets

__all__ = ["repair_session"]

# So many losses remain in the header of the repaired session one by one.
_LISTED = 100
_BLOCK_BYTES = 1 << 20


def repair_session(folder: AnyPath, out: AnyPath) -> RepairReport:
    """Write the recoverable part of a session into a new folder.

    Args:
        folder: The damaged session folder. Nothing is written to it.
        out: The new folder; it must not exist yet and must not be inside ``folder``.

    Returns:
        The recovered session and the list of losses.

    Raises:
        UsageError: ``out`` exists already, or is inside ``folder``.
        SessionUnreadable: It is not a session folder, it is of a newer version or another dialect, or nothing can be recovered.
        SessionUnwritable: The new folder cannot be written.

    Example:
        >>> report = evi_harness.repair_session("sessions/weather", "repaired")
        >>> report.passed, report.losses, evi_harness.load_session("repaired").missing
        (True, (), ())
    """
    source, target = Path(folder), Path(out)
    _require_new(source, target)
    place = Folder(source)
    if not any(os.path.lexists(source / name) for name in (HEADER_FILE, EVENTS_FILE)):
        what = f"this is not a session folder: it holds neither {HEADER_FILE} nor {EVENTS_FILE}"
        raise SessionUnreadable(what, where=str(source), hint=sessions_below(source) or None)
    found = salvage(place, DEFAULT, known_dialects())
    if not found.session.events:
        told = "; ".join(str(loss).rstrip(".") for loss in found.losses[:3])
        raise SessionUnreadable(f"nothing can be recovered: {told or 'it has no events'}", where=str(source))
    secrets = known_secrets(found.session)
    losses = [*found.losses, *_left_out(place, found)]
    expected, lost = _expectation(source, found)
    losses += lost
    _write(target, found, losses, secrets)
    if expected is not None:
        write_expectation(target, expected, dialect_of(found.session), secrets=secrets)
    _add_heard(place, target, found, losses)
    return RepairReport(printable(str(source)), printable(str(target)), read_session(target), tuple(losses), has_ended=found.has_ended)


def _require_new(source: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise UsageError(Words(f"{printable(str(target))} exists already; name a new folder with ", Parameter("out")))
    inside, outside = target.resolve(), source.resolve()
    if outside == inside or outside in inside.parents:
        what = f"{printable(str(target))} is in the session folder being repaired; name one outside it with "
        raise UsageError(Words(what, Parameter("out")))


def _write(target: Path, found: Salvage, losses: List[Loss], secrets: List[str]) -> None:
    header = found.session.header
    # What an earlier repair could not recover is lost for good.
    listed = [*(header.repaired or ()), *(str(loss) for loss in losses[:_LISTED])]
    if len(losses) > _LISTED:
        listed.append(f"{len(losses) - _LISTED} more.")
    is_complete = header.complete and not losses
    why = None if is_complete else f"it was repaired; {_why(found, losses)}"
    with SessionWriter(target, header, dialect_of(found.session), secrets=secrets) as writer:
        for event in found.session.events:
            writer.write(event)
        writer.close(complete=is_complete, abandoned=why, repaired=tuple(listed))


def _why(found: Salvage, losses: List[Loss]) -> str:
    header = found.session.header
    if header.complete or (found.has_ended and losses):
        return "not all of it could be recovered"
    return header.abandoned or "the recording had not been completed"


def _expectation(source: Path, found: Salvage) -> Tuple[Optional[Expectation], List[Loss]]:
    try:
        expected = read_expectation(source)
    except SessionError:
        return None, [Loss("expectation", EXPECTED_FILE, None, "it cannot be read; the accepted changes are lost.")]
    if expected is not None and expected.session != found.session.header.id:
        return None, [Loss("expectation", EXPECTED_FILE, None, "it belongs to another session; it is left out.")]
    return expected, []


def _heard(found: Salvage) -> Optional[TrackFile]:
    return next((track for track in found.session.header.tracks if track.track == HEARD), None)


def _left_out(place: Folder, found: Salvage) -> List[Loss]:
    """What was heard belongs to a session that is complete, and is not part of one that no longer is."""
    heard = _heard(found)
    if heard is None or (found.session.header.complete and not found.losses):
        return []
    has_it = place.size(heard.file) is not None
    return [Loss("heard", heard.file, None, "it is left out: it belongs to the complete session.")] if has_it else []


def _add_heard(place: Folder, target: Path, found: Salvage, losses: List[Loss]) -> None:
    heard = _heard(found)
    size = place.size(heard.file) if heard is not None and not losses else None
    if heard is None or not size or not heard.rate or not heard.channels or not heard.width:
        return
    blocks = (place.piece(heard.file, at, min(_BLOCK_BYTES, size - at)) for at in range(0, size, _BLOCK_BYTES))
    add_heard(target, Pcm(heard.rate, heard.channels, heard.width), blocks)
