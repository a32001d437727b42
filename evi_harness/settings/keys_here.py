"""The keys of this run: values with secret names in the environment, and in a .env that is not loaded yet.

Those of the dialects' own variables are taken as they are. Others only where the value is like a key too: what stands behind TOKEN_URL or
SECRET_NAME is none, and a plain word would be missed everywhere.

Rules of living here: an unreadable file is skipped; code that needs it reports that. Nothing is changed: ``environment`` loads .env.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple

from evi_harness.dialects import key_variables
from evi_harness.guard.variables import decoded, kept_variables
from evi_harness.redacting.redaction import MIN_VALUE_LENGTH
from evi_harness.redacting.source_redaction import is_secret_name

__all__ = ["environment_secrets"]

_OF_SOMETHING_ELSE = re.compile(r"_(?:URL|URI|HOST|FILE|PATH|DIR|DIRECTORY|NAME|ID|TYPE|SOCK|SOCKET)$", re.IGNORECASE)
_LIKE_A_KEY = re.compile(rf"(?=.*\d)(?=.*[A-Za-z])(?![/~.])(?!.*://)[^\s\"']{{{MIN_VALUE_LENGTH},}}")
_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?['"]?(?P<name>[\w.-]+)['"]?[ \t]*=[ \t]*(?:(?P<mark>['"])(?P<marked>.*?)(?P=mark)|(?P<bare>[^\s#]\S*))""",
    re.MULTILINE,
)
_MAX_BYTES = 1 << 20
# The variables that were looked through last, as Python keeps them, and what was found: decoding each and looking at it takes 0.2 ms.
_LATEST: List[Tuple[Dict[Any, Any], List[str]]] = []


def environment_secrets() -> List[str]:
    """The values, each once, in no certain order."""
    return list(dict.fromkeys([*_of_environment(), *_of_dotenv()]))


def _of_environment() -> List[str]:
    kept = kept_variables()
    for variables, known in _LATEST:
        if variables == kept:
            return known
    found = _secret_among(decoded(kept).items())
    _LATEST[:] = [(kept, found)]
    return found


def _secret_among(variables: Iterable[Tuple[str, Optional[str]]]) -> List[str]:
    return [value for name, value in variables if value and (name in key_variables() or _is_key(name, value))]


def _is_key(name: str, value: str) -> bool:
    return is_secret_name(name) and _OF_SOMETHING_ELSE.search(name) is None and _LIKE_A_KEY.fullmatch(value) is not None


def _of_dotenv() -> Tuple[str, ...]:
    try:
        here = Path.cwd()
        for folder in (here, *here.parents):
            file = folder / ".env"
            if file.is_file():
                return _read(file, file.stat().st_mtime_ns)
    except OSError:
        # The folder is gone, or may not be looked at.
        pass
    return ()


@lru_cache(maxsize=8)
def _read(file: Path, changed_ns: int) -> Tuple[str, ...]:  # noqa: ARG001 - another time, another content
    # Not by python-dotenv, which takes a while to import: what is to be known is what could be a value, and no more.
    try:
        with file.open("rb") as stream:
            text = stream.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(_secret_among((match["name"], match["marked"] or match["bare"]) for match in _LINE.finditer(text)))
