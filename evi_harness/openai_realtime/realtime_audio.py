"""The audio of the Realtime protocol: in which messages it is, in which format, and what a session says of its turns.

The user's audio is base64 in ``input_audio_buffer.append``, the assistant's in ``response.output_audio.delta``; neither has a header. Their
formats are in the session's configuration, which both sides send. Audio within an item (``conversation.item.create``, ``.retrieved``) is
not part of the conversation's sound: the first is history that the app provides, the second repeats what was heard. It stays in its
message.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

from evi_harness.json_dialects.json_messages import member
from evi_harness.openai_realtime.realtime_reading import item_of, ms_ns, read
from evi_harness.session.events import Event, Frame, Sent
from evi_harness.session.frame_audio import ASSISTANT, USER, KnownAudio, MessageAudio
from evi_harness.session.json_places import top_level_strings
from evi_harness.session.protocols import RECEIVED, SENT, AudioPlace, FrameAudio, Told, Truncated
from evi_harness.session.wav import A_LAW, MU_LAW, PLAUSIBLE_RATES, Pcm

__all__ = ["DEFAULT_PCM", "TRUNCATE", "RealtimeReader", "input_format", "truncations", "turn_detection"]

# Where nobody says, both ways.
DEFAULT_PCM = Pcm(24_000, 1)
# By which an app says how much of an item was heard.
TRUNCATE = "conversation.item.truncate"
_G711 = {"audio/pcmu": MU_LAW, "g711_ulaw": MU_LAW, "audio/pcma": A_LAW, "g711_alaw": A_LAW}
_LINEAR = frozenset({"audio/pcm", "pcm16", "pcm"})
# By direction: the type, its field, and whose it is.
_AUDIO_IN = {SENT: ("input_audio_buffer.append", "audio", USER), RECEIVED: ("response.output_audio.delta", "delta", ASSISTANT)}
# What stands before the audio as the SDKs write it, fifty times a second; any other form is read as JSON.
_APPENDS = re.compile(rb'\{"type": ?"input_audio_buffer\.append", ?"audio": ?"')
# What base64 consists of, and what stands behind it then: its padding and the end of the message.
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_ENDS = frozenset({b'"}', b'="}', b'=="}'})


class RealtimeReader:
    """Reads what crosses one connection; see ``WireReader``."""

    def __init__(self) -> None:
        self._user: Optional[Pcm] = DEFAULT_PCM
        self._assistant: Optional[Pcm] = DEFAULT_PCM
        self._end_of_turn_ns: Optional[int] = None
        # Nearly all that is appended is as long as what was before it: then all that is known of it is the same.
        self._latest = KnownAudio((), None)
        self._latest_at: Optional[_Appended] = None

    @property
    def told(self) -> Told:
        """What the session's configuration says."""
        return Told(end_of_turn_ns=self._end_of_turn_ns, user=self._user, assistant=self._assistant)

    def read(self, kind: str, frame: Frame) -> Optional[FrameAudio]:
        """Read the next frame."""
        if not frame.is_text:
            if kind != SENT:
                return None
            length_ns = None if self._user is None else self._user.length_ns(frame.size)
            place = AudioPlace(USER, 0, frame.size, base64=False, pcm=self._user)
            return KnownAudio((place,), length_ns, self._user)
        appended = _appended(frame.outline) if kind == SENT else None
        if appended is not None:
            return self._of_user(appended, frame)
        message = read(kind, frame)
        name, field, track = _AUDIO_IN[kind]
        if message.type == name:
            if not isinstance(message.fields.get(field), str):
                return None
            pcm = self._user if track == USER else self._assistant
            return MessageAudio(frame, partial(_place, field=field, track=track, pcm=pcm), track, pcm)
        if message.type in ("session.created", "session.update", "session.updated"):
            self._heed(member(message.fields, "session"))
        return None

    def _of_user(self, at: _Appended, frame: Frame) -> FrameAudio:
        """Audio that was appended as the SDKs write it."""
        pcm = self._user
        if at == self._latest_at and pcm is self._latest.pcm:
            return self._latest
        if at.start == at.stop:
            # Of a stored frame, it is cut out.
            return MessageAudio(frame, partial(_place, field="audio", track=USER, pcm=pcm), USER, pcm)
        place = AudioPlace(USER, at.start, at.stop, base64=True, pcm=pcm)
        self._latest = KnownAudio((place,), None if pcm is None else pcm.length_ns(at.n_bytes), pcm)
        self._latest_at = at
        return self._latest

    def _heed(self, session: Mapping[str, Any]) -> None:
        self._user = _format(session, "input", self._user)
        self._assistant = _format(session, "output", self._assistant)
        detection = turn_detection(session)
        if detection is not None:
            # That of semantic detection differs from turn to turn; without any, the app ends the turns.
            silence_ns = ms_ns(detection.get("silence_duration_ms")) if detection.get("type") == "server_vad" else None
            keeps = detection.get("type") == "server_vad" and "silence_duration_ms" not in detection
            self._end_of_turn_ns = self._end_of_turn_ns if keeps else silence_ns


def truncations(events: Sequence[Event]) -> Dict[int, Truncated]:
    """Find what an app says was heard of the assistant's items.

    Args:
        events: All events of a session, ordered in time.

    Returns:
        The items and how much of them, by the seq of the message; nothing of a message that gives no plausible time.
    """
    found = {}
    for event in events:
        if isinstance(event, Sent) and event.frame.is_text and _may_truncate(event.frame.outline):
            message = read(SENT, event.frame)
            heard_ns = ms_ns(message.fields.get("audio_end_ms")) if message.type == TRUNCATE else None
            if heard_ns is not None:
                found[event.seq] = Truncated(item_of(message) or "", heard_ns)
    return found


def _may_truncate(outline: bytes) -> bool:
    """Whether a message may truncate an item. Nearly all are audio, and to search them costs less than to read them."""
    return b"truncate" in outline or b"\\" in outline


def turn_detection(session: Mapping[str, Any]) -> Optional[Mapping[str, Any]]:
    """How turns are detected, by a session's configuration: empty where they are not; None where it says nothing of it."""
    for fields in (member(session, "audio", "input"), session):
        if "turn_detection" in fields:
            return member(fields, "turn_detection")
    return None


def input_format(session: Mapping[str, Any]) -> bool:
    """Whether a session's configuration says in which format the user's audio comes."""
    return "input_audio_format" in session or "format" in member(session, "audio", "input")


def _format(session: Mapping[str, Any], side: str, before: Optional[Pcm]) -> Optional[Pcm]:
    """The format that a configuration gives for one side, the one before where it gives none; None for what is not samples."""
    audio = member(session, "audio", side)
    if "format" in audio:
        given = audio["format"]
        if isinstance(given, dict):
            return _pcm(given.get("type"), given.get("rate"))
        return _pcm(given, None)
    if f"{side}_audio_format" in session:
        return _pcm(session[f"{side}_audio_format"], session.get(f"{side}_audio_sampling_rate"))
    return before


def _pcm(name: Any, rate: Any) -> Optional[Pcm]:
    if not isinstance(name, str):
        return None
    if name in _G711:
        return Pcm(8_000, 1, 1, _G711[name])
    if name not in _LINEAR:
        return None
    if rate is None:
        return DEFAULT_PCM
    return Pcm(rate, 1) if isinstance(rate, int) and rate in PLAUSIBLE_RATES else None


class _Appended(NamedTuple):
    """Where the audio stands in a message as the SDKs write it, and how many bytes it is."""

    start: int
    stop: int
    n_bytes: int


def _appended(text: bytes) -> Optional[_Appended]:
    """Find the user's audio in a message as the SDKs write it; None where it is another message, or written otherwise."""
    begins = _APPENDS.match(text)
    if begins is None:
        return None
    start, stop = begins.end(), len(text) - 2
    # By its length and its letters alone it is base64 as a strict decoder takes it, so that it need not be decoded to be measured.
    end = text[start:].translate(None, _BASE64)
    if end not in _ENDS or not text.endswith(end) or (stop - start) % 4:
        return None
    return _Appended(start, stop, (stop - start) // 4 * 3 - (len(end) - 2))


def _place(payload: bytes, field: str, track: str, pcm: Optional[Pcm]) -> Tuple[AudioPlace, ...]:
    """Where the audio is. A name that stands twice counts where it stands last, as for every JSON reader."""
    appended = _appended(payload) if track == USER else None
    if appended is not None:
        return (AudioPlace(track, appended.start, appended.stop, base64=True, pcm=pcm),)
    places = {name: (start, stop) for name, start, stop in top_level_strings(payload)}
    return (AudioPlace(track, *places[field], base64=True, pcm=pcm),) if field in places else ()
