"""Places in the developer's code, as in notes and reports: file, line, function and the surrounding source.

Rules of living here: nothing is looked up; a place is what was captured while the code ran. A note may come from a stranger's session, so
what has not the form of a place is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Iterable, Mapping, NamedTuple, Optional, Tuple

from evi_harness.session.events import Note
from evi_harness.session.json_value import Json

__all__ = ["DEFINED", "PLACES", "RAN", "Place", "SourceLine", "Sources", "place_json", "places_in"]

# The member of a note's data, and of a finding and a deviation in a report, that holds places.
PLACES = "places"

# Of a place that is a whole function: that it ran, or no more than that it is defined there.
RAN = "ran"
DEFINED = "defined"


class SourceLine(NamedTuple):
    """A line of source.

    Attributes:
        line: Its number, from 1.
        text: What it says, without its line break.
    """

    line: int
    text: str


@dataclass(frozen=True)
class Place:
    """A line of code, as frames, tracebacks and coroutines have it; or a function, where no line of it is known.

    Attributes:
        file: The file, as its code object names it.
        line: The line, from 1; None where the code has none.
        function: The function that the line is in.
        source: The line and a few around it; of a function all of it, unless it is long. Empty where the source could not be had.
        whole: ``RAN`` or ``DEFINED`` for a function, of which ``line`` is the first; empty for a line.
    """

    file: str
    line: Optional[int]
    function: str
    source: Tuple[SourceLine, ...] = ()
    whole: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


def place_json(place: Place) -> Dict[str, Json]:
    """A place as JSON values."""
    source = [{"line": one.line, "text": one.text} for one in place.source]
    whole = {"whole": place.whole} if place.whole else {}
    return {"file": place.file, "line": place.line, "function": place.function, "source": source, **whole}


def places_in(data: Mapping[str, Json]) -> Tuple[Place, ...]:
    """The places in a note's data, the innermost first; what has not their form is passed over.

    Args:
        data: The data; most notes have no places.
    """
    found = data.get(PLACES)
    read = [_place(one) for one in found] if isinstance(found, (list, tuple)) else []
    return tuple(place for place in read if place is not None)


class Sources:
    """The source that a session's notes hold: a place that is noted again and again has it once.

    Args:
        notes: The session's notes.
    """

    def __init__(self, notes: Iterable[Note]) -> None:
        self._notes = notes
        self._known: Optional[Dict[Tuple[str, Optional[int], str, str], Tuple[SourceLine, ...]]] = None

    def of(self, data: Mapping[str, Json]) -> Tuple[Place, ...]:
        """The places in a note's data, each with its source where any note has it."""
        return tuple(place if place.source else replace(place, source=self._source(place)) for place in places_in(data))

    def _source(self, place: Place) -> Tuple[SourceLine, ...]:
        if self._known is None:
            told = (one for note in self._notes for one in places_in(note.data) if one.source)
            self._known = {_line_of(one): one.source for one in told}
        return self._known.get(_line_of(place), ())


def _line_of(place: Place) -> Tuple[str, Optional[int], str, str]:
    return place.file, place.line, place.function, "function" if place.whole else ""


def _place(value: Json) -> Optional[Place]:
    if not isinstance(value, Mapping):
        return None
    file, line, function, source = (value.get(name) for name in ("file", "line", "function", "source"))
    if not isinstance(file, str) or not isinstance(function, str) or not (line is None or _is_line(line)):
        return None
    whole = value.get("whole")
    return Place(file, line, function, _source(source), str(whole) if whole in (RAN, DEFINED) else "")


def _source(value: Json) -> Tuple[SourceLine, ...]:
    lines = value if isinstance(value, (list, tuple)) else ()
    read = [(one.get("line"), one.get("text")) for one in lines if isinstance(one, Mapping)]
    return tuple(SourceLine(int(line), text) for line, text in read if line is not None and _is_line(line) and isinstance(text, str))


def _is_line(value: Json) -> bool:
    # true and false are numbers to Python.
    return type(value) is int
