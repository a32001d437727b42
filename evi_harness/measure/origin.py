"""The origin of measurements: the recording that was replayed, the clock, and the time axis.

Two runs are compared where they are of the same; a replay at twice the speed does not mean a faster app. Rules of living here: only what a
session's header says. A session that is not a replay has no recording behind it, and is compared by its name alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from evi_harness.session.session import Session

__all__ = ["Origin", "apart", "origin_of", "partners_of"]

_REPLAY = "replay"


@dataclass(frozen=True)
class Origin:
    """Of one session that was measured.

    Attributes:
        session: What its samples call it.
        recording: Id of the session that was replayed, None where it is not a replay.
        clock: ``virtual`` or ``real``; empty where it is not a replay.
        axis: How the recording's time was changed, as options and what they were given.
    """

    session: str
    recording: Optional[str] = None
    clock: str = ""
    axis: Tuple[Tuple[str, str], ...] = ()

    @property
    def how(self) -> str:
        """How it was replayed, in words."""
        return " ".join([f"in {self.clock} time", *(f"with {option} {text}" for option, text in self.axis)])


def origin_of(session: Session, name: str) -> Origin:
    """Where a session comes from.

    Args:
        session: The session.
        name: What its samples call it.
    """
    source = session.header.source
    if session.header.made_by != _REPLAY:
        return Origin(name)
    axis = source.get("axis")
    told = tuple(sorted((str(option), str(text)) for option, text in axis.items())) if isinstance(axis, Mapping) else ()
    recording = source.get("session")
    return Origin(name, None if recording is None else str(recording), str(source.get("clock", "")), told)


def partners_of(old: Sequence[Origin], new: Sequence[Origin]) -> Dict[str, str]:
    """Which session of a new run is which of an old one: that of its name, else the one that is of the same recording.

    Where each run is of one session and neither is a replay, they are partners whatever they are called: two recordings of one conversation
    have two names.

    Args:
        old: The sessions of the old run.
        new: Those of the new one.

    Returns:
        Names in the new run → names in the old one; what has no partner is not in it.
    """
    names = {one.session for one in old}
    found = {one.session: one.session for one in new if one.session in names}
    then, now = (_by_recording([one for one in side if one.session not in found]) for side in (old, new))
    for recording in now:
        if len(now[recording]) == len(then.get(recording, ())) == 1:
            found[now[recording][0]] = then[recording][0]
    is_lone = len(old) == len(new) == 1 and not found
    if is_lone and old[0].recording is new[0].recording is None:
        found[new[0].session] = old[0].session
    return found


def _by_recording(origins: Sequence[Origin]) -> Dict[str, List[str]]:
    """The sessions that are replays of each recording."""
    found: Dict[str, List[str]] = {}
    for one in origins:
        if one.recording is not None:
            found.setdefault(one.recording, []).append(one.session)
    return found


def apart(old: Sequence[Origin], new: Sequence[Origin], partners: Mapping[str, str]) -> str:
    """Why two runs cannot be compared, though their sessions are partners; empty where they can.

    Args:
        old: The sessions of the old run.
        new: Those of the new one.
        partners: See ``partners_of``.
    """
    before = {one.session: one for one in old}
    differences = (_difference(before[partners[one.session]], one) for one in new if one.session in partners)
    told = [difference for difference in differences if difference]
    more = f", and {len(told) - 1} more" if len(told) > 1 else ""
    return f"{told[0]}{more}: not compared" if told else ""


def _difference(then: Origin, now: Origin) -> str:
    """How what was measured of one session differs from what was; empty where it does not, or nobody says."""
    if None not in (then.recording, now.recording) and then.recording != now.recording:
        return f"{now.session} is a replay of another recording"
    if then.clock and now.clock and then.how != now.how:
        return f"{now.session} was replayed {then.how} before and {now.how} now"
    return ""
