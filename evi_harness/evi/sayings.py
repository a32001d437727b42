"""What each message adds to a transcript: the speaker, the words, and the emotions heard in them.

Rules of living here: nothing is made up; a score that is not a number is left out.
"""

from __future__ import annotations

import math
from typing import Any, Dict, Mapping, Optional

from evi_harness.evi.reading import text_of
from evi_harness.json_dialects.json_messages import member
from evi_harness.session.protocols import RECEIVED, Message, Saying

__all__ = ["saying"]

Fields = Mapping[str, Any]


def saying(kind: str, message: Message) -> Optional[Saying]:
    """What a message adds to the transcript.

    Args:
        kind: ``sent`` or ``received``.
        message: The message.

    Returns:
        The words, and for the prosody of a sentence no words but its id and its emotions; None for all that says nothing.
    """
    fields = message.fields
    if message.type == "user_message" and kind == RECEIVED:
        return Saying("user", text_of(fields), fields.get("interim") is True, emotions=_emotions(fields))
    if message.type == "assistant_message" and kind == RECEIVED:
        return Saying("assistant", text_of(fields), about=_id(fields), emotions=_emotions(fields))
    if message.type == "assistant_prosody" and kind == RECEIVED:
        return Saying("assistant", "", about=_id(fields), emotions=_emotions(fields))
    if message.type in ("tool_response", "tool_error"):
        said = fields.get("content" if message.type == "tool_response" else "error")
        return Saying("tool", said) if isinstance(said, str) else None
    return None


def _id(fields: Fields) -> Optional[str]:
    value = fields.get("id")
    return value if isinstance(value, str) else None


def _emotions(fields: Fields) -> Dict[str, float]:
    scores = member(member(member(fields, "models"), "prosody"), "scores")
    numbers = ((name, _number(score)) for name, score in scores.items())
    return {name: score for name, score in numbers if score is not None}


def _number(value: Any) -> Optional[float]:
    """A score, None where it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
