"""The kinds of problems with a session folder.

Rules of living here: programs read kinds, so a kind keeps its name and its meaning; docs/how-to/check.md lists them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

__all__ = ["FILE_CUT", "KINDS", "Problem"]

# A file ends before what lines refer to does: the one cause of as many problems as there are such lines.
FILE_CUT = "file_cut"

KINDS = (
    *("not_a_session", "folder_unreadable", "symbolic_link", "not_a_regular_file", "strange_name", "unused_file"),
    *("header_unreadable", "old_version", "incomplete", "ends_here", "counts_differ"),
    *("events_unreadable", "line_cut", "line_damaged", "unknown_event", "out_of_order", "events_missing", "events_dropped"),
    *("time_goes_back", "implausible_time", "body_damaged", "name_leaves_the_folder", "frame_size", "secret"),
    *("file_unreadable", FILE_CUT, "beyond_the_end", "bytes_unused", "bytes_shared", "track_size", "wav_size"),
    *("no_digest", "digest_differs", "expectation_unreadable", "expectation_damaged", "expectation_of_another"),
)


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        file: Name of the file in the folder, empty for the folder itself.
        line: The line, from 1, None if it does not concern a line.
        what: What is wrong.
        hint: How to fix it, empty if there is no way.
        kind: One of ``KINDS``.
        about: What problems with the same cause share besides the kind: the truncated file, the name of the secret.
    """

    file: str
    line: Optional[int]
    what: str
    hint: str = ""
    kind: str = ""
    about: str = ""

    @property
    def place(self) -> str:
        """Its position, for people."""
        return f"{self.file or 'the folder'}{'' if self.line is None else f', line {self.line}'}"

    def __str__(self) -> str:
        return f"{self.place}: {self.what}{f' {self.hint}' if self.hint else ''}"
