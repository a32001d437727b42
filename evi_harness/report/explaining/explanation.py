"""An explanation of a report as plain text: under 2,000 bytes, for a CI log or a coding agent.

Rules of living here: the text is always shorter than ``MAX_BYTES``, in UTF-8 and with its last line break, whatever the report holds. A
command is shown whole or not at all: one that was cut does something else. What is left out is counted.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from typing import Iterator, Optional, Sequence, Tuple

from evi_harness.report.explaining.told_causes import ToldCause, ToldReport
from evi_harness.report.plain import printable
from evi_harness.report.source import Shown
from evi_harness.session.places import Place

__all__ = ["MAX_BYTES", "explanation_text"]

# The text is shorter than this.
MAX_BYTES = 2000
_CAUSES = 3
_LINES = 3
# So many bytes each text may have: the most with which all of it fits.
_BUDGETS = (600, 400, 280, 200, 150, 120, 100, 80, 60)
# A longer command, folder or page is not shown: the rest is worth more.
_MOST_COMMAND, _MOST_COMMANDS, _MOST_PATH, _MOST_VERSIONS = 800, 1000, 200, 200
_WIDE = 10
# So much of a text may stand before the first character in which it differs from another one.
_BEFORE = 20
_MORE = "…"
_VERSIONS = ("evi_harness", "python", "hume", "websockets", "platform")


def explanation_text(told: ToldReport, where: str = "", shorter: Sequence[str] = ()) -> str:
    """Explain a report.

    Args:
        told: What it tells.
        where: Its file, named where something of it has no room; empty for none.
        shorter: A shorter command, which was run and fails in the same way; empty for none.

    Returns:
        Lines, each with its line break; shorter than ``MAX_BYTES`` bytes together.
    """
    # Page and versions go before the command does: what failed, and how to see it again, is what a reader came for.
    fewer = replace(told, page=None, versions={})
    least = replace(fewer, again=(), instead="")
    for one in (told, fewer, least):
        for n_causes in range(min(_CAUSES, len(one.causes)), -1, -1):
            for budget in _BUDGETS:
                text = "\n".join([*_lines(one, where, shorter, n_causes, budget), ""])
                if _size(text) < MAX_BYTES:
                    return text
    return f"{_cut(told.headline, 300)}\n"


def _lines(told: ToldReport, where: str, shorter: Sequence[str], n_causes: int, budget: int) -> Iterator[str]:
    shown = Shown(told.cwd)
    yield _cut(told.headline, min(budget, 300))
    for number, cause in enumerate(told.causes[:n_causes], 1):
        yield ""
        yield from _cause(number, cause, told.is_of_many, shown, budget)
    if len(told.causes) > n_causes:
        yield ""
        yield _rest(told.causes[n_causes:])
    yield ""
    yield from _command(told, where, shorter)
    if told.page is not None:
        page = printable(told.page)
        yield _row("page", page if _size(page) <= _MOST_PATH else f"the path is too long to show: see page in {_file(where)}")
    versions = [f"{name} {told.versions[name]}" for name in _VERSIONS if name in told.versions]
    if versions:
        yield _row("versions", _cut(", ".join(versions), _MOST_VERSIONS))


def _cause(number: int, cause: ToldCause, is_of_many: bool, shown: Shown, budget: int) -> Iterator[str]:
    times = f", {cause.n} times, first" if cause.n > 1 else ""
    when = f"{'' if times else ','} {cause.when}" if cause.when else ""
    yield f"{number}. {_cut(f'{cause.kind} ({cause.what})', 60)}{times}{_cut(when, budget)}"
    if is_of_many and cause.session:
        more = f" and {cause.n_sessions - 1} more" if cause.n_sessions > 1 else ""
        yield _row("session", f"{_cut(cause.session, budget, keep_end=True)}{more}")
    observed, expected = _pair(shown.text(_in_a_line(cause.observed)), shown.text(_in_a_line(cause.expected)), budget)
    yield _row("observed", observed)
    if expected:
        yield _row("expected", expected)
    if cause.place is not None:
        yield _row("at", _cut(shown.text(str(cause.place)), budget, keep_end=True))
        yield from (f"    {_cut(line, min(budget, 110))}" for line in shown.source(_three_lines(cause.place)))
    if cause.to_try:
        yield _row("try", _cut(cause.to_try, max(budget, 80)))


def _three_lines(place: Place) -> Place:
    """A place with three lines of its source: the line itself, and of those around it what says something, in its middle if that may be."""
    if place.whole:
        return replace(place, source=place.source[:_LINES])
    at = next((index for index, one in enumerate(place.source) if one.line == place.line), None)
    if at is None:
        return replace(place, source=())
    windows = [place.source[start : start + _LINES] for start in (at - 1, at - 2, at) if start >= 0]
    best = max(windows, key=lambda lines: sum(bool(one.text.strip()) for one in lines), default=place.source[:_LINES])
    return replace(place, source=best)


def _rest(causes: Sequence[ToldCause]) -> str:
    counts = {what: sum(one.n for one in causes if one.what == what) for what in dict.fromkeys(one.what for one in causes)}
    told = ", ".join(f"{n} of {what}" for what, n in counts.items())
    return f"and {len(causes)} more {'cause' if len(causes) == 1 else 'causes'}: {told}"


def _command(told: ToldReport, where: str, shorter: Sequence[str]) -> Iterator[str]:
    """The command that runs it again, whole or not at all."""
    if not told.again:
        yield _row(
            "again",
            f"no command repeats it; the call was {_cut(told.instead, _MOST_PATH)}" if told.instead else "the report names no command",
        )
        return
    command = _in_folder(told.again, told.cwd)
    if not command.isprintable() or _size(command) > _MOST_COMMAND:
        yield _row("again", f"the command is too long to show: see command in {_file(where)}")
        return
    yield _row("again", command)
    less = _in_folder(shorter, told.cwd)
    if shorter and less.isprintable() and _size(command) + _size(less) <= _MOST_COMMANDS:
        yield _row("shorter", less)
        yield _row("", "verified: it fails in the same way")
    if told.is_redacted:
        yield _row("", "replace [redacted] with the secret")


def _in_folder(words: Sequence[str], folder: Optional[str]) -> str:
    return shlex.join(words) if folder is None else f"cd {shlex.quote(folder)} && {shlex.join(words)}"


def _file(where: str) -> str:
    name = printable(os.path.basename(where))  # noqa: PTH119 - a report has text, and no path is opened
    return _cut(name, 60) if name else "the report"


def _row(label: str, text: str) -> str:
    return f"  {label:<{_WIDE}}{text}"


def _in_a_line(text: str) -> str:
    return " ".join(text.split())


def _pair(one: str, other: str, budget: int) -> Tuple[str, str]:
    """Two texts within a budget, both from shortly before they first differ, where that has no room."""
    one, other = printable(one), printable(other)
    if max(_size(one), _size(other)) <= budget:
        return one, other
    differs = next((index for index, (a, b) in enumerate(zip(one, other)) if a != b), 0)
    if differs * 2 > budget and differs > _BEFORE:
        start = differs - _BEFORE
        one, other = f"{_MORE}{one[start:]}", f"{_MORE}{other[start:]}"
    return _cut(one, budget), _cut(other, budget)


def _cut(text: str, budget: int, *, keep_end: bool = False) -> str:
    """A text in one line and at most so many bytes, with a sign where something is missing."""
    text = printable(text)
    data = text.encode("utf-8", "replace")
    if len(data) <= budget:
        return text
    room = budget - len(_MORE.encode())
    kept = data[-room:] if keep_end else data[:room]
    part = kept.decode("utf-8", "ignore")
    return f"{_MORE}{part}" if keep_end else f"{part}{_MORE}"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
