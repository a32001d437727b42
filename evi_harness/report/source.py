"""Places in the developer's code in a report: the file relative to the working directory, and the lines around the place.

Rules of living here: no file is opened; what is shown was captured while the code ran.
"""

from __future__ import annotations

import os
import textwrap
from typing import Iterable, List, Optional, Set, Tuple

from evi_harness.session.places import Place

__all__ = ["Shown", "from_folder", "is_named_in", "line_in"]

_LONG = 120
# So many lines of a function are shown.
_MOST_OF_FUNCTION = 12


class Shown:
    """What a report has shown so far: no source is shown twice.

    Args:
        folder: The working directory, None where nobody knows it.
    """

    def __init__(self, folder: Optional[str] = None) -> None:
        self._folder = folder
        self._seen: Set[Tuple[str, Optional[int]]] = set()

    def text(self, text: str) -> str:
        """A text whose files are named as seen from the working directory."""
        return text if self._folder is None else text.replace(self._folder.rstrip(os.sep) + os.sep, "")

    def source(self, place: Place) -> List[str]:
        """The source around a place, the line itself marked; of a function its beginning. Nothing where it is not known, or was shown."""
        if (place.file, place.line) in self._seen or not place.source:
            return []
        self._seen.add((place.file, place.line))
        lines = textwrap.dedent("\n".join(one.text.expandtabs() for one in place.source)).split("\n")
        numbered = [(one.line, text) for one, text in zip(place.source, lines)]
        while numbered and not numbered[0][1].strip() and numbered[0][0] != place.line:
            del numbered[0]
        while numbered and not numbered[-1][1].strip() and numbered[-1][0] != place.line:
            del numbered[-1]
        left = len(numbered) - _MOST_OF_FUNCTION if place.whole else 0
        if left > 0:
            del numbered[_MOST_OF_FUNCTION:]
        wide = max((len(str(number)) for number, _ in numbered), default=0)
        at = None if place.whole else place.line
        more = [f"  {'':>{wide}}  ({left} more {'line' if left == 1 else 'lines'})"] if left > 0 else []
        return [*(f"{'>' if number == at else ' '} {number:>{wide}}  {_cut(text)}".rstrip() for number, text in numbered), *more]


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def is_named_in(text: str, place: Place) -> bool:
    """Whether a text names the line of a place."""
    name = f"{place.file}:{place.line}"
    at = text.find(name)
    while at >= 0:
        if not text[at + len(name) : at + len(name) + 1].isdigit():
            return True
        at = text.find(name, at + 1)
    return False


def from_folder(file: str, folder: Optional[str]) -> Optional[str]:
    """A file as seen from a folder that it is in, at any depth; None where it is not in it."""
    if folder is None:
        return None
    prefix = folder.rstrip(os.sep) + os.sep
    return file[len(prefix) :] if file.startswith(prefix) and len(file) > len(prefix) else None


def line_in(places: Iterable[Place], folder: Optional[str]) -> Optional[Tuple[str, Optional[int]]]:
    """The first of some places whose file is in a folder: the file as seen from there, and the line."""
    found = ((from_folder(place.file, folder), place.line) for place in places)
    return next(((file, line) for file, line in found if file is not None), None)
