"""Every error that evi-harness raises on purpose, in one tree, by whose fault it is.

::

    EviHarnessError
    ├── UsageError              the command line's or the call's: an invalid value
    │   ├── SpecError           a handler that is not given as FILE.py:NAME or PACKAGE.MODULE:NAME
    │   └── NotAHandler         the name is of something that cannot be replayed to
    ├── SessionError            the folder's
    │   ├── SessionUnreadable   not a session folder, or one that cannot be understood
    │   ├── AudioMissing        a line refers to audio that is not in the folder
    │   ├── IncompleteRecording a recording of which something is missing, or that was changed, where a verdict depends on it
    │   └── SessionUnwritable   the folder cannot be made or written
    ├── CaptureError            the file's: it is not a wire capture
    ├── ReportError             the file's: it is not a readable report
    ├── ImportRefused           likewise: no session can be made of it
    ├── ContainerError          the sender's: audio in a container that is damaged, or of a kind that is not read
    ├── ScriptError             the simulator's script cannot be understood
    ├── HandlerError            the developer's handler cannot be imported or built
    ├── CommandError            a command that is replayed does not start, has no app that reports in, or does what is not supported
    ├── SdkError                the installed SDK's: absent, too old, or unknown
    ├── NetworkRefused          the app's: it tried to reach something that a replay does not allow
    ├── RedirectRefused         the service's: it redirects a request that carries a key to another origin
    └── StuckError              ours to report: nothing moves any more

Rules: an error says what, where and what to do next; facts are attributes, the sentence is in ``str()``. A parameter in it is a
``Parameter``, so that the command line can use its flag. Neither contains a secret. ``exit_code`` is what the command line exits with: 1
for an incomplete recording, which is a verdict on it; 2 for wrong usage; 3 for "could not run".
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, ClassVar, Iterator, Optional, Tuple, Union

__all__ = [
    "AudioMissing",
    "CaptureError",
    "CommandError",
    "ContainerError",
    "EviHarnessError",
    "HandlerError",
    "ImportRefused",
    "IncompleteRecording",
    "NetworkRefused",
    "NotAHandler",
    "Parameter",
    "RedirectRefused",
    "ReportError",
    "ScriptError",
    "SdkError",
    "SessionError",
    "SessionUnreadable",
    "SessionUnwritable",
    "SpecError",
    "StuckError",
    "UsageError",
    "Words",
    "value_of",
]


@dataclass(frozen=True)
class Parameter:
    """A parameter that a sentence is about. From Python it is called by its name; a door calls it as its own users do.

    Attributes:
        name: The name that it has in a call, such as ``clock``.
        value: The value that is meant, None for none; a word in capitals is a placeholder, as in ``out=DIR``.
    """

    name: str
    value: object = None

    def __str__(self) -> str:
        if self.value is None:
            return self.name
        is_placeholder = isinstance(self.value, str) and self.value.isupper()
        return f"{self.name}={self.value if is_placeholder else repr(self.value)}"


class Words(str):
    """A sentence with parameters. As text it has their names, for callers from Python.

    Args:
        parts: Text, parameters, and sentences like this one, to be put together.
    """

    parts: Tuple[Union[str, Parameter], ...]

    def __new__(cls, *parts: Union[str, Parameter]) -> Words:  # noqa: D102 - the class says it
        flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, Words) else (part,)))
        words = super().__new__(cls, "".join(map(str, flat)))
        words.parts = flat
        return words

    def __getnewargs__(self) -> Tuple[Union[str, Parameter], ...]:  # type: ignore[override]
        return self.parts

    def called(self, name_of: Callable[[Parameter], str]) -> str:
        """The sentence with other names.

        Args:
            name_of: What a parameter is called, with its value if it has one.
        """
        return "".join(part if isinstance(part, str) else name_of(part) for part in self.parts)


class EviHarnessError(Exception):
    """Base of all errors of evi-harness.

    Args:
        what: What is wrong, with the value in question.
        where: The folder, file and line it was found in, if any.
        hint: What to do next, if there is something to do.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, what: str, *, where: Optional[str] = None, hint: Optional[str] = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return str(self.words())

    def words(self) -> Words:
        """All of it, in which the parameters can be called otherwise than in Python."""
        where = [self.where, ": "] if self.where else []
        return Words(*where, self.what, *(["\n", self.hint] if self.hint else []))


class UsageError(EviHarnessError):
    """Invalid use of the command line or of a call."""

    exit_code: ClassVar[int] = 2


@contextmanager
def value_of(name: str) -> Iterator[None]:
    """Have a usage error within say which parameter the value was given for.

    Args:
        name: The parameter's name in a call.
    """
    try:
        yield
    except UsageError as error:
        error.what = Words("invalid value for ", Parameter(name), ": ", error.what)
        raise


class SpecError(UsageError):
    """A handler is named neither as ``FILE.py:NAME`` nor as ``PACKAGE.MODULE:NAME``."""


class NotAHandler(UsageError):
    """The given object, or the one that was named, is not a handler."""


class SessionError(EviHarnessError):
    """Base of the errors about session folders."""


class SessionUnreadable(SessionError):
    """A folder is not a session folder, or its content cannot be understood."""


class AudioMissing(SessionError):
    """A line of events.jsonl refers to audio that is not in the folder."""


class IncompleteRecording(SessionError):
    """A recording is incomplete or was changed, and a verdict depends on it.

    Args:
        what: What is missing, in sentences, a line each.
        where: The session.
        hint: What to do next.
        missing: The sentences.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: Optional[str] = None, hint: Optional[str] = None, missing: Tuple[str, ...] = ()) -> None:
        super().__init__(what, where=where, hint=hint)
        self.missing = missing


class SessionUnwritable(SessionError):
    """A session folder cannot be created or written."""


class CaptureError(EviHarnessError):
    """A file is not a wire capture."""


class ImportRefused(EviHarnessError):
    """A file cannot be imported as a session."""


class ReportError(EviHarnessError):
    """A file is not the report of a replay or a gate."""


class ContainerError(EviHarnessError):
    """Audio in a container cannot be read: it is damaged, or not of a kind that is read. ``what`` is half a sentence about the audio."""


class ScriptError(EviHarnessError):
    """A simulator script cannot be understood, or names a voice that does not exist."""


class HandlerError(EviHarnessError):
    """The handler cannot be imported or instantiated."""


class CommandError(EviHarnessError):
    """A command cannot be replayed: it does not start, no app reports in, or the app does something that a replay does not support."""


class NotVirtual(CommandError):
    """A command cannot be replayed in virtual time; in real time it may be."""


class SdkError(EviHarnessError):
    """The SDK is not installed, too old, or unknown to this version of evi-harness."""


class NetworkRefused(EviHarnessError, ConnectionRefusedError):
    """The app tried to use the network during a replay. Raised at the app's call.

    It is what a network raises, too: libraries clean up after that alone, and an app that can do without the peer goes on.
    """

    def __init__(self, what: str, *, where: Optional[str] = None, hint: Optional[str] = None) -> None:
        super().__init__(what, where=where, hint=hint)
        # What libraries quote.
        self.errno, self.strerror = errno.ECONNREFUSED, str(self)


class RedirectRefused(EviHarnessError):
    """The service redirects to another origin. No key was sent there.

    Args:
        asked: The origin that was asked: scheme, host and port.
        led_to: The origin that it leads to; None where it is not an address.
        what: What was to be opened.
    """

    def __init__(self, asked: str, led_to: Optional[str], *, what: str = "the connection") -> None:
        where = "what is not an address" if led_to is None else f"another origin, {led_to}"
        super().__init__(
            f"{asked} redirects {what} to {where}; a key is only sent to the origin that you named",
            hint=None if led_to is None else Words("If that is where the service is, name it: ", Parameter("base_url", led_to), "."),
        )
        self.asked = asked
        self.led_to = led_to


class StuckError(EviHarnessError):
    """The app made no more progress: it neither runs nor ends, and nothing that it waits for can happen."""
