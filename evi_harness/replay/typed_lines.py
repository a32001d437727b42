"""What the user of a recording typed, line by line, and what each line answered.

Rules of living here: only what the recorded app read of its input, or, where none of that is recorded, what it sent as typed text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, List, Optional, Tuple

from evi_harness.replay.user import RecordedUser
from evi_harness.session.events import TEXT, Event, Frame, Note, Sent
from evi_harness.session.notes import STDIN_ENDED, STDIN_LINE
from evi_harness.session.protocols import SENT, Dialect
from evi_harness.session.session import Session

__all__ = ["TypedLines"]


@dataclass
class TypedLines:
    """The lines of one recording.

    Attributes:
        early: Those that were read before the connection opened; None for the end of the input.
        lines: The others, each by the recorded event that it stands for; None for the end of the input.
        user: Sends each of these when it is due, by the number of its event.
    """

    early: List[Optional[str]]
    lines: Dict[int, Optional[str]]
    user: RecordedUser

    @classmethod
    def of(cls, session: Session, dialect: Dialect) -> TypedLines:
        """Plan the lines of a recording.

        Args:
            session: The recording.
            dialect: What it speaks.
        """
        early: List[Optional[str]] = []
        lines: Dict[int, Optional[str]] = {}
        if session.notes_of(STDIN_LINE) or session.notes_of(STDIN_ENDED):
            session = _read_by_app(session, early, lines)
        else:
            for event in session.sent:
                text = dialect.typed(dialect.read(SENT, event.frame)) if event.frame.is_text else None
                if text is not None:
                    lines[event.seq] = text
        others = frozenset(event.seq for event in session.sent if event.seq not in lines)
        return cls(early, lines, RecordedUser(session, dialect, only_microphone=False, closes=False, left_out=others))

    def __bool__(self) -> bool:
        """Whether anything was typed."""
        return bool(self.early or self.lines)


def _read_by_app(session: Session, early: List[Optional[str]], lines: Dict[int, Optional[str]]) -> Session:
    """Sort the lines that the recorded app read; the session in which they stand among what it sent, so that they have causes too."""
    stands_for: Dict[int, Event] = {}
    ends = [(note, None, facts.early_ns) for note, facts in session.noted(STDIN_ENDED)]
    read: List[Tuple[Note, Optional[str], Optional[int]]] = [
        (note, facts.text, facts.early_ns) for note, facts in session.noted(STDIN_LINE)
    ]
    for note, text, early_ns in (*read, *ends):
        if early_ns is not None:
            # Nothing was there yet that it could have answered.
            early.append(text)
        else:
            lines[note.seq] = text
            stands_for[note.seq] = Sent(note.seq, note.at_ns, Frame(TEXT, b""))
    return replace(session, events=tuple(stands_for.get(event.seq, event) for event in session.events))
