"""A command that starts an app: what is replayed in place of a handler."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Dict, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from evi_harness.carriers.admission import Admission, is_loopback_name
from evi_harness.session.protocols import Dialect

__all__ = ["PLACE", "STANDARD_INPUT", "VARIABLE", "AppCommand", "Hosts", "address_for", "admission_for", "is_among", "led_to"]

# For an app's input: that of the process which starts it.
STANDARD_INPUT = "-"

# What stands for the URL in a word of the command, and the variable that has it.
PLACE, VARIABLE = "{url}", "EVI_HARNESS_URL"

# Where the service is: hosts, each with its port, None for any.
Hosts = Tuple[Tuple[str, Optional[int]], ...]


@dataclass(frozen=True)
class AppCommand:
    """A command, as given after ``--``.

    Attributes:
        words: The program and its arguments.
        hosts: Where the app finds the service: hosts, each with its port, None for any.
        base_url: The URL that was named for it, None for none.
        stdin: The file that is the app's standard input, ``-`` for that of this process; None for what the recorded user typed, unless this
            process has a file or a pipe.
        follows: Whether the Python programs that it starts are followed.
        together: Whether the sessions that it is replayed with are the connections of one run.
        sessions: The folders of these sessions, in order; empty where that is the one that is replayed.
        drive: The words of a command that calls the app, started once that listens, whose end is that of the run; none for no such.
    """

    words: Tuple[str, ...]
    hosts: Hosts
    base_url: Optional[str] = None
    stdin: Optional[str] = None
    follows: bool = True
    together: bool = False
    sessions: Tuple[str, ...] = ()
    drive: Tuple[str, ...] = ()

    def __str__(self) -> str:
        return shlex.join(self.words)


def led_to(command: AppCommand, hosts: Sequence[str], endpoint: Optional[str]) -> AppCommand:
    """A command that also finds the service where a session says that it is.

    Args:
        command: The command.
        hosts: Where the session's dialect has it.
        endpoint: Where it was recorded, None where nobody knows. What was on this machine then is not looked for there now.
    """
    recorded = urlsplit(endpoint or "").hostname
    named = [*hosts, *([recorded] if recorded and not is_loopback_name(recorded) else [])]
    every = (*((one.lower(), None) for one in named), *command.hosts)
    return replace(command, hosts=tuple(dict.fromkeys(every)))


def admission_for(hosts: Hosts) -> Admission:
    """Which requests are answered by what stands in the place of the service: those that name its host, and its own origin.

    Some clients name that origin by themselves, as websocket-client does.

    Args:
        hosts: Where an app looks for the service.
    """
    # This machine's own names are answered anyway.
    others = [(host, port) for host, port in hosts if not is_loopback_name(host)]
    places = [*(host for host, _ in others), *(f"{host}:{port}" for host, port in others if port not in (None, 80, 443))]
    origins = frozenset(f"{scheme}://{place}" for scheme in ("http", "https") for place in places)
    return Admission(origins, frozenset(host for host, _ in others))


def address_for(url: str, dialect: Dialect, given: Optional[str]) -> Dict[str, str]:
    """The variables by which an app of any language finds a port of this machine in the place of the service.

    Args:
        url: Where the port is.
        dialect: What the app speaks.
        given: The base URL that it would have otherwise; its path is kept, as an SDK of the service has it.
    """
    variables, base = dialect.variables, url
    if variables.base_path:
        bases = sorted(dialect.bases, key=len, reverse=True)
        base = url + next((one for one in bases if (given or "").rstrip("/").endswith(one)), variables.base_path)
    return {VARIABLE: url, variables.base_url: base}


def is_among(hosts: Hosts, host: str, port: Optional[int]) -> bool:
    """Whether the service is at a host.

    Args:
        hosts: Where it is.
        host: The host.
        port: Its port, None for any.
    """
    return any(host.lower() == one and (port is None or its in (None, port)) for one, its in hosts)
