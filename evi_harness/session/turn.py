"""A turn: the user speaks, the assistant answers, with any interruption."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional, Tuple

__all__ = ["Speech", "Turn", "TurnDraft"]


@dataclass(frozen=True)
class Speech:
    """Where the service says that the user spoke, on the position axis.

    Attributes:
        begin_ns: Start of the utterance.
        end_ns: End of the utterance.
    """

    begin_ns: int
    end_ns: int


@dataclass(frozen=True)
class Turn:
    """One exchange, by the seq of the events that make it up.

    Attributes:
        number: From 1. A greeting before the user said anything is part of turn 1 with no user.
        user: Final message of the user, None for a greeting.
        user_text: What the user said, empty for a greeting.
        speech: Where the service says the user spoke, None where it does not say.
        reply: All that the service sent in answer, in order.
        reply_text: What the assistant said, sentences joined by a space.
        first_audio: First audio of the reply, None where it has none.
        tool_calls: Calls of tools within the reply.
        interrupted_by: The interruption, None where there was none.
        end: The end of the reply, None where it did not come.
    """

    number: int
    user: Optional[int]
    user_text: str
    speech: Optional[Speech]
    reply: Tuple[int, ...]
    reply_text: str
    first_audio: Optional[int]
    tool_calls: Tuple[int, ...]
    interrupted_by: Optional[int]
    end: Optional[int]


@dataclass
class TurnDraft:
    """A turn in the making, for a dialect that goes through a session. The attributes are those of ``Turn``."""

    user: Optional[int] = None
    user_text: str = ""
    speech: Optional[Speech] = None
    reply: List[int] = field(default_factory=list)
    first_audio: Optional[int] = None
    tool_calls: List[int] = field(default_factory=list)
    interrupted_by: Optional[int] = None
    end: Optional[int] = None

    @property
    def reply_text(self) -> str:
        """What the assistant said."""
        raise NotImplementedError

    def turn(self, number: int) -> Turn:
        """Make the turn of what is known by now."""
        return Turn(
            number=number,
            user=self.user,
            user_text=self.user_text,
            speech=self.speech,
            reply=tuple(self.reply),
            reply_text=self.reply_text,
            first_audio=self.first_audio,
            tool_calls=tuple(self.tool_calls),
            interrupted_by=self.interrupted_by,
            end=self.end,
        )
