"""How a replay was started, and the command that repeats it.

Rules of living here: the command contains no secret, by value or by name; if one was removed, that is said. A replay is described by the
options that it really ran with, whether the command line, a test or a call set them.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence, Tuple, Union

from evi_harness.redacting.redaction import REDACTED, Redactor
from evi_harness.redacting.source_redaction import is_secret_name
from evi_harness.report.invocation import Invocation
from evi_harness.runs.app_command import AppCommand
from evi_harness.runs.replay_options import AS_ASKED, ReplayOptions
from evi_harness.session.session import Session
from evi_harness.storage.digest import recording_digest
from evi_harness.verdicts.redacted_views import redactor_for

__all__ = [
    "PROGRAM",
    "Command",
    "command_again",
    "handlerless_invocation",
    "invocation_of",
    "is_replay_again",
    "secret_arguments",
    "told_command",
    "with_digest",
]

PROGRAM = "evi-harness"
_MODULE = "evi_harness"
# What a call from Python is a call of.
_CALLED = "replay_session"

# Option → how the command line has it, for each that a verdict depends on. A switch has no value; an option that may
# be given again has as many as it needs.
_SWITCHES: Mapping[str, str] = {
    "upgrade": "--upgrade",
    "twice": "--twice",
    "strict": "--strict",
    "update": "--update",
    "dry_run": "--dry-run",
    "allow_incomplete": "--allow-incomplete",
}
_VALUES: Mapping[str, str] = {
    "clock": "--clock",
    "max_late_ms": "--max-late",
    "timeout_s": "--timeout",
    "max_run_s": "--max-run-time",
    "thread_wait_s": "--thread-wait",
    "wall_clock": "--wall-clock",
    "seed": "--seed",
    "blocked_ms": "--blocked-ms",
    "speed": "--speed",
    "max_gap": "--max-gap",
    "first": "--from",
    "last": "--until",
    "microphone": "--microphone",
}
_LISTS: Mapping[str, str] = {"ignore": "--ignore", "allow_hosts": "--allow-host"}
# What the command line cannot say. Of ``child`` it need not: it runs handlers in a child process unless it is told not to.
_UNSAID = ("patience",)
_LONGEST = 200


@dataclass(frozen=True)
class Command:
    """What asked for a replay.

    Attributes:
        argv: The words of the command, the program first; None for a call from Python.
        test: The id of the test that made the call, None where none did.
        cwd: The working directory, None where it is gone.
    """

    argv: Optional[Tuple[str, ...]] = None
    test: Optional[str] = None
    cwd: Optional[str] = None

    @staticmethod
    def here(words: Optional[Sequence[str]] = None, test: Optional[str] = None) -> Command:
        """What is asked for in this process, in the current folder.

        Args:
            words: The words behind the program's name; None for a call from Python.
            test: See the attribute.
        """
        return Command(None if words is None else (*_program(words), *words), test, _cwd())


def _program(words: Sequence[str]) -> Tuple[str, ...]:
    """What runs this program again: the script that was called, else the module."""
    script = sys.argv[0] if sys.argv else ""
    is_script = Path(script).stem == PROGRAM and list(sys.argv[1:]) == list(words)
    return (script,) if is_script else (sys.executable or "python3", "-m", _MODULE)


def _cwd() -> Optional[str]:
    try:
        return str(Path.cwd())
    except OSError:
        return None


def secret_arguments(arguments: Optional[Mapping[str, Any]]) -> Tuple[str, ...]:
    """The values of a handler's arguments whose names say that they are secret: they are told nowhere."""
    return tuple(value for name, value in (arguments or {}).items() if isinstance(value, str) and is_secret_name(name))


def invocation_of(
    command: Command,
    session: Union[str, Path, Session],
    asked: ReplayOptions,
    redactor: Redactor,
) -> Invocation:
    """Describe a replay.

    Args:
        command: What asked for it.
        session: The recording, as it was given.
        asked: The options.
        redactor: Knows the secrets to remove.
    """
    told = _Told(redactor)
    path = None if isinstance(session, Session) else str(session)
    handler, arguments, severities, options = asked.handler, asked.arguments or {}, dict(asked.severities), asked.judged_by()
    spec = handler if isinstance(handler, str) else None
    given = {**options, "severities": severities}
    unusual = {name: value for name, value in given.items() if _plain(value) != _plain(getattr(AS_ASKED, name))}
    again = _again(path, handler, arguments, unusual)
    call = None if command.argv is not None else _call(session, handler, arguments, unusual, told)
    return Invocation(
        cwd=None if command.cwd is None else told.word(command.cwd),
        argv=None if command.argv is None else tuple(told.words(command.argv)),
        call=call,
        test=None if command.test is None else told.word(command.test),
        again=None if again is None else tuple(told.words(again)),
        path=None if path is None else told.word(path),
        spec=None if spec is None else told.word(spec),
        arguments={told.word(name): told.argument(name, value) for name, value in arguments.items()},
        severities=severities,
        options={name: redactor.data(_plain(value)) for name, value in options.items()},
        is_redacted=told.is_redacted,
    )


def handlerless_invocation(
    command: Command, session: Union[str, Path, Session], options: Mapping[str, Any], redactor: Redactor
) -> Invocation:
    """Describe a replay that runs no handler: with a live service, or of a test's own app.

    Args:
        command: What asked for it.
        session: The recording, as it was given.
        options: What was set, by name.
        redactor: Knows the secrets to remove.
    """
    told = _Told(redactor)
    path = None if isinstance(session, Session) else str(session)
    return Invocation(
        cwd=None if command.cwd is None else told.word(command.cwd),
        argv=None if command.argv is None else tuple(told.words(command.argv)),
        test=None if command.test is None else told.word(command.test),
        path=None if path is None else told.word(path),
        options={name: redactor.data(_plain(value)) for name, value in options.items()},
        is_redacted=told.is_redacted,
    )


def with_digest(one: Invocation) -> Invocation:
    """The same with the recording's digest: made when a report asks for it, since the audio is read for it as well."""
    if one.path is None or one.sha256 is not None:
        return one
    path = Path(one.cwd or "", one.path)
    return replace(one, sha256=recording_digest(path if path.is_dir() else path.parent))


def told_command(words: Sequence[str]) -> Tuple[Tuple[str, ...], Optional[str], bool]:
    """A command of this program as a report has it.

    Args:
        words: The words behind the program's name.

    Returns:
        Its words, the program first; the current folder, None where that is gone; whether a secret was taken out.
    """
    told, cwd = _Told(redactor_for()), _cwd()
    return (PROGRAM, *told.words(words)), None if cwd is None else told.word(cwd), told.is_redacted


def command_again(report: Mapping[str, Any]) -> Tuple[List[str], Optional[str]]:
    """The command that makes a replay again, of its report.

    Args:
        report: What ``--json`` wrote of one replay, or ``result.json()``.

    Returns:
        The words of the command, which replay that one session, and the folder to run it in; no words where no command can replay it: a
        session in memory, a handler that has no SPEC. Where ``report["command"]["is_redacted"]`` is true, a secret has to be put back.
    """
    command = report["command"]
    again = command["again"]
    return ([] if again is None else [sys.executable or "python3", "-m", _MODULE, *again[1:]]), command["cwd"]


class _Told:
    """Takes secrets out of words, and remembers whether there were any."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.is_redacted = False

    def word(self, text: str) -> str:
        told = self._redactor.string(text)
        self.is_redacted = self.is_redacted or told != text
        return told

    def words(self, words: Sequence[str]) -> Iterator[str]:
        """The words of a command; of NAME=VALUE behind ``--arg`` by the name."""
        before = ""
        for word in words:
            flag, equals, rest = word.partition("=")
            if before == "--arg":
                yield self._pair(word)
            elif flag == "--arg" and equals:
                yield f"--arg={self._pair(rest)}"
            else:
                yield self.word(word)
            before = word

    def argument(self, name: str, value: Any) -> str:
        """A handler's argument as text."""
        if is_secret_name(name):
            self.is_redacted = True
            return REDACTED
        return self.word(value if isinstance(value, str) else _text(value))

    def _pair(self, pair: str) -> str:
        name, equals, value = pair.partition("=")
        return f"{self.word(name)}={self.argument(name, value)}" if equals else self.word(pair)


def _plain(value: Any) -> Any:
    """An option as JSON values."""
    # Most are, and this is asked for each option of a replay.
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    return {name: _plain(inner) for name, inner in vars(value).items()}


def _again(path: Optional[str], handler: Any, arguments: Mapping[str, Any], unusual: Mapping[str, Any]) -> Optional[List[str]]:
    """The command with which one session is replayed so; None where no command can."""
    if path is None or not isinstance(handler, (str, type(None), AppCommand)) or any(name in unusual for name in _UNSAID):
        return None
    if not all(isinstance(value, str) and name.isidentifier() for name, value in arguments.items()):
        return None
    paths = handler.sessions if isinstance(handler, AppCommand) and handler.sessions else (path,)
    words = [PROGRAM, "replay", *(f"./{one}" if one.startswith("-") else one for one in paths)]
    words += ["--handler", handler] if isinstance(handler, str) else []
    words += [word for name, value in arguments.items() for word in ("--arg", f"{name}={value}")]
    words += [flag for name, flag in _SWITCHES.items() if name in unusual]
    words += [word for name, flag in _VALUES.items() if name in unusual for word in (flag, _said(unusual[name]))]
    words += [word for name, flag in _LISTS.items() for value in unusual.get(name, ()) for word in (flag, str(value))]
    words += [word for kind, level in unusual.get("severities", {}).items() for word in ("--severity", f"{kind}={level}")]
    return words + (_behind(handler) if isinstance(handler, AppCommand) else [])


def _behind(command: AppCommand) -> List[str]:
    """The words for an app that is replayed by its command: its options, and the command behind them."""
    given = {"--base-url": command.base_url, "--stdin": command.stdin, "--drive": shlex.join(command.drive) or None}
    words = [word for flag, value in given.items() if value is not None for word in (flag, value)]
    words += [flag for flag, is_given in {"--no-follow": not command.follows, "--together": bool(command.sessions)}.items() if is_given]
    return [*words, "--", *command.words]


def is_replay_again(words: Sequence[str]) -> bool:
    """Whether a command has the form that an invocation's ``again`` has: a replay of one session, with options that a verdict depends on.

    Of a report that comes from elsewhere: no other option is in it, so none that writes a file.

    Args:
        words: The words of the command, the program first.
    """
    if len(words) < 3 or tuple(words[:2]) != (PROGRAM, "replay") or words[2].startswith("-"):
        return False
    alone, before_a_value = {*_SWITCHES.values()}, {"--handler", "--arg", "--severity", *_VALUES.values(), *_LISTS.values()}
    rest = iter(words[3:])
    return all(word in alone or (word in before_a_value and next(rest, None) is not None) for word in rest)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _call(
    session: Union[str, Path, Session],
    handler: Any,
    arguments: Mapping[str, Any],
    unusual: Mapping[str, Any],
    told: _Told,
) -> str:
    """A call from Python as text; what is not a plain value stands as what it is."""
    given = [_text(session.name) if isinstance(session, Session) else repr(str(session))]
    given += [] if handler is None else [f"handler={_handler_text(handler)}"]
    if arguments:
        pairs = (f"{name!r}: {told.argument(name, value)!r}" for name, value in arguments.items())
        given.append(f"arguments={{{', '.join(pairs)}}}")
    given += [f"{name}={_plain(value)!r}" for name, value in unusual.items()]
    return told.word(f"{_CALLED}({', '.join(given)})")


def _handler_text(handler: Any) -> str:
    """A handler as a call has it."""
    if isinstance(handler, AppCommand):
        url = "" if handler.base_url is None else f", {handler.base_url!r}"
        stdin = "" if handler.stdin is None else f", stdin={handler.stdin!r}"
        more = ("" if handler.follows else ", follow=False") + (", together=True" if handler.together else "")
        more += f", drive={list(handler.drive)!r}" if handler.drive else ""
        return f"app_command({list(handler.words)!r}{url}{stdin}{more})"
    return repr(handler) if isinstance(handler, str) else _text(handler)


def _text(value: Any) -> str:
    """A value as text that is the same in every run: of an object what it is of."""
    if isinstance(value, (int, float, bool, type(None), str)):
        return repr(value)
    name = getattr(value, "__qualname__", None)
    if name is None:
        return f"<{type(value).__module__}.{type(value).__qualname__}>"
    return f"{getattr(value, '__module__', None) or '?'}.{name}"[:_LONGEST]
