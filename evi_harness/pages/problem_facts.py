"""Facts about a problem from the session of a replay that the report does not have.

Rules of living here: read off notes; nothing else is shown, and no finding is judged again.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from evi_harness.pages.axis_ms import seek_ms
from evi_harness.pages.lost_audio import CUT, SKIPPED
from evi_harness.session.events import Note
from evi_harness.session.json_value import Json
from evi_harness.session.notes import HANDLER_ENTERED, HANDLER_RAN, PLAYER_TAIL, UNMET
from evi_harness.session.places import Place, Sources
from evi_harness.session.session import Session

__all__ = ["Handled", "ProblemFacts", "with_holes"]


class Handled:
    """What ran for a message.

    Args:
        words: The same as a sentence.
        places: The functions, the last to begin first.
    """

    def __init__(self, words: str, places: Sequence[Place]) -> None:
        self.words = words
        self.places = tuple(places)


class ProblemFacts:
    """Facts about the problems of a replay.

    Args:
        session: The session that the replay yielded.
        silent_ms: How long the old reply sounded after each interruption, in milliseconds, by seq.
    """

    def __init__(self, session: Session, silent_ms: Mapping[int, float]) -> None:
        self._session = session
        self._silent_ms = silent_ms
        self._unmet_ns = {facts.awaited: note.at_ns for note, facts in session.noted(UNMET)}
        self._tail_ns = {note.of: facts.tail_ns for note, facts in session.noted(PLAYER_TAIL)}

    def waited(self, problem: Mapping[str, Any]) -> Optional[str]:
        """What the replay did about a message that did not come."""
        until_ns = self._unmet_ns.get(problem["recorded_seq"]) if problem["kind"] == "missing" else None
        if until_ns is None:
            return None
        return (
            f"The replay waited for this message until {until_ns / 1e9:.3f} s, then went on without it. The wait is the replay's, not the "
            "app's: when later messages come, and their latency, follows from it."
        )

    def split(self, problem: Mapping[str, Any]) -> Optional[str]:
        """Which part of what was played after an interruption the SDK's player held, and which the app handed on later."""
        seq = problem["replayed_seq"]
        if problem["kind"] != "plays_on" or seq not in self._silent_ms or seq not in self._tail_ns:
            return None
        # In hundredths, so that the parts that are shown add up.
        whole, held = round(self._silent_ms[seq] / 10), round(self._tail_ns[seq] / 1e7)
        if held >= whole:
            return None
        return (
            f"Of these {whole / 100:.2f} s, {held / 100:.2f} s were already in the SDK's player, which an app cannot take back; "
            f"the app passed on the other {(whole - held) / 100:.2f} s later."
        )

    def handled(self, problem: Mapping[str, Any]) -> Optional[Handled]:
        """What of the app ran for the interruption that it played on after, as far as that is known."""
        seq = problem["replayed_seq"] if problem["kind"] == "plays_on" else None
        entered = _first_of(self._session.notes_of(HANDLER_ENTERED), seq)
        facts = None if entered is None else HANDLER_ENTERED.read(entered)
        if entered is None or facts is None:
            return None
        sources = Sources(self._session.notes)
        ran = _first_of(self._session.notes_of(HANDLER_RAN), seq)
        ran_facts = None if ran is None else HANDLER_RAN.read(ran)
        if ran is not None and ran_facts is not None and ran_facts.traced:
            return Handled("These functions ran for the interruption, the latest first:", sources.of(ran.data))
        # Of a message for which no more ran than the callback there is no note, where others have one.
        is_traced = ran is None and any(one.traced for _, one in self._session.noted(HANDLER_RAN))
        only = "; no other function of the app is known to have run for it:" if is_traced else ":"
        return Handled(f"{facts.callback} got the interruption{only}", sources.of(entered.data))


def with_holes(problem: Dict[str, Any], lost_audio: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """A problem with lost audio, with each hole that it left in its replies among its times.

    Args:
        problem: The problem, as the page has it.
        lost_audio: The pieces of audio that were not heard as they came, of its side.
    """
    if problem["kind"] != "never_played":
        return problem
    seqs = {one["replayed_seq"] for one in (problem, *problem["more"])}
    turns = {one["turn"] for one in lost_audio if one["seq"] in seqs}
    others = [one for one in lost_audio if one["turn"] in turns and one["kind"] in (SKIPPED, CUT) and one["seq"] not in seqs]
    more: List[Dict[str, Json]] = [*problem["more"], *map(_hole, others)]
    return {**problem, "more": sorted(more, key=lambda one: (one["at_ms"] is None, one["at_ms"] or 0.0))}


def _hole(piece: Mapping[str, Any]) -> Dict[str, Json]:
    times = {"at_ms": piece["begin_ms"], "until_ms": piece["end_ms"], "seek_ms": seek_ms(piece["begin_ms"])}
    return {**times, "recorded_seq": None, "replayed_seq": piece["seq"], "differences": []}


def _first_of(notes: Sequence[Note], seq: Optional[int]) -> Optional[Note]:
    return next((note for note in notes if seq is not None and note.of == seq), None)
