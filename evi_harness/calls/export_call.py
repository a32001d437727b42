"""``export_session``, the call for ``evi-harness export``."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Optional, Union

from evi_harness.acts.exports.export_files import FORMS, export_files
from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.session.session import Session
from evi_harness.settings.any_path import AnyPath

__all__ = ["export_session"]


def export_session(
    session: Union[AnyPath, Session],
    *,
    wav: Optional[AnyPath] = None,
    flac: Optional[AnyPath] = None,
    vtt: Optional[AnyPath] = None,
    labels: Optional[AnyPath] = None,
    csv: Optional[AnyPath] = None,
    metrics: Optional[AnyPath] = None,
    har: Optional[AnyPath] = None,
    trace: Optional[AnyPath] = None,
    force: bool = False,
) -> Dict[str, Path]:
    """Write a session in formats that other programs open. Name at least one file.

    Args:
        session: A session, or its folder.
        wav: Both sides as audio: 16-bit stereo, the user left and the assistant right.
        flac: The same, losslessly compressed.
        vtt: WebVTT captions: who said what, and when.
        labels: An Audacity label track for the audio.
        csv: Every event, one per line.
        metrics: Latency samples, one per line, as CSV.
        har: HAR with the WebSocket's messages.
        trace: Chrome trace events, for Perfetto and speedscope.
        force: Replace files that exist.

    Returns:
        The files that were written, by format.

    Raises:
        UsageError: No file is named; one exists or may not be written; two are the same. Then nothing is written.
        SessionUnreadable, AudioMissing: The session cannot be read.
        EviHarnessError: A file cannot be written. The files before it are written.

    Example:
        >>> evi_harness.export_session("sessions/typed", vtt="typed.vtt", csv="typed.csv")
        {'vtt': PosixPath('typed.vtt'), 'csv': PosixPath('typed.csv')}
    """
    given = {"wav": wav, "flac": flac, "vtt": vtt, "labels": labels, "csv": csv, "metrics": metrics, "har": har, "trace": trace}
    files = {form: Path(file) for form, file in given.items() if file is not None}
    if not files:
        every = [part for form in FORMS for part in (", ", Parameter(form))][1:]
        raise UsageError(Words("name at least one file to write: ", *every))
    for _ in export_files(session if isinstance(session, Session) else Path(session), files, overwrite=force):
        pass
    return files
