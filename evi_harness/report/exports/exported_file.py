"""An exported file, described for people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import List, Tuple

__all__ = ["ExportedFile"]


@dataclass(frozen=True)
class ExportedFile:
    """A file of a session.

    Attributes:
        file: The file.
        what: What is in it, in short.
        remarks: What there is to say of it, a sentence each.
    """

    file: PurePath
    what: str
    remarks: Tuple[str, ...] = ()

    def lines(self) -> List[str]:
        """What to tell people: what was written, and what is missing in it."""
        return [f"{self.file}: {self.what}", *self.remarks]
