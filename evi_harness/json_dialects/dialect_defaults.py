"""What a dialect of JSON messages need not say itself: what means nothing in many protocols, and what is alike in most.

Rules of living here: no member knows a message type. A dialect that has more to say overrides the member.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.json_dialects.json_messages import JsonMessages
from evi_harness.json_dialects.one_line import names_of
from evi_harness.session.events import BINARY, Event, Frame, Handshake
from evi_harness.session.protocols import AccessCheck, HttpAnswer, Message, Saying, ToldSession, Truncated

__all__ = ["NO_OBJECT", "DialectDefaults"]

# The name under which a text that is not a JSON object is compared.
NO_OBJECT = "no JSON object"
_MESSAGES = JsonMessages()


class DialectDefaults:
    """Members of ``session.protocols.Dialect``, where they are documented, for dialects of JSON messages with a type.

    A subclass adds what every dialect has: its name, version and addresses, ``strictly``, ``reader``, ``causes``, ``prompts``,
    ``is_awaited``, ``is_known``, ``must_equal`` and ``turns``.
    """

    token_path: Optional[str] = None
    history_paths: Tuple[str, ...] = ()
    bases: Tuple[str, ...] = ()
    folded_names: FrozenSet[str] = frozenset()

    def read(self, kind: str, frame: Frame) -> Message:  # noqa: ARG002 - the protocol's
        """The JSON object of a text frame, with its type; nothing of a binary one."""
        return Message(None) if frame.opcode == BINARY else _MESSAGES.read(frame)

    def sets_audio(self, message: Message) -> bool:  # noqa: ARG002 - the protocol's
        """Never: no message of the app's gives a format."""
        return False

    def gives_format(self, message: Message) -> bool:  # noqa: ARG002 - the protocol's
        """Never that alone."""
        return False

    def sets_up(self, message: Message) -> bool:  # noqa: ARG002 - the protocol's
        """Never: a part of a session begins without one."""
        return False

    def is_call(self, message: Message) -> bool:  # noqa: ARG002 - the protocol's
        """Never: no message calls a tool."""
        return False

    def answer_to(self, call: Message, answer: Frame) -> Frame:  # noqa: ARG002 - the protocol's
        """The answer as it is."""
        return answer

    def is_error(self, message: Message) -> bool:
        """Whether the type is ``error``."""
        return message.type == "error"

    def ended_by(self, message: Message) -> Optional[str]:  # noqa: ARG002 - the protocol's
        """None: no error is known to end a session."""
        return None

    def explain(self, code: Union[str, int]) -> str:
        """That nobody says what a code means."""
        return f"The protocol's documentation does not say what {code} means."

    def ids(self, message: Message) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """None are given."""
        return {}

    def key_check(
        self,
        api_key: Optional[str],  # noqa: ARG002 - the protocol's
        secret_key: Optional[str],  # noqa: ARG002
        *,
        token_seconds: int,  # noqa: ARG002
        token_name: str,  # noqa: ARG002
    ) -> Optional[AccessCheck]:
        """None: nobody knows how keys are presented."""
        return None

    def keys_in(self, handshake: Handshake) -> Tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """None are known."""
        return ()

    def subprotocol(self, handshake: Handshake) -> Optional[str]:  # noqa: ARG002 - the protocol's
        """None."""
        return None

    def token_answer(self, token: str, body: bytes, issued_s: int, expires_in_s: int) -> Mapping[str, Any]:  # noqa: ARG002 - the protocol's
        """The token alone."""
        return {"token": token}

    def call_text(self, call: Message) -> str:
        """The names of a call's fields."""
        return names_of(call.fields)

    def family(self, message: Message) -> str:
        """The type: a message may only be replaced by one of its own."""
        return message.type or ""

    def identity(self, message: Message) -> Optional[str]:  # noqa: ARG002 - the protocol's
        """None: a message is about nothing in particular."""
        return None

    def truncations(self, events: Sequence[Event]) -> Dict[int, Truncated]:  # noqa: ARG002 - the protocol's
        """Empty: apps do not say how much was heard."""
        return {}

    def rejected(self, events: Sequence[Event]) -> Dict[int, Tuple[str, ...]]:  # noqa: ARG002 - the protocol's
        """Empty: nothing is known to be refused."""
        return {}

    def chunk(self, message: Message) -> Optional[Tuple[str, int]]:  # noqa: ARG002 - the protocol's
        """None: no message says which piece of a sentence its audio is."""
        return None

    def comparable_handshakes(self, recorded: Handshake, live: Handshake) -> Tuple[Mapping[str, Any], Mapping[str, Any]]:  # noqa: ARG002
        """Nothing is compared."""
        return {}, {}

    def resumed(self, handshake: Handshake) -> Optional[str]:  # noqa: ARG002 - the protocol's
        """None: each connection begins a new conversation."""
        return None

    def describe(self, kind: str, message: Message) -> str:
        """The type, and what is said, or the names of the fields."""
        said = self.saying(kind, message)
        return f"{message.type or 'no message'} {names_of(message.fields) if said is None else said.text}".strip()

    def saying(self, kind: str, message: Message) -> Optional[Saying]:  # noqa: ARG002 - the protocol's
        """None: nothing is said in a message."""
        return None

    def history(self, request: Handshake, sessions: Sequence[ToldSession]) -> Optional[HttpAnswer]:  # noqa: ARG002 - the protocol's
        """None: conversations are kept nowhere."""
        return None

    def typed(self, message: Message) -> Optional[str]:  # noqa: ARG002 - the protocol's
        """None: nobody types."""
        return None

    def telling(self, kind: str, message: Message) -> int:
        """What is said first, then calls of tools, and all else."""
        if self.saying(kind, message) is not None:
            return 0
        return 1 if self.is_call(message) else 2

    def is_aside(self, message: Message) -> bool:  # noqa: ARG002 - the protocol's
        """False: each message is part of the conversation."""
        return False
