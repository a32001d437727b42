"""What prompts the recorded user before a live service: cues, read off the recording.

A live service answers in its own words and in its own time, so nothing of the user's can go by the recorded clock: what the user says is
said as long after the reply before it ended as it was then, what interrupted a reply as long after that reply began, a tool's result as
long after the call.

Rules of living here: worked out from the recording alone. The end of a reply is when its audio would have been heard to the end, by one
function for the recorded and the live side.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import Collection, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.replay.played_recording import AS_RECORDED, blocks, is_out
from evi_harness.session.events import Closed, Event, Received, Sent
from evi_harness.session.protocols import RECEIVED, Dialect
from evi_harness.session.session import Session
from evi_harness.session.session_audio import SessionAudio
from evi_harness.session.sounding import sounding
from evi_harness.session.turn import Speech, Turn

__all__ = [
    "AT_OPEN",
    "CADENCES",
    "CALLED",
    "CLOCK",
    "PREVIOUS",
    "REPLY_BEGAN",
    "REPLY_ENDED",
    "TURN",
    "Cue",
    "Cues",
    "HeardReply",
    "Utterance",
    "heard_replies",
]

# How what the user says is paced: after the reply before it, or as the recording had it.
TURN, CLOCK = "turn", "clock"
CADENCES = (TURN, CLOCK)

# What a cue follows.
AT_OPEN = "at_open"
REPLY_ENDED = "reply_ended"
REPLY_BEGAN = "reply_began"
PREVIOUS = "previous"
CALLED = "called"

# A detector places the beginning of speech a little late, and the first sound of a word is soft.
LEAD_NS = 300_000_000
# For a close by the service, behind the time at which the recording had it.
GRACE_NS = 5_000_000_000


@dataclass(frozen=True)
class Utterance:
    """A stretch of what the microphone sent: some speech, and what was sent until the next speech.

    Attributes:
        frames: The sent events with the audio.
        speech_ends_ns: Recorded time at which the speech had been sent; behind it there is nothing that must be heard.
    """

    frames: Tuple[Sent, ...]
    speech_ends_ns: int


@dataclass(frozen=True)
class Cue:
    """Something of the user's, and what it follows.

    Attributes:
        what: An utterance, a message, or the app's close.
        follows: ``at_open``, ``reply_ended``, ``reply_began``, ``previous`` (the cue before it) or ``called`` (a call of a tool).
        gap_ns: How long after that it came.
        recorded_ns: When it came.
        is_answer: Whether the reply that it follows answered the user; else the assistant spoke of its own accord.
        nth: Which reply since the last cue that followed one it follows; the later ones where there are more.
    """

    what: Union[Utterance, Sent, Closed]
    follows: str
    gap_ns: int
    recorded_ns: int
    is_answer: bool = False
    nth: int = 1


@dataclass(frozen=True)
class HeardReply:
    """When the reply of a turn was heard.

    Attributes:
        turn: The turn.
        asked_ns: When the turn began: its user message, or its first event.
        began_ns: When its first audio came, or what it says first where it has none; None where neither has come.
        ended_ns: When it had been received to its end and its audio heard; None where its end has not come.
    """

    turn: Turn
    asked_ns: int
    began_ns: Optional[int]
    ended_ns: Optional[int]


@dataclass(frozen=True)
class Cues:
    """All that the user of a recording did, as cues.

    Attributes:
        spoken: What follows one another: utterances, messages and at last the app's close, in recorded order.
        answers: What answers calls of tools, in the order of the calls.
    """

    spoken: Tuple[Cue, ...]
    answers: Tuple[Cue, ...]

    @staticmethod
    def of(
        session: Session,
        dialect: Dialect,
        cadence: str = TURN,
        speech: Optional[Sequence[Speech]] = None,
        left_out: Collection[int] = (),
    ) -> Cues:
        """Read the cues off a recording.

        Args:
            session: The recording.
            dialect: What its messages are in.
            cadence: ``turn``, or ``clock``: then all audio is one utterance, and all but the answers to calls goes by the clock.
            speech: Where the user spoke, on the position axis; None for what the service said of it.
            left_out: Sent messages that are no cue, by seq.
        """
        cues = _Reading(session, dialect, () if cadence == CLOCK else speech, left_out).cues()
        return _by_the_clock(cues, heard_replies(session.events, dialect)) if cadence == CLOCK else cues


def heard_replies(events: Sequence[Event], dialect: Dialect) -> List[HeardReply]:
    """When each turn's reply was heard, its audio played without a pause but for what came late.

    Args:
        events: The events of a session so far, in time.
        dialect: What they are in.
    """
    audio = SessionAudio(events, dialect.reader)
    at_ns = {event.seq: event.at_ns for event in events}
    lengths_ns = {event.seq: audio.length_ns(event.seq) or 0 for event in events if isinstance(event, Received) and event in audio}
    received = {event.seq: event for event in events if isinstance(event, Received)}
    return [_heard(turn, _began(turn, received, dialect), at_ns, lengths_ns) for turn in dialect.turns(events)]


def _began(turn: Turn, received: Mapping[int, Received], dialect: Dialect) -> Optional[int]:
    """With what the reply of a turn began: its first audio, else the first of it that says something.

    A service may announce a reply, or call a tool, long before there is anything of it. One that is over with nothing in it began with its
    first event.
    """
    if turn.first_audio is not None:
        return turn.first_audio
    for seq in turn.reply:
        message = dialect.read(RECEIVED, received[seq].frame) if seq in received else None
        if message is not None and dialect.saying(RECEIVED, message) is not None:
            return seq
    return turn.reply[0] if turn.reply and turn.end is not None else None


def _heard(turn: Turn, began: Optional[int], at_ns: Mapping[int, int], lengths_ns: Mapping[int, int]) -> HeardReply:
    first = turn.user if turn.user is not None else turn.reply[0]
    # An interruption silences what was still to be heard.
    silenced_ns = None if turn.interrupted_by is None else at_ns[turn.interrupted_by]
    heard = sounding([(at_ns[seq], lengths_ns[seq]) for seq in turn.reply if seq in lengths_ns], silenced_ns)
    heard_ns = heard[-1][1] if heard else 0
    last = turn.end if turn.end is not None else turn.interrupted_by
    ended_ns = None if last is None else max(at_ns[last], heard_ns)
    return HeardReply(turn, at_ns[first], None if began is None else at_ns[began], ended_ns)


class _Reading:
    """One reading of a recording."""

    def __init__(self, session: Session, dialect: Dialect, speech: Optional[Sequence[Speech]], left_out: Collection[int]) -> None:
        self._session = session
        self._dialect = dialect
        self._replies = heard_replies(session.events, dialect)
        positions = {block.seq: block.position_ns for block in blocks(session, dialect, AS_RECORDED)}
        self._positions = list(positions.values())
        self._audio = [event for event in session.sent if event.seq in positions]
        self._messages = [event for event in filter(is_out, session.sent) if event.seq not in positions and event.seq not in left_out]
        said = [reply.turn.speech for reply in self._replies if reply.turn.speech is not None] if speech is None else speech
        self._speech = sorted(said, key=lambda one: one.begin_ns)

    def cues(self) -> Cues:
        prompts = self._session.prompts(self._dialect)
        at_ns = {event.seq: event.at_ns for event in self._session.events}
        calls = [seq for reply in self._replies for seq in reply.turn.tool_calls]
        answers: List[Tuple[int, Cue]] = []
        spoken = [self._cue(utterance, utterance.frames[0].at_ns) for utterance in self._utterances()]
        for message in self._messages:
            prompt = prompts.get(message.seq)
            seq = prompt.seq if prompt is not None and prompt.kind == RECEIVED else None
            if seq is None:
                spoken.append(Cue(message, AT_OPEN, message.at_ns, message.at_ns))
            elif seq in calls and self._dialect.identity(self._dialect.read(message.kind, message.frame)) is not None:
                answers.append((seq, Cue(message, CALLED, message.at_ns - at_ns[seq], message.at_ns)))
            else:
                spoken.append(self._cue(message, message.at_ns))
        closed = self._close()
        spoken.append(self._cue(closed, closed.at_ns))
        spoken.sort(key=lambda cue: cue.recorded_ns)
        # In the order of the calls: answers may overtake one another.
        answers.sort(key=lambda one: (at_ns[one[0]], one[0]))
        return Cues(tuple(_chained(self._counted(spoken))), tuple(cue for _, cue in answers))

    def _counted(self, cues: Sequence[Cue]) -> List[Cue]:
        """Which reply each follows, of those that were asked for since the last cue that followed one: there may be several by then."""
        found: List[Cue] = []
        since_ns, before = -1, (AT_OPEN, -1)
        for cue in cues:
            reply = (cue.follows, cue.recorded_ns - cue.gap_ns)
            if cue.follows != AT_OPEN and reply != before:
                asked = [
                    one.began_ns for one in self._replies if one.asked_ns > since_ns and (one.turn.user is not None or not cue.is_answer)
                ]
                n_begun = sum(began_ns is not None and began_ns <= cue.recorded_ns for began_ns in asked)
                cue, since_ns, before = replace(cue, nth=max(1, n_begun)), cue.recorded_ns, reply
            found.append(cue)
        return found

    def _close(self) -> Closed:
        """The app's close; where it did not close, one that leaves the service its time to."""
        closed = self._session.closed
        if closed is not None and closed.by == "app":
            return closed
        return Closed(seq=-1, at_ns=self._session.duration_ns + GRACE_NS, by="app", code=1000)

    def _utterances(self) -> List[Utterance]:
        """The audio, cut a little before each speech but the first; all of it is in one of them."""
        spans = [(self._at_ns(one.begin_ns), self._at_ns(one.end_ns)) for one in self._speech]
        starts = [0]
        for (_, ended_ns), (begins_ns, _) in zip(spans, spans[1:]):
            starts.append(max(ended_ns + 1, begins_ns - LEAD_NS))
        times = [event.at_ns for event in self._audio]
        cuts = [bisect_left(times, start) for start in starts] + [len(times)]
        ends = [ended_ns for _, ended_ns in spans] or [times[-1] if times else 0]
        pieces = [tuple(self._audio[begin:end]) for begin, end in zip(cuts, cuts[1:])]
        return [Utterance(frames, ended_ns) for frames, ended_ns in zip(pieces, ends) if frames]

    def _at_ns(self, position_ns: int) -> int:
        """When a position had been sent; the end of the audio where it never was."""
        reached = bisect_left(self._positions, position_ns)
        return self._audio[min(reached, len(self._audio) - 1)].at_ns if self._audio else 0

    def _cue(self, what: Union[Utterance, Sent, Closed], at_ns: int) -> Cue:
        """What something follows: the latest reply that had begun, or the opening."""
        before = [reply for reply in self._replies if reply.began_ns is not None and reply.began_ns <= at_ns]
        if not before:
            return Cue(what, AT_OPEN, at_ns, at_ns)
        reply = before[-1]
        is_answer = reply.turn.user is not None
        if reply.ended_ns is not None and reply.ended_ns <= at_ns:
            return Cue(what, REPLY_ENDED, at_ns - reply.ended_ns, at_ns, is_answer)
        assert reply.began_ns is not None
        return Cue(what, REPLY_BEGAN, at_ns - reply.began_ns, at_ns, is_answer)


def _by_the_clock(cues: Cues, replies: Sequence[HeardReply]) -> Cues:
    """The same cues, each at its recorded time; the close not before as many replies have come as had then."""
    answers = sum(reply.turn.user is not None for reply in replies)
    spoken = [replace(cue, follows=AT_OPEN, gap_ns=cue.recorded_ns) for cue in cues.spoken if not isinstance(cue.what, Closed)]
    closes = [cue for cue in cues.spoken if isinstance(cue.what, Closed)]
    if answers:
        last_ns = max(reply.ended_ns or reply.asked_ns for reply in replies)
        closes = [
            replace(cue, follows=REPLY_ENDED, gap_ns=max(0, cue.recorded_ns - last_ns), is_answer=True, nth=answers) for cue in closes
        ]
    return Cues((*spoken, *closes), cues.answers)


def _chained(cues: Sequence[Cue]) -> List[Cue]:
    """Of several that follow the same reply, the first waits for it, and the others for the one before them."""
    found: List[Cue] = []
    waits: Optional[Tuple[str, int]] = None
    for cue in cues:
        # The reply is told by when it was: gap and time give it back.
        reply = (cue.follows, cue.recorded_ns - cue.gap_ns)
        if cue.follows != AT_OPEN and reply == waits:
            found.append(replace(cue, follows=PREVIOUS, gap_ns=cue.recorded_ns - found[-1].recorded_ns))
        else:
            found.append(cue)
            waits = reply if cue.follows != AT_OPEN else waits
    return found
