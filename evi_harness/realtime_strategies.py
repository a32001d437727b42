"""Hypothesis strategies for sessions of OpenAI's Realtime protocol.

``realtime_sessions()`` draws whole sessions that follow the protocol's grammar, as OpenAI's service speaks it or one that sends less, for
properties of whatever works on a session. Needs ``hypothesis``.

Rules of living here: what is drawn is a plan, few numbers and choices that shrink well; a plan is then acted out with no further draw.
Messages of the service are compact JSON, those of the app ``json.dumps`` with the type first, as the openai SDK writes them. No secret is
in any of them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache, partial
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from evi_harness.session.events import TEXT, Closed, ClosedBy, Event, Frame, Handshake, Opened, Received, Sent, order
from evi_harness.session.header import Anchor, Header, Recorded
from evi_harness.session.session import Session

__all__ = ["realtime_sessions"]

_MS = 1_000_000
_WALL = datetime(2026, 1, 1, tzinfo=timezone.utc)
_WORDS = ("Hello.", "Ça va, merci.", 'He said "no" \\ and left.', "元気ですか。", "😀", "")
# Pieces of what is said, each so many times 40 ms long.
_CHUNKS = ((1,), (2,), (5,), (1, 1), (3, 2))
_PADDING_MS = 300

Fields = Dict[str, Any]


class _Format(NamedTuple):
    """A format of audio: today's name, the beta's, and bytes a millisecond."""

    now: Mapping[str, Any]
    beta: str
    n_bytes: int


_PCM = _Format({"type": "audio/pcm", "rate": 24_000}, "pcm16", 48)
_FORMATS = (_Format({"type": "audio/pcmu"}, "g711_ulaw", 8), _Format({"type": "audio/pcma"}, "g711_alaw", 8), _PCM)
_UPDATES: Tuple[Fields, ...] = (
    {"instructions": "Be brief."},
    {"tool_choice": "none"},
    {"tools": [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}]},
)

# How a reply may end: as planned; by the user's voice, while it is made or while it is played; by the app; or with a request too many.
_WHOLE, _INTERRUPTED, _TALKED_OVER, _CANCELLED, _REFUSED = "whole", "interrupted", "talked over", "cancelled", "refused"


@dataclass(frozen=True)
class _Output:
    """One item of a response: what is said."""

    text: str
    chunks: Tuple[int, ...]


@dataclass(frozen=True)
class _Turn:
    """What happens in one turn; lengths in ms."""

    is_typed: bool
    text: str
    think_ms: int
    speech_blocks: int
    hangover_ms: int
    latency_ms: int
    gap_ms: int
    outputs: Tuple[_Output, ...]
    n_tools: int
    is_tool_quick: bool
    tool_ms: int
    ending: str
    transcript: str
    update: Optional[int]
    request: str
    has_error: bool


@dataclass(frozen=True)
class _Plan:
    """What happens in one session.

    Attributes:
        is_beta: Whether the events have the beta's names, and the session is flat.
        announces: Whether the service says that a response begins.
        finishes: Whether it says that an item is done.
        has_limits: Whether it tells its rate limits.
        pings: Whether it sends ``ping``.
        is_early: Whether it transcribes while the user speaks, and tells of the user's item before it is committed.
        names: Whether the app gives ids to its events and items.
    """

    number: int
    microphone: Optional[Tuple[int, int]]
    speaks: int
    detection: str
    creates: bool
    silence_ms: int
    drops_frames: bool
    jitter_ms: int
    took_ns: Optional[int]
    taken_after_ns: Optional[int]
    is_beta: bool
    announces: bool
    finishes: bool
    has_limits: bool
    pings: bool
    is_early: bool
    names: bool
    transcribes: bool
    writes: bool
    n_history: int
    greeting: Optional[_Output]
    turns: Tuple[_Turn, ...]
    closed_by: ClosedBy
    close_code: int
    expires: bool
    close_ms: int


def realtime_sessions(
    *,
    max_turns: int = 3,
    audio: Optional[bool] = None,
    drops_frames: Optional[bool] = None,
    closed_by: Sequence[ClosedBy] = ("app", "service", "network"),
) -> SearchStrategy[Session]:
    """Draw sessions that follow the Realtime protocol: sent and closed recorded, times measured, frames in memory.

    Args:
        max_turns: At most so many turns besides a greeting that the app asks for.
        audio: True for sessions with the user's audio, False for those in which everything is typed, None for both.
        drops_frames: True where the microphone is silent while the assistant plays; False where it never is, then the user interrupts too;
            None for both. Says nothing without audio, and with push to talk.
        closed_by: Who closes, to choose from: ``app``, ``service``, ``network``.

    Returns:
        A strategy of sessions, their events ordered by ``(at_ns, seq)``, each cause before what it caused.
    """
    blocks = [(number, block_ms) for number in range(len(_FORMATS)) for block_ms in (100, 40)]
    microphones: Mapping[Optional[bool], Sequence[Optional[Tuple[int, int]]]] = {True: blocks, False: [None], None: [None, *blocks]}
    flag = st.booleans()
    plans = st.builds(
        _Plan,
        number=st.integers(0, 2**16),
        microphone=st.sampled_from(microphones[audio]),
        speaks=st.integers(0, len(_FORMATS) - 1),
        detection=st.sampled_from(("server_vad", "semantic_vad", "none")),
        creates=flag,
        silence_ms=st.sampled_from((200, 500)),
        drops_frames=flag if drops_frames is None else st.just(drops_frames),
        jitter_ms=st.integers(0, 15),
        took_ns=st.sampled_from((None, 0, 100_000)),
        taken_after_ns=st.sampled_from((None, 0, 2 * _MS)),
        is_beta=flag,
        announces=st.sampled_from((True, True, False)),
        finishes=flag,
        has_limits=flag,
        pings=flag,
        is_early=flag,
        names=flag,
        transcribes=flag,
        writes=flag,
        n_history=st.integers(0, 3),
        greeting=st.one_of(st.none(), _outputs()),
        turns=st.lists(_turns(), max_size=max_turns).map(tuple),
        closed_by=st.sampled_from(tuple(closed_by)),
        close_code=st.sampled_from((1000, 1011)),
        expires=flag,
        close_ms=st.integers(1, 1500),
    )
    return plans.map(lambda plan: _Stage(plan).session())


def _outputs() -> SearchStrategy[_Output]:
    return st.builds(_Output, text=st.sampled_from(_WORDS), chunks=st.sampled_from(_CHUNKS))


def _turns() -> SearchStrategy[_Turn]:
    return st.builds(
        _Turn,
        is_typed=st.sampled_from((False, False, True)),
        text=st.sampled_from(_WORDS),
        think_ms=st.integers(0, 600),
        speech_blocks=st.integers(1, 12),
        hangover_ms=st.integers(0, 400),
        latency_ms=st.integers(1, 700),
        gap_ms=st.integers(0, 120),
        outputs=st.lists(_outputs(), min_size=1, max_size=2).map(tuple),
        n_tools=st.sampled_from((0, 0, 1, 2)),
        is_tool_quick=st.booleans(),
        tool_ms=st.integers(1, 800),
        ending=st.sampled_from((_WHOLE, _WHOLE, _INTERRUPTED, _TALKED_OVER, _CANCELLED, _REFUSED)),
        transcript=st.sampled_from(("at once", "meanwhile", "behind")),
        update=st.sampled_from((None, *range(len(_UPDATES)))),
        request=st.sampled_from(("", "", "delete", "retrieve", "clear")),
        has_error=st.sampled_from((False, False, True)),
    )


class _Crossing(NamedTuple):
    """One frame on its way into the session, or its end: when its line is written, and its event but for the seq."""

    written_ns: int
    event: Callable[[int], Event]


class _Stage:
    """Acts a plan out: keeps the time, what plays, and which items there are."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._now = 0
        self._crossings: List[_Crossing] = []
        # When the microphone sends: from when to when, the latest perhaps without an end.
        self._open: List[Tuple[int, Optional[int]]] = []
        self._playing: List[Tuple[int, int]] = []
        self._speaking_from: Optional[int] = None
        # The item that the user's speech will be, where the service has announced it.
        self._announced: Optional[str] = None
        self._items: List[str] = []
        self._n_ids = 0
        # The transcript that is still to come.
        self._owed: Optional[Tuple[str, str]] = None

    def session(self) -> Session:
        self._begin()
        for turn, following in zip(self._plan.turns, (*self._plan.turns[1:], None)):
            self._turn(turn, following)
        self._close()
        events = self._ordered()
        return Session(self._header(events), events, name=f"drawn-{self._plan.number}")

    # The session.

    def _begin(self) -> None:
        plan = self._plan
        self._receive(2, "session.created", session={"id": self._id("sess", 1), "object": "realtime.session", "model": "gpt-realtime"})
        if plan.is_beta:
            self._receive(1, "conversation.created", conversation={"id": self._id("conv", 1), "object": "realtime.conversation"})
        self._update(self._configuration())
        if plan.microphone is not None and plan.detection != "none":
            self._open.append((self._now, None))
        for number in range(plan.n_history):
            role = ("user", "assistant")[number % 2]
            self._create({"type": "message", "role": role, "content": [{"type": "input_text", "text": _WORDS[number]}]}, 1)
            self._item_told(20)
        if plan.greeting is not None:
            self._send(5, "response.create")
            self._now += 150 * _MS
            self._response((plan.greeting,), gap_ms=10)

    def _configuration(self) -> Fields:
        plan = self._plan
        heard = _FORMATS[plan.microphone[0]] if plan.microphone is not None else _PCM
        spoken, detection = _FORMATS[plan.speaks], self._turn_detection()
        transcription = {"model": "whisper-1"} if plan.transcribes else None
        modalities = ["text"] if plan.writes else ["audio"]
        if plan.is_beta:
            return {
                "modalities": modalities,
                "input_audio_format": heard.beta,
                "output_audio_format": spoken.beta,
                "input_audio_transcription": transcription,
                "turn_detection": detection,
            }
        given = {"format": heard.now, "transcription": transcription, "turn_detection": detection}
        return {"type": "realtime", "output_modalities": modalities, "audio": {"input": given, "output": {"format": spoken.now}}}

    def _turn_detection(self) -> Optional[Fields]:
        if self._plan.detection == "none":
            return None
        flags = {"create_response": self._plan.creates, "interrupt_response": True}
        silence = {"silence_duration_ms": self._plan.silence_ms} if self._plan.detection == "server_vad" else {}
        return {"type": self._plan.detection, **silence, **flags}

    def _update(self, session: Fields) -> None:
        self._send(3, "session.update", session=session)
        self._receive(25, "session.updated", session={"id": self._id("sess", 1), **session})
        if self._plan.pings:
            self._receive(4, "ping", timestamp=self._now // _MS)

    def _close(self) -> None:
        plan = self._plan
        expires = plan.closed_by == "service" and plan.expires
        if expires:
            message = "Your session hit the maximum duration of 60 minutes."
            self._receive(plan.close_ms, "error", error={"type": "invalid_request_error", "code": "session_expired", "message": message})
        # Longer than a send takes, so that the line of the last one is written before the close.
        self._now += plan.close_ms * _MS
        code = {"app": 1000, "service": 1001 if expires else plan.close_code, "network": None}[plan.closed_by]
        self._crossings.append(_Crossing(self._now, partial(Closed, at_ns=self._now, by=plan.closed_by, code=code)))

    # A turn.

    def _turn(self, turn: _Turn, following: Optional[_Turn]) -> None:
        if self._speaking_from is None:
            self._between(turn)
        if (turn.is_typed and self._speaking_from is None) or self._plan.microphone is None:
            self._typed(turn)
        elif self._plan.detection == "none":
            self._pushed(turn)
        else:
            self._spoken(turn)
        self._now += turn.latency_ms * _MS
        calls = [(self._id("item"), self._id("call")) for _ in range(turn.n_tools)]
        is_heard = self._plan.microphone is not None and self._plan.detection != "none" and not self._plan.drops_frames
        can_interrupt = following is not None and is_heard
        ending = turn.ending if can_interrupt or turn.ending not in (_INTERRUPTED, _TALKED_OVER) else _WHOLE
        if calls:
            self._response((), turn.gap_ms, calls=calls, turn=turn)
            self._now += turn.latency_ms * _MS
        self._response(turn.outputs, turn.gap_ms, ending=ending)
        self._transcript("behind")

    def _between(self, turn: _Turn) -> None:
        """What does not belong to a turn."""
        if turn.has_error:
            self._receive(turn.gap_ms, "error", error={"type": "server_error", "code": "server_error", "message": "Try again."})
        if turn.update is not None:
            self._now += turn.think_ms * _MS
            self._update(dict(_UPDATES[turn.update]) if self._plan.is_beta else {"type": "realtime", **_UPDATES[turn.update]})
        if turn.request == "clear" and self._plan.microphone is not None:
            self._send(2, "input_audio_buffer.clear")
            self._receive(15, "input_audio_buffer.cleared")
        elif turn.request in ("delete", "retrieve") and self._items:
            item = self._items.pop(0) if turn.request == "delete" else self._items[0]
            self._send(2, f"conversation.item.{turn.request}", item_id=item)
            if turn.request == "delete":
                self._receive(15, "conversation.item.deleted", item_id=item)
            else:
                self._receive(15, "conversation.item.retrieved", item={"id": item, "type": "message", "role": "user", "content": []})

    def _typed(self, turn: _Turn) -> None:
        self._now += turn.think_ms * _MS
        self._create({"type": "message", "role": "user", "content": [{"type": "input_text", "text": turn.text}]}, 1)
        self._send(1, "response.create")
        self._item_told(20)

    def _pushed(self, turn: _Turn) -> None:
        """Push to talk: the microphone is open while the user speaks, and the app says when the turn is over."""
        assert self._plan.microphone is not None
        self._now += turn.think_ms * _MS
        end_ns = self._now + (turn.speech_blocks * self._plan.microphone[1] + self._plan.jitter_ms + 1) * _MS
        self._open.append((self._now, end_ns))
        self._now = end_ns
        self._send(1, "input_audio_buffer.commit")
        self._send(1, "response.create")
        self._committed(turn, self._id("item"))

    def _spoken(self, turn: _Turn) -> None:
        assert self._plan.microphone is not None
        block_ns = self._plan.microphone[1] * _MS
        if self._speaking_from is None:
            self._wait_for_silence()
            self._now += turn.think_ms * _MS
            self._started(self._now)
        assert self._speaking_from is not None
        assert self._announced is not None
        item, begin_ns = self._announced, self._speaking_from
        self._speaking_from = self._announced = None
        silence_ms = self._plan.silence_ms if self._plan.detection == "server_vad" else turn.hangover_ms
        end_ns = max(self._now, begin_ns + turn.speech_blocks * block_ns) + silence_ms * _MS + 5 * _MS
        written_ms = self._written_ms(end_ns)
        if self._plan.is_early:
            self._heard(item, turn.text[:2])
        self._now = max(self._now, end_ns)
        self._receive(turn.hangover_ms, "input_audio_buffer.speech_stopped", audio_end_ms=written_ms, item_id=item)
        self._committed(turn, item)
        if not self._plan.creates:
            self._send(5, "response.create")

    def _started(self, begin_ns: int) -> None:
        """The service hears that the user has begun to speak."""
        assert self._plan.microphone is not None
        self._speaking_from, self._announced = begin_ns, self._id("item")
        self._now = begin_ns + (self._plan.microphone[1] + self._plan.jitter_ms + 60) * _MS
        start_ms = max(0, self._written_ms(begin_ns) - _PADDING_MS)
        self._receive(0, "input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=self._announced)

    def _committed(self, turn: _Turn, item: str) -> None:
        self._receive(1, "input_audio_buffer.committed", item_id=item, previous_item_id=self._items[-1] if self._items else None)
        if not self._plan.is_early or self._plan.detection == "none":
            self._told_of(_spoken_item(item), 1)
        if self._plan.transcribes:
            self._owed = (item, turn.text)
        if turn.transcript != "behind":
            self._transcript(turn.transcript)

    def _heard(self, item: str, text: str) -> None:
        """What some services say of speech before it is over."""
        if self._plan.transcribes:
            name = "conversation.item.input_audio_transcription.updated"
            self._receive(1, name, item_id=item, content_index=0, transcript=text)
        self._told_of(_spoken_item(item), 1)

    def _transcript(self, when: str) -> None:
        """The transcript of what was said, if it is owed; ``meanwhile`` leaves it to the response."""
        if self._owed is None or when == "meanwhile":
            return
        (item, text), self._owed = self._owed, None
        name = "conversation.item.input_audio_transcription"
        self._receive(3, f"{name}.delta", item_id=item, content_index=0, delta=text[:5])
        self._receive(3, f"{name}.completed", item_id=item, content_index=0, transcript=text)

    # Items and responses.

    def _create(self, item: Fields, after_ms: int) -> None:
        """Give the service an item; ``_item_told`` has it answered."""
        self._given = {"id": self._id("item"), **item}
        self._send(after_ms, "conversation.item.create", item=self._given if self._plan.names else item)

    def _item_told(self, after_ms: int) -> None:
        self._told_of(self._given, after_ms)

    def _told_of(self, item: Fields, after_ms: int) -> None:
        previous = self._items[-1] if self._items else None
        self._receive(after_ms, f"conversation.item.{'created' if self._plan.is_beta else 'added'}", previous_item_id=previous, item=item)
        if item.get("role") != "assistant" and item["type"] != "function_call":
            self._done(item)
        self._items.append(item["id"])

    def _done(self, item: Fields) -> None:
        if self._plan.finishes:
            self._receive(1, "conversation.item.done", item=item)

    def _response(
        self,
        outputs: Sequence[_Output],
        gap_ms: int,
        *,
        calls: Sequence[Tuple[str, str]] = (),
        turn: Optional[_Turn] = None,
        ending: str = _WHOLE,
    ) -> None:
        response = self._id("resp")
        if self._plan.announces:
            self._receive(1, "response.created", response={"id": response, "status": "in_progress"})
        began_ns, length_ms, item = self._now, 0, ""
        for index, output in enumerate(outputs):
            is_last = index == len(outputs) - 1
            item, began_ns, length_ms = self._said(response, index, output, gap_ms, is_cut=is_last and ending in (_INTERRUPTED, _CANCELLED))
        quick = [call for call in calls if turn is not None and turn.is_tool_quick]
        for index, call in enumerate(calls):
            self._called(response, index, *call, gap_ms, is_answered=call in quick)
        if ending == _REFUSED and self._plan.announces:
            self._refused()
        status, reason = "completed", None
        if ending == _INTERRUPTED:
            self._started(self._now + 40 * _MS)
            status, reason = "cancelled", "turn_detected"
        elif ending == _CANCELLED:
            self._send(2, "response.cancel")
            status, reason = "cancelled", "client_cancelled"
        details = {} if reason is None else {"status_details": {"type": "cancelled", "reason": reason}}
        self._receive(gap_ms, "response.done", response={"id": response, "status": status, **details})
        if self._plan.has_limits:
            self._receive(0, "rate_limits.updated", rate_limits=[])
        if ending == _TALKED_OVER:
            self._started(self._now + 40 * _MS)
        if ending in (_INTERRUPTED, _TALKED_OVER, _CANCELLED) and length_ms:
            self._truncated(item, min(length_ms, (self._now - began_ns) // _MS))
        if turn is not None:
            self._answered([call for call in calls if call not in quick], turn)

    def _said(self, response: str, index: int, output: _Output, gap_ms: int, *, is_cut: bool) -> Tuple[str, int, int]:
        """One message of the assistant's: its id, when its audio began to come, and how many milliseconds of it came."""
        item, beta = self._id("item"), self._plan.is_beta
        about = {"response_id": response, "item_id": item, "output_index": index, "content_index": 0}
        message = {"id": item, "type": "message", "role": "assistant", "content": []}
        self._receive(gap_ms, "response.output_item.added", response_id=response, output_index=index, item=message)
        self._told_of(message, 0)
        self._receive(0, "response.content_part.added", **about, part={"type": "text" if self._plan.writes else "audio"})
        began_ns, length_ms = self._now, 0
        prefix = "response." if beta else "response.output_"
        words = "text" if self._plan.writes else "audio_transcript"
        for number, chunk in enumerate(output.chunks):
            self._receive(gap_ms, f"{prefix}{words}.delta", **about, delta=output.text[number : number + 1])
            if not self._plan.writes:
                length_ms += 40 * chunk
                self._receive(gap_ms, f"{prefix}audio.delta", **about, delta=_sound(_FORMATS[self._plan.speaks].n_bytes, 40 * chunk))
                self._plays(40 * chunk)
            if number == 0:
                self._transcript("at once")
        if is_cut:
            return item, began_ns, length_ms
        if not self._plan.writes:
            self._receive(0, f"{prefix}audio.done", **about)
        self._receive(0, f"{prefix}{words}.done", **about, **{"text" if self._plan.writes else "transcript": output.text})
        self._receive(0, "response.content_part.done", **about, part={"type": "text" if self._plan.writes else "audio"})
        self._done(message)
        self._receive(0, "response.output_item.done", response_id=response, output_index=index, item=message)
        return item, began_ns, length_ms

    def _called(self, response: str, index: int, item: str, call: str, gap_ms: int, *, is_answered: bool) -> None:
        about = {"response_id": response, "item_id": item, "output_index": index, "call_id": call}
        told = {"id": item, "type": "function_call", "name": "get_weather", "call_id": call, "arguments": ""}
        self._receive(gap_ms, "response.output_item.added", response_id=response, output_index=index, item=told)
        self._told_of(told, 0)
        self._receive(gap_ms, "response.function_call_arguments.delta", **about, delta='{"city"')
        arguments = '{"city": "Bath"}'
        self._receive(gap_ms, "response.function_call_arguments.done", **about, name="get_weather", arguments=arguments)
        if is_answered:
            self._output(call, 1)
        self._done({**told, "arguments": arguments})
        self._receive(0, "response.output_item.done", response_id=response, output_index=index, item={**told, "arguments": arguments})
        if is_answered:
            self._item_told(5)

    def _answered(self, calls: Sequence[Tuple[str, str]], turn: _Turn) -> None:
        """The app answers what it has not answered yet, and asks for the rest of the reply."""
        for _, call in calls:
            self._output(call, turn.tool_ms)
            self._item_told(10)
        self._send(1, "response.create")

    def _output(self, call: str, after_ms: int) -> None:
        self._create({"type": "function_call_output", "call_id": call, "output": '{"sky": "blue"}'}, after_ms)

    def _refused(self) -> None:
        """The app asks for a response while there is one."""
        identity = self._send(2, "response.create")
        told = {} if identity is None else {"event_id": identity}
        code = "conversation_already_has_active_response"
        self._receive(10, "error", error={"type": "invalid_request_error", "code": code, "message": "There is one.", **told})

    def _truncated(self, item: str, heard_ms: int) -> None:
        where = {"item_id": item, "content_index": 0, "audio_end_ms": heard_ms}
        self._send(1, "conversation.item.truncate", **where)
        self._playing = [(start, min(stop, self._now)) for start, stop in self._playing]
        self._receive(15, "conversation.item.truncated", **where)

    def _plays(self, length_ms: int) -> None:
        start = max(self._now, self._playing[-1][1]) if self._playing else self._now
        self._playing.append((start, start + length_ms * _MS))

    def _wait_for_silence(self) -> None:
        """Let the assistant finish where the microphone is dead while it plays."""
        if self._plan.drops_frames and self._playing:
            self._now = max(self._now, self._playing[-1][1])

    # Frames, times and ids.

    def _receive(self, after_ms: int, name: str, /, **fields: Any) -> None:
        self._pass(after_ms)
        self._n_ids += 1
        told = {"type": name, "event_id": f"event_{self._plan.number}_{self._n_ids}", **fields}
        taken_ns = None if self._plan.taken_after_ns is None else self._now + self._plan.taken_after_ns
        frame = Frame(TEXT, json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode())
        self._crossings.append(_Crossing(self._now, partial(Received, at_ns=self._now, frame=frame, taken_ns=taken_ns)))

    def _send(self, after_ms: int, name: str, /, **fields: Any) -> Optional[str]:
        """Send a message; the id of the event, if the app gives ids."""
        self._pass(after_ms)
        self._n_ids += 1
        identity = f"app_{self._n_ids}" if self._plan.names else None
        given = {} if identity is None else {"event_id": identity}
        self._crossings.append(self._sent(self._now, Frame(TEXT, json.dumps({"type": name, **given, **fields}).encode())))
        return identity

    def _sent(self, at_ns: int, frame: Frame) -> _Crossing:
        # A send is written when it has ended.
        took_ns = self._plan.took_ns
        return _Crossing(at_ns + (took_ns or 0), partial(Sent, at_ns=at_ns, frame=frame, took_ns=took_ns))

    def _pass(self, after_ms: int) -> None:
        # No two messages at one instant, and none on a whole millisecond.
        self._now += after_ms * _MS + 1 + len(self._crossings) * 7919 % 1009

    def _blocks(self, until_ns: int) -> Iterator[int]:
        """When the app sends a block of audio, up to but without an instant."""
        if self._plan.microphone is None:
            return
        block_ns = self._plan.microphone[1] * _MS
        for begin_ns, end_ns in self._open:
            stop_ns = until_ns if end_ns is None else min(until_ns, end_ns)
            number = 0
            while True:
                at_ns = begin_ns + (number + 1) * block_ns + number * 7 % (self._plan.jitter_ms + 1) * _MS
                if at_ns >= stop_ns:
                    break
                number += 1
                is_dead = end_ns is None and self._plan.drops_frames
                if not is_dead or not any(start <= at_ns < stop for start, stop in self._playing):
                    yield at_ns

    def _written_ms(self, at_ns: int) -> int:
        """How much audio the app has sent by then."""
        assert self._plan.microphone is not None
        return sum(1 for _ in self._blocks(at_ns)) * self._plan.microphone[1]

    def _ordered(self) -> Tuple[Event, ...]:
        """All events with their seqs, by the order of writing, in the order of time."""
        crossings = sorted([*self._crossings, *self._sound()], key=lambda crossing: crossing.written_ns)
        opened = Opened(0, 0, handshake=Handshake("/v1/realtime", (("model", "gpt-realtime"),)))
        events = [opened, *(crossing.event(seq) for seq, crossing in enumerate(crossings, start=1))]
        return tuple(sorted(events, key=order))

    def _sound(self) -> Iterator[_Crossing]:
        if self._plan.microphone is None:
            return
        number, block_ms = self._plan.microphone
        # The last send has ended before the connection does.
        for at_ns in self._blocks(self._now - _MS):
            yield self._sent(at_ns, _append(_FORMATS[number].n_bytes, block_ms))

    def _header(self, events: Sequence[Event]) -> Header:
        counts: Dict[str, int] = {}
        for event in events:
            counts[event.kind] = counts.get(event.kind, 0) + 1
        end_ns = events[-1].at_ns
        interrupt = "dropped" if self._plan.drops_frames and self._plan.detection != "none" else "allowed"
        return Header(
            id=self._id("drawn", 0),
            made_by="script",
            created=_wall(0),
            dialect="openai-realtime",
            ids={"session_id": self._id("sess", 1)},
            recorded=Recorded(),
            user_interrupt=interrupt if self._plan.microphone is not None else "unknown",
            start=Anchor(0, _wall(0)),
            end=Anchor(end_ns, _wall(end_ns)),
            counts=counts,
            complete=True,
        )

    def _id(self, kind: str, which: Optional[int] = None) -> str:
        if which is None:
            self._n_ids += 1
        return f"{kind}_{self._plan.number:05d}{self._n_ids if which is None else which:05d}"


def _spoken_item(item: str) -> Fields:
    return {"id": item, "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}]}


def _wall(at_ns: int) -> str:
    return (_WALL + timedelta(microseconds=at_ns // 1000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@cache
def _sound(n_bytes: int, length_ms: int) -> str:
    """So many milliseconds of audio, in base64."""
    return base64.b64encode(bytes(number * 3 % 251 for number in range(n_bytes * length_ms))).decode()


@cache
def _append(n_bytes: int, length_ms: int) -> Frame:
    """A block of the microphone; the frame is shared, since nobody can change it."""
    return Frame(TEXT, json.dumps({"type": "input_audio_buffer.append", "audio": _sound(n_bytes, length_ms)}).encode())
