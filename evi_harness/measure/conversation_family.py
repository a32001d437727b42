"""The time that the service and the network took: the ``conversation`` family, from sessions with measured times.

Rules of living here: each function measures one row of the table, or a row and its parts; if there is no value, its reason takes its place.
The app's share of a turn is measured separately.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from evi_harness.measure import reasons
from evi_harness.measure.assumed import Assumed
from evi_harness.measure.collecting import Samples
from evi_harness.measure.session_times import Reading
from evi_harness.measure.spans import covered_ns, shared
from evi_harness.measure.speech_marks import HeardSpeech
from evi_harness.session.header import SYNTHESISED, TAKEN
from evi_harness.session.notes import CONNECTED
from evi_harness.session.protocols import SENT
from evi_harness.session.session import Session
from evi_harness.session.sounding import Span
from evi_harness.session.turn import Turn

__all__ = ["PARTS", "UNTIMED", "measure_conversation", "speech_of_turns", "unheard", "unspoken", "untimed"]

# What a turn gap falls into, in order; they add up to it.
PARTS = ("turn_gap.silence", "turn_gap.transcription", "turn_gap.response", "turn_gap.app", "turn_gap.audio")
# What a header calls times that tell nobody how long anything took.
UNTIMED = {SYNTHESISED: reasons.SYNTHESISED, TAKEN: reasons.TAKEN}
_PLAYER = "player"


def untimed(session: Session) -> Optional[str]:
    """Why no time in a session says anything of a service, None where they do."""
    return UNTIMED.get(session.header.recorded.times) or (reasons.PLAYED if session.header.service == _PLAYER else None)


def measure_conversation(reading: Reading, heard: HeardSpeech, assumed: Assumed, found: Samples) -> None:
    """Measure how long the service took, turn by turn.

    Args:
        reading: The session, one whose times were measured.
        heard: Where the user spoke.
        assumed: What the service was configured to wait for.
        found: Takes the samples.
    """
    _connect(reading, found)
    spoken = speech_of_turns(reading, heard)
    for turn in reading.turns:
        if turn.user is not None:
            _turn_gap(reading, turn, spoken[turn.number], assumed, found)
            _told(reading, turn, found)
            _response(reading, turn, found)
        if any(reading.has_audio(seq) for seq in turn.reply):
            _underrun(reading, turn, found)
    _tools(reading, found)


def speech_of_turns(reading: Reading, heard: HeardSpeech) -> Dict[int, Tuple[Optional[Span], str]]:
    """When the user said what each turn answers, by the turn's number, with the reason where that is not known.

    A turn's speech is the last that had ended when its final user message came and that no turn before it has.
    """
    known = [] if heard.speech is None else [span for one in heard.speech for span in [reading.spoken.span(one)] if span is not None]
    found: Dict[int, Tuple[Optional[Span], str]] = {}
    since_ns = -1
    for turn in reading.turns:
        if turn.user is None:
            continue
        came_ns = reading.at_ns[turn.user]
        mine = [span for span in known if since_ns < span[1] <= came_ns]
        since_ns = came_ns
        why = unspoken(reading, turn, heard) or ("" if mine else reasons.NO_SPEECH)
        found[turn.number] = (None if why else mine[-1], why)
    return found


def unspoken(reading: Reading, turn: Turn, heard: HeardSpeech) -> str:
    """Why nobody can have heard the user say what a turn answers; empty where somebody can."""
    if turn.user is not None and _is_typed(reading, turn.user):
        return reasons.TYPED
    return unheard(reading, heard)


def unheard(reading: Reading, heard: HeardSpeech) -> str:
    """Why nobody heard the user at all; empty where somebody did."""
    if not reading.session.header.recorded.sent:
        return reasons.SENT_UNKNOWN
    return f"{reasons.UNHEARD}: {heard.why}" if heard.speech is None else ""


def _is_typed(reading: Reading, user: int) -> bool:
    """Whether a user message answers something that was sent as a message, and not audio."""
    cause = reading.causes.get(user)
    return cause is not None and cause.kind == SENT


def _connect(reading: Reading, found: Samples) -> None:
    connected = next(iter(reading.session.noted(CONNECTED)), None)
    if connected is None:
        found.unavailable("connect.open", reasons.NOT_NOTED_CONNECT)
    else:
        found.took("connect.open", connected[1].took_ns)
    first = next(iter(reading.session.received), None)
    if first is None:
        found.unavailable("connect.first", reasons.NOTHING_RECEIVED)
    else:
        found.took("connect.first", first.at_ns, of=first.seq)


def _silent(turn: Turn) -> str:
    """Why a turn has no first audio; empty where it has."""
    if turn.first_audio is not None:
        return ""
    return reasons.NO_AUDIO if turn.reply else reasons.NO_REPLY


def _response(reading: Reading, turn: Turn, found: Samples) -> None:
    assert turn.user is not None
    if turn.first_audio is None:
        found.unavailable("response", _silent(turn), turn.number, turn.user)
    else:
        found.took("response", reading.at_ns[turn.first_audio] - reading.at_ns[turn.user], turn.number, turn.user)


def _told(reading: Reading, turn: Turn, found: Samples) -> None:
    """The turn gap by the time that the service gives for the end of the speech."""
    assert turn.user is not None
    stop_ns = None if turn.speech is None else reading.spoken.at_ns(turn.speech.end_ns)
    why = _silent(turn)
    if _is_typed(reading, turn.user):
        why = reasons.TYPED
    elif not reading.session.header.recorded.sent:
        why = reasons.SENT_UNKNOWN
    elif turn.speech is None or stop_ns is None:
        why = reasons.NO_TIME_TOLD
    elif reading.spoken.is_in_gap(turn.speech.end_ns):
        why = reasons.TOLD_IN_GAP
    if why or stop_ns is None or turn.first_audio is None:
        found.unavailable("turn_gap.told", why, turn.number, turn.user)
    else:
        found.took("turn_gap.told", reading.at_ns[turn.first_audio] - stop_ns, turn.number, turn.user)


def _turn_gap(reading: Reading, turn: Turn, spoken: Tuple[Optional[Span], str], assumed: Assumed, found: Samples) -> None:
    speech, why = spoken
    why = why or _silent(turn)
    if why or speech is None or turn.first_audio is None:
        for metric in ("turn_gap", *PARTS, "turn_gap.above_floor"):
            if metric != "turn_gap.app":
                found.unavailable(metric, why, turn.number, turn.user)
        return
    gap_ns = reading.at_ns[turn.first_audio] - speech[1]
    found.took("turn_gap", gap_ns, turn.number, turn.user)
    _before_message(reading, turn, speech[1], assumed.end_of_turn_ns, gap_ns, found)
    _behind_message(reading, turn, found)


def _before_message(reading: Reading, turn: Turn, stop_ns: int, floor_ns: int, gap_ns: int, found: Samples) -> None:
    """The parts of a turn gap before the final user message, and what of it is above the floor."""
    assert turn.user is not None
    until_message_ns = reading.at_ns[turn.user] - stop_ns
    if until_message_ns < floor_ns:
        for metric in ("turn_gap.silence", "turn_gap.transcription", "turn_gap.above_floor"):
            found.unavailable(metric, reasons.UNDER_FLOOR, turn.number, turn.user)
        return
    found.took("turn_gap.silence", floor_ns, turn.number, turn.user)
    found.took("turn_gap.transcription", until_message_ns - floor_ns, turn.number, turn.user)
    found.took("turn_gap.above_floor", gap_ns - floor_ns, turn.number, turn.user)


def _behind_message(reading: Reading, turn: Turn, found: Samples) -> None:
    """The parts of a turn gap from the final user message on."""
    assert turn.user is not None
    assert turn.first_audio is not None
    replied_ns, sounded_ns = reading.at_ns[turn.reply[0]], reading.at_ns[turn.first_audio]
    found.took("turn_gap.response", replied_ns - reading.at_ns[turn.user], turn.number, turn.user)
    waits = shared([(replied_ns, sounded_ns)], reading.awaited_of_app(turn))
    before = turn.reply[: turn.reply.index(turn.first_audio)]
    if any(call.seq in before for call in reading.calls):
        found.took("turn_gap.app", covered_ns(waits), turn.number, turn.user)
    found.took("turn_gap.audio", sounded_ns - replied_ns - covered_ns(waits), turn.number, turn.user)


def _underrun(reading: Reading, turn: Turn, found: Samples) -> None:
    spans = reading.sounding(turn)
    if spans is None:
        found.unavailable("underrun", reasons.LENGTH_UNKNOWN, turn.number, turn.first_audio)
        return
    dry: List[Span] = [(before[1], after[0]) for before, after in zip(spans, spans[1:])]
    # While the app is asked for something it is not the service that is late.
    waits = shared(dry, reading.awaited_of_app(turn))
    found.took("underrun", covered_ns(dry) - covered_ns(waits), turn.number, turn.first_audio)


def _tools(reading: Reading, found: Samples) -> None:
    for call in reading.calls:
        if call.answer is None:
            found.unavailable("tool.service", reasons.NEVER_ANSWERED, call.turn, call.seq)
        elif call.next is None:
            found.unavailable("tool.service", reasons.NO_ANSWER_HEARD, call.turn, call.seq)
        else:
            found.took("tool.service", reading.at_ns[call.next] - reading.at_ns[call.answer], call.turn, call.seq)
