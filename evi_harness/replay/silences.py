"""Silences: spans of a recording in which nothing can be heard or seen, and a recording with shorter ones.

Something happens where a message crosses the socket either way, while the assistant's audio plays (from when it was received, one piece
after another, to the end even where the user interrupts it), and while the user speaks: where the service says so, and where the caller
does. What cannot be known counts as happening:

* a spoken message of the user of which the service does not say when it was spoken: from the end of the turn before it;
* a hint that the user speaks (an interruption, part of a message) of which no whole message came: from the message before it;
* user's audio whose length cannot be known: whenever some is sent; assistant's audio of which it cannot: from then on to the end.

Rules of living here: the user's audio in what is taken out of a silence is left out with it, but for the first, which positions count from;
never more time is taken out than audio, as far as the audio was gapless, so that the position, which goes by both, stays in step.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Iterable, Iterator, List, Optional, Sequence, Set

from evi_harness.replay.played_recording import Block, PlayedRecording, blocks, moved
from evi_harness.replay.speech_positions import Span, SpeechPositions, seqs_of
from evi_harness.session.events import Closed, Opened, Received, Sent
from evi_harness.session.protocols import POSITION, SENT, Dialect
from evi_harness.session.turn import Speech, Turn

__all__ = ["silences", "with_short_silences"]


def with_short_silences(recording: PlayedRecording, dialect: Dialect, longest_ns: int, speech: Iterable[Speech] = ()) -> PlayedRecording:
    """Shorten the silences of a recording.

    What is taken out of a silence is taken out of its middle.

    Args:
        recording: The recording.
        dialect: What its messages are in.
        longest_ns: What longer silences are shortened to; one through which the user's audio runs stays longer by up to a block of it.
        speech: Where else the user speaks, on the position axis.
    """
    audio = blocks(recording.session, dialect, recording.speed)
    cuts = _Cuts(audio)
    for start_ns, stop_ns in silences(recording, dialect, speech):
        if stop_ns - start_ns > longest_ns:
            cuts.add(start_ns + longest_ns // 2, stop_ns - (longest_ns - longest_ns // 2))
    if not cuts.cuts:
        return recording
    return moved(recording, dialect, cuts.time_ns, left_out=cuts.left_out, speed=recording.speed)


def silences(recording: PlayedRecording, dialect: Dialect, speech: Iterable[Speech] = ()) -> List[Span]:
    """Find the spans in which nothing happens.

    Args:
        recording: The recording.
        dialect: What its messages are in.
        speech: Where else the user speaks, on the position axis.

    Returns:
        The spans in time, each from the end of one happening to the beginning of the next; none behind the last.
    """
    found: List[Span] = []
    until_ns: Optional[int] = None
    for start_ns, stop_ns in sorted(_happenings(recording, dialect, speech)):
        if until_ns is not None and start_ns > until_ns:
            found.append((until_ns, start_ns))
        until_ns = stop_ns if until_ns is None else max(until_ns, stop_ns)
    return found


def _happenings(recording: PlayedRecording, dialect: Dialect, speech: Iterable[Speech]) -> Iterator[Span]:
    crossed = [*_crossed(recording, dialect)]
    yield from crossed
    yield from _Speaking(recording, dialect, [start_ns for start_ns, _ in crossed]).spans(speech)


def _crossed(recording: PlayedRecording, dialect: Dialect) -> Iterator[Span]:
    """Messages, and how long what they hold plays."""
    audio = recording.session.audio(dialect)
    end_ns = recording.session.duration_ns
    plays_until_ns = 0
    for event in recording.session.events:
        if isinstance(event, (Opened, Closed)):
            yield event.at_ns, event.at_ns
        elif isinstance(event, (Sent, Received)):
            is_audio, length_ns = event in audio, audio.length_ns(event.seq)
            if is_audio and isinstance(event, Received):
                plays_until_ns = end_ns if length_ns is None else max(plays_until_ns, event.at_ns) + length_ns
                yield event.at_ns, min(plays_until_ns, end_ns)
            elif not is_audio or length_ns is None:
                yield event.at_ns, event.at_ns


class _Speaking:
    """When the user spoke, in session time.

    Args:
        recording: The recording.
        dialect: What its messages are in.
        crossed: When messages crossed the socket, in time.
    """

    def __init__(self, recording: PlayedRecording, dialect: Dialect, crossed: Sequence[int]) -> None:
        self._causes = recording.causes
        self._crossed = crossed
        self._at_ns = {event.seq: event.at_ns for event in recording.session.events}
        self._turns = dialect.turns(recording.session.events)
        self._spoken = SpeechPositions(blocks(recording.session, dialect, recording.speed))

    def spans(self, speech: Iterable[Speech]) -> Iterator[Span]:
        said = [*speech, *(turn.speech for turn in self._turns if turn.speech is not None and self._is_placed(turn))]
        yield from (span for span in map(self._spoken.span, said) if span is not None)
        yield from self._of_unknown_time()
        yield from self._hints(said)

    def _is_placed(self, turn: Turn) -> bool:
        """Whether the service says of the user's words when they were spoken, and can know it."""
        return turn.user is not None and self._spoken.had(turn.speech, self._at_ns[turn.user])

    def _of_unknown_time(self) -> Iterator[Span]:
        """Messages of the user that were neither typed nor say when they were spoken."""
        before_ns = 0
        for turn in self._turns:
            if turn.user is not None:
                at_ns = self._at_ns[turn.user]
                if self._causes[turn.user].kind != SENT and not self._is_placed(turn):
                    yield min(before_ns, at_ns), at_ns
            before_ns = max(self._at_ns[seq] for seq in seqs_of(turn))

    def _hints(self, said: Sequence[Speech]) -> Iterator[Span]:
        for seq, cause in self._causes.items():
            position_ns = cause.position_ns
            if cause.kind != POSITION or position_ns is None:
                continue
            # The audio that an answer waits for is not left out.
            reached_ns = self._spoken.reached_at_ns(position_ns)
            yield reached_ns, reached_ns
            if not any(one.begin_ns <= position_ns <= one.end_ns for one in said):
                before = bisect_left(self._crossed, self._at_ns[seq]) - 1
                yield self._crossed[max(before, 0)], self._at_ns[seq]


@dataclass(frozen=True)
class _Cut:
    """Something taken out of a silence.

    Attributes:
        start_ns, stop_ns: Between which two times; events of no consequence may stand there.
        n_ns: How much time, at most all between them.
        before_ns: How much was taken out before it.
    """

    start_ns: int
    stop_ns: int
    n_ns: int
    before_ns: int


class _Cuts:
    """What is taken out of a recording, in time, and the axis that it leaves.

    Args:
        audio: The user's audio.

    Attributes:
        cuts: What was taken out.
        left_out: The audio that went with it, by seq.
    """

    def __init__(self, audio: Sequence[Block]) -> None:
        self.cuts: List[_Cut] = []
        self.left_out: Set[int] = set()
        self._audio = audio
        self._times = [block.at_ns for block in audio]
        self._starts: List[int] = []
        self._slack = _slack(audio)
        self._taken_ns = 0
        self._audio_ns = 0

    def add(self, start_ns: int, stop_ns: int) -> None:
        """Take out what lies between two times, or as much as the audio there allows."""
        # Positions count from the first block, so it stays.
        first, behind = max(bisect_right(self._times, start_ns), 1), bisect_left(self._times, stop_ns)
        # So does one whose header gives the format of what is left.
        format_seq = self._audio[behind].format_seq if behind < len(self._audio) else None
        gone = [block for block in self._audio[first:behind] if block.seq != format_seq]
        audio_ns = sum(block.length_ns or 0 for block in gone)
        n_ns = stop_ns - start_ns
        slack_ns = self._slack[behind] if behind < len(self._audio) else None
        if slack_ns is not None:
            n_ns = min(n_ns, self._audio_ns + audio_ns + slack_ns - self._taken_ns)
        if n_ns <= 0:
            return
        self.cuts.append(_Cut(start_ns, stop_ns, n_ns, self._taken_ns))
        self._starts.append(start_ns)
        self.left_out |= {block.seq for block in gone}
        self._taken_ns += n_ns
        self._audio_ns += audio_ns

    def time_ns(self, at_ns: int) -> int:
        """The time on the axis that is left."""
        index = bisect_right(self._starts, at_ns) - 1
        if index < 0:
            return at_ns
        cut = self.cuts[index]
        return cut.start_ns - cut.before_ns + max(0, at_ns - cut.start_ns - cut.n_ns)


def _slack(audio: Sequence[Block]) -> List[Optional[int]]:
    """By block, how far the time that passed is ahead of the audio sent, from there on at the least; None where only time counts."""
    ahead: List[int] = []
    sent_ns = 0
    for block in audio:
        if block.length_ns is None:
            break
        sent_ns += block.length_ns
        ahead.append(max(0, block.at_ns - audio[0].at_ns + block.length_ns - sent_ns))
    least = list(accumulate(reversed(ahead), min))[::-1]
    return [*least, *[None] * (len(audio) - len(least))]
