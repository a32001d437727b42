"""Where the audio is in EVI's frames, and in which format.

The user's audio is one stream, in binary frames and in audio_input messages alike. It is headerless PCM in the format that
session_settings gave last, or it begins with a header of its own, which then holds for all that follows.

Rules of living here: what cannot be known is None, never a guess; each frame of a session is shown to a finder once, in order.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Iterable, Mapping, Optional, Tuple

from evi_harness.evi.messages import MESSAGES
from evi_harness.evi.reading import member, read
from evi_harness.session.events import Frame, Handshake
from evi_harness.session.json_places import top_level_strings
from evi_harness.session.protocols import SENT, AudioPlace
from evi_harness.session.wav import Pcm, split

__all__ = ["CONTAINERS", "Places", "base64_bytes"]

# Matroska (webm), Ogg, FLAC, MP3 with a tag. An MP3 without one begins like loud PCM, so it is not told by its start.
CONTAINERS = (b"\x1aE\xdf\xa3", b"OggS", b"fLaC", b"ID3")
_USER = "user"
_ASSISTANT = "assistant"


class Places:
    """Finds the audio in the frames of one session, in order; keeps the format in force.

    Args:
        handshake: The opening, whose query may give the format; None where it is not known.
    """

    def __init__(self, handshake: Optional[Handshake] = None) -> None:
        self._pcm: Optional[Pcm] = _pcm_of_query(handshake.query) if handshake is not None else None
        self._begun = False

    def find(self, kind: str, frame: Frame) -> Optional[AudioPlace]:
        """Find the audio of the next frame.

        Args:
            kind: ``sent`` or ``received``.
            frame: The frame; its whole payload is looked at.

        Returns:
            The place, of length zero where the audio is empty; None where the frame holds no audio. A frame that changes the format
            counts for those behind it; the header of a stream counts for its own frame too.
        """
        if kind == SENT and not frame.is_text:
            self._begin(frame.payload)
            return AudioPlace(_USER, 0, frame.size, base64=False, pcm=self._pcm)
        if not frame.is_text:
            return None
        return self._in_text(kind, frame)

    def length_ns(self, kind: str, frame: Frame) -> Optional[int]:
        """Tell how long the audio of the next frame plays; use this or ``find`` for a frame, not both.

        Returns:
            Nanoseconds, rounded down; None where the frame holds no audio or its length cannot be known.
        """
        if kind == SENT and not frame.is_text and self._begun:
            return self._pcm.length_ns(frame.size) if self._pcm is not None else None
        place = self.find(kind, frame)
        if place is None:
            return None
        raw = frame.payload[place.start : place.stop]
        data = base64_bytes(raw) if place.base64 else raw
        if data is None:
            return None
        wav = split(data)
        if wav is not None:
            return wav.pcm.length_ns(len(wav.samples))
        return place.pcm.length_ns(len(data)) if place.pcm is not None else None

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

    def _begin(self, data: bytes) -> None:
        """Heed the header that the first audio of the stream may begin with."""
        if self._begun:
            return
        self._begun = True
        if data[:4] == b"RIFF":
            wav = split(data)
            self._pcm = wav.pcm if wav is not None else None
        elif data.startswith(CONTAINERS):
            self._pcm = None

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
        if kind == SENT:
            self._begin(base64_bytes(frame.payload[start:stop]) or b"")
        return AudioPlace(_USER if kind == SENT else _ASSISTANT, start, stop, base64=True, pcm=self._pcm if kind == SENT else None)

    def _heed(self, fields: Mapping[str, Any]) -> None:
        audio = member(fields, "audio")
        if audio:
            self._pcm = _pcm(audio)


def base64_bytes(raw: bytes) -> Optional[bytes]:
    """Decode base64 as it stands between the quotes of a JSON string: escaped, wrapped, url-safe or without padding.

    Args:
        raw: The bytes between the quotes.

    Returns:
        The bytes; None where it is no base64.
    """
    if b"\\" in raw:
        try:
            raw = json.loads(b'"' + raw + b'"').encode()
        except ValueError:
            return None
    clean = b"".join(raw.split()).translate(_URL_SAFE).rstrip(b"=")
    try:
        return base64.b64decode(clean + b"=" * (-len(clean) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


_URL_SAFE = bytes.maketrans(b"-_", b"+/")


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
    if encoding != "linear16" or not rate or not channels:
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
    prefix = "session_settings[audio]["
    return _pcm({name[len(prefix) : -1]: value for name, value in query if name.startswith(prefix) and name.endswith("]")})
