"""What the assistant says and does in answer to a turn, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Tuple

from evi_harness.simulate.uplink import AudioPiece

__all__ = ["ERROR", "RESPONSE", "Answer", "Reply", "Sentence", "ToolCall"]

# What an answer of the app's to a tool call is.
RESPONSE = "response"
ERROR = "error"


@dataclass(frozen=True)
class Sentence:
    """One sentence of a reply.

    Attributes:
        text: What is said.
        sound: What it sounds like; a made voice where it is None.
        chunk_ms: How long each chunk of audio is, None for the simulator's own length, 0 for one chunk.
        has_prosody: Whether the scores come in a message of their own, behind the audio.
        is_quick: What is_quick_response says.
        from_text: Whether the app gave the text.
    """

    text: str
    sound: Optional[AudioPiece] = None
    chunk_ms: Optional[int] = None
    has_prosody: bool = False
    is_quick: bool = False
    from_text: bool = False


@dataclass(frozen=True)
class Answer:
    """What is said to the answer of a tool.

    Attributes:
        sentences: What is said; ``{content}`` in a text stands for what the app answered.
        to: ``response``, ``error`` or ``any``.
        contains: Part of what the app answered, in any case; empty for whatever it answered.
    """

    sentences: Tuple[Sentence, ...]
    to: str = "any"
    contains: str = ""

    def fits(self, kind: str, content: str) -> bool:
        """Whether this is for what the app answered."""
        return self.to in ("any", kind) and self.contains.casefold() in content.casefold()


@dataclass(frozen=True)
class ToolCall:
    """A call of one of the app's tools.

    Attributes:
        name: The tool.
        parameters: A JSON object, as text.
        response_required: Whether the assistant waits for the answer.
        answers: What is said then: the first that fits. Nothing where none does.
    """

    name: str
    parameters: str = "{}"
    response_required: bool = True
    answers: Tuple[Answer, ...] = ()

    def sentences(self, kind: str, content: str) -> Tuple[Sentence, ...]:
        """What is said to an answer.

        Args:
            kind: ``response`` or ``error``.
            content: What it says.
        """
        fitting = next((answer.sentences for answer in self.answers if answer.fits(kind, content)), ())
        return tuple(replace(sentence, text=sentence.text.replace("{content}", content)) for sentence in fitting)


@dataclass(frozen=True)
class Reply:
    """What answers one turn.

    Attributes:
        sentences: What is said, before a tool is called if one is.
        tool: The tool that is called, if any.
        delay_ms: Added to the response delay.
        chunk_delay_ms: In place of the delay from chunk to chunk, None to keep it.
        is_interruptible: Whether the user can interrupt it.
        hangs_up: Whether the service closes after it.
    """

    sentences: Tuple[Sentence, ...] = ()
    tool: Optional[ToolCall] = None
    delay_ms: int = 0
    chunk_delay_ms: Optional[int] = None
    is_interruptible: bool = True
    hangs_up: bool = False
