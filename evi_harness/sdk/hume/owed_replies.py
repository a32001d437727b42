"""Whether a reply of the assistant is still due or under way, which a conversation waits for before it ends.

Rules of living here: decided by the messages alone. Only the speaker knows which audio is still playing.
"""

from __future__ import annotations

from typing import Any, Optional

__all__ = ["Replies"]

# A type of message and what is the case behind it: the assistant owes a reply, gives one, or neither. Others change nothing.
_OWED, _UNDER_WAY, _NONE = "owed", "under way", ""
_BEHIND = {
    "user_message": _OWED,
    "tool_call": _OWED,
    "assistant_message": _UNDER_WAY,
    "audio_output": _UNDER_WAY,
    "assistant_end": _NONE,
    "error": _NONE,
}


class Replies:
    """Follows a conversation, message by message.

    Attributes:
        last_s: When the last message came, by the clock that ``take`` is given; None before the first.
    """

    def __init__(self) -> None:
        self.last_s: Optional[float] = None
        self._state = _NONE

    @property
    def is_pending(self) -> bool:
        """Whether the assistant is to say something, or to go on."""
        return self._state != _NONE

    def take(self, message: Any, now_s: float) -> None:
        """Take a message as the SDK parsed it.

        Args:
            message: The message.
            now_s: The time.
        """
        self.last_s = now_s
        # An interruption is followed by the end of the reply, and by what the user said, which is owed another.
        self._state = _BEHIND.get(getattr(message, "type", ""), self._state)
