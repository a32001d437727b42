"""Decide whether code is the developer's: the one rule for stacks, exceptions, tasks and coroutines.

A file tells only part of it. One that is neither of this package, nor Python's own, nor installed is the developer's; so is the demo's
example of an app. One that is installed
may be a library, or the app under test itself, put there by tox or by a container's ``pip install .``. So if the developer's code is on the
stack, all libraries are left out: the line to look at is the one that called them. If there is none, the outermost installed package counts
as the developer's: it was called first, and the harness calls nothing but the handler. Otherwise an installed app would have no places at
all. Only the SDK and what it is made of never count, since the harness starts these itself; what goes wrong in them alone has no place in
anybody's app.

Code without a file counts like a package: it may be the app, after ``python -c`` or at a prompt, or what ``dataclass`` has made.

Rules of living here: nothing is looked up on the disk; a place has no source yet, and as text it is ``file:line in function``.
"""

from __future__ import annotations

import os
import re
import sysconfig
from functools import cache
from pathlib import Path
from typing import Iterable, List

from evi_harness.session.places import Place

__all__ = ["DEVELOPER", "HARNESS", "NO_FILE", "PYTHON", "developers", "is_installed", "is_library", "of_developers", "owner"]

# Owners of a file beside installed packages, none of which can be called so.
DEVELOPER, HARNESS, PYTHON, NO_FILE = "the developer", "the harness", "Python itself", "no file"

_PACKAGE = f"{Path(__file__).resolve().parent.parent}{os.sep}"
# An app that the demo shows with a mistake, whose line a report has to name.
_EXAMPLE = str(Path(_PACKAGE, "sdk", "openai", "realtime_demo_app.py"))
_STANDARD = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib")})
_INSTALLED = re.compile(r".*/(?:site|dist)-packages/([^/]+)".replace("/", re.escape(os.sep)))
_SDK = frozenset({"hume", "openai", "websockets", "aiohttp", "anyio", "httpcore", "httpx", "pydantic", "typing_extensions.py"})
_NEVER = frozenset({HARNESS, PYTHON, *_SDK})


def developers(places: Iterable[Place]) -> List[str]:
    """The same as ``of_developers``, as text."""
    return [str(place) for place in of_developers(places)]


def of_developers(places: Iterable[Place]) -> List[Place]:
    """Those of some places that are the developer's, in their order; see above for which these are.

    Args:
        places: What led from one to the next, the innermost first.
    """
    owned = [(owner(place.file), place) for place in places]
    counting = [whose for whose, _ in owned if whose not in _NEVER]
    chosen = DEVELOPER if DEVELOPER in counting else counting[-1] if counting else None
    return [place for whose, place in owned if whose == chosen]


def is_library(place: Place) -> bool:
    """Whether the file of a place is installed, whoever's it is."""
    return is_installed(place.file)


def is_installed(file: str) -> bool:
    """Whether a file belongs to an installed package: it is neither the developer's, nor ours, nor Python's.

    Args:
        file: As a code object has it.
    """
    return owner(file) not in (DEVELOPER, HARNESS, PYTHON, NO_FILE)


@cache
def owner(file: str) -> str:
    """Whose a file is: ``DEVELOPER``, ``HARNESS``, ``PYTHON``, ``NO_FILE`` for code without one, or the name of an installed package.

    Args:
        file: As a code object has it.
    """
    if file.startswith("<"):
        return PYTHON if file.startswith("<frozen") else NO_FILE
    if file.startswith(_PACKAGE):
        return DEVELOPER if file == _EXAMPLE else HARNESS
    # Where packages are installed is below where Python keeps its own.
    installed = _INSTALLED.match(file)
    if installed is not None:
        return installed[1]
    return PYTHON if file.startswith(_STANDARD) else DEVELOPER
