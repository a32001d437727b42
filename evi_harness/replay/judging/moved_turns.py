"""Compare two sessions of different dialects turn by turn: what was understood, called and replied.

Rules of living here: each side is read by its own dialect, and nothing of a message but what it says is compared. Texts are compared by
their spoken words, calls by name and by the value of their arguments.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Callable, Mapping, Optional, Sequence, Tuple

from evi_harness.replay.judging.spoken_words import spoken_words
from evi_harness.replay.judging.turn_alignment import align_turns, said_turns
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import Dialect, ToolUse, UserActs
from evi_harness.session.session import Session
from evi_harness.session.turn import Turn

__all__ = ["KINDS", "MovedSide", "MovedTurn", "moved_turns"]

# Kinds of what may differ in a turn, and what each says.
KINDS: Mapping[str, str] = {
    "turn": "a turn that only one side has",
    "said": "the user was understood differently",
    "called": "other tools were called, or with other arguments",
    "replied": "the assistant said something else",
    "interrupted": "the reply was interrupted on one side only",
}


@dataclass(frozen=True)
class MovedSide:
    """A session, and what it is read by.

    Attributes:
        session: The session.
        dialect: What it is in.
        users: What users do in that.
    """

    session: Session
    dialect: Dialect
    users: UserActs


@dataclass(frozen=True)
class SaidSide:
    """What one side has of a turn.

    Attributes:
        turn: Its number.
        user: What the service understood; None where the assistant spoke of its own accord.
        calls: The tools that it called.
        reply: What the assistant said.
        is_interrupted: Whether the user interrupted it.
    """

    turn: int
    user: Optional[str]
    calls: Tuple[ToolUse, ...]
    reply: str
    is_interrupted: bool


@dataclass(frozen=True)
class MovedTurn:
    """A turn of both sides, or of one.

    Attributes:
        recorded: What the recording has of it, None where that has no such turn.
        live: What the new session has, likewise.
        differing: What differs, of ``KINDS``.
    """

    recorded: Optional[SaidSide]
    live: Optional[SaidSide]
    differing: Tuple[str, ...]


def moved_turns(recorded: MovedSide, live: MovedSide, redact: Callable[[str], str] = str) -> Tuple[MovedTurn, ...]:
    """Compare a recording with the session in which it was held again.

    Args:
        recorded: The recording.
        live: The new session.
        redact: Takes secrets out of what is shown.

    Returns:
        The turns of both, aligned by their words.
    """
    sides = [(one, one.dialect.turns(one.session.events)) for one in (recorded, live)]
    said = [_said(side, turns, redact) for side, turns in sides]
    pairs = align_turns(*(said_turns(side.session, turns, side.dialect) for side, turns in sides))
    return tuple(_moved(None if i is None else said[0][i], None if j is None else said[1][j]) for i, j in pairs)


def _said(side: MovedSide, turns: Sequence[Turn], redact: Callable[[str], str]) -> Sequence[SaidSide]:
    uses = side.users.calls(side.session.events)
    return [
        SaidSide(
            turn.number,
            None if turn.user is None else redact(turn.user_text),
            tuple(ToolUse(redact(uses[seq].name), redact(uses[seq].arguments)) for seq in turn.tool_calls if seq in uses),
            redact(turn.reply_text),
            turn.interrupted_by is not None,
        )
        for turn in turns
    ]


def _moved(one: Optional[SaidSide], other: Optional[SaidSide]) -> MovedTurn:
    if one is None or other is None:
        return MovedTurn(one, other, ("turn",))
    differing = {
        "said": spoken_words(one.user or "") != spoken_words(other.user or ""),
        "called": not _same_calls(one.calls, other.calls),
        "replied": not _same_replies(one, other),
        "interrupted": one.is_interrupted is not other.is_interrupted,
    }
    return MovedTurn(one, other, tuple(kind for kind, differs in differing.items() if differs))


def _same_replies(one: SaidSide, other: SaidSide) -> bool:
    """Whether two replies say the same; how far one got that was interrupted is another question."""
    words = spoken_words(one.reply), spoken_words(other.reply)
    shorter = min(map(len, words))
    if one.is_interrupted and other.is_interrupted:
        return words[0][:shorter] == words[1][:shorter]
    return words[0] == words[1]


def _same_calls(one: Sequence[ToolUse], other: Sequence[ToolUse]) -> bool:
    # Services call one after the other, or several at once: their order says nothing.
    left = list(other)
    for use in one:
        found = next((each for each in left if each.name == use.name and _value(each.arguments) == _value(use.arguments)), None)
        if found is None:
            return False
        left.remove(found)
    return not left


def _value(arguments: str) -> Json:
    try:
        value: Json = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return value
