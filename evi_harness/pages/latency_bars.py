"""How long each turn took, as a bar whose parts add up, each with its owner.

Rules of living here: what is assumed is marked. Where the service and the network cannot be distinguished, they share a part. In a replay
the recording plays the service, and the label of its part says so.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from evi_harness.measure.client_family import due_ns
from evi_harness.measure.measuring import Measured
from evi_harness.measure.metrics import METRICS
from evi_harness.measure.samples import Sample
from evi_harness.measure.session_times import Reading
from evi_harness.measure.spans import covered_ns, shared
from evi_harness.pages.axis_ms import ms
from evi_harness.session.json_value import Json
from evi_harness.session.notes import DUE, HANDLER_ENTERED, HEARD, UNMET
from evi_harness.session.turn import Turn

__all__ = ["APP", "NETWORK", "SERVICE", "SETTING", "TOGETHER", "latency_bars", "samples_by_metric"]

SERVICE = "service"
SETTING = "setting"
APP = "app"
NETWORK = "network"
TOGETHER = "service and network"

_MEASURED = "from the end of the user's speech to the first audio of the reply"
# Beside a replay, whose service does not say when the user fell silent: from the same event on.
_FROM_MESSAGE = "from the user's final message to the first audio of the reply as it came; until when it was heard is not known"
_REPLAYED = "from the user's final message to the first sound of the reply; the service's part is played as it was recorded"
_AFTER_WAITING = "not measured: it was due while the replay waited for a message that was not sent, and came all at once after that"
# Parts of turn_gap: what each is called, and whose it is.
_PARTS: Mapping[str, Tuple[str, str]] = {
    "turn_gap.silence": ("end-of-turn silence", SETTING),
    "turn_gap.transcription": ("transcription", TOGETHER),
    "turn_gap.response": ("until the reply begins", TOGETHER),
    "turn_gap.app": ("the app answers a tool call", APP),
    "turn_gap.audio": ("until its first audio", TOGETHER),
}


class _Part(NamedTuple):
    id: str
    label: str
    owner: str
    ns: int
    is_assumed: bool = False

    def json(self) -> Dict[str, Json]:
        """The part as JSON values."""
        return {"id": self.id, "label": self.label, "owner": self.owner, "ms": ms(self.ns), "is_assumed": self.is_assumed}


class _Bar(NamedTuple):
    begin_ns: Optional[int]
    parts: Sequence[_Part] = ()
    why: Optional[str] = None


Samples = Mapping[str, List[Sample]]


def samples_by_metric(measured: Measured) -> Dict[str, List[Sample]]:
    """What was measured, by metric."""
    found: Dict[str, List[Sample]] = {}
    for sample in measured.samples:
        found.setdefault(sample.metric, []).append(sample)
    return found


def latency_bars(measured: Measured, reading: Reading, samples: Samples, *, from_message: bool = False) -> Dict[str, Json]:
    """The bars of a session's turns.

    Args:
        measured: The session, measured.
        reading: The same session.
        samples: What was measured, by metric.
        from_message: Whether a recording's bars begin with the user's final message, as a replay's do, and what was before stands beside.
    """
    turns = [turn for turn in reading.turns if turn.user is not None]
    floor_ns = measured.assumed.end_of_turn_ns
    if measured.untimed is None and from_message:
        bars = [(turn, _measured(turn, reading, samples, floor_ns)) for turn in turns]
        return {"why": None, "what": _FROM_MESSAGE, "turns": [_from_message(turn, bar, reading) for turn, bar in bars]}
    if measured.untimed is None:
        return {"why": None, "what": _MEASURED, "turns": [_turn(turn, _measured(turn, reading, samples, floor_ns)) for turn in turns]}
    if measured.unobserved is None:
        replayed = _Replayed(reading)
        return {"why": None, "what": _REPLAYED, "turns": [_turn(turn, replayed.bar(turn)) for turn in turns]}
    return {"why": measured.untimed, "what": _MEASURED, "turns": []}


def _turn(turn: Turn, bar: _Bar) -> Dict[str, Json]:
    return {
        "number": turn.number,
        "said": turn.user_text,
        "begin_ms": ms(bar.begin_ns),
        "total_ms": ms(sum(part.ns for part in bar.parts)) if bar.parts else None,
        "why": bar.why,
        "parts": [part.json() for part in bar.parts],
        "beside": [],
    }


def _from_message(turn: Turn, whole: _Bar, reading: Reading) -> Dict[str, Json]:
    """A turn of a recording from the user's final message on; what was before it stands beside."""
    assert turn.user is not None
    message_ns = reading.at_ns[turn.user]
    if turn.first_audio is None or not whole.parts:
        return _turn(turn, whole)
    sounded_ns = reading.at_ns[turn.first_audio]
    app_ns = covered_ns(shared([(message_ns, sounded_ns)], reading.awaited_of_app(turn)))
    parts = [_Part("response", "until the first audio", TOGETHER, sounded_ns - message_ns - app_ns)]
    parts += [_Part("turn_gap.app", "the app answers a tool call", APP, app_ns)] if app_ns else []
    shown = _turn(turn, _Bar(message_ns, parts))
    before_ns = sum(part.ns for part in whole.parts) - (sounded_ns - message_ns)
    if before_ns > 0:
        shown["beside"] = [{"label": "from the end of the user's speech to that message", "ms": ms(before_ns)}]
    return shown


def _measured(turn: Turn, reading: Reading, samples: Samples, floor_ns: int) -> _Bar:
    """By the detector's end of speech, else by the service's own, else from the user's message on."""
    assert turn.user is not None
    message_ns = reading.at_ns[turn.user]
    if turn.first_audio is None:
        return _Bar(message_ns, (), _why("response", turn, samples))
    sounded_ns = reading.at_ns[turn.first_audio]
    gap_ns = _value_ns("turn_gap", turn, samples)
    if gap_ns is not None:
        found = [(name, _value_ns(name, turn, samples)) for name in _PARTS]
        parts = [_Part(name, *_PARTS[name], ns, METRICS[name].is_assumed) for name, ns in found if ns is not None]
        # What is under the assumed silence has no parts before the message.
        rest_ns = gap_ns - sum(part.ns for part in parts)
        if rest_ns > 0:
            parts.insert(0, _Part("turn_gap.before", "until the user's final message", TOGETHER, rest_ns))
        return _Bar(sounded_ns - gap_ns, parts)
    told_ns = _value_ns("turn_gap.told", turn, samples)
    before = []
    if told_ns is not None and told_ns > sounded_ns - message_ns:
        before = _before(told_ns - (sounded_ns - message_ns), floor_ns)
    app_ns = covered_ns(shared([(message_ns, sounded_ns)], reading.awaited_of_app(turn)))
    behind = [_Part("response", "until the first audio", TOGETHER, sounded_ns - message_ns - app_ns)]
    behind += [_Part("turn_gap.app", "the app answers a tool call", APP, app_ns)] if app_ns else []
    return _Bar(message_ns - sum(part.ns for part in before), [*before, *behind])


def _before(until_message_ns: int, floor_ns: int) -> List[_Part]:
    """What of a gap is before the user's message: the assumed silence, where there is room for it, and the rest."""
    if until_message_ns < floor_ns:
        return [_Part("turn_gap.before", "until the user's final message", TOGETHER, until_message_ns)]
    silence, transcription = "turn_gap.silence", "turn_gap.transcription"
    rest_ns = until_message_ns - floor_ns
    return [_Part(silence, *_PARTS[silence], floor_ns, True), _Part(transcription, *_PARTS[transcription], rest_ns)]


def _value_ns(metric: str, turn: Turn, samples: Samples) -> Optional[int]:
    values = [one.value for one in samples.get(metric, ()) if one.turn == turn.number and one.value is not None]
    return round(values[0] * 1e6) if values else None


def _why(metric: str, turn: Turn, samples: Samples) -> str:
    return next((one.why for one in samples.get(metric, ()) if one.turn == turn.number and one.why), "there is no audio in the reply")


class _Replayed:
    """The bars of a replay: what the recorded service took, and what the app made of it.

    Args:
        reading: The session that the replay yielded.
    """

    def __init__(self, reading: Reading) -> None:
        session = reading.session
        self._reading = reading
        self._due_ns = due_ns(session)
        self._heard_ns = {note.of: heard.at_ns for note, heard in session.noted(HEARD) if note.of is not None}
        given_up_ns = [note.at_ns for note, _ in session.noted(UNMET)]
        # What was due while the replay waited in vain: it came all at once, and when it did says nothing of anybody.
        self._held = {
            note.of for note, due in session.noted(DUE) if due.held_ns and any(due.due_ns < at_ns <= note.at_ns for at_ns in given_up_ns)
        }
        self._entered_ns: Dict[int, int] = {}
        for note in session.notes_of(HANDLER_ENTERED):
            if note.of is not None:
                self._entered_ns.setdefault(note.of, note.at_ns)

    def bar(self, turn: Turn) -> _Bar:
        assert turn.user is not None
        begin_ns = self._due(turn.user)
        if turn.first_audio is None:
            return _Bar(begin_ns, (), "there is no audio in the reply")
        if turn.user in self._held or turn.first_audio in self._held:
            return _Bar(begin_ns, (), _AFTER_WAITING)
        due_ns_ = self._due(turn.first_audio)
        app_ns = covered_ns(shared([(begin_ns, due_ns_)], self._reading.awaited_of_app(turn)))
        parts = [_Part("response", "as recorded", SERVICE, due_ns_ - begin_ns - app_ns)]
        parts += [_Part("tool.app", "the app answers a tool call", APP, app_ns)] if app_ns else []
        entered_ns, heard_ns = self._entered_ns.get(turn.first_audio), self._heard_ns.get(turn.first_audio)
        if entered_ns is not None and entered_ns > due_ns_:
            parts.append(_Part("queue", "until the app reads it", APP, entered_ns - due_ns_))
        taken_ns = due_ns_ if entered_ns is None else max(entered_ns, due_ns_)
        if heard_ns is not None and heard_ns > taken_ns:
            parts.append(_Part("to_speaker", "until it is heard", APP, heard_ns - taken_ns))
        why = "the first audio was never heard: the bar ends when the app read it" if heard_ns is None else None
        return _Bar(begin_ns, [part for part in parts if part.ns >= 0], why)

    def _due(self, seq: int) -> int:
        return self._due_ns.get(seq, self._reading.at_ns[seq])
