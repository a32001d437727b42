"""Act out a reply: the delay of each message.

Rules of living here: a reply is steps in EVI's grammar: for each sentence its message, its audio chunk by chunk, its scores if they come
apart; then a tool call or the end. What has gone out is never asked about again, so a reply can be cut anywhere.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from random import Random
from typing import Deque, Iterator, List, Optional, Sequence, Tuple

from evi_harness.session.protocols import Conversion
from evi_harness.session.wav import Pcm, header
from evi_harness.simulate import wire
from evi_harness.simulate.delays import Delay, Latency
from evi_harness.simulate.ids import Ids
from evi_harness.simulate.replies import RESPONSE, Reply, Sentence, ToolCall
from evi_harness.simulate.uplink import AudioPiece
from evi_harness.simulate.voice import Made, VoiceMaker, length_ms, spoken

__all__ = ["Actor", "Performance", "ReplyStep"]

MS = 1_000_000


@dataclass(frozen=True)
class ReplyStep:
    """One message of a reply.

    Attributes:
        delay_ns: How long after the step before it.
        fields: The message; without its audio where that is still being made.
        audio: What its audio is cut from, and where, in bytes; None where ``fields`` has all.
    """

    delay_ns: int
    fields: wire.Fields
    audio: Optional[Tuple[Made, Pcm, int, int]] = None

    @property
    def is_ready(self) -> bool:
        """Whether the message can go out."""
        return self.audio is None or self.audio[0].samples is not None

    @property
    def message(self) -> wire.Fields:
        """The message, with its audio."""
        if self.audio is None:
            return self.fields
        made, pcm, start, stop = self.audio
        assert made.samples is not None
        piece = made.samples[start:stop]
        return {**self.fields, "data": header(pcm, len(piece)) + piece}


@dataclass
class Performance:
    """A reply on its way out.

    Attributes:
        reply: What is acted out.
        cause_ns: What it answers, in session time.
        at_ns: When the last step was due, or the reply began.
        random: Draws its delays.
        steps: What is still to go out.
        has_begun: Whether anything of it has gone out.
        call: The tool whose answer comes next, with the id of the call.
        is_waiting: Whether the call has gone out and its answer has not come.
    """

    reply: Reply
    cause_ns: int
    at_ns: int
    random: Random
    steps: Deque[ReplyStep] = field(default_factory=deque)
    has_begun: bool = False
    call: Optional[Tuple[str, ToolCall]] = None
    is_waiting: bool = False

    @property
    def next_at_ns(self) -> Optional[int]:
        """When the next step is due, None while a tool's answer is awaited, or the voice."""
        return self.at_ns + self.steps[0].delay_ns if self.steps and self.steps[0].is_ready else None


class Actor:
    """Turns replies into steps.

    Args:
        latency: How long what takes.
        pcm: The format of what the assistant says.
        chunk_ms: How long a chunk of audio is where its sentence does not say; 0 for a whole sentence.
        ids: Gives ids.
        conversion: Converts voices to ``pcm``; without it they go out in the format they have.
        seed: Of the made voice, for sentences that have none.
        has_prosody: Whether scores may come in a message of their own.
        voice: Makes the voice of a sentence that has none, and may need a while; by default it is made at once.
    """

    def __init__(
        self,
        latency: Latency,
        pcm: Pcm,
        chunk_ms: int,
        ids: Ids,
        conversion: Optional[Conversion],
        seed: int = 0,
        *,
        has_prosody: bool = True,
        voice: Optional[VoiceMaker] = None,
    ) -> None:
        self._latency = latency
        self._pcm = pcm
        self._chunk_ms = chunk_ms
        self._ids = ids
        self._conversion = conversion
        self._seed = seed
        self._has_prosody = has_prosody
        self._make = voice

    def begin(self, reply: Reply, at_ns: int, random: Random) -> Performance:
        """Begin a reply.

        Args:
            reply: The reply.
            at_ns: When what it answers was.
            random: Draws the delays.
        """
        performance = Performance(reply, at_ns, at_ns, random)
        steps = self._said(reply.sentences, reply, random)
        if reply.tool is not None:
            call_id = self._ids.call()
            performance.call = (call_id, reply.tool)
            delay_ns = 0 if steps else self._latency.response_ns(random)
            steps.append(ReplyStep(delay_ns, wire.tool_call(reply.tool, call_id)))
            if not reply.tool.response_required:
                steps += self._after_tool(performance, RESPONSE, "")
        else:
            steps.append(ReplyStep(0 if steps else self._latency.response_ns(random), wire.assistant_end()))
        steps[0] = replace(steps[0], delay_ns=steps[0].delay_ns + reply.delay_ms * MS)
        performance.steps.extend(steps)
        return performance

    def go_on(self, performance: Performance, kind: str, content: str, at_ns: int) -> None:
        """Go on with a reply after a tool's answer.

        Args:
            performance: One that waits.
            kind: ``response`` or ``error``.
            content: What the answer says.
            at_ns: When it came.
        """
        performance.is_waiting = False
        performance.cause_ns = performance.at_ns = at_ns
        performance.steps.extend(self._after_tool(performance, kind, content))

    def _after_tool(self, performance: Performance, kind: str, content: str) -> List[ReplyStep]:
        assert performance.call is not None
        _, tool = performance.call
        performance.call = None
        steps = self._said(tool.sentences(kind, content), performance.reply, performance.random)
        return [*steps, ReplyStep(0 if steps else self._latency.response_ns(performance.random), wire.assistant_end())]

    def _said(self, sentences: Sequence[Sentence], reply: Reply, random: Random) -> List[ReplyStep]:
        chunk = self._latency.chunk if reply.chunk_delay_ms is None else Delay(reply.chunk_delay_ms)
        return [step for sentence in sentences for step in self._sentence(sentence, chunk, random)]

    def _sentence(self, sentence: Sentence, chunk: Delay, random: Random) -> Iterator[ReplyStep]:
        sentence_id = self._ids.sentence()
        sentence = replace(sentence, has_prosody=sentence.has_prosody and self._has_prosody)
        yield ReplyStep(self._latency.response_ns(random), wire.assistant_message(sentence, sentence_id, random))
        if sentence.sound is None and self._make is not None:
            made, n_bytes = self._make(sentence.text, self._seed, self._pcm), _n_bytes(sentence.text, self._pcm)
            cuts = self._cuts(sentence, self._pcm, n_bytes)
            pieces: List[Tuple[bytes, Optional[Tuple[Made, Pcm, int, int]]]] = [(b"", (made, self._pcm, *cut)) for cut in cuts]
        else:
            pieces = [(wav, None) for wav in self._chunks(sentence)]
        for index, (wav, audio) in enumerate(pieces):
            delay_ns = (chunk if index else self._latency.first_audio).draw_ns(random)
            yield ReplyStep(delay_ns, wire.audio_output(sentence_id, index, wav, is_final=index == len(pieces) - 1), audio)
        if sentence.has_prosody:
            yield ReplyStep(0, wire.assistant_prosody(sentence_id, random))

    def _chunks(self, sentence: Sentence) -> List[bytes]:
        """The sentence's audio as WAV files; one that is empty for an empty sound."""
        sound = self._voice(sentence)
        pieces = [sound.samples[start:stop] for start, stop in self._cuts(sentence, sound.pcm, len(sound.samples))]
        return [header(sound.pcm, len(piece)) + piece for piece in pieces]

    def _cuts(self, sentence: Sentence, pcm: Pcm, n_bytes: int) -> List[Tuple[int, int]]:
        """Where so much audio of a sentence is cut into chunks; one that is empty for no audio."""
        chunk_ms = self._chunk_ms if sentence.chunk_ms is None else sentence.chunk_ms
        size = pcm.rate * chunk_ms // 1000 * pcm.frame_bytes or n_bytes
        return [(start, min(start + size, n_bytes)) for start in range(0, n_bytes, max(1, size))] or [(0, 0)]

    def _voice(self, sentence: Sentence) -> AudioPiece:
        sound = sentence.sound
        if sound is None:
            return AudioPiece(self._pcm, spoken(sentence.text, self._seed, self._pcm))
        if self._conversion is None or sound.pcm == self._pcm:
            return sound
        return AudioPiece(self._pcm, self._conversion(sound.samples, sound.pcm, self._pcm))


def _n_bytes(text: str, pcm: Pcm) -> int:
    """How much audio ``spoken`` makes of a text."""
    return pcm.rate * length_ms(text) // 1000 * pcm.frame_bytes
