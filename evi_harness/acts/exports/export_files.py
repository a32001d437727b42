"""Export a session in several formats at once."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Protocol, Union

from evi_harness.acts.exporting import export_wav
from evi_harness.acts.exports.export_flac import export_flac
from evi_harness.acts.exports.export_har import export_har
from evi_harness.acts.exports.export_texts import export_csv, export_labels, export_metrics, export_trace, export_vtt
from evi_harness.acts.exports.whole_file import place_of_file
from evi_harness.errors import Parameter, UsageError, Words, value_of
from evi_harness.session.session import Session

__all__ = ["FORMS", "export_files"]


class _Written(Protocol):
    """What an export has written, for people."""

    def lines(self) -> List[str]:
        """What to tell people."""


class _Export(Protocol):
    """What writes a form."""

    def __call__(self, session: Union[str, Path, Session], file: Union[str, Path], *, overwrite: bool) -> _Written:
        """Write a session into a file."""


# Form → what writes it.
FORMS: Dict[str, _Export] = {
    "wav": export_wav,
    "flac": export_flac,
    "vtt": export_vtt,
    "labels": export_labels,
    "csv": export_csv,
    "metrics": export_metrics,
    "har": export_har,
    "trace": export_trace,
}


def export_files(
    session: Union[str, Path, Session],
    files: Mapping[str, Union[str, Path]],
    *,
    overwrite: bool = False,
    on_done: Callable[[], object] = lambda: None,
) -> Iterator[str]:
    """Write a session in several forms.

    Args:
        session: A session, or its folder.
        files: The file of each form; the forms are those of ``FORMS``.
        overwrite: Replace files that are there.
        on_done: Called when a file is written.

    Yields:
        What to tell people of each, a line each, when it is written.

    Raises:
        UsageError: A file may not be written, or two are one; then nothing is written.
        EviHarnessError: As the export of a form says; what was written before stays.
    """
    seen: Dict[Path, str] = {}
    for form, file in files.items():
        with value_of(form):
            path = place_of_file(file, session, overwrite=overwrite).resolve()
            if path in seen:
                raise UsageError(Words(f"{file} is given for ", Parameter(seen[path]), ", too"), hint="Each format needs its own file.")
        seen[path] = form
    for form, file in files.items():
        exported = FORMS[form](session, file, overwrite=overwrite)
        on_done()
        yield from exported.lines()
