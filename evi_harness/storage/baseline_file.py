"""Baselines on disk: one JSON file, replaced atomically.

Rules of living here: what a baseline says is the measure room's business; here it is JSON and no more. A file from a stranger is data: its
size is bounded, and nothing named in it is opened.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from evi_harness.errors import EviHarnessError
from evi_harness.input_file import read_file
from evi_harness.session.foreign_text import strict_json_value
from evi_harness.storage.append import replace_file, sync_folder

__all__ = ["load_json_file", "replace_json_file"]

_HINT = "Write it again with --save-baseline, or pytest's --evi-save-baseline."


def load_json_file(file: Path) -> Any:
    """Read a file's JSON.

    Args:
        file: The file.

    Raises:
        EviHarnessError: It is not there, cannot be read, is too large or is not JSON.
    """
    try:
        text = read_file(file, "baseline", hint=_HINT)
    except OSError as error:
        raise EviHarnessError(f"the baseline cannot be read: {error.strerror or error}", where=str(file), hint=_HINT) from None
    try:
        return strict_json_value(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        what = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise EviHarnessError(f"the baseline is not JSON: {what}", where=str(file), hint=_HINT) from None


def replace_json_file(file: Path, value: Any) -> None:
    """Write JSON to a file in the place of what was there.

    Args:
        file: The file.
        value: JSON values.

    Raises:
        EviHarnessError: It cannot be written; what was there before is still there.
    """
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    try:
        if file.exists() and not file.is_file():
            # A device or a pipe is written to: another file in its place would be the end of it.
            file.write_text(text, encoding="utf-8")
            return
        # On the disk before it takes the other's place: a power failure would leave an empty file else.
        replace_file(file, text.encode(), mode=0o666)
        with suppress(OSError):
            sync_folder(file.parent)
    except OSError as error:
        hint = "Give --save-baseline, or pytest's --evi-save-baseline, a file in a folder that can be written."
        raise EviHarnessError(f"the baseline cannot be written: {error.strerror or error}", where=str(file), hint=hint) from None
