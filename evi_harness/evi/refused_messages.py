"""Messages of an app that EVI does not accept.

Rules of living here: only what a source says: Hume's API definition, its pages on errors and on audio. A message that may be right counts
as right; additional fields are not a fault.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Dict, List, Mapping, Sequence, Tuple

from evi_harness.evi.audio_frames import EviReader
from evi_harness.evi.causes import sets_audio
from evi_harness.evi.compat import problems_of_sent
from evi_harness.evi.reading import parse, read
from evi_harness.session.encoded_audio import CONTAINERS, base64_bytes
from evi_harness.session.events import TEXT, Event, Frame, Opened, Received, Sent
from evi_harness.session.protocols import RECEIVED, SENT, AudioPlace, Message

__all__ = ["MAX_BYTES", "rejected"]

# Hume's overview: "a message cannot exceed 16 MB". Taken as the larger of its two meanings.
MAX_BYTES = 16 * 1024 * 1024


def rejected(events: Sequence[Event]) -> Dict[int, Tuple[str, ...]]:
    """Tell why EVI does not take some of what an app sent.

    Args:
        events: All events of a session, ordered in time.

    Returns:
        By seq, one sentence for each rule that is broken; what is taken is not there.
    """
    walk = _Walk(_calls(events))
    found: Dict[int, Tuple[str, ...]] = {}
    for event in events:
        if isinstance(event, Opened):
            walk.reader = EviReader(event.handshake)
        elif isinstance(event, Sent) and event.outcome == "sent":
            reasons = walk.sent(event.frame)
            if reasons:
                found[event.seq] = tuple(reasons)
    return found


class _Walk:
    """One pass over a session: what the rules depend on.

    Args:
        calls: Ids of the calls of tools that came.

    Attributes:
        reader: Finds the audio, and knows its format.
    """

    def __init__(self, calls: AbstractSet[str]) -> None:
        self.reader = EviReader()
        self._calls = calls
        # Whether audio, or its format, has come.
        self._is_settled = False

    def sent(self, frame: Frame) -> List[str]:
        """Take what the app sent, and say why EVI does not take it."""
        if frame.size > MAX_BYTES:
            return [f"it has {frame.size} bytes, and a message has at most {MAX_BYTES}"]
        if frame.opcode != TEXT and self._is_settled:
            return []
        audio = self.reader.read(SENT, frame)
        return self._message(frame) if audio is None or not audio.places else self._audio(frame, audio.places[0])

    def _message(self, frame: Frame) -> List[str]:
        fields = parse(frame.outline)
        if fields is None:
            return ["it is not JSON (E0100)"]
        problems = [f"{problem} (E0101)" for problem in problems_of_sent(fields)]
        if problems:
            return problems
        message = read(SENT, frame)
        self._is_settled = self._is_settled or sets_audio(message)
        rule = _RULES.get(message.type or "")
        return [] if rule is None else rule(self, message)

    def _audio(self, frame: Frame, place: AudioPlace) -> List[str]:
        raw = frame.payload[place.start : place.stop]
        data = base64_bytes(raw) if place.base64 else raw
        if data is None:
            return ["its audio is not base64"]
        if self._is_settled or not data:
            return []
        # Only the first audio has to say what it is.
        self._is_settled = True
        return [] if place.pcm is not None or _tells_itself(data) else [_UNTOLD]

    def _tool_answer(self, message: Message) -> List[str]:
        identity = message.fields["tool_call_id"]
        return [] if identity in self._calls else [f"{message.type}: no tool_call with the id {identity!r:.60} came"]


def _calls(events: Sequence[Event]) -> AbstractSet[str]:
    """The ids of all calls of tools that came, whenever that was: two clocks may have put an answer before its call."""
    messages = (read(RECEIVED, event.frame) for event in events if isinstance(event, Received))
    ids = (message.fields.get("tool_call_id") for message in messages if message.type == "tool_call")
    return {one for one in ids if isinstance(one, str)}


_UNTOLD = "the audio has no header, and no session_settings gave its format: linear16, a sample rate and a number of channels"

_RULES: Mapping[str, Callable[[_Walk, Message], List[str]]] = {"tool_response": _Walk._tool_answer, "tool_error": _Walk._tool_answer}


def _tells_itself(data: bytes) -> bool:
    """Whether audio may begin a container or a format that EVI detects: WAV, webm, Ogg, FLAC, MP4; MP3 and AAC by their sync word."""
    if data[:4] == b"RIFF" or data.startswith(CONTAINERS) or data[4:8] == b"ftyp":
        return True
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0
