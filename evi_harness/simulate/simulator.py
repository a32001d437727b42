"""The simulator: an EVI that needs no recording, as a ``Service``.

It hears the user, ends turns, answers in EVI's grammar, calls tools, lets itself be interrupted, and fails as EVI fails. It never claims to
be EVI: its ids say so, and so does a note at the opening.

Rules of living here: one thing goes out at a time, in the order of due times; a time is the ideal one, so a carrier's lateness is not
handed on; turns are answered one after another; what the user says while a reply goes on interrupts it or is answered behind it, and
nothing is lost.

Remarks: ``simulator`` (at the opening: what is simulated by what), ``unheard`` (why data sent as audio is not audio),
``tool_answer_ignored`` (an answer to a call that does not wait).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Any, Callable, Counter, Deque, Dict, List, Mapping, Optional, Tuple, Union

from evi_harness.containers.opus_packets import OpusHead
from evi_harness.evi.compat import knows
from evi_harness.evi.failures import ERRORS
from evi_harness.session.events import Frame, Handshake
from evi_harness.session.notes import SIMULATOR, TOOL_ANSWER_IGNORED, UNHEARD
from evi_harness.session.protocols import Action, Close, Conversion, Hearing, LateHearing, Send, remark
from evi_harness.simulate import wire
from evi_harness.simulate.acting import Actor, Performance
from evi_harness.simulate.encoded_uplink import EncodedUplink, OpusDecoding
from evi_harness.simulate.ids import Ids
from evi_harness.simulate.partners import HeardTurn, Partner
from evi_harness.simulate.replies import ERROR, RESPONSE, Reply, Sentence
from evi_harness.simulate.requests import Refused, request
from evi_harness.simulate.simulated_service import Act, SimulatedService
from evi_harness.simulate.simulator_options import DEFAULT_OPTIONS, Options
from evi_harness.simulate.turn_detection import Speaking, Spoken
from evi_harness.simulate.uplink import HeardThings, Unheard, Uplink
from evi_harness.simulate.voice import VoiceMaker

__all__ = ["Simulator"]

MS = 1_000_000
SECOND = 1_000_000_000
# How much longer the user has to speak for the next interim transcript.
_INTERIM_NS = 600 * MS
# So many turns, and so many letters in them, may wait for the replies before them; then the chat is closed as one that breaks the rules.
_MAX_TURNS = 64
_MAX_SAID = 4 * 1024 * 1024
_TOO_MUCH = 1008
# EVI closes after so many errors that are the same.
_MAX_SAME_ERRORS = 10

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class _Turn:
    """A turn that is to be answered.

    Attributes:
        due_ns: When the user's message goes out, or the reply may begin.
        cause_ns: What it answers.
        reply: The reply, None where the assistant says nothing.
        user: The user's message, None where the assistant speaks of its own accord or is made to.
    """

    due_ns: int
    cause_ns: int
    reply: Optional[Reply]
    user: Optional[wire.Fields] = None


class Simulator(SimulatedService):
    """An EVI with no recording: a ``Service`` for one connection.

    Args:
        hearing: Finds speech in the user's audio; this connection's alone. It may need a while.
        partner: Decides what is said; this connection's alone.
        options: How it behaves.
        conversion: Converts voices to the format of ``options``; without it they go out in the format they have.
        voice: Makes the voices of sentences that have none, elsewhere; this connection's alone. By default they are made here, at once.
        open_decoder: Makes what decodes a stream of Opus in a container. Without it, audio in a container is not heard.
    """

    def __init__(
        self,
        hearing: Union[Hearing, LateHearing],
        partner: Partner,
        options: Options = DEFAULT_OPTIONS,
        conversion: Optional[Conversion] = None,
        voice: Optional[VoiceMaker] = None,
        open_decoder: Optional[Callable[[OpusHead], OpusDecoding]] = None,
    ) -> None:
        super().__init__(hearing, voice)
        self._open_decoder = open_decoder
        self._partner = partner
        self._options = options
        self._ids = Ids(options.seed)
        self._inactivity_ns = round(options.limits.inactivity_s * SECOND)
        self._max_duration_ns = round(options.limits.max_duration_s * SECOND)
        self._random = Random(f"simulator {options.seed}")  # noqa: S311 - delays and scores, no secrets
        self._actor = Actor(
            options.latency,
            options.pcm,
            options.chunk_ms,
            self._ids,
            conversion,
            options.seed,
            has_prosody=options.sdk is None or knows(options.sdk, wire.PROSODY),
            voice=voice,
        )
        self._uplink = self._new_uplink(Handshake("/"))
        self._turns: Deque[_Turn] = deque()
        self._n_turns = 0
        self._performance: Optional[Performance] = None
        self._held: List[_Turn] = []
        self._is_paused = False
        self._is_verbose = False
        self._n_interims = 0
        self._custom_session_id: Optional[str] = None
        self._errors: Counter[Tuple[str, str]] = Counter()
        # When the last reply ended or was cut: what waited for that goes on from there.
        self._free_ns = 0
        self._active_ns = 0

    # What comes in.

    def _new_uplink(self, handshake: Handshake) -> Uplink:
        encoded = None if self._open_decoder is None else EncodedUplink(self._open_decoder)
        return Uplink(self._hearing, self._options.detection, handshake, self._options.formats, encoded)

    def _open(self, handshake: Handshake) -> None:
        self._is_over = False
        query = dict(handshake.query)
        self._is_verbose = query.get("verbose_transcription", "").lower() in ("true", "1")
        self._custom_session_id = query.get("session_settings[custom_session_id]")
        self._uplink = self._new_uplink(handshake)
        who = remark(SIMULATOR, seed=self._options.seed, detector=self._hearing.name, partner=self._partner.name)
        self._post(who, 0, 0)
        self._open_ns = self._options.latency.connect.draw_ns(self._random)
        group = query.get("resumed_chat_group_id") or self._ids.chat_group_id
        self._post(wire.chat_metadata(self._ids, group), self._open_ns, 0)
        if self._partner.greeting is not None:
            self._turns.append(_Turn(self._open_ns, 0, self._partner.greeting))

    def _take_sent(self, sent: Frame, at_ns: int) -> Optional[bool]:
        if not sent.is_text:
            return self._take_audio(sent, at_ns)
        fields = request(sent)
        if isinstance(fields, Refused):
            self._refuse(fields, at_ns)
            return None
        self._custom_session_id = fields.get("custom_session_id") or self._custom_session_id
        if fields["type"] == "audio_input":
            return self._take_audio(sent, at_ns)
        self._uplink.heed(sent)
        _TAKE[fields["type"]](self, fields, at_ns)
        return None

    def _take_audio(self, frame: Frame, at_ns: int) -> Optional[bool]:
        settles_ns = self._uplink.settles_at_ns
        heard = self._uplink.take(frame, at_ns)
        self._take_heard(heard, at_ns)
        # What is said is some frames of very many.
        return None if heard or settles_ns is not None or self._uplink.settles_at_ns is not None else False

    def _take_heard(self, heard: HeardThings, at_ns: int) -> None:
        for one in heard:
            if isinstance(one, Unheard):
                self._take_unheard(one, at_ns)
                return
            if isinstance(one, Speaking):
                self._take_speaking(one, at_ns)
            else:
                self._take_spoken(one, at_ns)
        self._uplink.forget()

    def _take_unheard(self, heard: Unheard, at_ns: int) -> None:
        self._post(remark(UNHEARD, why=heard.why), at_ns, at_ns)
        words = "Unable to transcribe audio. Please ensure that your audio is appropriately encoded."
        self._fail("I0116", words, at_ns)

    def _take_speaking(self, speaking: Speaking, at_ns: int) -> None:
        self._active_ns = at_ns
        lasted_ns = speaking.end_ns - speaking.begin_ns
        enough_ns = self._options.detection.min_interruption_ms * MS
        if self._performance is not None and self._performance.reply.is_interruptible and lasted_ns >= enough_ns:
            self._interrupt(speaking.begin_ns + enough_ns, at_ns)
        if self._is_verbose and self._performance is None and lasted_ns >= (self._n_interims + 1) * _INTERIM_NS:
            text = self._partner.interim(self._n_interims, lasted_ns)
            self._n_interims += 1
            self._post(wire.user_message(text, speaking.begin_ns, speaking.end_ns, self._random, interim=True), at_ns, at_ns)

    def _take_spoken(self, spoken: Spoken, at_ns: int) -> None:
        self._n_interims = 0
        reached_ns = self._reached_ns(spoken.over_ns, at_ns)
        said, reply = self._partner.speech(HeardTurn(spoken.end_ns - spoken.begin_ns, self._uplink.sound(spoken)))
        user = wire.user_message(said, spoken.begin_ns, spoken.end_ns, self._random)
        due_ns = max(reached_ns + self._options.latency.transcription.draw_ns(self._random), at_ns)
        self._answer(_Turn(due_ns, reached_ns, reply, user), at_ns)

    def _take_settings(self, fields: Fields, at_ns: int) -> None:
        if self._options.echoes_settings:
            self._post(wire.session_settings(fields), at_ns, at_ns)

    def _take_user_input(self, fields: Fields, at_ns: int) -> None:
        text, position_ns = fields["text"], self._uplink.position_ns
        self._active_ns = at_ns
        user = wire.user_message(text, position_ns, position_ns, self._random, from_text=True)
        self._answer(_Turn(at_ns, at_ns, self._partner.text(text), user), at_ns)

    def _take_assistant_input(self, fields: Fields, at_ns: int) -> None:
        self._answer(_Turn(at_ns, at_ns, Reply((Sentence(fields["text"], from_text=True),))), at_ns)

    def _take_tool_answer(self, fields: Fields, at_ns: int) -> None:
        performance = self._performance
        is_error = fields["type"] == "tool_error"
        if performance is None or not performance.is_waiting or performance.call is None or performance.call[0] != fields["tool_call_id"]:
            self._post(remark(TOOL_ANSWER_IGNORED, tool_call_id=fields["tool_call_id"]), at_ns, at_ns)
            return
        content = fields.get("content") or (fields["error"] if is_error else "")
        self._actor.go_on(performance, ERROR if is_error else RESPONSE, content, at_ns)

    def _take_pause(self, fields: Fields, at_ns: int) -> None:  # noqa: ARG002 - one of a table
        self._is_paused = True
        performance = self._performance
        # What has begun is queued already, as EVI says, and still goes out.
        if performance is not None and not performance.has_begun:
            self._drop(at_ns)
            self._hold(_Turn(at_ns, at_ns, performance.reply))

    def _take_resume(self, fields: Fields, at_ns: int) -> None:  # noqa: ARG002 - one of a table
        self._is_paused = False
        for turn in reversed(self._held):
            self._turns.appendleft(_Turn(at_ns, at_ns, turn.reply))
        self._held = []

    # What follows from it.

    def _answer(self, turn: _Turn, at_ns: int) -> None:
        performance = self._performance
        if performance is not None and performance.is_waiting and turn.user is not None:
            # The user goes on without the tool.
            self._drop(at_ns)
            self._post(wire.assistant_end(), at_ns, performance.cause_ns)
        self._turns.append(turn)
        if len(self._turns) > _MAX_TURNS or sum(map(_n_said, self._turns)) > _MAX_SAID:
            # No conversation is like that; it would be one for hours, and is kept in memory.
            self._end(_TOO_MUCH, at_ns)

    def _drop(self, at_ns: int) -> None:
        self._performance = None
        self._free_ns = at_ns

    def _interrupt(self, position_ns: int, at_ns: int) -> None:
        self._drop(at_ns)
        cause_ns = self._reached_ns(position_ns, at_ns)
        self._post(wire.user_interruption(position_ns), at_ns, cause_ns)
        self._post(wire.assistant_end(), at_ns, cause_ns)

    def _hold(self, turn: _Turn) -> None:
        """Keep a reply until the app resumes: of the user's turns only the last, as EVI does; of the app's own words all."""
        if not _is_said_for_the_app(turn):
            self._held = [held for held in self._held if _is_said_for_the_app(held)]
        self._held.append(turn)

    def _refuse(self, refused: Refused, at_ns: int) -> None:
        self._errors[refused.code, refused.message] += 1
        self._post(wire.error(refused.code, refused.message, self._ids.request_id), at_ns, at_ns)
        if self._errors[refused.code, refused.message] >= _MAX_SAME_ERRORS:
            self._end(1000, at_ns)

    def _fail(self, code: str, words: str, at_ns: int) -> None:
        self._post(wire.error(code, words, self._ids.request_id), at_ns, at_ns)
        self._end(ERRORS[code].close_code or 1000, at_ns)

    def _end(self, code: int, at_ns: int) -> None:
        self._is_ending = True
        self._turns.clear()
        self._performance = None
        self._post(Close(code), at_ns, at_ns)

    def _reached_ns(self, position_ns: int, at_ns: int) -> int:
        reached_ns = self._uplink.reached_at_ns(position_ns)
        return at_ns if reached_ns is None else min(reached_ns, at_ns)

    # What goes out.

    def _next(self) -> Optional[Tuple[int, Act]]:
        if self._is_over:
            return None
        # Plain comparisons, which keep the first of equals: this is asked three times for each mark of every chat.
        act: Optional[Act] = None
        due_ns = 0
        if self._outbox:
            due_ns, act = self._outbox[0][0], self._act_outbox
        performance = self._performance
        if performance is None:
            if self._turns:
                at_ns = max(self._turns[0].due_ns, self._open_ns, self._free_ns)
                if act is None or at_ns < due_ns:
                    due_ns, act = at_ns, self._act_turn
        else:
            next_ns = performance.next_at_ns
            if next_ns is not None and (act is None or next_ns < due_ns):
                due_ns, act = next_ns, self._act_step
        if not self._is_ending:
            if self._late is not None and self._late.has_heard and (act is None or self._taken_ns < due_ns):
                due_ns, act = self._taken_ns, self._act_heard
            settles_ns = self._uplink.settles_at_ns
            if settles_ns is not None and (act is None or settles_ns < due_ns):
                due_ns, act = settles_ns, self._act_settle
            at_ns = max(self._open_ns, self._active_ns + self._inactivity_ns)
            if act is None or at_ns < due_ns:
                due_ns, act = at_ns, self._act_inactivity
            at_ns = max(self._open_ns, self._max_duration_ns)
            if at_ns < due_ns:
                due_ns, act = at_ns, self._act_duration
        return None if act is None else (max(due_ns, self._floor_ns), act)

    def _act_turn(self, when_ns: int) -> List[Action]:
        turn = self._turns.popleft()
        actions: List[Action] = []
        if turn.user is not None:
            self._active_ns = when_ns
            actions.append(self._send(turn.user, turn.due_ns, turn.cause_ns, when_ns))
        if turn.reply is not None and self._is_paused:
            self._hold(turn)
        elif turn.reply is not None:
            self._n_turns += 1
            random = Random(f"turn {self._options.seed} {self._n_turns}")  # noqa: S311 - delays and scores, no secrets
            self._performance = self._actor.begin(turn.reply, when_ns, random)
        return actions

    def _act_step(self, when_ns: int) -> List[Action]:
        performance = self._performance
        assert performance is not None
        step = performance.steps.popleft()
        due_ns = performance.at_ns + step.delay_ns
        performance.at_ns, performance.has_begun = when_ns, True
        sent = self._send(step.message, due_ns, performance.cause_ns, when_ns)
        if not performance.steps:
            performance.is_waiting = performance.call is not None
            if not performance.is_waiting:
                self._drop(when_ns)
                if performance.reply.hangs_up:
                    self._end(1000, when_ns)
        return [sent]

    def _act_settle(self, when_ns: int) -> List[Action]:
        self._take_heard(self._uplink.settle(), when_ns)
        return []

    def _act_heard(self, when_ns: int) -> List[Action]:
        assert self._late is not None
        self._take_heard(self._uplink.heard(self._late.heard()), when_ns)
        return []

    def _act_inactivity(self, when_ns: int) -> List[Action]:
        seconds = f"{self._options.limits.inactivity_s:g}"
        self._fail("E0714", f"Chat was ended because no user message was received in {seconds} seconds.", when_ns)
        return []

    def _act_duration(self, when_ns: int) -> List[Action]:
        seconds = f"{self._options.limits.max_duration_s:g}"
        self._fail("E0715", f"Chat was ended because it exceeded the max duration of {seconds} seconds.", when_ns)
        return []

    def _send(self, fields: wire.Fields, due_ns: int, cause_ns: int, when_ns: int) -> Send:
        return Send(wire.frame(fields, self._custom_session_id), due_ns=due_ns, cause_ns=cause_ns, held_ns=max(0, when_ns - due_ns))


def _n_said(turn: _Turn) -> int:
    """How many letters there are in a turn's reply, which has the user's own in it where they are long."""
    return sum(len(sentence.text) for sentence in turn.reply.sentences) if turn.reply is not None else 0


def _is_said_for_the_app(turn: _Turn) -> bool:
    """Whether a turn is the assistant saying what the app gave it."""
    return turn.user is None and turn.reply is not None and any(sentence.from_text for sentence in turn.reply.sentences)


_TAKE: Dict[str, Callable[[Simulator, Fields, int], None]] = {
    "session_settings": Simulator._take_settings,
    "user_input": Simulator._take_user_input,
    "assistant_input": Simulator._take_assistant_input,
    "tool_response": Simulator._take_tool_answer,
    "tool_error": Simulator._take_tool_answer,
    "pause_assistant_message": Simulator._take_pause,
    "resume_assistant_message": Simulator._take_resume,
}
