"""How user and assistant took turns: interruptions, silences, talking over, missed and unprompted replies.

Part of the ``conversation`` family. The assistant is heard as a speaker would play what was received; the user as a detector heard it.

Rules of living here: as in ``conversation``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Set, Tuple

from evi_harness.measure import reasons
from evi_harness.measure.assumed import DEFAULT, Assumed
from evi_harness.measure.collecting import Samples
from evi_harness.measure.conversation_family import speech_of_turns, unheard, unspoken
from evi_harness.measure.session_times import Reading
from evi_harness.measure.spans import covered_ns, shared, without
from evi_harness.measure.speech_marks import HeardSpeech
from evi_harness.session.protocols import Cause
from evi_harness.session.sounding import Span
from evi_harness.session.turn import Turn

__all__ = ["DEAD_AIR_NS", "measure_turn_taking"]

# From so much silence on people ask whether anybody is there.
DEAD_AIR_NS = 3_000_000_000
# Who pauses for less goes on with what he began to say over the assistant, however soon the service takes a turn as over.
_BREATH_NS = DEFAULT.end_of_turn_ns


@dataclass(frozen=True)
class _Voices:
    """When whom could be heard.

    Attributes:
        user: When the user spoke; None where nobody listened.
        assistant: When the assistant's audio would sound; None where a length cannot be known.
    """

    user: Optional[List[Span]]
    assistant: Optional[List[Span]]


def measure_turn_taking(reading: Reading, heard: HeardSpeech, assumed: Assumed, found: Samples) -> None:
    """Measure how the two got on, turn by turn.

    Args:
        reading: The session, one whose times were measured.
        heard: Where the user spoke.
        assumed: What the service was configured to wait for.
        found: Takes the samples.
    """
    voices = _voices(reading, heard)
    why = unheard(reading, heard) or ("" if voices.assistant is not None else reasons.LENGTH_UNKNOWN)
    answered: Set[Cause] = set()
    for index, turn in enumerate(reading.turns):
        if turn.interrupted_by is not None:
            _interruption(reading, turn, voices, why, assumed.min_interruption_ns, found)
        if any(reading.has_audio(seq) for seq in turn.reply):
            _talk_over(reading, turn, voices, why, found)
            _unprompted(reading, turn, answered, found)
        if turn.user is not None:
            _missed(reading, turn, _next(reading, index), found)
    _dead_air(reading, heard, voices, found)


def _voices(reading: Reading, heard: HeardSpeech) -> _Voices:
    spans = [reading.sounding(turn) for turn in reading.turns]
    assistant = None if any(one is None for one in spans) else [span for one in spans for span in one or ()]
    if heard.speech is None:
        return _Voices(None, assistant)
    said = [reading.spoken.span(one) for one in heard.speech]
    return _Voices([span for span in said if span is not None], assistant)


def _next(reading: Reading, index: int) -> Optional[Turn]:
    """The user's next turn."""
    return next((turn for turn in reading.turns[index + 1 :] if turn.user is not None), None)


def _interruption(reading: Reading, turn: Turn, voices: _Voices, why: str, floor_ns: int, found: Samples) -> None:
    assert turn.interrupted_by is not None
    came_ns = reading.at_ns[turn.interrupted_by]
    began_ns = None if why else _onset_ns(reading, turn, voices, came_ns)
    floors = ("interruption.floor", "interruption.above_floor")
    if began_ns is None:
        for metric in ("interruption", *floors):
            found.unavailable(metric, why or reasons.BEGAN_BEFORE, turn.number, turn.interrupted_by)
        return
    found.took("interruption", came_ns - began_ns, turn.number, turn.interrupted_by)
    if came_ns - began_ns < floor_ns:
        for metric in floors:
            found.unavailable(metric, reasons.UNDER_INTERRUPTION_FLOOR, turn.number, turn.interrupted_by)
        return
    found.took("interruption.floor", floor_ns, turn.number, turn.interrupted_by)
    found.took("interruption.above_floor", came_ns - began_ns - floor_ns, turn.number, turn.interrupted_by)


def _onset_ns(reading: Reading, turn: Turn, voices: _Voices, came_ns: int) -> Optional[int]:
    """When the user began to speak over a reply, None where no speech began while it could be heard."""
    heard = reading.sounding(turn) or []
    onset_ns: Optional[int] = None
    for begin_ns, end_ns in reversed([span for span in voices.user or () if span[0] <= came_ns]):
        if onset_ns is not None and onset_ns - end_ns >= _BREATH_NS:
            break
        if not any(since_ns <= begin_ns < until_ns for since_ns, until_ns in heard):
            break
        onset_ns = begin_ns
    return onset_ns


def _talk_over(reading: Reading, turn: Turn, voices: _Voices, why: str, found: Samples) -> None:
    if why or voices.user is None:
        found.unavailable("talk_over", why, turn.number, turn.first_audio)
    else:
        found.took("talk_over", covered_ns(shared(reading.sounding(turn) or (), voices.user)), turn.number, turn.first_audio)


def _unprompted(reading: Reading, turn: Turn, answered: Set[Cause], found: Samples) -> None:
    """Audio has a cause where what it answers was not answered by a turn before it."""
    causes = {reading.causes[seq] for seq in turn.reply if seq in reading.causes}
    found.happened("unprompted", turn.user is None and causes <= answered, turn.number, turn.first_audio)
    answered |= causes


def _missed(reading: Reading, turn: Turn, following: Optional[Turn], found: Samples) -> None:
    assert turn.user is not None
    has_audio = turn.first_audio is not None
    lasted_ns = reading.session.duration_ns - reading.at_ns[turn.user]
    if not has_audio and following is None and lasted_ns < DEAD_AIR_NS:
        found.unavailable("missed", reasons.CUT_SHORT, turn.number, turn.user)
    else:
        found.happened("missed", not has_audio, turn.number, turn.user)


def _dead_air(reading: Reading, heard: HeardSpeech, voices: _Voices, found: Samples) -> None:
    spoken = speech_of_turns(reading, heard)
    for index, turn in enumerate(reading.turns):
        if turn.user is None:
            continue
        since_ns, why = _owed_since(reading, turn, spoken[turn.number], heard)
        if not why and voices.assistant is None:
            why = reasons.LENGTH_UNKNOWN
        if why or since_ns is None:
            found.unavailable("dead_air", why, turn.number, turn.user)
            continue
        owed = (since_ns, max(since_ns, _owed_until(reading, turn, _next(reading, index))))
        silences = without(owed, [*(voices.assistant or ()), *(voices.user or ())])
        dead = [silence for silence in silences if silence[1] - silence[0] > DEAD_AIR_NS]
        found.took("dead_air", covered_ns(dead), turn.number, turn.user)


def _owed_since(reading: Reading, turn: Turn, spoken: Tuple[Optional[Span], str], heard: HeardSpeech) -> Tuple[Optional[int], str]:
    """From when on a turn's reply is owed: from the end of the speech, or from the typed message."""
    assert turn.user is not None
    speech, why = spoken
    if unspoken(reading, turn, heard) == reasons.TYPED:
        asked = reading.causes[turn.user].seq
        assert asked is not None
        return reading.at_ns[asked], ""
    return (None if speech is None else speech[1]), why


def _owed_until(reading: Reading, turn: Turn, following: Optional[Turn]) -> int:
    """Until when: to the last of the reply, or where there is none, until the user is answered something else or all is over."""
    if turn.reply:
        return max(reading.at_ns[seq] for seq in turn.reply)
    if following is not None and following.user is not None:
        return reading.at_ns[following.user]
    return reading.session.duration_ns
