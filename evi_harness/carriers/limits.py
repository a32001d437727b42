"""How much of a server one client, and all clients together, may use."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Dict, Iterable, Tuple

from evi_harness.errors import UsageError

__all__ = ["DEFAULT_LIMITS", "LIMIT_NAMES", "MIB", "NO_LIMITS", "ServerLimits"]

MIB = 1024 * 1024


@dataclass(frozen=True)
class ServerLimits:
    """What a server allows.

    Attributes:
        chats: Conversations at a time. One more is answered with 503.
        waiting: Connections at a time whose request is not complete or not answered. One more closes the oldest of them.
        handshake_s: Seconds from the connection to a complete request; then 408.
        idle_s: Seconds in which nothing crosses an open socket, not even a ping; then it is closed with 1001. EVI ends any chat in 1800.
        message_mib: The largest message that a client may send. A larger one is answered with close code 1009.
        unsent_mib: What may wait for a client that does not read. Then the connection is ended.
        chat_mib: What may be kept in memory for one chat: what waits for it, half a message, and what it sent as far as that is still
            needed. Then the connection is ended.
        memory_mib: The same for all connections together. Then the connection for which most is kept is ended.
    """

    chats: int = 256
    waiting: int = 256
    handshake_s: float = 10
    idle_s: float = 1800
    message_mib: float = 16
    unsent_mib: float = 16
    chat_mib: float = 32
    memory_mib: float = 64

    def with_values(self, values: Iterable[Tuple[str, str]]) -> ServerLimits:
        """Replace limits by name.

        Args:
            values: Names (see ``LIMIT_NAMES``) and values as text; the last of a name counts.

        Raises:
            UsageError: There is no such limit, or its value is not a positive number.
        """
        return replace(self, **dict(_field_and_value(name, text) for name, text in values))

    @property
    def message_bytes(self) -> int:
        """``message_mib`` in bytes."""
        return round(self.message_mib * MIB)

    @property
    def unsent_bytes(self) -> int:
        """``unsent_mib`` in bytes."""
        return round(self.unsent_mib * MIB)

    @property
    def chat_bytes(self) -> int:
        """``chat_mib`` in bytes."""
        return round(self.chat_mib * MIB)

    @property
    def memory_bytes(self) -> int:
        """``memory_mib`` in bytes."""
        return round(self.memory_mib * MIB)


DEFAULT_LIMITS = ServerLimits()
# For a server whose one client is known: the app that is tested, in a run of its own.
NO_LIMITS = ServerLimits(
    chats=1_000_000,
    waiting=1_000_000,
    handshake_s=3600,
    idle_s=1_000_000,
    message_mib=64,
    unsent_mib=1_000_000,
    chat_mib=1_000_000,
    memory_mib=1_000_000,
)

# As people write them: without the unit.
LIMIT_NAMES: Dict[str, str] = {one.name.rpartition("_")[0] or one.name: one.name for one in fields(ServerLimits)}


def _field_and_value(name: str, text: str) -> Tuple[str, Any]:
    field = LIMIT_NAMES.get(name)
    if field is None:
        raise UsageError(f"there is no limit {name!r}", hint=f"There are: {', '.join(LIMIT_NAMES)}.")
    is_count = field == name
    try:
        value = int(text) if is_count else float(text)
    except ValueError:
        value = 0
    # Written so that "nan" is refused too.
    if not 0 < value < float("inf"):
        kind = "a whole number" if is_count else "a number"
        raise UsageError(
            f"the limit {name}={text} is not valid", hint=f"Give {kind} above 0, such as {name}={getattr(DEFAULT_LIMITS, field):g}."
        )
    return field, value
