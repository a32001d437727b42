"""A command that starts an app: what is replayed in place of a handler."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Optional, Tuple

__all__ = ["AppCommand"]


@dataclass(frozen=True)
class AppCommand:
    """A command, as it stands behind ``--``.

    Attributes:
        words: The program and its arguments.
        hosts: Where the app finds the service: hosts, each with its port, None for any.
        base_url: The URL that was named for it, None for none.
    """

    words: Tuple[str, ...]
    hosts: Tuple[Tuple[str, Optional[int]], ...]
    base_url: Optional[str] = None

    def __str__(self) -> str:
        return shlex.join(self.words)
