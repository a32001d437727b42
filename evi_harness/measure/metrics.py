"""The table of metrics, one row each.

Two families, never mixed: ``conversation`` is what the service and the network took, read off any session whose times were measured;
``client`` is what the app's own code took, read off a replay. A row whose id has a dot is a part of the row before the dot, or a way of
looking at it.

Rules of living here: data only. docs/reference/latency.md has the same table, and a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Tuple

from evi_harness.measure import reasons

__all__ = ["CLIENT", "CONVERSATION", "EXACT", "FLAG", "METRICS", "MILLISECONDS", "NOT_MEASURED", "SAMPLED", "TABLE", "Metric"]

CONVERSATION = "conversation"
CLIENT = "client"

MILLISECONDS = "ms"
# 1 where it happened, 0 where it did not.
FLAG = "0 or 1"

EXACT = "exact"
SAMPLED = "sampled"
# In virtual time the service is a player, and nothing that it takes is its own.
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Metric:
    """One row.

    Attributes:
        id: What it is called, in thresholds, files and tables.
        family: ``conversation`` or ``client``.
        unit: ``ms``, or ``0 or 1`` for what happens or does not.
        per: What there is one value of: a turn, a message, a call, a session …
        begins: What it is measured from.
        ends: What it is measured to.
        needs: What a session must hold for it.
        in_virtual_time: Whether a replay in virtual time gives it ``exact``, ``sampled`` or not at all; in real time all is sampled.
        unavailable: Why there may be no value.
        is_assumed: Whether it is not measured at all but taken from what was said to be configured.
        chance_ms: By how much two values may differ, exact ones too, for what came before them and is no doing of theirs.
    """

    id: str
    family: str
    unit: str
    per: str
    begins: str
    ends: str
    needs: str
    in_virtual_time: str
    unavailable: Tuple[str, ...]
    is_assumed: bool = False
    chance_ms: float = 0.0


_TIMED = (reasons.SYNTHESISED, reasons.TAKEN, reasons.PLAYED)
_HEARD = (*_TIMED, reasons.SENT_UNKNOWN, reasons.UNHEARD)
_SPOKEN = (*_HEARD, reasons.TYPED, reasons.NO_SPEECH)
_GAP = (*_SPOKEN, reasons.NO_REPLY, reasons.NO_AUDIO)
_RESPONSE = (*_TIMED, reasons.NO_REPLY, reasons.NO_AUDIO)
_OBSERVED = (reasons.NO_REPLAY, reasons.NO_HANDLER)
_BEGUN = (*_OBSERVED, reasons.NOT_BEGUN, reasons.NOT_TAKEN, reasons.NOT_WATCHED)
_RETURNED = (*_BEGUN, reasons.NOT_RETURNED, reasons.NOT_DONE, reasons.HANDED_ON)
_ONSET = (*_HEARD, reasons.LENGTH_UNKNOWN, reasons.BEGAN_BEFORE)

_SPEECH = "the user's audio, a speech detector"
_NOTES = "a replay with a handler"
# A speaker takes sound in blocks, and where in a block a sound begins depends on all that was before it. So long are the software
# speaker's.
_BLOCK_MS = 10.0
_SPEAKER = "a replay whose handler plays through the software speaker"


def _conversation(
    id: str,  # noqa: A002 - the column's name
    begins: str,
    ends: str,
    needs: str,
    unavailable: Tuple[str, ...],
    *,
    per: str = "turn",
    unit: str = MILLISECONDS,
    is_assumed: bool = False,
) -> Metric:
    return Metric(id, CONVERSATION, unit, per, begins, ends, needs, NOT_MEASURED, unavailable, is_assumed)


def _client(
    id: str,  # noqa: A002 - the column's name
    begins: str,
    ends: str,
    needs: str,
    unavailable: Tuple[str, ...],
    *,
    per: str = "message",
    in_virtual_time: str = EXACT,
    chance_ms: float = 0.0,
) -> Metric:
    return Metric(id, CLIENT, MILLISECONDS, per, begins, ends, needs, in_virtual_time, unavailable, chance_ms=chance_ms)


TABLE: Tuple[Metric, ...] = (
    _conversation(
        "connect.open",
        "connect is called",
        "the socket is open",
        "the time of the call",
        (*_TIMED, reasons.NOT_NOTED_CONNECT),
        per="session",
    ),
    _conversation(
        "connect.first",
        "the socket is open",
        "the first message is received",
        "a message",
        (*_TIMED, reasons.NOTHING_RECEIVED),
        per="session",
    ),
    _conversation("turn_gap", "the user stops speaking", "the first audio of the reply is received", _SPEECH, _GAP),
    _conversation(
        "turn_gap.silence",
        "the user stops speaking",
        "the assumed end-of-turn silence is over",
        _SPEECH,
        (*_GAP, reasons.UNDER_FLOOR),
        is_assumed=True,
    ),
    _conversation(
        "turn_gap.transcription",
        "the assumed end-of-turn silence is over",
        "the final user message is received",
        _SPEECH,
        (*_GAP, reasons.UNDER_FLOOR),
    ),
    _conversation("turn_gap.response", "the final user message is received", "the first message of the reply is received", _SPEECH, _GAP),
    _conversation(
        "turn_gap.app", "a call of the app's tool is received", "the app's answer is sent, until the first audio", "a call before it", _GAP
    ),
    _conversation(
        "turn_gap.audio",
        "the first message of the reply is received",
        "its first audio is received, without turn_gap.app",
        _SPEECH,
        _GAP,
    ),
    _conversation(
        "turn_gap.above_floor",
        "the assumed end-of-turn silence is over",
        "the first audio of the reply is received",
        _SPEECH,
        (*_GAP, reasons.UNDER_FLOOR),
    ),
    _conversation(
        "turn_gap.told",
        "the user stops speaking, as the service says",
        "the first audio of the reply is received",
        "the times in user messages",
        (*_TIMED, reasons.SENT_UNKNOWN, reasons.TYPED, reasons.NO_TIME_TOLD, reasons.TOLD_IN_GAP, reasons.NO_REPLY, reasons.NO_AUDIO),
    ),
    _conversation("response", "the final user message is received", "the first audio of the reply is received", "a reply", _RESPONSE),
    _conversation(
        "interruption",
        "the user starts to speak over the assistant",
        "the interruption is received",
        _SPEECH,
        _ONSET,
        per="interruption",
    ),
    _conversation(
        "interruption.floor",
        "the user starts to speak over the assistant",
        "the assumed minimum speech is over",
        _SPEECH,
        (*_ONSET, reasons.UNDER_INTERRUPTION_FLOOR),
        per="interruption",
        is_assumed=True,
    ),
    _conversation(
        "interruption.above_floor",
        "the assumed minimum speech is over",
        "the interruption is received",
        _SPEECH,
        (*_ONSET, reasons.UNDER_INTERRUPTION_FLOOR),
        per="interruption",
    ),
    _conversation(
        "tool.service",
        "the app's answer to a call is sent",
        "the next message of the reply is received",
        "a call of the app's tool",
        (*_TIMED, reasons.NEVER_ANSWERED, reasons.NO_ANSWER_HEARD),
        per="call",
    ),
    _conversation(
        "underrun",
        "the audio received so far has been played",
        "the next audio of the reply is received; pauses added up",
        "audio of known length",
        (*_TIMED, reasons.LENGTH_UNKNOWN),
        per="reply",
    ),
    _conversation(
        "dead_air",
        "nobody is heard while a reply is due",
        "somebody is heard; pauses of more than 3 s, added up",
        _SPEECH,
        (*_SPOKEN, reasons.LENGTH_UNKNOWN),
    ),
    _conversation(
        "talk_over",
        "both are heard",
        "one of them stops; added up",
        _SPEECH,
        (*_HEARD, reasons.LENGTH_UNKNOWN),
        per="reply",
    ),
    _conversation(
        "missed",
        "a final user message is received",
        "the next one is received, with no audio between them",
        "a user message",
        (*_TIMED, reasons.CUT_SHORT),
        unit=FLAG,
    ),
    _conversation(
        "unprompted",
        "audio of a reply is received",
        "with nothing left to answer",
        "a reply",
        _TIMED,
        per="reply",
        unit=FLAG,
    ),
    _client("queue", "the message is due", "the handler's callback for it begins", _NOTES, _BEGUN),
    _client("handle", "the message is due", "the handler's callback for it returns", _NOTES, _RETURNED),
    _client("handle.own", "the handler's callback begins", "the handler's callback returns", _NOTES, _RETURNED),
    _client(
        "tool.app",
        "a call of the app's tool is due, or received in a recording",
        "the app's answer is sent",
        "a call of the app's tool",
        (reasons.SYNTHESISED, reasons.TAKEN, reasons.NEVER_ANSWERED),
        per="call",
    ),
    _client(
        "interruption.taken",
        "the interruption is due",
        "the handler has taken it and passes on no more of the reply",
        _NOTES,
        (*_RETURNED, reasons.PLAYED_ON),
        per="interruption",
    ),
    _client(
        "interruption.silent",
        "the interruption is due",
        "the speaker is silent",
        _SPEAKER,
        (*_OBSERVED, reasons.NOT_NOTED_SOUND),
        per="interruption",
        chance_ms=_BLOCK_MS,
    ),
    _client(
        "to_speaker",
        "the assistant's audio is due, and the audio before it has been played",
        "its first sample is heard",
        _SPEAKER,
        (*_OBSERVED, reasons.NOT_NOTED_SOUND, reasons.NOT_HEARD),
        chance_ms=_BLOCK_MS,
    ),
    _client(
        "stall",
        "the event loop is blocked",
        "the event loop runs again; the longest such time",
        _NOTES,
        (*_OBSERVED, reasons.NOT_NOTED_BLOCK),
        per="replay",
    ),
    _client(
        "cpu",
        "the handler's callback begins",
        "the handler's callback returns, in processor time",
        _NOTES,
        (*_OBSERVED, reasons.NOT_NOTED_CPU),
        in_virtual_time=SAMPLED,
    ),
)

METRICS: Dict[str, Metric] = {row.id: row for row in TABLE}
