"""The lanes of a conversation: turns, calls of tools, interruptions, and the transcript.

Rules of living here: read off the session by the rooms that know how; what is not known is None and never 0.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional

from evi_harness.measure.said_times import SaidTimes
from evi_harness.measure.samples import Sample
from evi_harness.measure.session_times import Reading
from evi_harness.pages.axis_ms import ms
from evi_harness.pages.plain_json import plain_json
from evi_harness.session.events import Received, Sent
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import RECEIVED, Dialect
from evi_harness.session.sounding import Span
from evi_harness.session.turn import Turn

__all__ = ["interruptions_lane", "tools_lane", "transcript", "turns_lane"]


def turns_lane(reading: Reading) -> List[Dict[str, Json]]:
    """The turns of a session, each with what was said and from when until when."""
    return [_turn(turn, reading) for turn in reading.turns]


def _turn(turn: Turn, reading: Reading) -> Dict[str, Json]:
    at_ns, spoken = reading.at_ns, _spoken(turn, reading)
    begins = [at_ns[seq] for seq in turn.reply[:1]]
    begins += [] if turn.user is None else [at_ns[turn.user]]
    begins += [] if spoken is None else [spoken[0]]
    sounds = reading.sounding(turn) or []
    reply_ends_ns = max([*(at_ns[seq] for seq in turn.reply), *(end for _, end in sounds)], default=None)
    interrupted_ns = None if turn.interrupted_by is None else at_ns[turn.interrupted_by]
    ends = [one for one in (reply_ends_ns, None if turn.user is None else at_ns[turn.user]) if one is not None]
    user = None
    if turn.user is not None:
        begin_ns, end_ns = (None, None) if spoken is None else spoken
        user = {
            "text": turn.user_text,
            "begin_ms": ms(begin_ns),
            "end_ms": ms(end_ns),
            "message_ms": ms(at_ns[turn.user]),
            "seq": turn.user,
        }
    reply = None
    if turn.reply:
        first = None if turn.first_audio is None else at_ns[turn.first_audio]
        reply = {
            "text": turn.reply_text,
            "begin_ms": ms(at_ns[turn.reply[0]]),
            "end_ms": ms(reply_ends_ns),
            "first_audio_ms": ms(first),
        }
    return {
        "number": turn.number,
        "begin_ms": ms(min(begins, default=0)),
        "end_ms": ms(max(ends, default=0)),
        "user": user,
        "reply": reply,
        "interrupted_ms": ms(interrupted_ns),
    }


def _spoken(turn: Turn, reading: Reading) -> Optional[Span]:
    """When the user said it, by the service's own times."""
    return None if turn.speech is None else reading.spoken.span(turn.speech)


def tools_lane(reading: Reading, dialect: Dialect) -> List[Dict[str, Json]]:
    """The calls of the app's tools: from the call to the app's answer, and to what the service said then."""
    frames = {event.seq: event for event in reading.session.events if isinstance(event, (Sent, Received))}

    def said(seq: Optional[int]) -> Optional[str]:
        event = None if seq is None else frames[seq]
        return None if event is None else plain_json(dialect.describe(event.kind, dialect.read(event.kind, event.frame)))

    found = []
    for call in reading.calls:
        name = dialect.call_text(dialect.read(RECEIVED, frames[call.seq].frame)).split(" ", 1)[0]
        found.append(
            {
                "seq": call.seq,
                "turn": call.turn,
                "name": name or None,
                "what": said(call.seq),
                "begin_ms": ms(reading.at_ns[call.seq]),
                "answer_seq": call.answer,
                "answer_ms": None if call.answer is None else ms(reading.at_ns[call.answer]),
                "answer": said(call.answer),
                "next_ms": None if call.next is None else ms(reading.at_ns[call.next]),
            }
        )
    return found


def interruptions_lane(reading: Reading, samples: Mapping[str, List[Sample]], due: Mapping[int, int]) -> List[Dict[str, Json]]:
    """The interruptions, and when the speaker fell silent where that was observed.

    Args:
        reading: The session.
        samples: What was measured in it, by metric.
        due: When each received message was due, by seq.
    """
    silent = {one.of: one.value for one in samples.get("interruption.silent", ()) if one.value is not None}
    found = []
    for turn in reading.turns:
        if turn.interrupted_by is not None:
            seq = turn.interrupted_by
            begin_ns = due.get(seq, reading.at_ns[seq])
            silent_ns = begin_ns + round(silent[seq] * 1e6) if seq in silent else None
            found.append({"seq": seq, "turn": turn.number, "at_ms": ms(reading.at_ns[seq]), "silent_ms": ms(silent_ns)})
    return found


def transcript(reading: Reading, dialect: Dialect) -> List[Dict[str, Json]]:
    """What was said: a line each, with when it was heard, and the emotions that the service heard in it."""
    lines: List[Dict[str, Json]] = []
    by_name: Dict[str, Dict[str, Json]] = {}
    times = SaidTimes(reading)
    for event in reading.session.events:
        said = dialect.saying(event.kind, dialect.read(event.kind, event.frame)) if isinstance(event, (Sent, Received)) else None
        if said is None:
            continue
        emotions = [{"name": name, "score": round(score, 4)} for name, score in sorted(said.emotions.items(), key=lambda one: -one[1])]
        earlier = None if said.about is None else by_name.get(said.about)
        if earlier is not None and not said.text:
            earlier["emotions"] = emotions
            continue
        span = times.span(event.seq, said)
        line = {
            "seq": event.seq,
            "at_ms": ms(event.at_ns),
            "who": said.who,
            "text": said.text,
            "begin_ms": None if span is None else ms(span[0]),
            "end_ms": None if span is None else ms(span[1]),
            "is_interim": said.is_interim,
            "is_unheard": times.is_unheard(said),
            "turn": reading.turn_of.get(event.seq),
            "emotions": emotions,
        }
        lines.append(line)
        if said.about is not None:
            by_name[said.about] = line
    return lines
