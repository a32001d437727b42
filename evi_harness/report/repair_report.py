"""What a repair recovered and lost: summarised for people, complete for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Tuple

from evi_harness.report.check_report import in_few_words
from evi_harness.report.plain import printable
from evi_harness.session.json_value import Json
from evi_harness.session.loss import Loss
from evi_harness.session.problem import Problem
from evi_harness.session.session import Session

__all__ = ["SCHEMA", "RepairReport"]

# Version of the JSON, whose schema is docs/reference/repair-report.schema.json.
SCHEMA = 1


@dataclass(frozen=True)
class RepairReport:
    """The result of a repair.

    Attributes:
        folder: The damaged folder.
        out: The new one.
        repaired: The session in it.
        losses: Losses and changes, by file and line.
        has_ended: Whether the session was recorded to its end.
    """

    folder: str
    out: str
    repaired: Session
    losses: Tuple[Loss, ...]
    has_ended: bool

    @property
    def passed(self) -> bool:
        """Whether nothing was lost."""
        return not self.losses

    @property
    def exit_code(self) -> int:
        """0 if nothing was lost; else 1."""
        return int(bool(self.losses))

    @property
    def n_lost(self) -> int:
        """How many events were lost, as far as known."""
        return sum(loss.n_events for loss in self.losses)

    @property
    def audio_lost_ns(self) -> int:
        """Duration of the lost audio, as far as known."""
        return sum(loss.audio_ns for loss in self.losses)

    @property
    def verdict_text(self) -> str:
        """A summary of the losses."""
        if not self.losses:
            return "nothing was lost"
        audio = f" and {self.audio_lost_ns / 1e9:.3f} s of audio" if self.audio_lost_ns else ""
        n_changed = sum(not loss.n_events for loss in self.losses)
        changed = f"; {n_changed} thing{'s' * (n_changed != 1)} changed or left out" if n_changed else ""
        return f"lost: {self.n_lost} event{'s' * (self.n_lost != 1)}{audio}{changed}"

    def lines(self) -> List[str]:
        """For people: a summary, and the losses."""
        return [printable(line) for line in self._lines()]

    def _lines(self) -> Iterator[str]:
        n_events = len(self.repaired.events)
        yield f"{self.folder}: {n_events} event{'s' * (n_events != 1)} recovered, in {self.out}"
        # As problems of one kind, they are told in the same few words.
        problems = [Problem(loss.file, loss.line, loss.what, kind=loss.kind, about=loss.file) for loss in self.losses]
        yield from (f"  {told}" for told in in_few_words(problems))
        if not self.has_ended:
            yield "  The recording was not completed: there is nothing to recover after its last event."
        yield self.verdict_text

    def json(self) -> Dict[str, Json]:
        """For programs; docs/reference/repair-report.schema.json is its schema."""
        return {
            "schema": SCHEMA,
            "folder": self.folder,
            "out": self.out,
            "exit_code": self.exit_code,
            "complete": self.repaired.header.complete,
            "n_events": len(self.repaired.events),
            "n_lost": self.n_lost,
            "audio_lost_s": self.audio_lost_ns / 1e9,
            "losses": [
                {
                    "kind": loss.kind,
                    "file": printable(loss.file),
                    "line": loss.line,
                    "what": printable(loss.what),
                    "n_events": loss.n_events,
                    "n_bytes": loss.n_bytes,
                    "audio_s": loss.audio_ns / 1e9,
                }
                for loss in self.losses
            ],
        }
