"""``write_report``, the call for ``evi-harness report`` and for ``--html`` of other commands."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, Optional, Union

from evi_harness.acts.afterwards.comparison_pages import write_comparison_pages
from evi_harness.acts.paging.page_folder import INDEX
from evi_harness.acts.paging.page_making import page_of_result, page_of_session, write_page
from evi_harness.acts.paging.page_reports import write_named_pages
from evi_harness.acts.replay import ReplayResult
from evi_harness.audio.page_tracks import FORMATS, OGG
from evi_harness.bounds import require_word
from evi_harness.calls.given_sessions import paths_of
from evi_harness.errors import SessionUnreadable
from evi_harness.report.comparison_report import ComparisonReport
from evi_harness.report.drift_report import LiveReport
from evi_harness.report.gate_report import GateReport
from evi_harness.session.session import Session
from evi_harness.settings.any_path import AnyPath

__all__ = ["write_report"]


def write_report(
    what: Union[ReplayResult, LiveReport, ComparisonReport, Session, AnyPath, Iterable[AnyPath]],
    out: AnyPath,
    *,
    gate: Optional[GateReport] = None,
    audio_format: str = OGG,
) -> Path:
    """Write an HTML page to look at and listen to. The page is self-contained and loads nothing.

    Args:
        what: What to show: the result of ``replay_session``, ``replay_live`` or ``compare_sessions``; a session; or the paths of session
            folders, folders of them, and reports written as JSON. ``replay_sessions`` writes its own pages: see its ``html``.
        out: The file, or for several sessions the folder, which is created if necessary. Only pages are ever overwritten.
        gate: The result of ``judge_gate``, to show with a replay.
        audio_format: How the sound is compressed: ``ogg`` or ``flac``.

    Returns:
        The page, or index.html for several sessions.

    Raises:
        UsageError: ``out`` is a single file for several pages, or exists and is not a page.
        SessionUnreadable: A session cannot be read. The pages of the others are written.
        ReportError: A JSON file is not a report.
        EviHarnessError: A page cannot be written.

    Example:
        >>> result = evi_harness.replay_session("sessions/typed")
        >>> evi_harness.write_report(result, "typed.html")
        PosixPath('typed.html')
    """
    require_word("audio_format", audio_format, FORMATS)
    place = Path(out)
    if isinstance(what, (ReplayResult, LiveReport)):
        return write_page(page_of_result(what, None if gate is None else gate.json()), place, audio_format=audio_format).file
    if isinstance(what, ComparisonReport):
        write_comparison_pages(what, place, audio_format=audio_format)
        return place / INDEX if what.is_of_folders else place
    if isinstance(what, Session):
        return write_page(page_of_session(what), place, audio_format=audio_format).file
    written = write_named_pages(paths_of(what), place, audio_format=audio_format)
    if written.refused:
        raise SessionUnreadable("\n".join(written.refused), where=str(written.first))
    return written.first
