"""Where the audio is in EVI's frames, and in which format.

The user's audio is one stream, in binary frames and in audio_input messages alike. Any frame of it may be a WAV file or begin one; its
header then says what it is. A frame without a header is in the format that was given last, by a header or by session_settings.

Rules of living here: what cannot be known is None, never a guess; each frame of a session is shown to a finder once, in order.
"""

from __future__ import annotations

import base64
from typing import Any, Iterable, Mapping, Optional, Tuple

from evi_harness.errors import AudioMissing
from evi_harness.evi.messages import MESSAGES
from evi_harness.evi.queries import audio_settings
from evi_harness.evi.reading import member, read
from evi_harness.session.encoded_audio import CONTAINERS, STARTS, base64_bytes
from evi_harness.session.events import Frame, Handshake
from evi_harness.session.json_places import top_level_strings
from evi_harness.session.protocols import SENT, AudioPlace
from evi_harness.session.wav import PLAUSIBLE_CHANNELS, PLAUSIBLE_RATES, Pcm, is_wave, samples_in

__all__ = ["Places"]

# Those that samples in the middle of a stream do not begin with by chance: four bytes, of samples that lie far apart.
_CERTAIN = CONTAINERS[:3]
# What any of them, and a WAV file, begins with.
_FIRST_BYTES = frozenset(start[0] for start in STARTS)
# What a header's base64 begins with: of three bytes, whatever follows them.
_IN_BASE64 = tuple(base64.b64encode(start[:3]) for start in STARTS)
_USER = "user"
_ASSISTANT = "assistant"


class Places:
    """Finds the audio in the frames of one session, in order; keeps the format in force.

    Args:
        handshake: The opening, whose query may give the format; None where it is not known.

    Attributes:
        pcm: The format in force behind the frame that was asked about last, None where none is known.
        has_header: Whether the audio of that frame began with a header of its own.
    """

    def __init__(self, handshake: Optional[Handshake] = None) -> None:
        self.pcm: Optional[Pcm] = None if handshake is None else _pcm_of_query(handshake.query)
        self.has_header = False
        self._begun = False
        # Nearly all frames are as long as the one before them: its size, its format, and how long it plays.
        self._latest: Tuple[int, Optional[Pcm], int] = (0, None, 0)

    def find(self, kind: str, frame: Frame) -> Optional[AudioPlace]:
        """Find the audio of the next frame.

        Args:
            kind: ``sent`` or ``received``.
            frame: The frame; its whole payload is looked at.

        Returns:
            The place, of length zero where the audio is empty; None where the frame holds no audio. A message that changes the format
            counts for the frames behind it; a header in the audio counts for its own frame too.
        """
        if kind == SENT and not frame.is_text:
            head = self._head(frame)
            if head is not None:
                self._heed_header(head, frame.size)
            pcm = None if head is None else self.pcm
            return AudioPlace(_USER, 0, frame.size, base64=False, pcm=pcm, has_header=self.has_header)
        self.has_header = False
        return self._in_text(kind, frame) if frame.is_text else None

    def length_ns(self, kind: str, frame: Frame) -> Optional[int]:
        """Tell how long the audio of the next frame plays; use this or ``find`` for a frame, not both.

        Returns:
            Nanoseconds, rounded down; None where the frame holds no audio or its length cannot be known.
        """
        if kind == SENT and not frame.is_text:
            head, size = self._head(frame), frame.size
            if head is None:
                return None
            # This is asked several times for each frame of a session. Nearly all are samples alone, as many as in the one before.
            if self._begun and (not head or head[0] not in _FIRST_BYTES) and self._latest[0] == size and self._latest[1] is self.pcm:
                self.has_header = False
                return self._latest[2]
            self._heed_header(head, size)
            return self._length_ns(head, size)
        data = None if kind == SENT else frame.audio
        if data is None:
            place = self.find(kind, frame)
            data = None if place is None else base64_bytes(frame.payload[place.start : place.stop])
        else:
            # Stored beside its message: to put that together would be to code the audio, look for it and decode it again.
            self.has_header = False
        if data is None:
            return None
        if kind == SENT:
            return self._length_ns(data, len(data))
        # Each piece of the assistant's audio has its own header.
        found = samples_in(data, len(data))
        return None if found is None else found[0].length_ns(found[2])

    def is_audio(self, kind: str, frame: Frame) -> bool:
        """Whether a frame holds audio; changes nothing and loads nothing but the outline."""
        if not frame.is_text:
            return kind == SENT
        # Most frames are told by a search; an escaped letter in the type is rare and has to be read.
        outline = frame.outline
        if b"audio_" not in outline and b"\\u" not in outline:
            return False
        message = read(kind, frame)
        return isinstance(message.fields.get(_audio_field(kind, message.type)), str)

    def _head(self, frame: Frame) -> Optional[bytes]:
        """What a binary frame begins with, as far as a header may go; None, and no header, where that is lost with the audio."""
        try:
            return frame.head
        except AudioMissing:
            self.has_header = False
            return None

    def _heed_header(self, head: bytes, size: int) -> None:
        """Heed the header that audio of so many bytes may begin with."""
        if self._begun and (not head or head[0] not in _FIRST_BYTES):
            self.has_header = False
            return
        is_first, self._begun = not self._begun and size > 0, self._begun or size > 0
        # Of a stored frame this is empty, unless there is a header.
        self.has_header = bool(head)
        if not head:
            return
        if is_wave(head) or (is_first and head[:4] == b"RIFF"):
            found = samples_in(head, size)
            self.pcm = found[0] if found is not None else None
        elif head.startswith(CONTAINERS if is_first else _CERTAIN):
            self.pcm = None
        else:
            self.has_header = False

    def _length_ns(self, head: bytes, size: int) -> Optional[int]:
        """How long the audio plays whose header was heeded last."""
        if self.pcm is None:
            return None if size else 0
        found = samples_in(head, size) if self.has_header else None
        if found is not None:
            return self.pcm.length_ns(found[2])
        if self._latest[0] != size or self._latest[1] is not self.pcm:
            self._latest = size, self.pcm, self.pcm.length_ns(size)
        return self._latest[2]

    def _in_text(self, kind: str, frame: Frame) -> Optional[AudioPlace]:
        message = read(kind, frame)
        if kind == SENT and message.type == "session_settings":
            self._heed(message.fields)
            return None
        name = _audio_field(kind, message.type)
        if not isinstance(message.fields.get(name), str):
            return None
        # A name that stands twice counts where it stands last, as for every JSON reader.
        places = {found: (start, stop) for found, start, stop in top_level_strings(frame.payload)}
        if name not in places:
            return None
        start, stop = places[name]
        if kind != SENT:
            return AudioPlace(_ASSISTANT, start, stop, base64=True)
        raw = frame.payload[start:stop]
        # Decoded where it may begin with a header. Plain base64 shows that by its first letters; white space and escapes may hide it.
        is_plain = raw[:4].translate(None, b"+/-_").isalnum()
        data = base64_bytes(raw) if raw.startswith(_IN_BASE64) or not is_plain else None
        self._heed_header(data or b"", stop - start if data is None else len(data))
        return AudioPlace(_USER, start, stop, base64=True, pcm=self.pcm, has_header=self.has_header)

    def _heed(self, fields: Mapping[str, Any]) -> None:
        audio = member(fields, "audio")
        if audio:
            self.pcm = _pcm(audio)


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
