"""The type of a JSON value, in a message, a note, a header or a report.

``Json`` is the one name for a value whose form has not been checked yet. It is ``Any`` to the type checker: its reader checks what it
needs, by ``isinstance`` or by a kind of note, and a union of all forms would need a check of each at every step. It is used only for such
values; in the rooms where pyproject.toml says so, no other ``Any`` is written.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Json"]

Json = Any
