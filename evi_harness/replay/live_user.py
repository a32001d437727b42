"""The recorded user in front of a live service: says and sends the same, each thing on its cue.

It plays the client's part, as ``replay.user`` does, but before a service that answers in its own words and its own time.

Rules of living here: nothing waits forever; a wait that was in vain is a lapse. The microphone goes on with silence while nothing is said,
as a real one does: a service detects the end of a turn by it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Deque, Dict, List, Mapping, Optional, Sequence, Tuple

from evi_harness.replay.cues import AT_OPEN, GRACE_NS, PREVIOUS, REPLY_ENDED, Cue, Cues, HeardReply, Utterance, heard_replies
from evi_harness.session.events import BINARY, Closed, Event, Frame, Received, Sent
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import NO_STATUS, RECEIVED, Action, Close, Dialect, Message, Send
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm, split

__all__ = ["PATIENCE_NS", "Lapse", "LiveUser"]

# For a reply, behind the time at which the recording had it.
PATIENCE_NS = 30_000_000_000


@dataclass(frozen=True)
class Lapse:
    """Something that did not go as recorded.

    Attributes:
        name: ``no_reply``, ``no_answer`` or ``not_called``; see ``LiveUser.lapses``.
        data: Its facts.
    """

    name: str
    data: Mapping[str, Json]


class LiveUser:
    """What the app of a recording did, before a live service: a ``Service`` on the client's side.

    Args:
        session: The recording.
        dialect: What its messages are in.
        cues: What prompts what.
        patience_ns: How long to wait for a reply behind the time at which the recording had it.

    Attributes:
        lapses: What did not go as recorded: ``no_reply`` (a reply was waited for in vain, and the user went on), ``no_answer`` (the
            service called a tool and the recording has no answer left), ``not_called`` (a recorded answer was never asked for).
    """

    def __init__(self, session: Session, dialect: Dialect, cues: Cues, patience_ns: int = PATIENCE_NS) -> None:
        self._dialect = dialect
        self._patience_ns = patience_ns
        self._cues: Deque[Cue] = deque(cues.spoken)
        self._uncalled: Deque[Cue] = deque(cues.answers)
        self._answers: List[Tuple[int, Send]] = []
        self._ended_ns = session.duration_ns
        self._drops_microphone = session.header.user_interrupt == "dropped"
        self._microphone = _Microphone(session, dialect)
        # What came since the cue before the next one, and when that was, here and in the recording.
        self._events: List[Event] = []
        self._replies: Optional[List[HeardReply]] = []
        self._previous_ns = 0
        self._previous_recorded_ns = 0
        self.lapses: List[Lapse] = []
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
        return [Send(self._microphone.next(at_ns), due_ns=at_ns)]

    def _answer_at_ns(self) -> Optional[int]:
        return self._answers[0][0] if self._answers else None

    def _audio_at_ns(self) -> Optional[int]:
        at_ns = self._microphone.next_at_ns()
        if at_ns is None or not self._drops_microphone or not self._microphone.is_silent:
            return at_ns
        # The SDK's microphone is not heard while a reply plays.
        heard_ns = max((reply.ended_ns or 0 for reply in self._heard() if reply.began_ns is not None), default=0)
        return max(at_ns, heard_ns)

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
            # What came until now is no answer to this.
            self._events.clear()
            self._replies = None
        self._previous_ns, self._previous_recorded_ns = at_ns, cue.recorded_ns
        if isinstance(cue.what, Utterance):
            self._microphone.say(cue.what, at_ns)
            self._cut_ns = max(0, GRACE_NS - (self._ended_ns - min(cue.what.speech_ends_ns, cue.what.frames[-1].at_ns)))
            return []
        if isinstance(cue.what, Sent):
            return [Send(cue.what.frame, due_ns=at_ns, recorded_seq=cue.what.seq)]
        self._is_over = True
        self._miss_calls()
        return [Close(NO_STATUS if cue.what.code is None else cue.what.code, cue.what.reason)]

    def _miss_calls(self) -> None:
        self.lapses += [Lapse("not_called", {"recorded_seq": one.what.seq}) for one in self._uncalled if isinstance(one.what, Sent)]

    def _called(self, call: Message, at_ns: int) -> None:
        if not self._uncalled:
            self.lapses.append(Lapse("no_answer", {"call": self._dialect.describe(RECEIVED, call), "at_ns": at_ns}))
            return
        cue = self._uncalled.popleft()
        assert isinstance(cue.what, Sent)
        frame = self._dialect.answer_to(call, cue.what.frame)
        due_ns = at_ns + cue.gap_ns
        self._answers.append((due_ns, Send(frame, due_ns=due_ns, cause_ns=at_ns, recorded_seq=cue.what.seq)))
        self._answers.sort(key=lambda one: one[0])


class _Microphone:
    """Sends an utterance frame by frame, and silence behind it until the next one."""

    def __init__(self, session: Session, dialect: Dialect) -> None:
        audio = session.audio(dialect)
        # By seq: how long the audio is, its format, whether it has a header.
        self._forms: Dict[int, Tuple[int, Optional[Pcm], bool]] = {}
        for event in session.sent:
            read = audio.frames.get(event.seq)
            if read is not None:
                self._forms[event.seq] = (read.length_ns or 0, read.pcm, read.has_header)
        # A header at the beginning of the stream is not repeated.
        self._repeats_header = sum(has_header for _, _, has_header in self._forms.values()) > 1
        self._to_say: Deque[Tuple[int, Sent]] = deque()
        self._silence: Optional[Tuple[int, Frame]] = None
        self._length_ns = 0
        self.said_at_ns = 0

    @property
    def is_silent(self) -> bool:
        """Whether what was to be said is said."""
        return not self._to_say

    def say(self, utterance: Utterance, at_ns: int) -> None:
        """Begin an utterance; what is left of the one before it is left out."""
        shift_ns = at_ns - utterance.frames[0].at_ns
        self._to_say = deque((event.at_ns + shift_ns, event) for event in utterance.frames)
        self._silence = None
        self.said_at_ns = max(at_ns, min(utterance.speech_ends_ns, utterance.frames[-1].at_ns) + shift_ns)

    def next_at_ns(self) -> Optional[int]:
        """When the next frame is to go out; None before the first utterance, and where no silence can be made."""
        if self._to_say:
            return self._to_say[0][0]
        return None if self._silence is None else self._silence[0]

    def next(self, at_ns: int) -> Frame:
        """The next frame, which goes out now."""
        if self._to_say:
            event = self._to_say.popleft()[1]
            self._length_ns = self._forms[event.seq][0]
            silence = self._silence_like(event) if self._length_ns > 0 else None
            self._silence = None if silence is None else (at_ns + self._length_ns, Frame(BINARY, silence))
            return event.frame
        assert self._silence is not None
        frame = self._silence[1]
        self._silence = (at_ns + self._length_ns, frame)
        return frame

    def _silence_like(self, event: Sent) -> Optional[bytes]:
        """As much silence as a frame holds sound, in the same form; None where none can be made, or where it is in no binary frame."""
        _, pcm, has_header = self._forms[event.seq]
        if event.frame.is_text or pcm is None:
            return None
        wav = split(event.frame.payload) if has_header else None
        if wav is None:
            return pcm.silence(event.frame.size)
        silence = pcm.silence(len(wav.samples))
        return wav.head + silence + wav.tail if self._repeats_header else silence
