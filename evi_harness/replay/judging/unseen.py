"""Conditions under which a fault could go unnoticed, because a replay cannot see it.

Each kind has a row in docs/reference/blind-spots.md. Some are noted during the run (as notes named ``unseen``); the others are derived from
the two sessions here.

Rules of living here: nothing is judged, and nothing here fails a replay; a condition says what was not checked, and never guesses at a
fault.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Collection, Iterator, List, Mapping, NamedTuple, Tuple

from evi_harness.replay.judging.made_up_ids import in_ids_of_the_replay
from evi_harness.replay.pace import speed_of
from evi_harness.replay.played_recording import MAX
from evi_harness.session import notes
from evi_harness.session.events import BINARY, TEXT, Frame, Sent
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import SENT, AudioPlace, Dialect, FrameAudio
from evi_harness.session.session import Session

__all__ = ["APP_BY_COMMAND", "APP_RAN_ELSEWHERE", "APP_RAN_HERE", "NO_APP", "UNSEEN", "Unseen", "unseen"]

# Whose replay it was: a handler's, an app's that ran by itself or by a command, or nobody's but the recording's.
APP_RAN_HERE, APP_RAN_ELSEWHERE, APP_BY_COMMAND, NO_APP = "here", "elsewhere", "command", "none"

# Kind → what is not seen then.
UNSEEN: Mapping[str, str] = {
    "app_elsewhere": "what happens inside the app",
    "app_command": "when the app reads its messages, and how long it handles them",
    "app_real_time": "what the process of the app does, besides what crosses, since it is hardly watched in real time",
    "app_not_python": "what a program that is not Python raises, plays, and reaches",
    "handed_on": "how long the app handles its messages",
    "interrupted": "what the app leaves behind, since Ctrl+C ended it",
    "other_conversation": "the other conversations of an app that connects again",
    "nobody_speaks": "whether the app hears its user",
    "nothing_to_play": "whether the app plays what it receives",
    "playback": "what the app plays elsewhere",
    "truncation": "whether as much of a reply was heard as the app says",
    "last_audio": "whether the last audio would have been played",
    "app_audio": "what the app sent as the user's audio",
    "user_interrupt": "whether the app sends its microphone while the assistant plays",
    "other_message": "what the service would have answered",
    "pace": "whether the app keeps up",
    "thread": "how long a thread of the app takes",
    "wait": "how long a call waits that blocks the event loop",
    "program": "what a program that the app starts reaches and does",
    "peer": "what a peer would have answered when the session was recorded",
    "c_sockets": "what C code reaches over its own sockets",
    "tracer": "how long the app computes without a tracer",
}


@dataclass(frozen=True)
class Unseen:
    """Something that a replay did not see.

    Attributes:
        kind: One of ``UNSEEN``.
        what: One sentence with the condition and its consequence.
    """

    kind: str
    what: str


def unseen(recorded: Session, live: Session, dialect: Dialect, *, app: str, told: Collection[int] = ()) -> Tuple[Unseen, ...]:
    """Find what a replay could not see, in the order of ``UNSEEN``.

    Args:
        recorded: The recording, without any accepted changes.
        live: The session that the replay yielded, with its notes.
        dialect: The dialect of both, with nothing excluded from its comparison.
        app: Whose replay it was.
        told: The seqs of sent events with a deviation.
    """
    if app == NO_APP:
        return ()
    noted = [Unseen(facts.kind, facts.what) for _, facts in live.noted(notes.UNSEEN)]
    found = [*noted, *_elsewhere(app), *_sound(recorded, live, dialect), *_other_messages(recorded, live, dialect, told), *_pace(live)]
    order = {kind: number for number, kind in enumerate(UNSEEN)}
    return tuple(sorted(dict.fromkeys(found), key=lambda one: order.get(one.kind, len(order))))


def _elsewhere(app: str) -> Iterator[Unseen]:
    if app == APP_RAN_ELSEWHERE:
        what = "the app ran on its own: no finding covers what happened inside it, and what it played was not heard"
        yield Unseen("app_elsewhere", what)


def _sound(recorded: Session, live: Session, dialect: Dialect) -> Iterator[Unseen]:
    """Aspects of an app's sound that cannot be checked, because the recording has no such sound or because it is not compared."""
    said, sent = _said(recorded, dialect), _said(live, dialect)
    n_sent = len(sent)
    # Most often the same is sent in the same order; only what comes behind the first difference is looked for in all that was recorded.
    n_alike = sum(1 for _ in takewhile(lambda pair: _is_alike(*pair), zip(sent, said)))
    # A microphone also hears when nobody speaks; an app that speaks itself says nothing then.
    is_own = bool(live.notes_of(notes.MICROPHONE_OFF))
    others = [frame for frame in map(_binary, sent[n_alike:]) if is_own or not frame.is_blank]
    known = {_binary(one).fingerprint for one in said} if others else frozenset()
    n_strange = sum(frame.fingerprint not in known for frame in others)
    if not said and not sent:
        why = "nobody speaks in this recording" if recorded.header.recorded.sent else "this recording does not have what its user said"
        yield Unseen("nobody_speaks", f"{why}: whether the app sends its microphone is not seen")
    audio = recorded.audio(dialect)
    if not any(event in audio for event in recorded.received):
        yield Unseen("nothing_to_play", "no audio is received in this recording: whether the app plays what it receives is not seen")
    if said and n_strange:
        yield Unseen(
            "app_audio", f"{n_strange} of {n_sent} frames of the user's audio are not as recorded: audio that is sent is not compared"
        )


class _Said(NamedTuple):
    """A frame of the user's audio, and what is known of it."""

    frame: Frame
    audio: FrameAudio


def _said(session: Session, dialect: Dialect) -> List[_Said]:
    """The user's audio as it was sent; its samples may be kept nowhere."""
    frames = session.audio(dialect).frames
    return [_Said(event.frame, frames[event.seq]) for event in session.sent if event.seq in frames]


def _is_alike(sent: _Said, said: _Said) -> bool:
    """Whether the same audio was sent, in whichever kind of frame."""
    if sent.frame.opcode == TEXT and sent.frame == said.frame:
        # In the same message, so that it need not be decoded twice to be compared.
        return True
    # What was sent is asked whether it is equal: of a frame that is not kept, nothing is, and it must not be asked for its payload.
    return _binary(sent) == _binary(said)


def _binary(said: _Said) -> Frame:
    """The audio of a frame as a binary one."""
    # Nearly all frames are binary, and are the audio: looking for it in them would cost each replay.
    return said.frame if said.frame.opcode == BINARY else Frame(BINARY, _bytes_in(said.frame, said.audio))


def _bytes_in(frame: Frame, audio: FrameAudio) -> bytes:
    """The audio in a text frame, as it would stand in a binary one."""
    payload = frame.payload
    return b"".join(_bytes_at(payload, place) for place in audio.places) if audio.places else payload


def _bytes_at(payload: bytes, place: AudioPlace) -> bytes:
    audio = payload[place.start : place.stop]
    with suppress(ValueError):
        return base64.b64decode(audio) if place.base64 else audio
    return audio


def _other_messages(recorded: Session, live: Session, dialect: Dialect, told: Collection[int]) -> Iterator[Unseen]:
    """Messages that are not in the recording but no deviation either: they were accepted, or excluded from the comparison."""
    if not recorded.header.recorded.sent:
        return
    recorded = in_ids_of_the_replay(recorded, live, dialect).session
    then = [_fields(event, dialect) for event in _messages(recorded, dialect)]
    others = []
    for event in _messages(live, dialect):
        fields = _fields(event, dialect)
        # Most stand in the order of the recording, so the first is the one, as a rule.
        if fields in then:
            then.remove(fields)
        elif event.seq not in told:
            others.append(event.seq)
    if others:
        which = f"#{others[0]} was" if len(others) == 1 else f"#{others[0]} and {len(others) - 1} more were"
        yield Unseen("other_message", f"{which} not sent as recorded: the service's next messages still answer what was recorded")


def _messages(session: Session, dialect: Dialect) -> Iterator[Sent]:
    frames = session.audio(dialect).frames
    for event in session.sent:
        if event.seq not in frames and event.frame.opcode == TEXT:
            yield event


def _fields(event: Sent, dialect: Dialect) -> Mapping[str, Json]:
    return dialect.must_equal(dialect.read(SENT, event.frame))


def _pace(live: Session) -> Iterator[Unseen]:
    said = live.header.source.get("axis", {}).get("speed")
    if said is not None and speed_of(str(said)) is MAX:
        yield Unseen("pace", "with --speed max it is not known when messages would come: whether the app keeps up is not seen")
