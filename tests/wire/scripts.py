"""A service that acts out a table: what it does, and when."""

from __future__ import annotations

import json
from typing import Any, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.session.events import TEXT, Frame
from evi_harness.session.protocols import Action, Send

__all__ = ["Script"]

MS = 1_000_000


class Script:
    """A service that does each action of a table at its time, whatever the app does.

    Args:
        rows: Milliseconds after the opening, and what it does then: an action, the text of a message, or a message to be made JSON.
    """

    def __init__(self, *rows: Tuple[int, Union[Action, str, Mapping[str, Any]]]) -> None:
        self._rows: List[Tuple[int, Action]] = [(at_ms * MS, self.action(what, at_ms * MS)) for at_ms, what in rows]

    @staticmethod
    def action(what: Union[Action, str, Mapping[str, Any]], at_ns: int) -> Action:
        """One row's, with its time."""
        text = json.dumps(what) if isinstance(what, Mapping) else what
        return Send(Frame(TEXT, text.encode()), at_ns) if isinstance(text, str) else text

    def take(self, event: Any, at_ns: int) -> None:
        """Nothing that the app does changes the table."""

    def due(self, at_ns: int) -> Sequence[Action]:
        """What is due by now."""
        now = [action for due_ns, action in self._rows if due_ns <= at_ns]
        self._rows = [row for row in self._rows if row[0] > at_ns]
        return now

    def next_at_ns(self) -> Optional[int]:
        """When the next row is due."""
        return self._rows[0][0] if self._rows else None
