"""How this program was started, so that printed commands can be typed as they are."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Optional, Sequence, Tuple

__all__ = ["as_started", "program", "program_words", "text_as_started"]

_NAME = "evi-harness"
_MODULE = "evi_harness"
# A command in a text: the program's name in front of the name of a command.
_COMMANDS = "ab|check|compare|demo|devices|doctor|explain|export|import|latency|play|proxy|record|repair|replay|report|serve|show"
_TYPED = re.compile(rf"(?<![\w./-]){_NAME} (?=(?:{_COMMANDS})\b)")


def program_words(folder: Optional[str] = None) -> Tuple[str, ...]:
    """The words that start this program again.

    Args:
        folder: Where they will be typed; None for the current folder.

    Returns:
        The command's name if a shell finds it; else the script or the module as it was started. From Python and under pytest, the name.
    """
    started = sys.argv[0] if sys.argv else ""
    if os.path.basename(started) == _NAME:  # noqa: PTH119 - it may be anything, and is not opened
        return (_NAME,) if _is_on_path(_NAME, started) else (_from(folder, started),)
    python = Path(sys.executable or "python3")
    if Path(started).parts[-2:] == (_MODULE, "__main__.py") and not _is_beside(python):
        return (python.name if _is_on_path(python.name, str(python)) else str(python), "-m", _MODULE)
    return (_NAME,)


def program(folder: Optional[str] = None) -> str:
    """The same as a shell takes it."""
    return shlex.join(program_words(folder))


def as_started(words: Sequence[str], folder: Optional[str] = None) -> Tuple[str, ...]:
    """Convert a command of this program from a report to the form to type; other commands stay unchanged.

    Args:
        words: Its words.
        folder: Where it will be typed; None for the current folder.
    """
    return (*program_words(folder), *words[1:]) if words and words[0] == _NAME else tuple(words)


def text_as_started(text: str) -> str:
    """A text for people, in which each command of this program's is as it is to be typed.

    Args:
        text: The text, with ``evi-harness COMMAND`` in it or without.
    """
    # Most have none, and most programs are started by their name.
    if f"{_NAME} " not in text or program_words() == (_NAME,):
        return text
    return _TYPED.sub(lambda _: f"{program()} ", text)


def _is_on_path(name: str, file: str) -> bool:
    found = shutil.which(name)
    return found is not None and os.path.realpath(found) == os.path.realpath(file)


def _is_beside(python: Path) -> bool:
    """Whether the name that a shell finds is of the same installation: another one may be of another version."""
    found = shutil.which(_NAME)
    return found is not None and os.path.dirname(os.path.abspath(found)) == str(python.parent)  # noqa: PTH100, PTH120 - links stay


def _from(folder: Optional[str], started: str) -> str:
    """The script as it was started; whole, where that is relative to another folder."""
    return started if folder is None or os.path.realpath(folder) == os.getcwd() else os.path.abspath(started)  # noqa: PTH100, PTH109
