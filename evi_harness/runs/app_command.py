"""A command that starts an app: what is replayed in place of a handler."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Optional, Tuple

__all__ = ["AppCommand", "Hosts", "is_among"]

# Where the service is: hosts, each with its port, None for any.
Hosts = Tuple[Tuple[str, Optional[int]], ...]


@dataclass(frozen=True)
class AppCommand:
    """A command, as given after ``--``.

    Attributes:
        words: The program and its arguments.
        hosts: Where the app finds the service: hosts, each with its port, None for any.
        base_url: The URL that was named for it, None for none.
    """

    words: Tuple[str, ...]
    hosts: Hosts
    base_url: Optional[str] = None

    def __str__(self) -> str:
        return shlex.join(self.words)


def is_among(hosts: Hosts, host: str, port: Optional[int]) -> bool:
    """Whether the service is at a host.

    Args:
        hosts: Where it is.
        host: The host.
        port: Its port, None for any.
    """
    return any(host.lower() == one and (port is None or its in (None, port)) for one, its in hosts)
