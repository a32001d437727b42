"""Read a JSON file from another program, with limits on size, values, numbers and nesting.

Rules of living here: what it means is for whoever asked; here it is only made sure that it is JSON that can be handled.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

from evi_harness.errors import ImportRefused
from evi_harness.evi.foreign import form_of_bytes, form_of_whole
from evi_harness.input_file import read_file
from evi_harness.session.foreign_text import has_more_values, strict_json_value
from evi_harness.session.json_value import Json

__all__ = ["JsonFile", "hint_for", "json_file"]

# Half an hour has ninety thousand frames of 20 ms, each of some members; a page asks for much else.
_MOST_VALUES = 4_000_000


class JsonFile(NamedTuple):
    """A file.

    Attributes:
        value: What is in it.
        data: Its bytes.
    """

    value: Json
    data: bytes


def json_file(path: Path, kind: str, hint: str) -> JsonFile:
    """Read a JSON file.

    Args:
        path: The file.
        kind: What it is to be: a name of ``input_file.INPUTS``.
        hint: What to do where it is something else.

    Raises:
        ImportRefused: It cannot be read, or is not JSON.
    """
    try:
        data = read_file(path, kind, ImportRefused, hint=hint)
    except OSError as error:
        raise ImportRefused(f"it cannot be read: {error.strerror or error}", where=str(path)) from None
    try:
        text = data.decode("utf-8-sig")
        if has_more_values(text, _MOST_VALUES):
            raise ImportRefused(f"it has more than {_MOST_VALUES:,} values", where=str(path), hint=hint)
        return JsonFile(strict_json_value(text), data)
    except UnicodeDecodeError:
        form = form_of_bytes(data[:16])
        raise ImportRefused("it is not UTF-8 text", where=str(path), hint=f"It looks like {form.name}. {hint}" if form else hint) from None
    except RecursionError:
        raise ImportRefused("its JSON is nested too deeply", where=str(path), hint=hint) from None
    except ValueError as error:
        raise ImportRefused(f"it is not JSON: {error}", where=str(path), hint=hint) from None


def hint_for(path: Path, value: Json, hint: str) -> str:
    """What to do with a file that is something else: what it looks like, with the command that takes it, and what is supported.

    Args:
        path: The file.
        value: What is in it.
        hint: What is supported.
    """
    form = form_of_whole(value)
    if form is None:
        return hint
    return "\n".join((f"It looks like {form.name}. {form.way.replace('FILE', shlex.quote(str(path)))}".strip(), hint))
