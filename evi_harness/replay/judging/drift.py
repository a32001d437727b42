"""Drift: how a conversation with a live service differs from the recorded one.

A live service never answers twice in the same words, so a difference here is news and no fault. What fails a live replay is what broke
the conversation: a reply that did not come, a tool that was not called, an error, an early end.

Rules of living here: read off two sessions and nothing else; both sides are read by the same functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import AbstractSet, Dict, FrozenSet, Iterator, Mapping, Optional, Sequence, Set, Tuple

from evi_harness.replay.judging.turn_alignment import align_turns, called_in, said_turns
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session
from evi_harness.session.turn import Turn

__all__ = ["Drift", "TextDrift", "TypeDrift", "drift_of"]

# Of what is nested deeper than this, the shape is not compared.
_DEPTH = 6


@dataclass(frozen=True)
class TypeDrift:
    """How often a message type came, and with which fields.

    Attributes:
        type: The type; empty for what has none.
        n_recorded: How many came in the recording.
        n_live: How many came now.
        new_fields: Paths of fields that the recording's messages of this type never had.
        gone_fields: Paths of fields that all of the recording's messages of this type had, and none has now.
    """

    type: str
    n_recorded: int
    n_live: int
    new_fields: Tuple[str, ...] = ()
    gone_fields: Tuple[str, ...] = ()


@dataclass(frozen=True)
class TextDrift:
    """A turn of both sides in which something else was said.

    Attributes:
        turn: Its number in the recording.
        what: ``user`` for what the service understood, ``assistant`` for what it replied, ``tools`` for the tools that it called.
        recorded: Then.
        live: Now.
    """

    turn: int
    what: str
    recorded: str
    live: str


@dataclass(frozen=True)
class Drift:
    """All that differs.

    Attributes:
        n_turns: Turns in the recording, and now.
        types: Message types that are new or gone, or whose fields are.
        texts: What was said differently, turn by turn.
    """

    n_turns: Tuple[int, int]
    types: Tuple[TypeDrift, ...]
    texts: Tuple[TextDrift, ...]


def drift_of(recorded: Session, live: Session, dialect: Dialect) -> Drift:
    """Compare a live session with the recording that it repeats.

    Args:
        recorded: The recording.
        live: What the live service did.
        dialect: What both are in.
    """
    then, now = dialect.turns(recorded.events), dialect.turns(live.events)
    return Drift((len(then), len(now)), tuple(_types(recorded, live, dialect)), tuple(_texts(recorded, live, then, now, dialect)))


class _Shapes:
    """What messages of one type look like."""

    def __init__(self) -> None:
        self.n = 0
        self.some: Set[str] = set()
        self.all: Optional[FrozenSet[str]] = None

    def add(self, paths: FrozenSet[str]) -> None:
        self.n += 1
        self.some |= paths
        self.all = paths if self.all is None else self.all & paths


def _types(recorded: Session, live: Session, dialect: Dialect) -> Iterator[TypeDrift]:
    then, now = _shapes(recorded, dialect), _shapes(live, dialect)
    for name in [*then, *(name for name in now if name not in then)]:
        before, after = then.get(name, _Shapes()), now.get(name, _Shapes())
        new = _topmost(after.some - before.some) if before.n else ()
        gone = _topmost((before.all or frozenset()) - after.some) if after.n else ()
        if new or gone or not before.n or not after.n:
            yield TypeDrift(name, before.n, after.n, new, gone)


def _topmost(paths: AbstractSet[str]) -> Tuple[str, ...]:
    """Paths without those below one of them."""
    return tuple(sorted(path for path in paths if not any(path.startswith((f"{other}.", f"{other}[")) for other in paths)))


def _shapes(session: Session, dialect: Dialect) -> Dict[str, _Shapes]:
    found: Dict[str, _Shapes] = {}
    for event in session.received:
        message = dialect.read(event.kind, event.frame)
        found.setdefault(message.type or "", _Shapes()).add(frozenset(_paths(message.fields, "", _DEPTH)))
    return found


def _paths(value: Json, path: str, depth: int) -> Iterator[str]:
    """The paths of all members; those of a list's items are one another's."""
    if isinstance(value, Mapping) and depth:
        for name, inner in value.items():
            yield f"{path}.{name}" if path else name
            yield from _paths(inner, f"{path}.{name}" if path else name, depth - 1)
    elif isinstance(value, list) and depth:
        for inner in value:
            yield from _paths(inner, f"{path}[]", depth - 1)


def _texts(recorded: Session, live: Session, then: Sequence[Turn], now: Sequence[Turn], dialect: Dialect) -> Iterator[TextDrift]:
    called = [called_in(session, turns, dialect) for session, turns in ((recorded, then), (live, now))]
    said = [said_turns(session, turns, dialect) for session, turns in ((recorded, then), (live, now))]
    for i, j in align_turns(said[0], said[1]):
        if i is None or j is None:
            # Which turns only one side has the comparison says.
            continue
        number, before, after, tools = then[i].number, then[i], now[j], (called[0][i], called[1][j])
        for what, one, other in (
            ("user", before.user_text, after.user_text),
            ("tools", *tools),
            ("assistant", before.reply_text, after.reply_text),
        ):
            if one != other:
                yield TextDrift(number, what, one, other)
