"""A command to replay in place of a handler, and the addresses at which its app finds the service."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Optional, Sequence, Union
from urllib.parse import urlsplit

from evi_harness.errors import Parameter, UsageError, Words, value_of
from evi_harness.runs.app_command import STANDARD_INPUT, AppCommand, Hosts
from evi_harness.runs.replay_options import AUTO_CLOCK, REAL, VIRTUAL, ReplayOptions
from evi_harness.runs.revision import revision_here
from evi_harness.sdk.user_voice import AUTO
from evi_harness.session.protocols import Dialect
from evi_harness.settings.any_path import AnyPath
from evi_harness.settings.endpoint import endpoint_of

__all__ = ["app_command", "check_command", "named_places"]


def app_command(
    words: Sequence[str],
    base_url: Optional[str] = None,
    *,
    stdin: Optional[AnyPath] = None,
    follow: bool = True,
    together: bool = False,
    drive: Sequence[str] = (),
) -> AppCommand:
    """Name the command that starts an app, to replay the whole app in place of a handler.

    For ``replay_session``, ``replay_sessions`` and the fixture ``evi_replay``, as ``evi-harness replay SESSION -- COMMAND``. See
    docs/how-to/commands.md.

    Args:
        words: The program and its arguments, one string each.
        base_url: A URL at which the app finds the service, besides those that the session's dialect and its recording name, and the one in
            the dialect's environment variable (HUME_BASE_URL, OPENAI_BASE_URL).
        stdin: A file for the app's standard input, ``"-"`` for that of this process; None for what the recorded user typed, unless this
            process has a file or a pipe.
        follow: Whether the Python programs that the app starts are part of the replay; the first of all to connect has the session.
        together: Whether the sessions of ``replay_sessions`` are the connections of one run of the app. It is started once for each of
            them, finds all of them each time, and is judged by that one.
        drive: A second command, one string each, that calls an app which waits for callers; in real time only. It is started once the app
            listens, with the app's address in place of ``{app}`` and in EVI_HARNESS_APP, and the run ends when it has ended.

    Returns:
        A value for ``handler``.

    Raises:
        UsageError: The words are empty or a single string, a URL is invalid, or there is no such file.

    Example:
        >>> str(evi_harness.app_command(["python", "app.py", "two words"]))
        "python app.py 'two words'"
    """
    if isinstance(words, str):
        raise UsageError(f"a command is a list of words, not {words!r}", hint="Split it, for example with shlex.split.")
    if not words:
        raise UsageError("there is no command to replay", hint="Give one after --, for example -- python app.py.")
    typed = None if stdin is None else os.fspath(stdin)
    with value_of("stdin"):
        if typed not in (None, STANDARD_INPUT) and not os.path.isfile(typed):  # noqa: PTH113 - a path of any kind
            raise UsageError(
                f"there is no file {typed!r}", hint="Give a file with what the user types, or - for the input of this process."
            )
    if isinstance(drive, str):
        with value_of("drive"):
            raise UsageError(f"a command is a list of words, not {drive!r}", hint="Split it, for example with shlex.split.")
    hosts = () if base_url is None else _place_of(base_url)
    return AppCommand(tuple(words), hosts, base_url, typed, follow, together, drive=tuple(drive))


def _place_of(url: str, *, source: Union[str, Parameter] = Parameter("base_url"), dialect: Optional[Dialect] = None) -> Hosts:  # noqa: B008 - it never changes
    # A host of its own is the service's on every port; one that others share, by its port.
    place = urlsplit(endpoint_of(url, source=source, dialect=dialect).base_url)
    return (((place.hostname or "").lower(), place.port),)


def named_places(command: AppCommand, dialect: Dialect) -> AppCommand:
    """A command that also finds the service at its own address, and where the environment says that it is.

    Args:
        command: The command.
        dialect: What its app speaks.

    Raises:
        UsageError: The variable of the environment holds no URL.
    """
    variable = dialect.variables.base_url
    url = os.environ.get(variable)
    named = _place_of(url, source=variable, dialect=dialect) if url else ()
    return replace(command, hosts=tuple(dict.fromkeys((*_place_of(dialect.service_url, dialect=dialect), *command.hosts, *named))))


def _check_in_real_time(asked: ReplayOptions, command: AppCommand) -> None:
    if command.together:
        hint = Words("Leave out ", Parameter("clock", asked.clock), ", or ", Parameter("together"), ".")
        raise UsageError("in real time, a run of a command has one connection", hint=hint)
    if asked.blocked_ms is not None:
        hint = Words("Leave out ", Parameter("clock", asked.clock), ", or ", Parameter("blocked_ms"), ".")
        raise UsageError("in real time, the event loop of a command's app is not watched", hint=hint)


def check_command(asked: ReplayOptions, n_starts: int = 1) -> None:
    """Refuse options that a command cannot be replayed with.

    Args:
        asked: The options.
        n_starts: How many times the command is started for other reasons than ``twice``.

    Raises:
        UsageError: One of them is given.
    """
    if not isinstance(asked.handler, AppCommand):
        if asked.clock == AUTO_CLOCK:
            hint = Words("Give ", Parameter("clock", VIRTUAL), " or ", Parameter("clock", REAL), ", or replay a command.")
            raise UsageError(f"the clock {AUTO_CLOCK!r} needs a command: it starts an app again, which a handler cannot be", hint=hint)
        return
    if asked.handler.drive and asked.clock != REAL:
        hint = Words("Give ", Parameter("clock", REAL), " too, or leave out ", Parameter("drive"), ".")
        raise UsageError("a command that calls the app needs real time: virtual time does not wait for callers", hint=hint)
    if asked.clock != VIRTUAL:
        _check_in_real_time(asked, asked.handler)
    if asked.microphone != AUTO:
        raise UsageError("an app run by a command opens its own microphone", hint=Words("Leave out ", Parameter("microphone"), "."))
    revision = revision_here()
    if revision is not None:
        raise UsageError(
            f"ab cannot tell whether the app of a command runs the code of the revision {revision.name}",
            hint=Words("Give ab a command for each version, ", Parameter("a"), " and ", Parameter("b"), ", or replay a handler."),
        )
    if asked.handler.stdin == STANDARD_INPUT and n_starts * (2 if asked.twice or asked.clock == AUTO_CLOCK else 1) > 1:
        raise UsageError("the input of this process can be read once, and the command is started several times", hint="Give it as a file.")
    if asked.handler.together and (asked.first is not None or asked.last is not None):
        hint = Words("Leave out ", Parameter("first"), " and ", Parameter("last"), ", or replay one session.")
        raise UsageError("sessions that belong together are replayed whole", hint=hint)
    if asked.arguments:
        raise UsageError("a command does not get handler arguments", hint="Give them after the command.")
