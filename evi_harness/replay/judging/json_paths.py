"""JSON paths: places in a message, written so that a path from a report can be excluded from a comparison.

A path begins with ``$`` and goes on with any of ``.name``, ``['any name']``, ``[0]``, ``[*]`` (every item) and ``..name`` (at any depth).
It may be preceded by the type of a message and a colon: then it applies to messages of that type alone.

Rules of living here: a small part of the usual JSON paths, with the same meaning; anything else is an error that gives the position. The
path of every place that ``differences`` finds is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import FrozenSet, Iterable, List, Mapping, Optional, Tuple, Union

from evi_harness.errors import UsageError
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import Message

__all__ = ["ABSENT", "HANDSHAKE", "MessagePath", "item_of", "member_of", "typed_path"]

# The type by which a path is about the handshake.
HANDSHAKE = "handshake"

# What a step leads to: a name, an index, every item.
Place = Union[str, int, None]

_FORM = "A path is $ and any of .name, ['any name'], [0], [*] and ..name, such as $.tools[*].name; TYPE: may come before it."
# A name that stands behind a dot as it is.
_BARE = r"[^\s.\[\]'\"\\:$*]+"
_PATH = re.compile(r"(?:(?P<type>[^:$]*):)?(?P<path>\$.*)", re.DOTALL)
_STEP = re.compile(
    rf"\.\.(?P<deep>{_BARE})|\.(?P<name>{_BARE})|\[(?P<index>\d{{1,9}})\]|(?P<every>\[\*\])|\['(?P<quoted>(?:[^'\\]|\\.)*)'\]", re.DOTALL
)
_TYPE = "type"
_NOT_IN_A_TYPE = re.compile(r"[:$]")


class _Absent:
    """The value of a member or an item that is not there."""

    def __repr__(self) -> str:
        return "absent"

    def __reduce__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


def member_of(path: str, name: str) -> str:
    """The path of a member of an object."""
    if re.fullmatch(_BARE, name):
        return f"{path}.{name}"
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"{path}['{quoted}']"


def item_of(path: str, index: int) -> str:
    """The path of an item of a list."""
    return f"{path}[{index}]"


def typed_path(kind: str, path: str) -> str:
    """A path in messages of one type alone, where a path can name the type."""
    return f"{kind}:{path}" if kind and not _NOT_IN_A_TYPE.search(kind) else path


@dataclass(frozen=True)
class _Step:
    """One step of a path.

    Attributes:
        to: The name or index that it leads to, None for every item.
        is_deep: Whether it leads there from any depth.
    """

    to: Place
    is_deep: bool = False

    def leads_to(self, place: Union[str, int]) -> bool:
        if self.to is None:
            return isinstance(place, int)
        return type(self.to) is type(place) and self.to == place


@dataclass(frozen=True)
class MessagePath:
    """Places in messages, to be left out of a comparison.

    Attributes:
        text: The path as it was given.
        type: The type of the messages that it is about, None for all.
        steps: How it goes on behind ``$``; none for all of a message.
    """

    text: str
    type: Optional[str]
    steps: Tuple[_Step, ...]

    @staticmethod
    def parse(text: str) -> MessagePath:
        """Read a path.

        Args:
            text: Such as ``$.content``, ``$..description`` or ``tool_response:$``.

        Raises:
            UsageError: It is not a path, or it would leave out the type of a message, by which messages are told apart.
        """
        found = _PATH.fullmatch(text)
        if found is None or found["type"] == "":
            raise UsageError(f"{text!r} is not a path into a message", hint=_FORM)
        steps = tuple(_steps(text, found.start("path") + 1))
        if steps == (_Step(_TYPE),):
            raise UsageError(f"{text!r} would leave out the type of a message, which is always compared")
        return MessagePath(text, found["type"], steps)

    def pruned(self, message: Message) -> Mapping[str, Json]:
        """The fields of a message without what stands at these places. The message's own type always stays.

        An item that is left out of a list leaves its place empty (``ABSENT``), so that those behind it keep theirs.
        """
        if not self.is_about(message):
            return message.fields
        if not self.steps:
            return {name: value for name, value in message.fields.items() if name == _TYPE}
        pruned: Mapping[str, Json] = _without(message.fields, self.steps, frozenset({0}))
        return {_TYPE: message.fields[_TYPE], **pruned} if _TYPE in message.fields else pruned

    def matches(self, message: Message) -> bool:
        """Whether a message has anything at these places."""
        return self.is_about(message) and _holds(message.fields, self.steps, frozenset({0}))

    def is_about(self, message: Message) -> bool:
        """Whether it says anything of messages of this type."""
        return self.type is None or self.type == message.type


def _steps(text: str, at: int) -> Iterable[_Step]:
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise UsageError(f"{text!r} is not a path into a message: {text[at:]!r} cannot be read", hint=_FORM)
        at = found.end()
        if found["index"] is not None:
            yield _Step(int(found["index"]))
        elif found["every"] is not None:
            yield _Step(None)
        elif found["quoted"] is not None:
            yield _Step(re.sub(r"\\(.)", r"\1", found["quoted"], flags=re.DOTALL))
        else:
            yield _Step(found["name"] or found["deep"], is_deep=found["deep"] is not None)


def _next(steps: Tuple[_Step, ...], standing: FrozenSet[int], place: Union[str, int]) -> FrozenSet[int]:
    """How many steps have been taken at a place, by each way that leads there, given those at what holds it."""
    taken = {at + 1 for at in standing if steps[at].leads_to(place)}
    return frozenset(taken | {at for at in standing if steps[at].is_deep})


def _without(value: Json, steps: Tuple[_Step, ...], standing: FrozenSet[int]) -> Json:
    if not standing:
        return value
    if isinstance(value, Mapping):
        kept = {name: _left(inner, steps, _next(steps, standing, name)) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner is not ABSENT}
    if isinstance(value, list):
        items = [_left(inner, steps, _next(steps, standing, index)) for index, inner in enumerate(value)]
        return _without_end(items)
    return value


def _left(value: Json, steps: Tuple[_Step, ...], standing: FrozenSet[int]) -> Json:
    return ABSENT if len(steps) in standing else _without(value, steps, standing)


def _without_end(items: List[Json]) -> List[Json]:
    """A list without the empty places at its end: a list that never had them is the same."""
    n_kept = len(items)
    while n_kept and items[n_kept - 1] is ABSENT:
        n_kept -= 1
    return items[:n_kept]


def _holds(value: Json, steps: Tuple[_Step, ...], standing: FrozenSet[int]) -> bool:
    if len(steps) in standing:
        return True
    if not standing or not isinstance(value, (Mapping, list)):
        return False
    inner = value.items() if isinstance(value, Mapping) else enumerate(value)
    return any(_holds(one, steps, _next(steps, standing, place)) for place, one in inner)
