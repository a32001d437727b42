"""Partners that answer: one follows a script, one repeats what it hears.

A partner is asked once for each turn, in order, when the turn is over. It knows nothing of time, messages or ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Protocol, Tuple

from evi_harness.simulate.replies import Reply, Sentence
from evi_harness.simulate.uplink import AudioPiece

__all__ = ["SPEECH", "TEXT", "HeardTurn", "Parrot", "Partner", "ScriptedPartner", "ScriptedTurn", "duration"]

SPEECH = "speech"
TEXT = "text"
FREE = "free"


@dataclass(frozen=True)
class HeardTurn:
    """A spoken turn as a partner gets it.

    Attributes:
        length_ns: How long the user spoke.
        sound: What it sounded like.
    """

    length_ns: int
    sound: AudioPiece


class Partner(Protocol):
    """Decides what the user is taken to have said, and what the assistant answers.

    Attributes:
        name: For the session's notes.
        greeting: What the assistant says first, None for nothing.
    """

    name: str

    @property
    def greeting(self) -> Optional[Reply]:
        """What the assistant says first, None for nothing."""

    def interim(self, n_interim: int, length_ns: int) -> str:
        """What is transcribed while the user still speaks.

        Args:
            n_interim: How many interim transcripts of this utterance there were before.
            length_ns: How long the user has spoken.
        """

    def speech(self, heard: HeardTurn) -> Tuple[str, Optional[Reply]]:
        """Answer a spoken turn: its transcript, and the reply; None where the assistant says nothing."""

    def text(self, text: str) -> Optional[Reply]:
        """Answer a typed turn."""


def duration(length_ns: int) -> str:
    """The transcript of speech that nobody transcribed."""
    return f"({length_ns / 1e9:.1f} s of speech)"


class Parrot:
    """Says back what it heard: the user's own voice."""

    name = "parrot"
    greeting: Optional[Reply] = None

    def interim(self, n_interim: int, length_ns: int) -> str:  # noqa: ARG002 - a partner's signature
        """How long the user has spoken."""
        return duration(length_ns)

    def speech(self, heard: HeardTurn) -> Tuple[str, Optional[Reply]]:
        """The user's own sound, under a text that says whose."""
        said = duration(heard.length_ns)
        return said, Reply((Sentence(f"Parrot: {said}", heard.sound),))

    def text(self, text: str) -> Optional[Reply]:
        """The user's own words, in a made voice."""
        return Reply((Sentence(f"Parrot: {text}"),))


@dataclass(frozen=True)
class ScriptedTurn:
    """One turn of a script.

    Attributes:
        reply: What the assistant answers, None for nothing.
        expect: ``free``, ``speech`` or ``text``: how the user has to say it.
        said: The transcript of a spoken turn; empty for one that says how long it was.
        interim: Transcripts while the user still speaks; empty for growing parts of ``said``.
    """

    reply: Optional[Reply] = None
    expect: str = FREE
    said: str = ""
    interim: Tuple[str, ...] = ()


class ScriptedPartner:
    """Follows a script, turn by turn.

    What is said in another way than the script expects is answered with a sentence that says so, and the turn still stands. Behind the
    last turn the assistant is silent, unless the script repeats.

    Args:
        turns: The turns.
        greeting: What the assistant says first.
        repeats: Whether the first turn follows the last.
        name: The script's name.
    """

    def __init__(self, turns: Tuple[ScriptedTurn, ...], greeting: Optional[Reply] = None, *, repeats: bool = False, name: str = "") -> None:
        self.name = f"script {name}".strip()
        self.greeting = greeting
        self._turns = turns
        self._repeats = repeats
        self._next = 0

    def interim(self, n_interim: int, length_ns: int) -> str:
        """The turn's own transcripts, the last of them again and again; else so many words of what is said."""
        turn = self._turn()
        if turn is not None and turn.interim:
            return turn.interim[min(n_interim, len(turn.interim) - 1)]
        words = turn.said.split() if turn is not None else []
        return " ".join(words[: n_interim + 1]) or duration(length_ns)

    def speech(self, heard: HeardTurn) -> Tuple[str, Optional[Reply]]:
        """The script's transcript and reply."""
        turn = self._turn()
        if turn is None or turn.expect == TEXT:
            return duration(heard.length_ns), self._astray(SPEECH)
        self._next += 1
        return turn.said or duration(heard.length_ns), turn.reply

    def text(self, text: str) -> Optional[Reply]:  # noqa: ARG002 - a partner's signature
        """The script's reply."""
        turn = self._turn()
        if turn is None or turn.expect == SPEECH:
            return self._astray(TEXT)
        self._next += 1
        return turn.reply

    def _turn(self) -> Optional[ScriptedTurn]:
        if self._repeats and self._turns:
            return self._turns[self._next % len(self._turns)]
        return self._turns[self._next] if self._next < len(self._turns) else None

    def _astray(self, came: str) -> Optional[Reply]:
        turn = self._turn()
        if turn is None:
            return None
        return Reply((Sentence(f"Simulator: the script expects {turn.expect} here, turn {self._next + 1}; {came} came."),))
