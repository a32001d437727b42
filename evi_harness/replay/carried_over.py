"""A recorded user in another dialect: the audio resampled, texts, tools' answers and settings in the new service's messages.

Rules of living here: what is said is worked out from the recording and said by the new dialect's ``ClientSide``; neither vendor is known
here. What cannot be carried over is refused or told, never left out in silence. Audio goes out when as much had been recorded, to the
sample: what a resampler holds back is asked for ahead of time, since the recording is there.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Callable, Deque, Dict, FrozenSet, List, Optional, Protocol, Sequence, Tuple

from evi_harness.errors import UsageError
from evi_harness.replay.cues import Utterance
from evi_harness.session.events import Event, Frame, Received, Sent
from evi_harness.session.protocols import (
    ANSWERS,
    CHORE,
    FOREIGN,
    RECEIVED,
    SETS_UP,
    TYPES,
    Action,
    ClientSide,
    Dialect,
    Message,
    Send,
    Service,
    ToolUse,
    UserAct,
    UserActs,
    UserSetup,
)
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm

__all__ = ["Carried", "CarriedOver", "MannerlyUser", "Resampling", "carried"]

_SECOND_NS = 1_000_000_000
# So long a frame is held back at most for what a service that tells nothing of it may never say.
_HELD_NS = 10 * _SECOND_NS


class Resampling(Protocol):
    """A stream of audio that is resampled. ``audio.resampling.Resampler`` is one."""

    def push(self, samples: bytes) -> bytes:
        """Turn the next piece: what is certain by now."""

    def finish(self) -> bytes:
        """The rest."""


@dataclass(frozen=True)
class Carried:
    """What of a recording is carried over.

    Attributes:
        setup: What it set up at its beginning.
        acts: What its sent messages do later, by seq: those that become messages of the new session.
        uses: What each answered call asked for, by seq of the answer.
        left_out: Sent messages that become none, by seq.
        greets: Whether the assistant spoke first.
        lost: What has no word in the new dialect: a line each.
    """

    setup: UserSetup
    acts: Dict[int, UserAct]
    uses: Dict[int, ToolUse]
    left_out: FrozenSet[int]
    greets: bool
    lost: Tuple[str, ...]


def carried(session: Session, dialect: Dialect, users: UserActs, *, is_audible: Callable[[Sent], bool]) -> Carried:
    """Read off a recording what is carried over.

    Args:
        session: The recording.
        dialect: What it is in.
        users: What users do in that.
        is_audible: Whether the samples of a frame with audio can be had.

    Raises:
        UsageError: It holds something without which the conversation would go another way, and that no other service has.
    """
    audio = session.audio(dialect)
    for event in audio.said:
        if not is_audible(event):
            what = f"the user's audio at #{event.seq} is not PCM, or its format is not known, so it cannot be sent in another one"
            raise UsageError(what, where=session.name or None, hint="Record the session with linear16 audio.")
    acts = {seq: act for seq, act in users.acts(session.events).items() if seq not in audio.frames}
    foreign = [(seq, act) for seq, act in acts.items() if act.kind == FOREIGN]
    if foreign:
        told = ", ".join(f"#{seq} {' '.join(act.lost)}" for seq, act in foreign)
        what = f"the recording holds what another service has nothing like: {told}"
        raise UsageError(what, where=session.name or None, hint="Replay it live with a service of its own dialect.")
    at_ns = {event.seq: event.at_ns for event in session.events}
    begins_ns = _begins_ns(session, acts)
    setup = UserSetup()
    for seq, act in acts.items():
        if act.kind == SETS_UP and at_ns[seq] <= begins_ns:
            setup = setup.then(act.setup)
    kept = {seq: act for seq, act in acts.items() if act.kind in (TYPES, ANSWERS) or _changes(act, at_ns[seq] > begins_ns)}
    turns = dialect.turns(session.events)
    called = {seq for turn in turns for seq in turn.tool_calls}
    calls = {seq: use for seq, use in users.calls(session.events).items() if seq in called}
    prompts = session.prompts(dialect)
    uses: Dict[int, ToolUse] = {}
    for seq, act in list(kept.items()):
        prompt = prompts.get(seq)
        if act.kind == ANSWERS:
            if prompt is not None and prompt.kind == RECEIVED and prompt.seq in calls:
                uses[seq] = calls[prompt.seq]
            else:
                # It answers a call that is not there: no other service would take it.
                acts[seq] = UserAct(CHORE, lost=("an answer to a call that there is not",))
                del kept[seq]
    return Carried(
        setup=setup,
        acts=kept,
        uses=uses,
        left_out=frozenset(seq for seq in acts if seq not in kept),
        greets=bool(turns) and turns[0].user is None,
        lost=tuple(f"#{seq} {name}" for seq, act in acts.items() for name in act.lost),
    )


def _begins_ns(session: Session, acts: Dict[int, UserAct]) -> int:
    """When the user begins: before it, everything that is set up is set up at the opening."""
    says = (event.at_ns for event in session.sent if event.seq not in acts or acts[event.seq].kind in (TYPES, ANSWERS))
    return next(says, session.duration_ns)


def _changes(act: UserAct, is_later: bool) -> bool:
    return act.kind == SETS_UP and is_later and act.setup != UserSetup()


class CarriedOver:
    """A recorded user's words in another dialect: a ``Wording`` for ``LiveUser``.

    Args:
        what: What is carried over.
        client: Says it.
        samples: The samples of a recorded frame with audio, as linear PCM, and their format.
        resampling: Makes a stream that turns one format into 16-bit mono of a rate.

    Attributes:
        fills_gaps: Always: the new service may need more silence to detect the end of a turn than the old one did.
    """

    fills_gaps = True

    def __init__(
        self,
        what: Carried,
        client: ClientSide,
        samples: Callable[[Sent], Tuple[bytes, Pcm]],
        resampling: Callable[[Pcm, int], Resampling],
    ) -> None:
        self._what = what
        self._client = client
        self._samples = samples
        self._resampling = resampling
        self._audio = _Stream((), samples, resampling, client.pcm)

    def begin(self, utterance: Utterance) -> None:
        """A new stream: silence of any length comes between two."""
        self._audio = _Stream(utterance.frames, self._samples, self._resampling, self._client.pcm)

    def audio(self, event: Sent) -> Optional[Frame]:
        """As much of the stream as the recorded piece is long."""
        found = self._audio.until(event)
        return self._client.says(found) if found else None

    def silence(self, event: Sent) -> Optional[Tuple[int, Frame]]:
        """Silence as long as a recorded piece."""
        samples, pcm = self._samples(event)
        to = self._client.pcm.linear
        n_frames = pcm.length_ns(len(samples)) * to.rate // _SECOND_NS
        if not n_frames:
            return None
        n_bytes = n_frames * to.frame_bytes
        return to.length_ns(n_bytes), self._client.says(to.silence(n_bytes))

    def message(self, event: Sent) -> Sequence[Frame]:
        """What a typed text, or a change of what was set up, is said by."""
        act = self._what.acts[event.seq]
        return self._client.types(act.text) if act.kind == TYPES else self._client.sets_up(act.setup)

    def chosen(self, call: Message, answers: Sequence[Sent]) -> Optional[int]:
        """The first answer to a call of the same tool with the same arguments, else to one of the same tool.

        Where a service does not say which tool it calls, the first of all.
        """
        use = self._client.call_of(call)
        then = [self._what.uses[event.seq] for event in answers]
        if not use.name:
            return 0 if answers else None
        named = [index for index, one in enumerate(then) if one.name == use.name]
        return next((index for index in named if _same(then[index].arguments, use.arguments)), named[0] if named else None)

    def answer(self, call: Message, event: Sent) -> Sequence[Frame]:
        """What a recorded answer is said by, to a live call."""
        act = self._what.acts[event.seq]
        return self._client.answers(call, act.text, is_error=act.is_error)


def _same(one: str, other: str) -> bool:
    """Whether two texts of arguments say the same."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return one == other


class _Stream:
    """The audio of one utterance, in another format."""

    def __init__(
        self,
        frames: Sequence[Sent],
        samples: Callable[[Sent], Tuple[bytes, Pcm]],
        resampling: Callable[[Pcm, int], Resampling],
        to: Pcm,
    ) -> None:
        self._ahead: Deque[Sent] = deque(frames)
        self._last = frames[-1].seq if frames else None
        self._samples = samples
        self._resampling = resampling
        self._to = to.linear
        self._pcm: Optional[Pcm] = None
        self._stream: Optional[Resampling] = None
        self._ready = bytearray()
        # How much has been asked for, and how much of it given out, in sample frames.
        self._asked_ns = 0
        self._n_given = 0

    def until(self, event: Sent) -> bytes:
        """What sounds until a recorded piece ends; with the last one, all that is left."""
        samples, pcm = self._samples(event)
        self._asked_ns += pcm.length_ns(len(samples))
        n_bytes = (self._asked_ns * self._to.rate // _SECOND_NS - self._n_given) * self._to.frame_bytes
        while len(self._ready) < n_bytes or event.seq == self._last:
            if not self._ahead:
                self._end()
                break
            self._push(self._ahead.popleft())
        n_bytes = len(self._ready) if event.seq == self._last else min(n_bytes, len(self._ready))
        found = bytes(self._ready[:n_bytes])
        del self._ready[:n_bytes]
        self._n_given += len(found) // self._to.frame_bytes
        return found

    def _push(self, event: Sent) -> None:
        samples, pcm = self._samples(event)
        if pcm != self._pcm:
            self._end()
            self._pcm, self._stream = pcm, self._resampling(pcm, self._to.rate)
        assert self._stream is not None
        self._ready += self._stream.push(samples)

    def _end(self) -> None:
        if self._stream is not None:
            self._ready += self._stream.finish()
            self._pcm = self._stream = None


class MannerlyUser:
    """A user who keeps to what a client owes a service of its dialect: a ``Service`` around another.

    Frames that the service would refuse now wait until it takes them, and so do those behind them that are no audio; what it is to be
    answered at once is.

    Args:
        user: The user.
        client: Knows the manners.
        dialect: What the service speaks.
    """

    def __init__(self, user: Service, client: ClientSide, dialect: Dialect) -> None:
        self._user = user
        self._client = client
        self._dialect = dialect
        self._waiting: Deque[Tuple[int, Send]] = deque()
        self._at_once: List[Send] = [Send(frame, due_ns=0) for frame in client.opening]

    def take(self, event: Event, at_ns: int) -> None:
        """Take a received event."""
        if isinstance(event, Received):
            self._at_once += [Send(frame, due_ns=at_ns, cause_ns=at_ns) for frame in self._client.take(event, at_ns)]
        self._user.take(event, at_ns)

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to send now."""
        actions: List[Action] = []
        for one in self._at_once:
            self._go(actions, one, at_ns)
        self._at_once = []
        self._let_go(actions, at_ns)
        for action in self._user.due(at_ns):
            if isinstance(action, Send):
                self._go(actions, action, at_ns)
            else:
                actions.append(action)
        return actions

    def next_at_ns(self) -> Optional[int]:
        """When something is to be sent next."""
        known = [self._user.next_at_ns(), 0 if self._at_once else None, self._waiting[0][0] + _HELD_NS if self._waiting else None]
        return min((at_ns for at_ns in known if at_ns is not None), default=None)

    def _go(self, actions: List[Action], send: Send, at_ns: int) -> None:
        must_wait = self._client.must_wait(send.frame) or (bool(self._waiting) and not self._is_audio(send.frame))
        if must_wait:
            self._waiting.append((at_ns, send))
        else:
            self._client.sent(send.frame)
            actions.append(send)

    def _let_go(self, actions: List[Action], at_ns: int) -> None:
        while self._waiting and (at_ns - self._waiting[0][0] >= _HELD_NS or not self._client.must_wait(self._waiting[0][1].frame)):
            _, send = self._waiting.popleft()
            self._client.sent(send.frame)
            actions.append(send)

    def _is_audio(self, frame: Frame) -> bool:
        return not self._dialect.is_awaited(self._dialect.read("sent", frame))
