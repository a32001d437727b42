"""Next steps after a failed replay: accept an intended change, or exclude it from the comparison.

Rules of living here: what is suggested works as it is written, where the replay was asked for: on the command line, in a test, in a call.
"""

from __future__ import annotations

import shlex
from typing import Iterator, List, Mapping, Sequence

from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.json_paths import HANDSHAKE, typed_path
from evi_harness.report.invocation import Invocation
from evi_harness.session.events import Opened, Sent
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["MAY_BE_MEANT", "ways_to_accept"]

# What an update accepts, and which of it is a change that somebody may have meant: of a message that is missing, hardly ever.
MAY_BE_MEANT = ("different", "unexpected")
# So many paths are named; of a message that differs in more, an update is the shorter way.
_MOST_PATHS = 3
# How a test asks for an update, and the others; a call has no words for the command line.
_UPDATES: Mapping[str, str] = {"test": "--evi-update", "call": "update=True", "command": "--update"}


def ways_to_accept(deviations: Sequence[Deviation], live: Session, dialect: Dialect, asked: Invocation, *, is_part: bool) -> Iterator[str]:
    """How to have a change accepted that is meant: one sentence, or none where nothing can.

    Args:
        deviations: What was found.
        live: The session that the replay yielded.
        dialect: What it is in.
        asked: How the replay was asked for.
        is_part: Whether only part of the session was replayed, which cannot be updated.
    """
    meant = [one for one in deviations if one.kind in MAY_BE_MEANT]
    paths = list(dict.fromkeys(path for one in meant for path in _paths(one, live, dialect)))
    door = "test" if asked.test is not None else "call" if asked.argv is None and asked.call is not None else "command"
    ways = [f"{_UPDATES[door]} accepts what the app sends now"] if meant and asked.path is not None and not is_part else []
    if paths and len(paths) <= _MOST_PATHS:
        given = f"ignore={paths!r}" if door != "command" else " ".join(f"--ignore {shlex.quote(path)}" for path in paths)
        ways.append(f"{given} leaves {'it' if len(paths) == 1 else 'them'} out of the comparison")
    if ways:
        yield f"intended? {'; '.join(ways)}"


def _paths(deviation: Deviation, live: Session, dialect: Dialect) -> List[str]:
    """The paths at which a message differs, as an option takes them; of one that nothing was expected for, none would help."""
    if deviation.kind != "different":
        return []
    event = next((event for event in live.events if event.seq == deviation.live_seq), None)
    if isinstance(event, Opened):
        kind = HANDSHAKE
    elif isinstance(event, Sent):
        kind = dialect.read(event.kind, event.frame).type or ""
    else:
        kind = ""
    return [typed_path(kind, one.path) for one in deviation.differences]
