"""A simulator of a service that speaks the Realtime protocol, as a ``Service``: on the partners, the detector and the scripts of the other.

It hears the user, ends turns or has the app end them, transcribes if that is asked for, answers in audio or text, calls tools, lets itself
be interrupted and cancelled, and refuses what the service refuses. It never claims to be a service: its ids say so, and so does a note at
the opening. Its delays and words for errors are made up; codes are the service's.

Rules of living here: one thing goes out at a time, in the order of due times; a time is the ideal one, so a carrier's lateness is not
handed on; there is one response at a time, and what has gone out of it is never asked about again.

Remarks: ``simulator`` (at the opening: what is simulated by what), ``tool_answer_ignored`` (an answer to a call that does not wait).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Callable, Deque, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.json_dialects.json_messages import member
from evi_harness.openai_realtime.realtime_audio import RealtimeReader
from evi_harness.openai_realtime.realtime_messages import CLIENT
from evi_harness.openai_realtime.realtime_reading import ms_ns, objects, read, string
from evi_harness.session.encoded_audio import base64_bytes
from evi_harness.session.events import Frame, Handshake
from evi_harness.session.g711 import encoded_samples
from evi_harness.session.notes import SIMULATOR, TOOL_ANSWER_IGNORED
from evi_harness.session.protocols import RECEIVED, SENT, Action, Close, Conversion, Hearing, LateHearing, Message, Send, remark
from evi_harness.session.wav import Pcm
from evi_harness.simulate.delays import Delay
from evi_harness.simulate.partners import HeardTurn, Partner
from evi_harness.simulate.realtime_beta import as_beta, as_today, asks_for_beta
from evi_harness.simulate.realtime_uplink import RealtimeUplink
from evi_harness.simulate.realtime_wire import Fields, RealtimeIds, RealtimeRefusal, error, first_session, frame, merged, message_item
from evi_harness.simulate.replies import RESPONSE, Reply, Sentence, ToolCall
from evi_harness.simulate.simulated_service import Act, SimulatedService
from evi_harness.simulate.simulator_options import Limits, Options
from evi_harness.simulate.turn_detection import Speaking, Spoken, TurnDetection
from evi_harness.simulate.voice import Made, VoiceMaker, length_ms, spoken

__all__ = ["REALTIME_OPTIONS", "RealtimeSimulator"]

MS, SECOND = 1_000_000, 1_000_000_000
# What one of the service's models has; others have 200 ms. Speech interrupts as soon as it is heard. A session lasts an hour.
REALTIME_OPTIONS = Options(
    detection=TurnDetection(end_of_turn_silence_ms=500, min_interruption_ms=0), limits=Limits(max_duration_s=3600), pcm=Pcm(24_000, 1)
)
_GOES_AWAY, _TOO_MUCH = 1001, 1008
# Of what an app has set and given, which is kept.
_MAX_KEPT_BYTES = 64 * 1024 * 1024
_NO_PCM = Pcm(24_000, 1)
# A turn's silence and what is before it are no longer than that.
_MAX_MS = 60_000


@dataclass(frozen=True)
class _Step:
    """One message of a response: how long after the one before it, its fields, and what its audio is cut from, in bytes of 16 bits."""

    delay_ns: int
    fields: Fields
    audio: Optional[Tuple[Made, int, int]] = None


@dataclass
class _Response:
    """A response on its way out.

    Attributes:
        identity: Its id.
        cause_ns: What it answers.
        at_ns: When its latest step was due.
        steps: What is still to go out.
        output: Its items, as far as they have gone out.
        call: The tool that it calls, and the id of the call.
        reply: What is acted out.
    """

    identity: str
    cause_ns: int
    at_ns: int
    reply: Reply
    modalities: Tuple[str, ...]
    steps: Deque[_Step] = field(default_factory=deque)
    output: Dict[str, Fields] = field(default_factory=dict)
    call: Optional[Tuple[str, ToolCall]] = None


@dataclass(frozen=True)
class _Made:
    """A voice that is there."""

    samples: Optional[bytes]


class RealtimeSimulator(SimulatedService):
    """A service with no recording, for one connection.

    Args:
        hearing: Finds speech in the user's audio; this connection's alone. It may need a while.
        partner: Decides what is said; this connection's alone.
        options: How it behaves; what the app sets in its session counts before it.
        conversion: Converts voices to the format of the session.
        voice: Makes the voices of sentences that have none, elsewhere; this connection's alone. By default they are made here, at once.
    """

    def __init__(
        self,
        hearing: Union[Hearing, LateHearing],
        partner: Partner,
        options: Options = REALTIME_OPTIONS,
        conversion: Optional[Conversion] = None,
        voice: Optional[VoiceMaker] = None,
    ) -> None:
        super().__init__(hearing, voice)
        self._partner = partner
        self._options = options
        self._conversion = conversion
        self._ids = RealtimeIds(options.seed)
        self._random = Random(f"realtime {options.seed}")  # noqa: S311 - delays, no secrets
        self._reader = RealtimeReader()
        self._uplink = RealtimeUplink(hearing)
        self._session: Fields = {}
        self._response: Optional[_Response] = None
        self._items: Dict[str, Fields] = {}
        self._last_item: Optional[str] = None
        # How long the audio of each item is that has gone out.
        self._lengths_ns: Dict[str, int] = {}
        self._speaking_item: Optional[str] = None
        self._has_greeted = False
        # Whether a turn is over that a response answers when the one before it is.
        self._owes_response = False
        self._n_kept_bytes = 0
        # What is to be said next: the answer to a turn, and what the user has typed since; the calls that wait, and what came for them.
        self._next_reply: Optional[Reply] = None
        self._typed: List[str] = []
        self._waiting: Dict[str, ToolCall] = {}
        self._answers: Dict[str, str] = {}
        self._has_spoken = False
        self._is_beta = False
        # When what was said last will have been played; and when nobody will have said anything for too long behind that.
        self._plays_until_ns = 0
        self._idle_at_ns: Optional[int] = None
        self._max_duration_ns = round(options.limits.max_duration_s * SECOND)

    # What comes in.

    def _open(self, handshake: Handshake) -> None:
        self._is_over = False
        query = dict(handshake.query)
        model = query.get("model") or query.get("deployment") or "simulator"
        self._session = first_session(self._ids.new("sess"), model, self._options.pcm, self._options.detection)
        self._heed_session()
        self._post(remark(SIMULATOR, seed=self._options.seed, detector=self._hearing.name, partner=self._partner.name), 0, 0)
        self._open_ns = self._options.latency.connect.draw_ns(self._random)
        self._is_beta = asks_for_beta(handshake)
        created = {"type": "session.created", "session": self._session}
        self._reader.read(RECEIVED, frame(self._named(created) or created, ""))
        self._post(created, self._open_ns, 0)
        if self._is_beta:
            conversation = {"id": self._ids.new("conv"), "object": "realtime.conversation"}
            self._post({"type": "conversation.created", "conversation": conversation}, self._open_ns, 0)

    def _take_sent(self, sent: Frame, at_ns: int) -> Optional[bool]:
        audio = self._reader.read(SENT, sent)
        message = as_today(read(SENT, sent)) if self._is_beta else read(SENT, sent)
        try:
            if audio is not None:
                (place,) = audio.places
                raw = sent.payload[place.start : place.stop]
                return self._write(base64_bytes(raw) if place.base64 else raw, place.pcm, at_ns)
            if message.type not in CLIENT:
                what = "not valid JSON" if message.text is not None else f"of a type that there is not: {message.type!r:.60}"
                raise RealtimeRefusal(f"The event is {what}.", "invalid_value", None if message.text is not None else "type")
            taker = _TAKE.get(message.type or "")
            if taker is None:
                raise RealtimeRefusal(f"{message.type} is not taken in this form, or over a WebSocket.", "invalid_value", "type")
            taker(self, message, at_ns)
            if message.type in ("session.update", "conversation.item.create"):
                # Both are kept for as long as the session goes on.
                self._n_kept_bytes += sent.size
                if self._n_kept_bytes > _MAX_KEPT_BYTES:
                    self._end(_TOO_MUCH, "the conversation is larger than this simulator keeps", at_ns)
        except RealtimeRefusal as refusal:
            self._post(error(refusal, string(message.fields, "event_id")), at_ns, at_ns)
        return None

    def _write(self, samples: Optional[bytes], pcm: Optional[Pcm], at_ns: int) -> Optional[bool]:
        if samples is None:
            raise RealtimeRefusal("The audio is not base64.", "invalid_value", "audio")
        if pcm is None:
            raise RealtimeRefusal("The session's audio is in a format that this simulator does not have.", "invalid_value", "audio")
        heard = self._uplink.write(samples[: len(samples) - len(samples) % pcm.frame_bytes], pcm, at_ns)
        self._take_heard(heard, at_ns)
        # What is said is some frames of very many.
        return None if heard else False

    def _take_heard(self, heard: Sequence[Union[Speaking, Spoken]], at_ns: int) -> None:
        for one in heard:
            if isinstance(one, Spoken):
                self._take_spoken(one, at_ns)
            elif self._speaking_item is None:
                self._take_speaking(one, at_ns)
        self._uplink.forget()

    def _take_speaking(self, speaking: Speaking, at_ns: int) -> None:
        self._idle_at_ns = None
        self._speaking_item = self._ids.new("item")
        start_ns = max(0, speaking.begin_ns - self._detection["prefix_padding_ms"] * MS)
        started = {"type": "input_audio_buffer.speech_started", "audio_start_ms": start_ns // MS, "item_id": self._speaking_item}
        self._post(started, at_ns, at_ns)
        response = self._response
        if response is not None and self._detection["interrupt_response"] and response.reply.is_interruptible:
            self._cancel("turn_detected", at_ns)

    def _take_spoken(self, spoken_: Spoken, at_ns: int) -> None:
        item, self._speaking_item = self._speaking_item or self._ids.new("item"), None
        reached_ns = self._uplink.reached_at_ns(spoken_.over_ns)
        cause_ns = at_ns if reached_ns is None else min(reached_ns, at_ns)
        stopped = {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": spoken_.over_ns // MS, "item_id": item}
        self._post(stopped, at_ns, cause_ns)
        begin_ns = max(0, spoken_.begin_ns - self._detection["prefix_padding_ms"] * MS)
        turn = HeardTurn(spoken_.end_ns - spoken_.begin_ns, self._uplink.sound(begin_ns, spoken_.end_ns + 100 * MS))
        self._commit(item, turn, at_ns, cause_ns)
        if self._detection["create_response"]:
            self._owes_response = self._response is not None
            if not self._owes_response:
                self._respond({}, at_ns, cause_ns)

    def _commit(self, item: str, turn: HeardTurn, at_ns: int, cause_ns: int, *, is_silent: bool = False) -> None:
        said, self._next_reply = self._partner.speech(turn)
        self._idle_at_ns = None
        self._has_greeted = True
        self._waiting.clear()
        self._typed.clear()
        self._uplink.commit()
        self._post({"type": "input_audio_buffer.committed", "previous_item_id": self._last_item, "item_id": item}, at_ns, cause_ns)
        part = {"type": "input_audio", "transcript": None}
        self._add_item(message_item(item, "user", "completed", (part,)), at_ns, cause_ns)
        if not is_silent and member(self._session, "audio", "input").get("transcription") is not None:
            due_ns = at_ns + self._options.latency.transcription.draw_ns(self._random)
            place = {"item_id": item, "content_index": 0}
            name = "conversation.item.input_audio_transcription"
            self._post({"type": f"{name}.delta", **place, "delta": said}, due_ns, cause_ns)
            usage = {"type": "duration", "seconds": turn.length_ns / SECOND}
            self._post({"type": f"{name}.completed", **place, "transcript": said, "usage": usage}, due_ns, cause_ns)

    def _add_item(self, item: Fields, at_ns: int, cause_ns: int) -> None:
        previous, self._last_item = self._last_item, item["id"]
        self._items[item["id"]] = item
        for name in ("added", "done"):
            fields = {"type": f"conversation.item.{name}", "previous_item_id": previous, "item": item}
            if self._is_said(fields):
                self._post(fields, at_ns, cause_ns)

    # Requests.

    def _take_update(self, message: Message, at_ns: int) -> None:
        change = member(message.fields, "session")
        voice = member(change, "audio", "output").get("voice")
        if self._has_spoken and voice not in (None, member(self._session, "audio", "output").get("voice")):
            raise RealtimeRefusal(
                "The voice cannot be changed once the assistant has spoken.", "cannot_update_voice", "session.audio.output.voice"
            )
        kept = {name: value for name, value in change.items() if name not in ("id", "object", "model")}
        before, self._session = self._session, merged(self._session, kept)
        if member(before, "audio", "input").get("turn_detection") != member(self._session, "audio", "input").get("turn_detection"):
            self._heed_session()
        self._post({"type": "session.updated", "session": self._session}, at_ns, at_ns)

    def _heed_session(self) -> None:
        given, usual = member(self._session, "audio", "input").get("turn_detection"), self._options.detection
        self._detection: Dict[str, Any] = {
            "prefix_padding_ms": usual.prefix_padding_ms,
            "create_response": True,
            "interrupt_response": True,
            **({name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else {}),
        }
        self._speaking_item = None
        self._idle_at_ns = None
        if not isinstance(given, dict):
            self._detection["interrupt_response"] = False
            self._uplink.detect(None)
            return
        numbers: Dict[str, Any] = {}
        if _is_number(given.get("threshold"), 0, 1) and given["threshold"] > 0:
            numbers["speech_detection_threshold"] = given["threshold"]
        if _is_number(given.get("prefix_padding_ms"), 0, _MAX_MS):
            numbers["prefix_padding_ms"] = int(given["prefix_padding_ms"])
        if _is_number(given.get("silence_duration_ms"), 1, _MAX_MS):
            numbers["end_of_turn_silence_ms"] = int(given["silence_duration_ms"])
        # What is no such number is as if it were not given.
        self._detection["prefix_padding_ms"] = numbers.get("prefix_padding_ms", usual.prefix_padding_ms)
        self._uplink.detect(replace(usual, **numbers))

    def _take_commit(self, message: Message, at_ns: int) -> None:  # noqa: ARG002 - one of a table
        if self._uplink.is_empty:
            what = "Error committing input audio buffer: the buffer is empty."
            raise RealtimeRefusal(what, "input_audio_buffer_commit_empty")
        item, self._speaking_item = self._speaking_item or self._ids.new("item"), None
        sound = self._uplink.sound()
        self._commit(item, HeardTurn(sound.length_ns, sound), at_ns, at_ns)

    def _take_clear(self, message: Message, at_ns: int) -> None:  # noqa: ARG002 - one of a table
        self._uplink.commit()
        self._post({"type": "input_audio_buffer.cleared"}, at_ns, at_ns)

    def _take_item(self, message: Message, at_ns: int) -> None:
        given = member(message.fields, "item")
        item = {"object": "realtime.item", "status": "completed", **given, "id": string(given, "id") or self._ids.new("item")}
        if item.get("type") not in ("message", "function_call", "function_call_output"):
            raise RealtimeRefusal("The item is of a type that there is not.", "invalid_value", "item.type")
        if item["id"] in self._items:
            raise RealtimeRefusal(f"There is an item with the id {item['id']!r:.60}.", "item_create_duplicate_item_id", "item.id")
        self._add_item(item, at_ns, at_ns)
        if item["type"] == "function_call_output":
            call = string(item, "call_id") or ""
            if call in self._waiting:
                self._answers[call] = string(item, "output") or ""
            else:
                self._post(remark(TOOL_ANSWER_IGNORED, tool_call_id=call), at_ns, at_ns)
        elif item.get("role") == "user":
            self._typed.append(" ".join(filter(None, (string(part, "text") for part in objects(item, "content")))))
        elif item.get("role") == "assistant":
            # History: what was typed before it has been answered.
            self._typed.clear()

    def _take_truncate(self, message: Message, at_ns: int) -> None:
        item, end_ns = self._known_item(message, "truncate"), ms_ns(message.fields.get("audio_end_ms"))
        length_ns = self._lengths_ns.get(item, 0)
        if end_ns is None or end_ns > length_ns:
            what = f"Audio content of {length_ns // MS}ms is already shorter than {message.fields.get('audio_end_ms')}ms"
            raise RealtimeRefusal(what, "invalid_value", "audio_end_ms")
        index = message.fields.get("content_index")
        answer = {"type": "conversation.item.truncated", "item_id": item, "content_index": index, "audio_end_ms": end_ns // MS}
        self._post(answer, at_ns, at_ns)

    def _take_delete(self, message: Message, at_ns: int) -> None:
        item = self._known_item(message, "delete")
        del self._items[item]
        self._post({"type": "conversation.item.deleted", "item_id": item}, at_ns, at_ns)

    def _take_retrieve(self, message: Message, at_ns: int) -> None:
        item = self._known_item(message, "retrieve")
        self._post({"type": "conversation.item.retrieved", "item": self._items[item]}, at_ns, at_ns)

    def _known_item(self, message: Message, what: str) -> str:
        item = string(message.fields, "item_id") or ""
        if item not in self._items:
            raise RealtimeRefusal(f"There is no item with the id {item!r:.60}.", f"item_{what}_invalid_item_id", "item_id")
        return item

    def _take_create(self, message: Message, at_ns: int) -> None:
        asked = member(message.fields, "response")
        if asked.get("conversation") == "none":
            raise RealtimeRefusal("This simulator gives no responses beside the conversation.", "invalid_value", "response.conversation")
        if self._response is not None:
            what = f"Conversation already has an active response in progress: {self._response.identity}."
            raise RealtimeRefusal(what, "conversation_already_has_active_response")
        self._respond(asked, at_ns, at_ns)

    def _take_cancel(self, message: Message, at_ns: int) -> None:  # noqa: ARG002 - one of a table
        if self._response is None:
            raise RealtimeRefusal("Cancellation failed: no active response found.", "response_cancel_not_active")
        self._cancel("client_cancelled", at_ns)

    # Responses.

    def _respond(self, asked: Mapping[str, Any], at_ns: int, cause_ns: int) -> None:
        modalities = asked.get("output_modalities") or self._session.get("output_modalities")
        reply = self._reply_now()
        is_text = modalities == ["text"]
        response = self._response = _Response(
            self._ids.new("resp"), cause_ns, at_ns, reply or Reply(), ("text",) if is_text else ("audio",)
        )
        self._idle_at_ns = None
        response.steps.extend(step for step in self._steps(response, asked) if self._is_said(step.fields))

    def _reply_now(self) -> Optional[Reply]:
        """What is to be said now: to the answer of a tool, to a turn, to what was typed, or a greeting."""
        answered = [call for call in self._waiting if call in self._answers]
        if answered:
            sentences = [one for call in answered for one in self._waiting[call].sentences(RESPONSE, self._answers.pop(call))]
            self._waiting.clear()
            return Reply(tuple(sentences))
        reply, self._next_reply = self._next_reply, None
        typed, self._typed = " ".join(filter(None, self._typed)), []
        if reply is not None:
            return reply
        if typed:
            self._has_greeted = True
            return self._partner.text(typed)
        has_greeted, self._has_greeted = self._has_greeted, True
        return None if has_greeted else self._partner.greeting

    def _steps(self, response: _Response, asked: Mapping[str, Any]) -> Iterator[_Step]:
        reply, latency = response.reply, self._options.latency
        yield _Step(0, {"type": "response.created", "response": self._response_object(response, "in_progress", asked)})
        delay_ns = latency.response_ns(self._random) + reply.delay_ms * MS
        index = 0
        if reply.sentences:
            yield from self._message(response, delay_ns)
            delay_ns, index = 0, 1
        if reply.tool is not None:
            yield from self._call(response, reply.tool, index, delay_ns)
            delay_ns = 0
        yield _Step(delay_ns, {"type": "response.done", "response": {"status": "completed", "asked": asked}})
        yield _Step(0, {"type": "rate_limits.updated", "rate_limits": []})

    def _message(self, response: _Response, delay_ns: int) -> Iterator[_Step]:
        item, is_text = self._ids.new("item"), response.modalities == ("text",)
        place = {"response_id": response.identity, "item_id": item, "output_index": 0, "content_index": 0}
        said = " ".join(sentence.text for sentence in response.reply.sentences)
        # A part is called by what it is in the events of a response, and by whose it is within an item: so in all recorded sessions.
        kind, text_of = ("text", "text") if is_text else ("audio", "transcript")
        yield from self._item_begins(response, message_item(item, "assistant", "in_progress"), 0, delay_ns)
        yield _Step(0, {"type": "response.content_part.added", **place, "part": {"type": kind, text_of: ""}})
        name = "response.output_text" if is_text else "response.output_audio_transcript"
        for number, sentence in enumerate(response.reply.sentences):
            delta = sentence.text if not number else f" {sentence.text}"
            yield _Step(0, {"type": f"{name}.delta", **place, "delta": delta})
            if not is_text:
                yield from self._sound(response, sentence, place)
        if not is_text:
            yield _Step(0, {"type": "response.output_audio.done", **place})
        yield _Step(0, {"type": f"{name}.done", **place, text_of: said})
        yield _Step(0, {"type": "response.content_part.done", **place, "part": {"type": kind, text_of: said}})
        content = {"type": f"output_{kind}", text_of: said}
        yield from self._item_ends(response, message_item(item, "assistant", "completed", (content,)), 0)

    def _sound(self, response: _Response, sentence: Sentence, place: Fields) -> Iterator[_Step]:
        latency, reply = self._options.latency, response.reply
        pcm = (self._pcm or _NO_PCM).linear
        sound = sentence.sound
        made: Made
        if sound is not None and sound.pcm == pcm:
            made, n_bytes = _Made(sound.samples), len(sound.samples)
        elif sound is not None and self._conversion is not None:
            samples = self._conversion(sound.samples, sound.pcm, pcm)
            made, n_bytes = _Made(samples), len(samples)
        elif self._voice is not None:
            made, n_bytes = (
                self._voice(sentence.text, self._options.seed, pcm),
                pcm.rate * length_ms(sentence.text) // 1000 * pcm.frame_bytes,
            )
        else:
            made = _Made(spoken(sentence.text, self._options.seed, pcm))
            n_bytes = len(made.samples or b"")
        chunk_ms = self._options.chunk_ms if sentence.chunk_ms is None else sentence.chunk_ms
        size = pcm.rate * chunk_ms // 1000 * pcm.frame_bytes or max(1, n_bytes)
        chunk = latency.chunk if reply.chunk_delay_ms is None else Delay(reply.chunk_delay_ms)
        for start in range(0, n_bytes, size):
            delay_ns = (chunk if start else latency.first_audio).draw_ns(self._random)
            yield _Step(delay_ns, {"type": "response.output_audio.delta", **place}, (made, start, min(start + size, n_bytes)))

    def _call(self, response: _Response, tool: ToolCall, index: int, delay_ns: int) -> Iterator[_Step]:
        item, call = self._ids.new("item"), self._ids.new("call")
        response.call = (call, tool)
        about = {"id": item, "type": "function_call", "object": "realtime.item", "name": tool.name, "call_id": call}
        place = {"response_id": response.identity, "item_id": item, "output_index": index, "call_id": call}
        yield from self._item_begins(response, {**about, "status": "in_progress", "arguments": ""}, index, delay_ns)
        name = "response.function_call_arguments"
        yield _Step(0, {"type": f"{name}.delta", **place, "delta": tool.parameters})
        yield _Step(0, {"type": f"{name}.done", **place, "name": tool.name, "arguments": tool.parameters})
        yield from self._item_ends(response, {**about, "status": "completed", "arguments": tool.parameters}, index)

    def _item_begins(self, response: _Response, item: Fields, index: int, delay_ns: int) -> Iterator[_Step]:
        yield _Step(delay_ns, {"type": "response.output_item.added", "response_id": response.identity, "output_index": index, "item": item})
        yield _Step(0, {"type": "conversation.item.added", "previous_item_id": self._last_item, "item": item})

    def _item_ends(self, response: _Response, item: Fields, index: int) -> Iterator[_Step]:
        yield _Step(0, {"type": "conversation.item.done", "previous_item_id": self._last_item, "item": item})
        yield _Step(0, {"type": "response.output_item.done", "response_id": response.identity, "output_index": index, "item": item})

    def _cancel(self, reason: str, at_ns: int) -> None:
        response = self._response
        assert response is not None
        self._response = None
        begun = response.steps[0].fields["type"] != "response.created"
        output = [
            {**item, "status": "incomplete" if item["status"] == "in_progress" else item["status"]} for item in response.output.values()
        ]
        if not begun:
            self._post(response.steps[0].fields, at_ns, response.cause_ns)
        done = self._response_object(response, "cancelled", {}, {"type": "cancelled", "reason": reason})
        self._post({"type": "response.done", "response": {**done, "output": output}}, at_ns, at_ns)

    def _response_object(
        self, response: _Response, status: str, asked: Mapping[str, Any], details: Optional[Mapping[str, str]] = None
    ) -> Fields:
        return {
            "object": "realtime.response",
            "id": response.identity,
            "status": status,
            "status_details": details,
            "output": list(response.output.values()),
            "output_modalities": list(response.modalities),
            "conversation_id": None,
            "metadata": asked.get("metadata"),
            "usage": None,
        }

    @property
    def _pcm(self) -> Optional[Pcm]:
        """The format of the assistant's audio."""
        return self._reader.told.assistant

    # What goes out.

    def _next(self) -> Optional[Tuple[int, Act]]:
        # Of equals what goes out by itself is first.
        if self._is_over:
            return None
        coming: List[Tuple[int, int, Act]] = []
        if self._outbox:
            coming.append((self._outbox[0][0], 0, self._act_outbox))
        response = self._response
        if response is not None and _is_ready(response.steps[0]):
            coming.append((max(response.at_ns + response.steps[0].delay_ns, self._open_ns), 1, self._act_step))
        if not self._is_ending:
            if self._late is not None and self._late.has_heard:
                coming.append((self._taken_ns, 2, self._act_heard))
            if self._idle_at_ns is not None:
                coming.append((self._idle_at_ns, 3, self._act_idle))
            coming.append((max(self._open_ns, self._max_duration_ns), 4, self._act_expired))
        if not coming:
            return None
        due_ns, _, act = min(coming, key=lambda one: one[:2])
        return max(due_ns, self._floor_ns), act

    def _act_step(self, when_ns: int) -> List[Action]:
        response = self._response
        assert response is not None
        step = response.steps.popleft()
        due_ns = max(response.at_ns + step.delay_ns, self._open_ns)
        response.at_ns = when_ns
        fields = self._heeded(response, step)
        if not response.steps:
            self._response = None
        sent = self._send(fields, due_ns, response.cause_ns, when_ns)
        if fields["type"] == "response.done":
            # The next one may be asked for as soon as this is over.
            self._response = None
            if response.reply.sentences:
                self._be_idle(when_ns)
            actions: List[Action] = [sent, *(self._send(one.fields, due_ns, response.cause_ns, when_ns) for one in response.steps)]
            if response.reply.hangs_up:
                self._end(1000, "", when_ns)
            elif self._owes_response:
                self._owes_response = False
                self._respond({}, when_ns, when_ns)
            return actions
        return [sent]

    def _heeded(self, response: _Response, step: _Step) -> Fields:
        """The message of a step, as it goes out, and what it changes."""
        fields, name = step.fields, step.fields["type"]
        if step.audio is not None:
            made, start, stop = step.audio
            assert made.samples is not None
            piece = made.samples[start:stop]
            pcm = self._pcm or _NO_PCM
            self._has_spoken = True
            length_ns = pcm.linear.length_ns(len(piece))
            self._lengths_ns[fields["item_id"]] = self._lengths_ns.get(fields["item_id"], 0) + length_ns
            # A speaker plays it behind what it has.
            self._plays_until_ns = max(self._plays_until_ns, response.at_ns) + length_ns
            return {**fields, "delta": encoded_samples(piece, pcm)}
        if name.startswith("conversation.item."):
            item = fields["item"]
            if name == "conversation.item.added":
                previous, self._last_item = self._last_item, item["id"]
                fields = {**fields, "previous_item_id": previous}
            self._items[item["id"]] = item
        elif name.startswith("response.output_item."):
            response.output[fields["item"]["id"]] = self._items[fields["item"]["id"]] = fields["item"]
        elif name == "response.done":
            return {"type": name, "response": self._response_object(response, "completed", fields["response"]["asked"])}
        if name == "response.function_call_arguments.done" and response.call is not None:
            # An app answers before the response is done.
            self._waiting[response.call[0]] = response.call[1]
        return fields

    def _act_heard(self, when_ns: int) -> List[Action]:
        assert self._late is not None
        self._take_heard(self._uplink.heard(self._late.heard()), when_ns)
        return []

    def _be_idle(self, at_ns: int) -> None:
        """Wait for the user from when the reply is played, for as long as the session says."""
        idle_ms: Any = self._detection.get("idle_timeout_ms")
        if self._detection.get("type") == "server_vad" and _is_number(idle_ms, 1, _MAX_MS) and self._speaking_item is None:
            self._idle_at_ns = max(at_ns, self._plays_until_ns) + int(idle_ms) * MS

    def _act_idle(self, when_ns: int) -> List[Action]:
        """Take what was written since the reply was played for a turn in which nothing was said, and answer it."""
        self._idle_at_ns = None
        item, end_ns = self._ids.new("item"), self._uplink.end_ns
        start_ns = max(0, end_ns - int(self._detection["idle_timeout_ms"]) * MS)
        span = {"audio_start_ms": start_ns // MS, "audio_end_ms": end_ns // MS, "item_id": item}
        self._post({"type": "input_audio_buffer.timeout_triggered", **span}, when_ns, when_ns)
        silent = HeardTurn(end_ns - start_ns, self._uplink.sound(start_ns, end_ns))
        self._commit(item, silent, when_ns, when_ns, is_silent=True)
        self._respond({}, when_ns, when_ns)
        return []

    def _act_expired(self, when_ns: int) -> List[Action]:
        minutes = self._options.limits.max_duration_s / 60
        words = f"Your session hit the maximum duration of {minutes:g} minutes."
        self._post(error(RealtimeRefusal(words, "session_expired"), None), when_ns, when_ns)
        self._end(_GOES_AWAY, words, when_ns)
        return []

    def _end(self, code: int, reason: str, at_ns: int) -> None:
        self._is_ending = True
        self._response = None
        self._post(Close(code, reason), at_ns, at_ns)

    def _is_said(self, fields: Fields) -> bool:
        return not self._is_beta or fields["type"] != "conversation.item.done"

    def _named(self, fields: Fields) -> Optional[Fields]:
        """A message under the names that the app has asked for; None for one that there is not under these."""
        return as_beta(fields) if self._is_beta else fields

    def _send(self, fields: Fields, due_ns: int, cause_ns: int, when_ns: int) -> Send:
        message = frame(self._named(fields) or fields, self._ids.new("event"))
        return Send(message, due_ns=due_ns, cause_ns=min(cause_ns, due_ns), held_ns=max(0, when_ns - due_ns))


def _is_ready(step: _Step) -> bool:
    return step.audio is None or step.audio[0].samples is not None


def _is_number(value: Any, least: float, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


_TAKE: Dict[str, Callable[[RealtimeSimulator, Message, int], None]] = {
    "session.update": RealtimeSimulator._take_update,
    "input_audio_buffer.commit": RealtimeSimulator._take_commit,
    "input_audio_buffer.clear": RealtimeSimulator._take_clear,
    "conversation.item.create": RealtimeSimulator._take_item,
    "conversation.item.truncate": RealtimeSimulator._take_truncate,
    "conversation.item.delete": RealtimeSimulator._take_delete,
    "conversation.item.retrieve": RealtimeSimulator._take_retrieve,
    "response.create": RealtimeSimulator._take_create,
    "response.cancel": RealtimeSimulator._take_cancel,
}
