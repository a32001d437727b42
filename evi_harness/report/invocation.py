"""How a replay was started, so that it can be repeated: command, recording, handler, options and versions.

Rules of living here: no secret stands in it; where one was taken out, it says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Mapping, Optional, Tuple

from evi_harness.session.events import NOTHING
from evi_harness.session.json_value import Json

__all__ = ["UNKNOWN", "Invocation", "invocation_json"]


@dataclass(frozen=True)
class Invocation:
    """How a replay was asked for.

    Attributes:
        cwd: The working directory, None where nobody knows.
        argv: The command that was run, None for a call from Python.
        call: The call from Python as text, None for a command.
        test: The id of the test that made the call, None where none did.
        again: The command that replays this one session to this handler in the same way, to be run in ``cwd``; None where no command
            can: for a session in memory, or a handler that was given as an object.
        is_redacted: Whether a secret was taken out of the arguments or the command: it has to be put back before they can be used.
        path: The recording's folder as it was given, None for a session in memory.
        sha256: Its digest, None likewise: see ``storage.digest``.
        spec: The handler's name (``FILE.py:NAME``), None for the built-in one and for an object.
        arguments: What the handler's class or function got, as text.
        severities: What findings weigh, as it was set.
        options: The other options that a verdict depends on, by the names that ``replay_session`` has for them.
    """

    cwd: Optional[str] = None
    argv: Optional[Tuple[str, ...]] = None
    call: Optional[str] = None
    test: Optional[str] = None
    again: Optional[Tuple[str, ...]] = None
    is_redacted: bool = False
    path: Optional[str] = None
    sha256: Optional[str] = None
    spec: Optional[str] = None
    arguments: Mapping[str, str] = field(default=NOTHING)
    severities: Mapping[str, str] = field(default=NOTHING)
    options: Mapping[str, Json] = field(default=NOTHING)


UNKNOWN = Invocation()


def invocation_json(one: Invocation, versions: Mapping[str, str]) -> Dict[str, Json]:
    """The members that a report has of it.

    Args:
        one: The invocation.
        versions: What it ran on, by name.
    """
    return {
        "command": {
            "argv": None if one.argv is None else list(one.argv),
            "cwd": one.cwd,
            "call": one.call,
            "test": one.test,
            "again": None if one.again is None else list(one.again),
            "is_redacted": one.is_redacted,
        },
        "recording": {"path": one.path, "sha256": one.sha256},
        "handler_spec": one.spec,
        "arguments": dict(one.arguments),
        "severities": dict(one.severities),
        "options": dict(one.options),
        "versions": dict(versions),
    }
