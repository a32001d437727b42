"""Hypothesis strategies for EVI sessions, messages and frames.

``sessions()`` draws whole sessions that follow EVI's grammar, for properties of whatever works on a session. Needs ``hypothesis``.

Rules of living here: what is drawn is a plan, few numbers and choices that shrink well; a plan is then acted out with no further draw, so
a session costs a few milliseconds. Every message is one that the current SDK parses, in the JSON form of whoever sends it:
compact from the service, ``json.dumps`` with sorted names from the SDK. No secret is in any of them.
"""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import cache, partial
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from evi_harness.evi.messages import EMOTIONS
from evi_harness.session.events import BINARY, TEXT, Closed, ClosedBy, Event, Frame, Handshake, Opened, Received, Sent, order
from evi_harness.session.header import Anchor, Header, Recorded
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm, header

__all__ = ["frames", "received_messages", "sent_messages", "sessions"]

_MS = 1_000_000
_WALL = datetime(2026, 1, 1, tzinfo=timezone.utc)

_WORDS = ("Hello.", "What's that?", "Ça va, merci.", 'He said "no" \\ and left.', "元気ですか。", "😀", "two\nlines", "")

# Chunks of one sentence, each so many times 40 ms long.
_CHUNKS = ((1,), (2,), (5,), (1, 1), (3, 2), (2, 1, 4))

# Frames a second, channels, length of a microphone block in ms. The small rate keeps sessions light.
_MICROPHONES = ((400, 1, 100), (16_000, 1, 100), (8_000, 2, 50), (44_100, 1, 40))

_SETTINGS: Tuple[Mapping[str, Any], ...] = (
    {"system_prompt": "Be brief."},
    {"context": None},
    {"context": {"text": "It rains.", "type": "temporary"}},
    {"variables": {"city": "Bath", "age": 30.0, "is_new": True}},
    {"builtin_tools": [{"name": "web_search"}]},
    {"tools": [{"name": "get_weather", "parameters": '{"type": "object"}', "type": "function"}]},
)

_ERRORS = (
    ("E0101", "payload_parse", "Failed to parse payload."),
    ("E0712", "custom_language_model_timed_out", "Custom language model timed out during connection attempt."),
    ("W0106", "made_up_warning", "A warning."),
)


@dataclass(frozen=True)
class _Sentence:
    """One sentence of a reply."""

    text: str
    chunks: Tuple[int, ...]
    has_prosody: bool
    is_quick: bool


@dataclass(frozen=True)
class _Turn:
    """What happens in one turn; lengths in ms."""

    kind: str
    text: str
    think_ms: int
    speech_blocks: int
    n_interims: int
    end_of_turn_ms: int
    latency_ms: int
    gap_ms: int
    sentences: Tuple[_Sentence, ...]
    tool: str
    tool_ms: int
    is_interrupted: bool
    is_paused: bool
    settings: Optional[int]
    error: Optional[int]


@dataclass(frozen=True)
class _Plan:
    """What happens in one session."""

    number: int
    microphone: Optional[Tuple[int, int, int]]
    assistant_rate: int
    drops_frames: bool
    jitter_ms: int
    took_ns: Optional[int]
    taken_after_ns: Optional[int]
    counts_bytes: bool
    echoes: bool
    unix_times: bool
    greeting: Tuple[_Sentence, ...]
    turns: Tuple[_Turn, ...]
    closed_by: ClosedBy
    close_code: Optional[int]
    has_timeout: bool
    close_ms: int


def sessions(
    *,
    max_turns: int = 4,
    audio: Optional[bool] = None,
    drops_frames: Optional[bool] = None,
    closed_by: Sequence[ClosedBy] = ("app", "service", "network"),
) -> SearchStrategy[Session]:
    """Draw sessions that follow EVI's grammar: sent and closed recorded, times measured, frames in memory.

    Args:
        max_turns: At most so many turns besides a greeting; 0 gives sessions in which nobody says anything or only EVI does.
        audio: True for sessions with the user's audio, False for text chats, None for both.
        drops_frames: True where the microphone is silent while the assistant plays, as the SDK's is by default; False where it never
            is, then the user interrupts too; None for both. Without audio it says nothing.
        closed_by: Who closes, to choose from: ``app``, ``service``, ``network``.

    Returns:
        A strategy of sessions, their events ordered by ``(at_ns, seq)``, each cause before what it caused.
    """
    microphones = {True: _MICROPHONES, False: (None,), None: (None, *_MICROPHONES)}[audio]
    plans = st.builds(
        _Plan,
        number=st.integers(0, 2**16),
        microphone=st.sampled_from(microphones),
        assistant_rate=st.sampled_from((24_000, 48_000)),
        drops_frames=st.booleans() if drops_frames is None else st.just(drops_frames),
        jitter_ms=st.integers(0, 15),
        took_ns=st.sampled_from((None, 0, 100_000)),
        taken_after_ns=st.sampled_from((None, 0, 2 * _MS)),
        counts_bytes=st.booleans(),
        echoes=st.booleans(),
        unix_times=st.booleans(),
        greeting=st.one_of(st.just(()), _replies()),
        turns=st.lists(_turns(), max_size=max_turns).map(tuple),
        closed_by=st.sampled_from(tuple(closed_by)),
        close_code=st.sampled_from((1000, 1001, 1011)),
        has_timeout=st.booleans(),
        close_ms=st.integers(1, 1500),
    )
    return plans.map(lambda plan: _Stage(plan).session())


def received_messages(types: Optional[Sequence[str]] = None) -> SearchStrategy[Frame]:
    """Draw messages of the service, as text frames in its compact JSON.

    Args:
        types: Names of message types to choose from; None for all that the service sends.

    Raises:
        KeyError: A name is not a message of the service's.
    """
    rows = _received_fields()
    chosen = [_with_type(name, rows[name]) for name in (rows if types is None else types)]
    return st.one_of(chosen).map(_compact)


def sent_messages(types: Optional[Sequence[str]] = None) -> SearchStrategy[Frame]:
    """Draw messages of the app, as text frames in the JSON that the SDK writes; audio as ``audio_input``, not as binary frames.

    Args:
        types: Names of message types to choose from; None for all that an app sends.

    Raises:
        KeyError: A name is not a message of an app's.
    """
    rows = _sent_fields()
    chosen = [_with_type(name, rows[name]) for name in (rows if types is None else types)]
    return st.one_of(chosen).map(_spaced)


def frames() -> SearchStrategy[Frame]:
    """Draw frames of any kind, whoever sends them: messages, audio, and what nobody should send.

    A text frame is UTF-8 always, since no WebSocket library lets another through; it need not be JSON.
    """
    return st.one_of(
        received_messages(),
        sent_messages(),
        st.sampled_from(_ODDITIES).map(lambda text: Frame(TEXT, text)),
        st.text(_CHARACTERS, max_size=40).map(lambda text: Frame(TEXT, text.encode())),
        st.builds(_cut_short, st.one_of(received_messages(), sent_messages()), st.integers(0, 400)),
        st.binary(max_size=200).map(lambda data: Frame(BINARY, data)),
        st.builds(_wav, st.sampled_from((8_000, 24_000)), st.integers(0, 5), st.integers(0, 3)).map(lambda data: Frame(BINARY, data)),
        received_messages().map(lambda frame: Frame(BINARY, frame.payload)),
    )


def _replies() -> SearchStrategy[Tuple[_Sentence, ...]]:
    sentence = st.builds(
        _Sentence,
        text=st.sampled_from(_WORDS),
        chunks=st.sampled_from(_CHUNKS),
        has_prosody=st.booleans(),
        is_quick=st.booleans(),
    )
    return st.lists(sentence, min_size=1, max_size=3).map(tuple)


def _turns() -> SearchStrategy[_Turn]:
    return st.builds(
        _Turn,
        kind=st.sampled_from(("speech", "speech", "text", "say")),
        text=st.sampled_from(_WORDS),
        think_ms=st.integers(0, 600),
        speech_blocks=st.integers(1, 12),
        n_interims=st.integers(0, 2),
        end_of_turn_ms=st.integers(50, 900),
        latency_ms=st.integers(1, 700),
        gap_ms=st.integers(0, 120),
        sentences=_replies(),
        tool=st.sampled_from(("", "", "response", "error", "builtin")),
        tool_ms=st.integers(1, 800),
        is_interrupted=st.booleans(),
        is_paused=st.sampled_from((False, False, True)),
        settings=st.sampled_from((None, *range(len(_SETTINGS)))),
        error=st.sampled_from((None, None, *range(len(_ERRORS)))),
    )


class _Crossing(NamedTuple):
    """One frame on its way into the session, or the end of the connection: when its line is written, and its event but for the seq."""

    written_ns: int
    event: Callable[[int], Event]


class _Stage:
    """Acts a plan out: keeps the time, what plays, and who has said what."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._now = 0
        self._crossings: List[_Crossing] = []
        self._microphone_from: Optional[int] = None
        self._playing: List[Tuple[int, int]] = []
        self._speaking_from: Optional[int] = None
        self._n_ids = 0

    def session(self) -> Session:
        self._open()
        for turn, following in zip(self._plan.turns, (*self._plan.turns[1:], None)):
            self._turn(self._possible(turn), following)
        self._close()
        events = self._ordered()
        return Session(self._header(events), events, name=f"drawn-{self._plan.number}")

    def _open(self) -> None:
        plan = self._plan
        self._receive(2, type="chat_metadata", chat_group_id=self._uuid(1), chat_id=self._uuid(2), request_id=f"{self._uuid(3)}0012345")
        if plan.microphone is not None:
            rate, channels, _ = plan.microphone
            self._settings({"audio": {"channels": channels, "encoding": "linear16", "sample_rate": rate}})
            self._microphone_from = self._now
        if plan.greeting:
            self._now += 150 * _MS
            self._sentences(plan.greeting, gap_ms=10)
            self._receive(5, type="assistant_end")

    def _possible(self, turn: _Turn) -> _Turn:
        """The turn as far as this session allows it: no speech without a microphone, and who interrupts is already speaking."""
        if self._plan.microphone is None and turn.kind == "speech":
            turn = replace(turn, kind="text")
        return replace(turn, kind="speech") if self._speaking_from is not None else turn

    def _turn(self, turn: _Turn, following: Optional[_Turn]) -> None:
        if turn.error is not None:
            code, slug, message = _ERRORS[turn.error]
            self._receive(turn.gap_ms, type="error", code=code, slug=slug, message=message, request_id=self._uuid(3))
        if turn.settings is not None and self._speaking_from is None:
            self._now += turn.think_ms * _MS
            self._settings(_SETTINGS[turn.settings])
        if turn.is_paused:
            self._send(1, type="pause_assistant_message")
        self._user(turn)
        if turn.is_paused:
            self._send(turn.tool_ms, type="resume_assistant_message")
        self._now += turn.latency_ms * _MS
        self._tool(turn)
        can_interrupt = following is not None and self._plan.microphone is not None and not self._plan.drops_frames
        self._reply(turn, is_interrupted=turn.is_interrupted and can_interrupt)

    def _user(self, turn: _Turn) -> None:
        if turn.kind == "speech":
            self._speech(turn)
            return
        self._now += turn.think_ms * _MS
        if turn.kind == "say":
            self._send(1, type="assistant_input", text=turn.text)
            return
        self._send(1, type="user_input", text=turn.text)
        here_ms = self._now // _MS
        self._user_message(20, turn.text, here_ms, here_ms, models={}, from_text=True, interim=False)

    def _speech(self, turn: _Turn) -> None:
        assert self._plan.microphone is not None
        block_ns = self._plan.microphone[2] * _MS
        if self._speaking_from is None:
            self._wait_for_silence()
            self._now += turn.think_ms * _MS
        begin_ns = self._now if self._speaking_from is None else self._speaking_from
        self._speaking_from = None
        end_ns = max(self._now, begin_ns) + turn.speech_blocks * block_ns
        begin_ms = self._heard_ms(begin_ns)
        for part in range(turn.n_interims):
            # Nothing can be transcribed before the first block of it was sent.
            first_ns = begin_ns + block_ns + self._plan.jitter_ms * _MS
            self._now = max(self._now, first_ns, self._now + (end_ns - self._now) // (turn.n_interims + 1 - part))
            until_ms = max(self._heard_ms(min(self._now, end_ns)), begin_ms)
            self._user_message(0, turn.text[: 4 * (part + 1)], begin_ms, until_ms, models={}, from_text=False, interim=True)
        self._now = max(end_ns, self._now)
        until_ms = max(self._heard_ms(end_ns), begin_ms)
        models = _models(len(turn.text))
        self._user_message(turn.end_of_turn_ms, turn.text, begin_ms, until_ms, models=models, from_text=False, interim=False)

    def _user_message(self, after_ms: int, text: str, begin_ms: int, end_ms: int, *, models: Any, from_text: bool, interim: bool) -> None:
        self._receive(
            after_ms,
            type="user_message",
            message={"role": "user", "content": text},
            models=models,
            time={"begin": begin_ms, "end": end_ms},
            from_text=from_text,
            interim=interim,
        )

    def _tool(self, turn: _Turn) -> None:
        if not turn.tool:
            return
        call = f"call_{self._new_id()[-8:]}"
        is_builtin = turn.tool == "builtin"
        self._receive(
            1,
            type="tool_call",
            name="web_search" if is_builtin else "get_weather",
            parameters='{"city": "Bath"}',
            response_required=not is_builtin,
            tool_call_id=call,
            tool_type="builtin" if is_builtin else "function",
        )
        if is_builtin:
            self._receive(turn.tool_ms, type="tool_response", tool_call_id=call, content="sunny", tool_type="builtin")
        elif turn.tool == "response":
            self._send(turn.tool_ms, type="tool_response", tool_call_id=call, content='{"sky": "blue"}', tool_name="get_weather")
        else:
            self._send(turn.tool_ms, type="tool_error", tool_call_id=call, error="no such city", level="warn")
        self._now += turn.latency_ms * _MS

    def _reply(self, turn: _Turn, *, is_interrupted: bool) -> None:
        self._sentences(turn.sentences, turn.gap_ms)
        if is_interrupted:
            self._speaking_from = self._now
            self._now += 300 * _MS
            self._playing = [(start, min(stop, self._now)) for start, stop in self._playing]
            time = 1_767_225_600 + self._now // (1000 * _MS) if self._plan.unix_times else self._heard_ms(self._now)
            self._receive(0, type="user_interruption", time=time)
        self._receive(turn.gap_ms, type="assistant_end")

    def _sentences(self, sentences: Sequence[_Sentence], gap_ms: int) -> None:
        for sentence in sentences:
            identity = self._new_id()
            message = {"role": "assistant", "content": sentence.text}
            models: Any = {} if sentence.has_prosody else _models(len(sentence.text) + 1)
            self._receive(
                gap_ms,
                type="assistant_message",
                id=identity,
                message=message,
                models=models,
                from_text=False,
                is_quick_response=sentence.is_quick,
            )
            for index, length in enumerate(sentence.chunks):
                self._audio(gap_ms, identity, index, length, is_final=index == len(sentence.chunks) - 1)
            if sentence.has_prosody:
                self._receive(gap_ms, type="assistant_prosody", id=identity, models=_models(len(sentence.text)))

    def _audio(self, gap_ms: int, identity: str, index: int, length: int, *, is_final: bool) -> None:
        data = _wav_text(self._plan.assistant_rate, length, index)
        self._receive(gap_ms, type="audio_output", id=identity, index=index, data=data, is_final_chunk=is_final)
        start = max(self._now, self._playing[-1][1]) if self._playing else self._now
        self._playing.append((start, start + length * 40 * _MS))

    def _settings(self, fields: Mapping[str, Any]) -> None:
        self._send(3, type="session_settings", **fields)
        if self._plan.echoes:
            self._receive(30, type="session_settings", **fields)

    def _wait_for_silence(self) -> None:
        """Let the assistant finish where the microphone is dead while it plays."""
        if self._plan.drops_frames and self._playing:
            self._now = max(self._now, self._playing[-1][1])

    def _close(self) -> None:
        plan = self._plan
        if plan.closed_by == "service" and plan.has_timeout:
            message = "Chat was ended because no user message was received in 120 seconds."
            self._receive(plan.close_ms, type="error", code="E0714", slug="inactivity_timeout", message=message)
        # Longer than a send takes, so that the line of the last one is written before the close.
        self._now += plan.close_ms * _MS
        code = {"app": 1000, "service": 1000 if plan.has_timeout else plan.close_code, "network": None}[plan.closed_by]
        self._crossings.append(_Crossing(self._now, partial(Closed, at_ns=self._now, by=plan.closed_by, code=code)))

    def _receive(self, after_ms: int, **fields: Any) -> None:
        self._pass(after_ms)
        taken_ns = None if self._plan.taken_after_ns is None else self._now + self._plan.taken_after_ns
        event = partial(Received, at_ns=self._now, frame=_compact(fields), taken_ns=taken_ns)
        self._crossings.append(_Crossing(self._now, event))

    def _send(self, after_ms: int, **fields: Any) -> None:
        self._pass(after_ms)
        self._crossings.append(self._sent(self._now, _spaced(fields)))

    def _sent(self, at_ns: int, frame: Frame) -> _Crossing:
        # A send is written when it has ended.
        took_ns = self._plan.took_ns
        return _Crossing(at_ns + (took_ns or 0), partial(Sent, at_ns=at_ns, frame=frame, took_ns=took_ns))

    def _pass(self, after_ms: int) -> None:
        # No two messages at one instant, and none on a whole millisecond.
        self._now += after_ms * _MS + 1 + len(self._crossings) * 7919 % 1009

    def _grid(self) -> Iterator[int]:
        """When the microphone hands over its blocks, without end."""
        assert self._plan.microphone is not None
        assert self._microphone_from is not None
        block_ns = self._plan.microphone[2] * _MS
        number = 0
        while True:
            jitter_ms = number * 7 % (self._plan.jitter_ms + 1)
            number += 1
            yield self._microphone_from + number * block_ns + jitter_ms * _MS

    def _blocks(self, until_ns: int) -> Iterator[int]:
        """When the app sends a block of audio, up to but without an instant."""
        for at_ns in self._grid():
            if at_ns >= until_ns:
                return
            if not self._plan.drops_frames or not any(start <= at_ns < stop for start, stop in self._playing):
                yield at_ns

    def _heard_ms(self, at_ns: int) -> int:
        """How much audio EVI says it has heard at a time: by the clock, or by what was sent."""
        assert self._plan.microphone is not None
        assert self._microphone_from is not None
        if self._plan.counts_bytes:
            return sum(1 for _ in self._blocks(at_ns + 1)) * self._plan.microphone[2]
        return max(at_ns - self._microphone_from, 0) // _MS

    def _ordered(self) -> Tuple[Event, ...]:
        """All events with their seqs, by the order of writing, in the order of time."""
        crossings = sorted([*self._crossings, *self._sound()], key=lambda crossing: crossing.written_ns)
        opened = Opened(0, 0, handshake=Handshake("/v0/evi/chat", (("config_id", self._uuid(4)),)))
        events = [opened, *(crossing.event(seq) for seq, crossing in enumerate(crossings, start=1))]
        return tuple(sorted(events, key=order))

    def _sound(self) -> Iterator[_Crossing]:
        if self._plan.microphone is None:
            return
        rate, channels, block_ms = self._plan.microphone
        n_bytes = rate * block_ms // 1000 * channels * 2
        # The last send has ended before the connection does.
        for number, at_ns in enumerate(self._blocks(self._now - _MS)):
            yield self._sent(at_ns, _block(number % 50, n_bytes))

    def _header(self, events: Sequence[Event]) -> Header:
        counts: Dict[str, int] = {}
        for event in events:
            counts[event.kind] = counts.get(event.kind, 0) + 1
        end_ns = events[-1].at_ns
        interrupt = "dropped" if self._plan.drops_frames else "allowed"
        return Header(
            id=self._uuid(0),
            made_by="script",
            created=_wall(0),
            dialect="evi",
            ids={"chat_id": self._uuid(2), "chat_group_id": self._uuid(1)},
            recorded=Recorded(),
            user_interrupt=interrupt if self._plan.microphone is not None else "unknown",
            start=Anchor(0, _wall(0)),
            end=Anchor(end_ns, _wall(end_ns)),
            counts=counts,
            complete=True,
        )

    def _uuid(self, which: int) -> str:
        return str(uuid.UUID(int=self._plan.number * 8 + which, version=4))

    def _new_id(self) -> str:
        self._n_ids += 1
        return uuid.UUID(int=self._plan.number << 64 | self._n_ids).hex


def _wall(at_ns: int) -> str:
    return (_WALL + timedelta(microseconds=at_ns // 1000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _compact(fields: Mapping[str, Any]) -> Frame:
    """A message as the service writes it."""
    return Frame(TEXT, json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode())


def _spaced(fields: Mapping[str, Any]) -> Frame:
    """A message as the SDK writes it."""
    # Its models put what is null behind what is not.
    ordered = sorted(fields.items(), key=lambda item: (item[1] is None, item[0]))
    return Frame(TEXT, json.dumps(dict(ordered)).encode())


def _cut_short(frame: Frame, n_bytes: int) -> Frame:
    return Frame(frame.opcode, frame.payload[:n_bytes].decode(errors="ignore").encode())


@cache
def _block(number: int, n_bytes: int) -> Frame:
    """A block of the microphone; the frame is shared, since nobody can change it."""
    return Frame(BINARY, (number + 1).to_bytes(2, "little") * (n_bytes // 2))


@cache
def _models(number: int) -> Mapping[str, Any]:
    """Scores as the wire has them: half-precision floats, some a little below zero."""
    scores = {name: ((number * 48 + place) * 331 % 1024 - 8) / 1024 for place, name in enumerate(EMOTIONS)}
    return {"prosody": {"scores": scores}}


@cache
def _wav(rate: int, n_blocks: int, number: int) -> bytes:
    """A WAV of so many times 40 ms."""
    samples = b"".join((place * (number + 3) % 4001 - 2000).to_bytes(2, "little", signed=True) for place in range(rate // 25 * n_blocks))
    return header(Pcm(rate, 1), len(samples)) + samples


@cache
def _wav_text(rate: int, n_blocks: int, number: int) -> str:
    return base64.b64encode(_wav(rate, n_blocks, number)).decode()


# No lone surrogates, which UTF-8 cannot carry.
_CHARACTERS = st.characters(codec="utf-8")

Fields = SearchStrategy[Dict[str, Any]]


def _with_type(name: str, fields: Fields) -> Fields:
    return fields.map(lambda drawn: {"type": name, **drawn})


def _object(required: Mapping[str, SearchStrategy[Any]], optional: Optional[Mapping[str, SearchStrategy[Any]]] = None) -> Fields:
    return st.fixed_dictionaries(dict(required), optional={"custom_session_id": _said(), **(optional or {})})


def _said() -> SearchStrategy[str]:
    return st.one_of(st.sampled_from(_WORDS), st.text(_CHARACTERS, max_size=20))


def _ids() -> SearchStrategy[str]:
    return st.integers(0, 2**32).map(lambda number: uuid.UUID(int=number).hex)


def _all_models() -> SearchStrategy[Any]:
    return st.one_of(st.sampled_from(({}, {"prosody": None})), st.integers(0, 20).map(_models))


def _wav_texts() -> SearchStrategy[str]:
    return st.builds(_wav_text, st.sampled_from((8_000, 24_000, 48_000)), st.integers(0, 4), st.integers(0, 3))


def _all_settings() -> Fields:
    audio = st.builds(
        lambda rate, channels: {"channels": channels, "encoding": "linear16", "sample_rate": rate},
        st.sampled_from((8_000, 16_000, 48_000)),
        st.integers(1, 2),
    )
    return st.one_of(st.sampled_from(_SETTINGS).map(dict), audio.map(lambda form: {"audio": form}), _object({}))


def _tool_answers() -> Dict[str, Fields]:
    kinds = st.sampled_from(("function", "builtin"))
    return {
        "tool_response": _object({"tool_call_id": _ids(), "content": _said()}, {"tool_name": _said(), "tool_type": kinds}),
        "tool_error": _object(
            {"tool_call_id": _ids(), "error": _said()},
            {"code": _said(), "content": _said(), "level": st.just("warn"), "tool_type": kinds},
        ),
    }


def _sent_fields() -> Dict[str, Fields]:
    return {
        "user_input": _object({"text": _said()}),
        "assistant_input": _object({"text": _said()}),
        "session_settings": _all_settings(),
        "audio_input": _object({"data": st.binary(max_size=60).map(lambda data: base64.b64encode(data).decode())}),
        **_tool_answers(),
        "pause_assistant_message": _object({}),
        "resume_assistant_message": _object({}),
    }


def _received_fields() -> Dict[str, Fields]:
    said = {role: st.builds(lambda role, text: {"role": role, "content": text}, st.just(role), _said()) for role in ("user", "assistant")}
    time = st.tuples(st.integers(0, 10**6), st.integers(0, 10**4)).map(lambda drawn: {"begin": drawn[0], "end": drawn[0] + drawn[1]})
    flag = st.booleans()
    return {
        "assistant_end": _object({}),
        "chat_metadata": _object({"chat_group_id": _ids(), "chat_id": _ids()}, {"request_id": _ids()}),
        "user_message": _object(
            {"message": said["user"], "models": _all_models(), "time": time, "from_text": flag, "interim": flag},
            {"language": st.just("en")},
        ),
        "assistant_message": _object(
            {"id": _ids(), "message": said["assistant"], "models": _all_models(), "from_text": flag, "is_quick_response": flag},
            {"language": st.just("en")},
        ),
        "assistant_prosody": _object({"id": _ids(), "models": _all_models()}),
        "audio_output": _object({"id": _ids(), "index": st.integers(0, 9), "data": _wav_texts()}, {"is_final_chunk": flag}),
        "user_interruption": _object({"time": st.one_of(st.integers(0, 10**6), st.integers(1_700_000_000, 1_800_000_000))}),
        "tool_call": _object(
            {
                "name": _said(),
                "parameters": st.just("{}"),
                "response_required": flag,
                "tool_call_id": _ids(),
                "tool_type": st.sampled_from(("function", "builtin")),
            }
        ),
        **_tool_answers(),
        "session_settings": _all_settings(),
        "error": _object({"code": st.sampled_from(("E0101", "I0116", "X1")), "slug": _said(), "message": _said()}, {"request_id": _ids()}),
    }


# What a faithful recorder has to keep and a careless one breaks on.
_ODDITIES = (
    b"",
    b" ",
    b"{}",
    b"[]",
    b"null",
    b'"assistant_end"',
    b"{",
    b'{"type":"no_such_type","x":1}',
    b'{"type":null}',
    b'{"type":7}',
    b'{"type":"assistant_end"} ',
    b'\n{\n  "type" : "assistant_end"\n}\n',
    b'{"type":"assistant\\u005fend"}',
    b'{"type":"user_input","type":"assistant_end"}',
    b'{"type":"user_input","text":"\\ud800"}',
    b'{"type":"user_input","text":"\\ud83d\\ude00 \\u00e9 \\/"}',
    b'{"type":"user_interruption","time":NaN}',
    b'{"type":"user_interruption","time":1e400}',
    b'{"type":"user_interruption","time":1.0}',
    b'{"type":"user_interruption","time":' + b"9" * 5000 + b"}",
    b'{"type":"session_settings","context":null}',
    b'{"type":"audio_output","id":"a","index":0,"data":""}',
    b'{"type":"audio_output","id":"a","index":0,"data":"not base64!"}',
    b'{"type":"audio_output","id":"a","index":0,"data":"AAA"}',
    b'{"type":"audio_output","id":"a","index":0,"data":"A-_A"}',
    b'{"type":"audio_output","id":"a","index":0,"data":"AA\\nAA\\n"}',
    b'{"type":"audio_output","id":"a","index":0,"data":"AA\\/\\u0041"}',
    b'{"type":"audio_output","id":"a","index":0,"data":"AAAA","data":"BBBB"}',
    b'{"type":"audio_output","id":"a","index":0,"data":null}',
    b"\xef\xbb\xbf{}",
    b"[" * 3000 + b"]" * 3000,
    b'{"a":' * 200 + b"1" + b"}" * 200,
)
