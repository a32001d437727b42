"""How sent messages are compared: a dialect with the given exclusions and strictness.

The player pairs by the same rules as the verdict, so that a message that differs only in what is left out releases what waits for it. Holds
no secrets, so that it can be given to another process.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Iterable, Iterator, Mapping, Optional, Tuple

from evi_harness.errors import value_of
from evi_harness.replay.judging.json_paths import HANDSHAKE, MessagePath
from evi_harness.session.events import Handshake
from evi_harness.session.protocols import Dialect, Message
from evi_harness.session.session import Session
from evi_harness.session.wrapped_dialect import WrappedDialect

__all__ = ["AS_USUAL", "Comparing", "Rules", "matched"]


@dataclass(frozen=True)
class Rules:
    """How to compare.

    Attributes:
        ignored: What is left out.
        strict: Whether what is given anew in each run must be equal too.
    """

    ignored: Tuple[MessagePath, ...] = ()
    strict: bool = False

    @staticmethod
    def of(ignore: Iterable[str], strict: bool) -> Rules:
        """Read the rules off what a user said.

        Args:
            ignore: Paths, such as ``$.content`` or ``tool_response:$.content``.
            strict: See the attribute.

        Raises:
            UsageError: One of them is not a path.
        """
        with value_of("ignore"):
            return Rules(tuple(MessagePath.parse(path) for path in ignore), strict)


AS_USUAL = Rules()


def matched(dialect: Dialect, rules: Rules, *sessions: Session) -> Tuple[Tuple[str, bool], ...]:
    """Each path that is left out, and whether anything that is compared stands there.

    Args:
        dialect: That of the sessions.
        rules: The rules.
        sessions: The sessions that are compared.
    """
    plain = Comparing(dialect, Rules(strict=rules.strict))
    messages = [message for session in sessions for message in _compared(session, plain)] if rules.ignored else []
    return tuple((path.text, any(path.matches(message) for message in messages)) for path in rules.ignored)


def _compared(session: Session, dialect: Dialect) -> Iterator[Message]:
    if session.handshake is not None:
        yield Message(HANDSHAKE, dialect.comparable_handshakes(session.handshake, session.handshake)[0])
    audio = session.audio(dialect)
    for event in session.sent:
        if event not in audio:
            message = dialect.read(event.kind, event.frame)
            # What is nested too deep to be walked is compared without its fields.
            with suppress(RecursionError):
                yield Message(message.type, dialect.must_equal(message))


class Comparing(WrappedDialect):
    """A dialect that compares by rules.

    Args:
        dialect: The dialect.
        rules: The rules.
    """

    def __init__(self, dialect: Dialect, rules: Rules = AS_USUAL) -> None:
        super().__init__(dialect.strictly() if rules.strict else dialect)
        self._ignored = rules.ignored

    def strictly(self) -> Comparing:
        """The same, which leaves out the same."""
        return Comparing(self.within, Rules(self._ignored, strict=True))

    def identity(self, message: Message) -> Optional[str]:
        """What a message is about, None also where that is left out."""
        # What is nested too deep to be walked is compared by this alone.
        with suppress(RecursionError):
            message = self._left_of(message)
        return super().identity(message)

    def must_equal(self, message: Message) -> Mapping[str, Any]:
        """The fields of a message that are compared."""
        return self._left_of(Message(message.type, super().must_equal(message))).fields

    def comparable_handshakes(self, recorded: Handshake, live: Handshake) -> Tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The fields of two handshakes that are compared."""
        then, now = super().comparable_handshakes(recorded, live)
        return self._left_of(Message(HANDSHAKE, then)).fields, self._left_of(Message(HANDSHAKE, now)).fields

    def _left_of(self, message: Message) -> Message:
        for path in self._ignored:
            message = Message(message.type, path.pruned(message))
        return message
