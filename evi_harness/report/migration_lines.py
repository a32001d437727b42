"""What a report says of a conversation that was held again with a service of another dialect.

Rules of living here: nothing is judged here; every number has a unit. A latency stands beside the silence that each service waits for
before it takes a turn as over: that much of it is no work.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Dict, Iterator, Optional, Tuple

from evi_harness.measure.assumed import Assumed
from evi_harness.replay.judging.moved_turns import MovedTurn, SaidSide
from evi_harness.session.json_value import Json

__all__ = ["Migration", "migration_json", "migration_rows"]

_SHOWN = 160


@dataclass(frozen=True)
class Migration:
    """How a conversation came over.

    Attributes:
        dialects: The dialect of the recording, and that of the new session.
        turns: The turns of both.
        floors: What each service waits for at the end of a turn, and whether the session states it.
        lost: What was not carried over: a line each.
    """

    dialects: Tuple[str, str]
    turns: Tuple[MovedTurn, ...]
    floors: Tuple[Assumed, Assumed]
    lost: Tuple[str, ...] = ()

    @property
    def n_recorded(self) -> int:
        """How many turns the recording has."""
        return sum(one.recorded is not None for one in self.turns)

    @property
    def is_same(self) -> bool:
        """Whether each turn was understood, called for and replied to alike."""
        return not any(one.differing for one in self.turns)

    def n_alike(self, kind: str) -> int:
        """In how many of the recording's turns something is the same.

        Args:
            kind: One of ``moved_turns.KINDS``.
        """
        return sum(one.recorded is not None and one.live is not None and kind not in one.differing for one in self.turns)


def migration_rows(one: Migration) -> Iterator[Tuple[str, str]]:
    """What a report for people says of it: label and text of each line."""
    yield "carried", f"from {one.dialects[0]} to {one.dialects[1]}"
    for lost in one.lost:
        yield "left out", f"{lost} of the recording has no like in {one.dialects[1]}"
    said, called, replied = map(one.n_alike, ("said", "called", "replied"))
    yield "alike", f"of {one.n_recorded} turns: understood in {said}, called in {called}, replied in {replied}"
    for turn in one.turns:
        yield from _turn(turn)
    yield "silence", f"a turn is over after {_floor(one.floors[0])} then, {_floor(one.floors[1])} now; the turn gap includes it"


def migration_json(one: Migration) -> Dict[str, Json]:
    """The same for programs."""
    return {
        "from": one.dialects[0],
        "to": one.dialects[1],
        "is_same": one.is_same,
        "left_out": list(one.lost),
        "end_of_turn": {"recorded": _floor_json(one.floors[0]), "live": _floor_json(one.floors[1])},
        "turns": [{"recorded": _side(turn.recorded), "live": _side(turn.live), "differing": list(turn.differing)} for turn in one.turns],
    }


def _floor_json(floor: Assumed) -> Json:
    return {"ns": floor.end_of_turn_ns, "is_stated": floor.states_end_of_turn}


def _side(side: Optional[SaidSide]) -> Json:
    return None if side is None else asdict(side)


def _turn(turn: MovedTurn) -> Iterator[Tuple[str, str]]:
    then, now = turn.recorded, turn.live
    if then is None or now is None:
        there, when = (now, "only now") if then is None else (then, "only in the recording")
        assert there is not None
        yield f"turn {there.turn}", f"came {when}: {_shown(there.user or there.reply)}"
        return
    for kind in turn.differing:
        yield f"turn {then.turn}", f"{kind}:"
        yield "", f"  then {_words(kind, then)}"
        yield "", f"  now  {_words(kind, now)}"


def _words(kind: str, side: SaidSide) -> str:
    if kind == "called":
        return "; ".join(f"{use.name or 'a tool'} {use.arguments}" for use in side.calls)[:_SHOWN] or "nothing"
    if kind == "interrupted":
        return "interrupted" if side.is_interrupted else "not interrupted"
    return _shown((side.user or "") if kind == "said" else side.reply)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")


def _floor(floor: Assumed) -> str:
    return f"{floor.end_of_turn_ns / 1e6:.0f} ms ({'stated' if floor.states_end_of_turn else 'assumed'})"
