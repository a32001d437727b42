"""Detect utterances and the ends of turns from probabilities of speech.

Rules of living here: everything lies on the axis of the marks, which is that of positions; a turn is over exactly the configured silence
after its last speech, wherever the marks end. Anything too short to be a word is not speech.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, Optional, Union

from evi_harness.errors import UsageError
from evi_harness.session.protocols import Mark

__all__ = ["Listener", "Speaking", "Spoken", "TurnDetection"]

MS = 1_000_000
# A noise this long after which nothing follows for so long was not the beginning of an utterance.
_FORGET_NS = 200 * MS


@dataclass(frozen=True)
class TurnDetection:
    """How EVI tells that a turn is over, with EVI's defaults.

    Attributes:
        speech_detection_threshold: From which probability on there is speech, 0 to 1.
        prefix_padding_ms: How much of what was before the first speech belongs to the utterance's audio.
        end_of_turn_silence_ms: How long the user is silent when a turn is over.
        min_interruption_ms: How long the user speaks before that interrupts a reply.
        min_speech_ms: How much speech makes an utterance. The simulator's own: EVI transcribes no word and says nothing.

    Raises:
        UsageError: An invalid value.
    """

    speech_detection_threshold: float = 0.5
    prefix_padding_ms: int = 300
    end_of_turn_silence_ms: int = 800
    min_interruption_ms: int = 800
    min_speech_ms: int = 96

    def __post_init__(self) -> None:
        if not 0 < self.speech_detection_threshold <= 1:
            raise UsageError(f"speech_detection_threshold is {self.speech_detection_threshold}", hint="Give a number above 0, at most 1.")
        for name in ("prefix_padding_ms", "end_of_turn_silence_ms", "min_interruption_ms", "min_speech_ms"):
            value = getattr(self, name)
            if value < (1 if name == "end_of_turn_silence_ms" else 0):
                raise UsageError(f"{name} is {value}", hint="Give a positive number of milliseconds.")


@dataclass(frozen=True)
class Speaking:
    """The user is speaking: the utterance so far.

    Attributes:
        begin_ns: Position of its first speech.
        end_ns: Position of its latest.
    """

    begin_ns: int
    end_ns: int


@dataclass(frozen=True)
class Spoken:
    """The user has spoken: an utterance that is over.

    Attributes:
        begin_ns: Position of its first speech.
        end_ns: Position of its last.
        over_ns: Position at which the turn is over: ``end_ns`` and the silence.
    """

    begin_ns: int
    end_ns: int
    over_ns: int


class Listener:
    """Finds utterances in marks.

    Args:
        detection: By which figures.

    Attributes:
        begin_ns: Where the present utterance began, None while there is silence.
    """

    def __init__(self, detection: TurnDetection) -> None:
        self._detection = detection
        self._silence_ns = detection.end_of_turn_silence_ms * MS
        self.begin_ns: Optional[int] = None
        self._end_ns = 0
        self._speech_ns = 0

    def hear(self, marks: Iterable[Mark]) -> Iterator[Union[Speaking, Spoken]]:
        """Hear the next marks.

        Args:
            marks: In order, without holes.

        Returns:
            ``Speaking`` for each mark with speech, ``Spoken`` when an utterance is over.
        """
        for mark in marks:
            if mark.probability >= self._detection.speech_detection_threshold:
                yield from self._speech(mark)
            elif self.begin_ns is not None:
                yield from self._silence(mark)

    @property
    def _is_utterance(self) -> bool:
        return self._speech_ns >= self._detection.min_speech_ms * MS

    def _speech(self, mark: Mark) -> Iterator[Speaking]:
        if self.begin_ns is None:
            self.begin_ns, self._speech_ns = mark.start_ns, 0
        self._end_ns = mark.end_ns
        self._speech_ns += mark.end_ns - mark.start_ns
        if self._is_utterance:
            yield Speaking(self.begin_ns, self._end_ns)

    def _silence(self, mark: Mark) -> Iterator[Spoken]:
        assert self.begin_ns is not None
        silent_ns = mark.end_ns - self._end_ns
        if self._is_utterance and silent_ns >= self._silence_ns:
            yield Spoken(self.begin_ns, self._end_ns, self._end_ns + self._silence_ns)
            self.begin_ns = None
        elif not self._is_utterance and silent_ns >= _FORGET_NS:
            self.begin_ns = None
