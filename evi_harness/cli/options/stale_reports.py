"""Remove reports of an earlier run before a command begins, so that no old verdict is left if it ends early.

Rules of living here: only what is known as a report is taken away, and only where the command line names it as output and as nothing else.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Callable, Iterator, Mapping, Sequence, Tuple

__all__ = ["remove_stale_reports"]

_SNIFFED_BYTES = 1024
_INDEX = "index.html"
# How each page begins, without white space; see acts/paging/page_place.py.
_PAGE = b'<!doctypehtml><htmllang="en"><head><metacharset="utf-8"><metahttp-equiv="content-security-policy"content="default-src'
# How each report as JSON begins; that of a live replay with the session's name.
_JSON = re.compile(rb'\{\s*"(?:schema"|passed"|format": "evi-harness latency|session": "(?:[^"\\]|\\.)*",\s*"session_id")')
# Flag → whether a file begins as what is written there does.
_REPORTS: Mapping[str, Callable[[bytes], bool]] = {
    "--json": lambda head: _JSON.match(head) is not None,
    "--junit": lambda head: b"<testsuites" in head,
    "--html": lambda head: b"".join(head.lower().split()).startswith(_PAGE),
    "--csv": lambda head: head.startswith(b'"session",'),
}
_HELP = frozenset({"-h", "--help"})
# What stands behind it is another command.
_END = "--"


def remove_stale_reports(words: Sequence[str]) -> None:
    """Remove the reports that a command is about to write. What cannot be removed is left for whoever writes it.

    Args:
        words: The words of the command.
    """
    own = list(words[: words.index(_END)] if _END in words else words)
    if not _HELP.isdisjoint(own):
        return
    for flag, name in _outputs(own):
        path = Path(name)
        if name and own.count(name) <= 1:
            _remove(path / _INDEX if flag == "--html" and path.is_dir() else path, _REPORTS[flag])


def _outputs(words: Sequence[str]) -> Iterator[Tuple[str, str]]:
    for word, behind in zip(words, [*words[1:], ""]):
        flag, equals, value = word.partition("=")
        if flag in _REPORTS:
            yield flag, value if equals else behind


def _remove(path: Path, is_report: Callable[[bytes], bool]) -> None:
    with suppress(OSError, ValueError):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                head = file.read(_SNIFFED_BYTES)
            if is_report(head):
                path.unlink()
