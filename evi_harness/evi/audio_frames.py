"""Find the audio in EVI's frames, and its format.

The user's audio is one stream, in binary frames and in audio_input messages alike. Any frame of it may be a WAV file or begin one; its
header then says what it is. A frame without a header is in the format that was given last, by a header or by session_settings. Each piece
of the assistant's audio is a WAV file.

Rules of living here: what cannot be known is None, never a guess; each frame of a session is shown to a reader once, in order.
"""

from __future__ import annotations

import base64
from functools import partial
from typing import Any, Iterable, Mapping, Optional, Tuple

from evi_harness.errors import AudioMissing
from evi_harness.evi.messages import MESSAGES
from evi_harness.evi.queries import audio_settings
from evi_harness.evi.reading import read
from evi_harness.json_dialects.json_messages import member
from evi_harness.session.encoded_audio import CONTAINERS, STARTS, base64_bytes
from evi_harness.session.events import TEXT, Frame, Handshake
from evi_harness.session.frame_audio import ASSISTANT, USER, KnownAudio, MessageAudio
from evi_harness.session.json_places import top_level_strings
from evi_harness.session.protocols import SENT, AudioPlace, FrameAudio, Told
from evi_harness.session.wav import PLAUSIBLE_CHANNELS, PLAUSIBLE_RATES, Pcm, is_wave, samples_in

__all__ = ["EviReader"]

# Those that samples in the middle of a stream do not begin with by chance: four bytes, of samples that lie far apart.
_CERTAIN = CONTAINERS[:3]
# What any of them, and a WAV file, begins with.
_FIRST_BYTES = frozenset(start[0] for start in STARTS)
# What a header's base64 begins with: of three bytes, whatever follows them.
_IN_BASE64 = tuple(base64.b64encode(start[:3]) for start in STARTS)


class EviReader:
    """Reads one chat; see ``WireReader``.

    Args:
        handshake: The opening, whose query may give the format; None where it is not known.
    """

    def __init__(self, handshake: Optional[Handshake] = None) -> None:
        self._pcm: Optional[Pcm] = None if handshake is None else _pcm_of_query(handshake.query)
        self._begun = False
        # Nearly all frames are samples alone, as many as in the one before: of those, all that is known is the same.
        self._latest = KnownAudio((), None)
        self._latest_size = -1

    @property
    def told(self) -> Told:
        """The format of the user's audio; EVI says nothing of what it waits for."""
        return Told(user=self._pcm)

    def read(self, kind: str, frame: Frame) -> Optional[FrameAudio]:
        """Read the next frame; see ``WireReader``."""
        if frame.opcode == TEXT:
            return self._message(kind, frame)
        return self._binary(frame) if kind == SENT else None

    def _binary(self, frame: Frame) -> KnownAudio:
        size = frame.size
        try:
            head = frame.head
        except AudioMissing:
            # Nobody can tell whether it had a header.
            return KnownAudio((AudioPlace(USER, 0, size, base64=False),), None, self._pcm)
        if self._begun and (not head or head[0] not in _FIRST_BYTES) and self._latest_size == size and self._latest.pcm is self._pcm:
            return self._latest
        has_header = self._heed_header(head, size)
        place = AudioPlace(USER, 0, size, base64=False, pcm=self._pcm, has_header=has_header)
        found = KnownAudio((place,), self._length_ns(head, size, has_header=has_header), self._pcm, has_header)
        self._latest, self._latest_size = found, -1 if has_header else size
        return found

    def _length_ns(self, head: bytes, size: int, *, has_header: bool) -> Optional[int]:
        """How long the audio plays whose header was heeded last."""
        if self._pcm is None:
            return None if size else 0
        found = samples_in(head, size) if has_header else None
        return self._pcm.length_ns(size if found is None else found[2])

    def _message(self, kind: str, frame: Frame) -> Optional[FrameAudio]:
        if kind == SENT and _may_be(b"session_settings", frame):
            message = read(kind, frame)
            if message.type == "session_settings":
                self._heed(message.fields)
                return None
        name = _audio_name(kind, frame)
        if not name:
            return None
        if kind != SENT:
            return MessageAudio(frame, partial(_in_text, name=name, track=ASSISTANT), ASSISTANT)
        has_header = self._heed_message(frame, name)
        find = partial(_in_text, name=name, track=USER, pcm=self._pcm, has_header=has_header)
        return MessageAudio(frame, find, USER, self._pcm, has_header=has_header)

    def _heed_message(self, frame: Frame, name: str) -> bool:
        """Heed the header that the audio in a message may begin with; whether it does."""
        try:
            data = frame.audio
            if data is not None:
                return self._heed_header(data, len(data))
            payload = frame.payload
        except AudioMissing:
            return False
        for place in _in_text(payload, name=name, track=USER):
            raw = payload[place.start : place.stop]
            # Decoded where it may begin with a header. Plain base64 shows that by its first letters; white space and escapes may hide it.
            is_plain = raw[:4].translate(None, b"+/-_").isalnum()
            data = base64_bytes(raw) if raw.startswith(_IN_BASE64) or not is_plain else None
            return self._heed_header(data or b"", len(raw) if data is None else len(data))
        return False

    def _heed_header(self, head: bytes, size: int) -> bool:
        """Heed the header that audio of so many bytes may begin with; whether it does."""
        if self._begun and (not head or head[0] not in _FIRST_BYTES):
            return False
        is_first, self._begun = not self._begun and size > 0, self._begun or size > 0
        # Of a stored frame this is empty, unless there is a header.
        if not head:
            return False
        if is_wave(head) or (is_first and head[:4] == b"RIFF"):
            found = samples_in(head, size)
            self._pcm = found[0] if found is not None else None
        elif head.startswith(CONTAINERS if is_first else _CERTAIN):
            self._pcm = None
        else:
            return False
        return True

    def _heed(self, fields: Mapping[str, Any]) -> None:
        audio = member(fields, "audio")
        if audio:
            self._pcm = _pcm(audio)


def _may_be(name: bytes, frame: Frame) -> bool:
    """Whether a message may be of a type. Most are told by a search; an escaped letter in the type is rare and has to be read."""
    outline = frame.outline
    return name in outline or b"\\u" in outline


def _audio_name(kind: str, frame: Frame) -> str:
    """The field of a message that its audio stands in; empty where it holds none."""
    if not _may_be(b"audio_", frame):
        return ""
    message = read(kind, frame)
    name = _audio_field(kind, message.type)
    return name if isinstance(message.fields.get(name), str) else ""


def _in_text(payload: bytes, *, name: str, track: str, pcm: Optional[Pcm] = None, has_header: bool = False) -> Tuple[AudioPlace, ...]:
    """Where the audio in a message is. A name that stands twice counts where it stands last, as for every JSON reader."""
    places = {found: (start, stop) for found, start, stop in top_level_strings(payload)}
    if name not in places:
        return ()
    return (AudioPlace(track, *places[name], base64=True, pcm=pcm, has_header=has_header),)


def _audio_field(kind: str, name: Optional[str]) -> str:
    """The field with the audio of a message type in this direction; empty where it has none."""
    row = MESSAGES.get(name or "")
    if row is None or row.audio is None or not (row.sent if kind == SENT else row.received):
        return ""
    return row.audio


def _pcm(audio: Mapping[str, Any]) -> Optional[Pcm]:
    """The format that an audio configuration gives; None where it gives none that is known."""
    # One example in Hume's documentation writes "format" for "encoding".
    encoding = audio.get("encoding", audio.get("format", "linear16"))
    rate, channels = _whole(audio.get("sample_rate")), _whole(audio.get("channels"))
    if encoding != "linear16" or rate not in PLAUSIBLE_RATES or channels not in PLAUSIBLE_CHANNELS:
        return None
    return Pcm(rate=rate, channels=channels, width=2)


def _whole(value: Any) -> int:
    """A positive whole number as the wire or a query gives it, 0 where it is none."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and 0 < value < 10**9 else 0


def _pcm_of_query(query: Iterable[Tuple[str, str]]) -> Optional[Pcm]:
    audio = audio_settings(query)
    return _pcm(audio) if audio else None
