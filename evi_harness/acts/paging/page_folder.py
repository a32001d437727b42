"""Pages in a folder: a name for each, and an index of them.

Rules of living here: no page replaces another one of the same act, nor the index.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, NamedTuple, Optional, Sequence, Set, Union

from evi_harness.acts.measured_runs import Replayed
from evi_harness.acts.paging.page_making import nobody_asks, page_of_result, write_page, write_text_file
from evi_harness.acts.paging.page_place import page_place
from evi_harness.acts.repeating import RepeatedReplay
from evi_harness.acts.replay import ReplayResult
from evi_harness.audio.page_tracks import OGG
from evi_harness.errors import EviHarnessError, Parameter, UsageError, Words
from evi_harness.pages.index_file import FAILED, NO_PAGE, PASSED, Indexed, index_page
from evi_harness.pages.told_besides import not_held
from evi_harness.report.corpus_report import CorpusReport, Outcome
from evi_harness.report.migration_table import MigrationTable
from evi_harness.report.plain import printable
from evi_harness.session.json_value import Json
from evi_harness.settings.new_folder import near, possible_name
from evi_harness.settings.sink import redacted

__all__ = ["INDEX", "PageFolder", "PageNames", "PagePlace", "PagesTold", "made_folder", "pages_told", "write_index", "write_test_index"]

INDEX = "index.html"


class PageNames:
    """Gives each page a name that no other has, nor one that is the same to a file system which ignores case."""

    def __init__(self) -> None:
        self._taken: Set[str] = {INDEX}

    def file(self, name: str) -> str:
        """The name of a file.

        Args:
            name: What the page is of.
        """
        stem = possible_name(name)
        number, found = 1, f"{stem}.html"
        while found.casefold() in self._taken:
            number += 1
            found = f"{stem}-{number}.html"
        self._taken.add(found.casefold())
        return found


@dataclass(frozen=True)
class PagePlace:
    """Where the page of one replay is written: plain data, for another process.

    Attributes:
        file: The file.
        audio_format: What its sound is compressed to.
    """

    file: str
    audio_format: str = OGG

    def write(self, result: Union[ReplayResult, RepeatedReplay]) -> str:
        """Write it.

        Returns:
            The file, as people here would type it.

        Raises:
            EviHarnessError: It cannot be written.
        """
        return near(write_page(page_of_result(result), Path(self.file), audio_format=self.audio_format).file)


class PageFolder:
    """A folder of pages of many replays.

    Args:
        folder: The folder; it is created if it does not exist.
        audio_format: What the sound is compressed to.

    Raises:
        UsageError: No page may be written there, see ``page_place``; or what is there under the index's name is not a page.
        EviHarnessError: The folder cannot be made.
    """

    def __init__(self, folder: Path, audio_format: str = OGG) -> None:
        self.folder = made_folder(folder)
        self._audio_format = audio_format
        self._names = PageNames()

    def of(self, session: Union[str, Path]) -> PagePlace:
        """Where the page of a session's replay is written.

        Args:
            session: The session's folder.

        Raises:
            UsageError: What is there under the page's name is not a page.
        """
        return PagePlace(str(page_place(self.folder / self._names.file(Path(session).name))), self._audio_format)


def _write_replays(folder: Path, outcomes: Sequence[Outcome], judged: str = "") -> Path:
    rows = []
    for one in outcomes:
        state = NO_PAGE if one.page is None else PASSED if one.exit_code == 0 else FAILED
        rows.append(Indexed(one.folder, one.verdict, state, None if one.page is None else Path(one.page).name))
    return write_index(folder, "Replays", rows, judged)


class PagesTold(NamedTuple):
    """What there is to tell of pages that were written.

    Attributes:
        place: The page, or the index of the pages, as people here would type it.
        lines: What to tell people.
    """

    place: str
    lines: Sequence[str]


def pages_told(
    result: Replayed,
    place: Path,
    *,
    gate: Optional[Mapping[str, Json]] = None,
    audio_format: str = OGG,
    progress: Callable[[int, int], object] = nobody_asks,
) -> PagesTold:
    """Write the page of what was replayed; of many sessions the index, for the page of each was written where its session was replayed.

    A gate on many sessions that does not hold is told by the index.

    Args:
        result: What was replayed.
        place: The file, or the folder.
        gate: The report, as JSON, of a gate on all of it; None where there was none.
        audio_format: What the sound is compressed to.
        progress: Called with how many seconds of sound are done, and how many there are.

    Returns:
        What was written.

    Raises:
        UsageError: It is a table of sessions held again in another dialect, which has no page.
        EviHarnessError: It cannot be written, or the page of one of many sessions could not be.
    """
    if isinstance(result, MigrationTable):
        raise UsageError(Words(Parameter("html"), " takes one session at a time where it is repeated live"))
    if isinstance(result, CorpusReport):
        index = near(_write_replays(place, result.outcomes, "" if gate is None else not_held(gate)))
        n_lost = sum(bool(one.no_page) for one in result.outcomes)
        if n_lost:
            raise EviHarnessError(f"{n_lost} page{'' if n_lost == 1 else 's'} could not be written: the report says why", where=index)
        return PagesTold(index, (f"pages      {printable(index)}",))
    page = write_page(page_of_result(result, gate), place, audio_format=audio_format, progress=progress)
    return PagesTold(near(page.file), page.lines())


def made_folder(folder: Path) -> Path:
    """The folder, made where it is not there yet.

    Raises:
        UsageError: It is a session folder, or in one; or what is there under the index's name is not a page.
        EviHarnessError: It cannot be made.
    """
    page_place(folder / INDEX)
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise EviHarnessError(f"the folder of the pages cannot be created: {error.strerror}", where=str(folder)) from None
    return folder


def write_test_index(folder: Path, pages: Sequence[Sequence[str]]) -> Path:
    """Write the index of the pages of some tests that failed.

    Args:
        folder: The folder.
        pages: Of each the test's name, the verdict on its replay, and the page's file.

    Raises:
        EviHarnessError: It cannot be written.
    """
    return write_index(folder, "Tests that failed", [Indexed(name, verdict, FAILED, file) for name, verdict, file in pages])


def write_index(folder: Path, title: str, rows: Sequence[Indexed], judged: str = "") -> Path:
    """Write the index of a folder of pages.

    Args:
        folder: The folder.
        title: The index's title.
        rows: The pages.
        judged: The verdict of a gate on all of them that does not hold; empty for none.

    Raises:
        EviHarnessError: It cannot be written.
    """
    file = folder / INDEX
    write_text_file(file, iter([redacted(index_page(title, rows, judged))]))
    return file
