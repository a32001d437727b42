"""The recorded user in front of a live service: says and sends the same, each thing on its cue.

It plays the client's part, as ``replay.user`` does, but before a service that answers in its own words and its own time.

Rules of living here: nothing waits forever; a wait that was in vain is a lapse. The microphone goes on with silence while nothing is said,
as a real one does: a service detects the end of a turn by it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Deque, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

from evi_harness.replay.cues import AT_OPEN, GRACE_NS, PREVIOUS, REPLY_ENDED, Cue, Cues, HeardReply, Utterance, heard_replies
from evi_harness.session.events import BINARY, Closed, Event, Frame, Received, Sent
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import NO_STATUS, RECEIVED, Action, Close, Dialect, Message, Send
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm, split

__all__ = ["PATIENCE_NS", "AsRecorded", "Lapse", "LiveUser", "Wording"]

# For a reply, behind the time at which the recording had it.
PATIENCE_NS = 30_000_000_000
# No microphone delivers a piece that much later than the one before it.
_OFF_NS = 500_000_000


@dataclass(frozen=True)
class Lapse:
    """Something that did not go as recorded.

    Attributes:
        name: ``no_reply``, ``no_answer`` or ``not_called``; see ``LiveUser.lapses``.
        data: Its facts.
    """

    name: str
    data: Mapping[str, Json]


class Wording(Protocol):
    """In which frames a recorded user says it again. ``AsRecorded`` is one, and ``carried_over.CarriedOver`` in another dialect.

    Attributes:
        fills_gaps: Whether silence goes out also where the recorded microphone sent nothing in the middle of an utterance.
    """

    fills_gaps: bool

    def begin(self, utterance: Utterance) -> None:
        """Begin with the audio of an utterance, and with that of none before it."""

    def audio(self, event: Sent) -> Optional[Frame]:
        """The next piece of that audio, None for none: what is as long as the recorded piece."""

    def silence(self, event: Sent) -> Optional[Tuple[int, Frame]]:
        """As much silence as a piece of audio is long, and how long that is; None where none can be made."""

    def message(self, event: Sent) -> Sequence[Frame]:
        """What a message is said by."""

    def chosen(self, call: Message, answers: Sequence[Sent]) -> Optional[int]:
        """Which of the recorded answers that are left is that to a live call; None for none."""

    def answer(self, call: Message, event: Sent) -> Sequence[Frame]:
        """What a recorded answer to a call is said by, to a live one."""


class LiveUser:
    """What the app of a recording did, before a live service: a ``Service`` on the client's side.

    Args:
        session: The recording.
        dialect: What the live service's messages are in.
        cues: What prompts what.
        patience_ns: How long to wait for a reply behind the time at which the recording had it.
        wording: How the user says it; as recorded by default, where that is in the same dialect.

    Attributes:
        lapses: What did not go as recorded: ``no_reply`` (a reply was waited for in vain, and the user went on), ``no_answer`` (the
            service called a tool and the recording has no answer left), ``not_called`` (a recorded answer was never asked for).
        answers_elsewhere: Whether somebody else answers calls, by ``answered``.
    """

    def __init__(
        self, session: Session, dialect: Dialect, cues: Cues, patience_ns: int = PATIENCE_NS, wording: Optional[Wording] = None
    ) -> None:
        self._dialect = dialect
        self._patience_ns = patience_ns
        self._cues: Deque[Cue] = deque(cues.spoken)
        self._uncalled: Deque[Cue] = deque(cues.answers)
        self._answers: List[Tuple[int, Send]] = []
        self._ended_ns = session.duration_ns
        self._drops_microphone = session.header.user_interrupt == "dropped"
        self._wording = AsRecorded(session, dialect) if wording is None else wording
        self._microphone = _Microphone(self._wording)
        # What came since the cue before the next one, and when that was, here and in the recording.
        self._events: List[Received] = []
        self._replies: Optional[List[HeardReply]] = []
        self._previous_ns = 0
        self._previous_recorded_ns = 0
        self.lapses: List[Lapse] = []
        self.answers_elsewhere = False
        self._n_events = 0
        self._is_over = False
        # How much of what is being said the recorded close may have cut off.
        self._cut_ns = 0

    def has_done_all(self, at_ns: int) -> bool:
        """Whether the user has done all that the recorded one had when its conversation ended, but for closing it.

        A service that closes on its own does so by its own clock: what was being said within ``GRACE_NS`` of the recorded end may be cut
        off as much earlier.

        Args:
            at_ns: When this conversation ended.
        """
        if self._is_over:
            return True
        if self._answers or any(not isinstance(cue.what, Closed) or self._on_cue_ns(cue) is None for cue in self._cues):
            return False
        return at_ns >= self._microphone.said_at_ns - self._cut_ns

    def end(self) -> None:
        """Take it that the service has ended the conversation: what was awaited until now does not come any more."""
        if not self._is_over:
            self._is_over = True
            self._miss_calls()

    def recorded_at_ns(self, at_ns: int) -> int:
        """How far the recording was when it had got to where this conversation is; it stops while a reply is waited for.

        Args:
            at_ns: When this conversation is looked at.
        """
        next_ns = self._cues[0].recorded_ns if self._cues else self._ended_ns
        return min(self._previous_recorded_ns + max(0, at_ns - self._previous_ns), max(next_ns, self._previous_recorded_ns))

    def take(self, event: Event, at_ns: int) -> None:
        """Take a received event."""
        if not isinstance(event, Received):
            return
        self._n_events += 1
        self._events.append(Received(seq=self._n_events, at_ns=at_ns, frame=event.frame))
        self._replies = None
        message = self._dialect.read(RECEIVED, event.frame)
        if self._dialect.is_call(message):
            self._called(message, at_ns)

    def answered(self, call: Message, frames: Sequence[Frame], at_ns: int) -> None:
        """Answer a call now, in the place of the recorded answer to it, if there is one.

        Args:
            call: The call.
            frames: What answers it.
            at_ns: Now.
        """
        self._take_answer(call)
        self._answers += [(at_ns, Send(frame, due_ns=at_ns, cause_ns=at_ns)) for frame in frames]
        self._answers.sort(key=lambda one: one[0])

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to send now."""
        actions: List[Action] = []
        while not self._is_over:
            next_ns = self._earliest()
            if next_ns is None or next_ns > at_ns:
                break
            actions.extend(self._act(next_ns))
        return actions

    def next_at_ns(self) -> Optional[int]:
        """When something is to be sent next, None while that depends on the service, and at the end."""
        return None if self._is_over else self._earliest()

    # What comes next.

    def _earliest(self) -> Optional[int]:
        known = [at_ns for at_ns in (self._answer_at_ns(), self._cue_at_ns(), self._audio_at_ns()) if at_ns is not None]
        return min(known, default=None)

    def _act(self, at_ns: int) -> List[Action]:
        # A cue goes before audio of the same time: it may be what is said instead.
        if self._answer_at_ns() == at_ns:
            return [self._answers.pop(0)[1]]
        if self._cue_at_ns() == at_ns:
            return self._perform(self._cues.popleft(), at_ns)
        frame = self._microphone.next(at_ns)
        return [] if frame is None else [Send(frame, due_ns=at_ns)]

    def _answer_at_ns(self) -> Optional[int]:
        return self._answers[0][0] if self._answers else None

    def _audio_at_ns(self) -> Optional[int]:
        at_ns = self._microphone.next_at_ns()
        if at_ns is None or not self._drops_microphone or not self._microphone.is_silent:
            return at_ns
        # The SDK's microphone is not heard while a reply plays.
        heard_ns = max((reply.ended_ns or 0 for reply in self._heard() if reply.began_ns is not None), default=0)
        return self._microphone.held_until(max(at_ns, heard_ns))

    def _cue_at_ns(self) -> Optional[int]:
        """When the next cue is due: on what it follows, or when that has been waited for in vain."""
        if not self._cues:
            return None
        cue = self._cues[0]
        on_cue_ns = self._on_cue_ns(cue)
        at_ns = self._given_up_at_ns(cue) if on_cue_ns is None else on_cue_ns
        at_ns = max(at_ns, self._previous_ns)
        if not isinstance(cue.what, Sent):
            # What is being said is said to its end.
            at_ns = max(at_ns, self._microphone.said_at_ns)
        return at_ns

    def _on_cue_ns(self, cue: Cue) -> Optional[int]:
        if cue.follows == AT_OPEN:
            return cue.gap_ns
        if cue.follows == PREVIOUS:
            return self._previous_ns + cue.gap_ns
        replies = [one for one in self._heard() if one.turn.user is not None or not cue.is_answer]
        if len(replies) < cue.nth:
            return None
        reply = replies[-1]
        at_ns = reply.ended_ns if cue.follows == REPLY_ENDED else reply.began_ns
        return None if at_ns is None else at_ns + cue.gap_ns

    def _given_up_at_ns(self, cue: Cue) -> int:
        return self._previous_ns + cue.recorded_ns - self._previous_recorded_ns + self._patience_ns

    def _heard(self) -> List[HeardReply]:
        if self._replies is None:
            self._replies = heard_replies(self._events, self._dialect)
        return self._replies

    # What is done.

    def _perform(self, cue: Cue, at_ns: int) -> List[Action]:
        if self._on_cue_ns(cue) is None:
            self.lapses.append(Lapse("no_reply", {"recorded_ns": cue.recorded_ns, "waited_until_ns": at_ns}))
        if cue.follows not in (AT_OPEN, PREVIOUS):
            # What came until now is no answer to this; what sets the session up holds on.
            self._events = [event for event in self._events if self._dialect.sets_up(self._dialect.read(event.kind, event.frame))]
            self._replies = None
        self._previous_ns, self._previous_recorded_ns = at_ns, cue.recorded_ns
        if isinstance(cue.what, Utterance):
            self._microphone.say(cue.what, at_ns)
            self._cut_ns = max(0, GRACE_NS - (self._ended_ns - min(cue.what.speech_ends_ns, cue.what.frames[-1].at_ns)))
            return []
        if isinstance(cue.what, Sent):
            return [Send(frame, due_ns=at_ns, recorded_seq=cue.what.seq) for frame in self._wording.message(cue.what)]
        self._is_over = True
        self._miss_calls()
        return [Close(NO_STATUS if cue.what.code is None else cue.what.code, cue.what.reason)]

    def _miss_calls(self) -> None:
        self.lapses += [Lapse("not_called", {"recorded_seq": one.what.seq}) for one in self._uncalled if isinstance(one.what, Sent)]

    def _called(self, call: Message, at_ns: int) -> None:
        if self.answers_elsewhere:
            return
        cue = self._take_answer(call)
        if cue is None:
            self.lapses.append(Lapse("no_answer", {"call": self._dialect.describe(RECEIVED, call), "at_ns": at_ns}))
            return
        assert isinstance(cue.what, Sent)
        due_ns, seq = at_ns + cue.gap_ns, cue.what.seq
        frames = self._wording.answer(call, cue.what)
        self._answers += [(due_ns, Send(frame, due_ns=due_ns, cause_ns=at_ns, recorded_seq=seq)) for frame in frames]
        self._answers.sort(key=lambda one: one[0])

    def _take_answer(self, call: Message) -> Optional[Cue]:
        """The recorded answer to a live call, which no other call gets."""
        chosen = self._wording.chosen(call, [cue.what for cue in self._uncalled if isinstance(cue.what, Sent)])
        if chosen is None:
            return None
        cue = self._uncalled[chosen]
        del self._uncalled[chosen]
        return cue


class AsRecorded:
    """The very frames of the recording: a ``Wording``.

    Args:
        session: The recording.
        dialect: What it and the live session are in.

    Attributes:
        fills_gaps: Never: the live service is one that the recorded microphone was enough for.
    """

    fills_gaps = False

    def __init__(self, session: Session, dialect: Dialect) -> None:
        self._dialect = dialect
        audio = session.audio(dialect)
        # By seq: how long the audio is, its format, whether it has a header.
        self._forms: Dict[int, Tuple[int, Optional[Pcm], bool]] = {}
        for event in session.sent:
            read = audio.frames.get(event.seq)
            if read is not None:
                self._forms[event.seq] = (read.length_ns or 0, read.pcm, read.has_header)
        # A header at the beginning of the stream is not repeated.
        self._repeats_header = sum(has_header for _, _, has_header in self._forms.values()) > 1

    def begin(self, utterance: Utterance) -> None:
        """Nothing depends on it."""

    def audio(self, event: Sent) -> Frame:
        """The recorded frame."""
        return event.frame

    def silence(self, event: Sent) -> Optional[Tuple[int, Frame]]:
        """As much silence as a frame holds sound, in the same form; None where none can be made, or where it is in no binary frame."""
        length_ns, pcm, has_header = self._forms[event.seq]
        if event.frame.is_text or pcm is None or length_ns <= 0:
            return None
        wav = split(event.frame.payload) if has_header else None
        if wav is None:
            return length_ns, Frame(BINARY, pcm.silence(event.frame.size))
        silence = pcm.silence(len(wav.samples))
        return length_ns, Frame(BINARY, wav.head + silence + wav.tail if self._repeats_header else silence)

    def message(self, event: Sent) -> Sequence[Frame]:
        """The recorded frame."""
        return [event.frame]

    def chosen(self, call: Message, answers: Sequence[Sent]) -> Optional[int]:  # noqa: ARG002 - the signature is Wording's
        """The first: calls are answered in their order."""
        return 0 if answers else None

    def answer(self, call: Message, event: Sent) -> Sequence[Frame]:
        """The recorded frame, with the id of the live call."""
        return [self._dialect.answer_to(call, event.frame)]


class _Microphone:
    """Sends an utterance frame by frame, and silence behind it until the next one."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self._to_say: Deque[Tuple[int, Sent]] = deque()
        # When the next piece of silence is to go out, how long it is, and its frame.
        self._silence: Optional[Tuple[int, int, Frame]] = None
        # Whether the recorded microphone sends nothing now for longer than one that is late.
        self._is_off = False
        self.said_at_ns = 0

    @property
    def is_silent(self) -> bool:
        """Whether what goes out next is silence that nobody recorded."""
        return not self._to_say or self._fills()

    def say(self, utterance: Utterance, at_ns: int) -> None:
        """Begin an utterance; what is left of the one before it is left out."""
        shift_ns = at_ns - utterance.frames[0].at_ns
        self._to_say = deque((event.at_ns + shift_ns, event) for event in utterance.frames)
        self._silence = None
        self._wording.begin(utterance)
        self.said_at_ns = max(at_ns, min(utterance.speech_ends_ns, utterance.frames[-1].at_ns) + shift_ns)

    def next_at_ns(self) -> Optional[int]:
        """When the next frame is to go out; None before the first utterance, and where no silence can be made."""
        if self._to_say and not self._fills():
            return self._to_say[0][0]
        return None if self._silence is None else self._silence[0]

    def held_until(self, at_ns: int) -> int:
        """When the next frame is to go out, where silence is held back until a time: what was recorded is not."""
        return min(at_ns, self._to_say[0][0]) if self._to_say else at_ns

    def next(self, at_ns: int) -> Optional[Frame]:
        """The next frame, which goes out now; None where there is nothing in it."""
        if self._to_say and (self._to_say[0][0] <= at_ns or not self._fills()):
            event = self._to_say.popleft()[1]
            silence = self._wording.silence(event)
            self._silence = None if silence is None else (at_ns + silence[0], *silence)
            self._is_off = bool(self._to_say) and self._to_say[0][0] - at_ns >= _OFF_NS
            return self._wording.audio(event)
        assert self._silence is not None
        _, length_ns, frame = self._silence
        self._silence = (at_ns + length_ns, length_ns, frame)
        return frame

    def _fills(self) -> bool:
        """Whether there is time for silence before the next piece of what is said."""
        if not self._wording.fills_gaps or not self._is_off or self._silence is None or not self._to_say:
            return False
        at_ns, length_ns, _ = self._silence
        return at_ns + length_ns <= self._to_say[0][0]
