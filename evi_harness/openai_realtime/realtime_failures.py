"""What can go wrong between an app and a Realtime service, and what it means; what the service does not take of what an app sends.

Rules of living here: only what a source says. Sources: OpenAI's reference and guides; the error texts that issues of clients quote
(livekit/agents 6817, pipecat 3960, reachy_mini 134); RFC 6455 and RFC 9110 for codes that are nobody's own.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.json_dialects.json_messages import member
from evi_harness.openai_realtime.realtime_audio import RealtimeReader
from evi_harness.openai_realtime.realtime_messages import CLIENT
from evi_harness.openai_realtime.realtime_reading import item_of, ms_ns, read, string
from evi_harness.session.events import Event, Received, Sent
from evi_harness.session.protocols import RECEIVED, SENT, Message

__all__ = ["ENDS", "explain", "rejected"]

# Behind these errors the service ends the session.
ENDS = frozenset({"session_expired"})

_MEANINGS: Mapping[str, str] = {
    "session_expired": "The session has lasted as long as one may (60 minutes at OpenAI). The service closes it with 1001.",
    "invalid_api_key": "The service does not know the API key.",
    "conversation_already_has_active_response": "The app asked for a response while another one was under way.",
    "1000": "The connection ended as agreed.",
    "1001": "The service went away, as when a session has lasted as long as one may. The openai SDK ends its loop as if all were well.",
    "1008": "The service says that the app broke a rule.",
    "1011": "The service had an internal error.",
    "401": "The service does not take the API key.",
    "403": "The service does not allow this.",
    "404": "There is no such address or model.",
    "429": "Too many requests, or more than the account may use.",
}


def explain(code: Union[str, int]) -> str:
    """What a code of an error, of a close or of a refused handshake means: a sentence."""
    return _MEANINGS.get(str(code), f"The protocol's documentation does not say what {code} means.")


def rejected(events: Sequence[Event]) -> Dict[int, Tuple[str, ...]]:
    """Tell why the service does not take some of what an app sent.

    Args:
        events: All events of a session, ordered in time.

    Returns:
        By seq, one sentence for each rule that is broken; what is taken is not there.
    """
    walk = _Walk()
    found: Dict[int, Tuple[str, ...]] = {}
    for event in events:
        if isinstance(event, Received):
            walk.received(event)
        elif isinstance(event, Sent) and event.outcome == "sent":
            reasons = walk.sent(event)
            if reasons:
                found[event.seq] = tuple(reasons)
    return found


class _Walk:
    """One pass over a session: what the rules depend on."""

    def __init__(self) -> None:
        self._reader = RealtimeReader()
        self._active: Optional[str] = None
        self._voice: Optional[str] = None
        self._has_spoken = False
        self._n_buffered = 0
        # How long the audio of each item is that came, None where that is not known.
        self._lengths: Dict[str, Optional[int]] = {}

    def received(self, event: Received) -> None:
        audio = self._reader.read(RECEIVED, event.frame)
        message = read(RECEIVED, event.frame)
        if message.type == "response.created":
            self._active = string(member(message.fields, "response"), "id") or ""
        elif message.type == "response.done":
            self._active = None
        elif message.type in ("input_audio_buffer.committed", "input_audio_buffer.cleared"):
            self._n_buffered = 0
        elif message.type in ("session.created", "session.updated"):
            self._voice = _voice(message) or self._voice
        if audio is not None:
            self._has_spoken = True
            item, length_ns = item_of(message) or "", audio.length_ns
            before = self._lengths.get(item, 0)
            self._lengths[item] = None if before is None or length_ns is None else before + length_ns

    def sent(self, event: Sent) -> List[str]:
        audio = self._reader.read(SENT, event.frame)
        if audio is not None:
            self._n_buffered += 1
            return []
        message = read(SENT, event.frame)
        if message.text is not None:
            return ["it is not a JSON object"]
        if message.type not in CLIENT:
            return [f"there is no message of the type {message.type!r:.60}"]
        rule = {
            "response.create": self._create,
            "input_audio_buffer.commit": self._commit,
            "conversation.item.truncate": self._truncate,
            "session.update": self._update,
        }.get(message.type)
        return [] if rule is None else rule(message)

    def _create(self, message: Message) -> List[str]:
        # A response beside the conversation is nobody's turn.
        if self._active is None or member(message.fields, "response").get("conversation") == "none":
            return []
        return ["a response is under way, and there is only one at a time (conversation_already_has_active_response)"]

    def _commit(self, _: Message) -> List[str]:
        n_buffered, self._n_buffered = self._n_buffered, 0
        return [] if n_buffered else ["the buffer of the user's audio is empty"]

    def _truncate(self, message: Message) -> List[str]:
        end_ns, item = ms_ns(message.fields.get("audio_end_ms")), item_of(message) or ""
        length_ns = self._lengths.get(item)
        if length_ns is None or end_ns is None or end_ns <= length_ns:
            return []
        return [f"it truncates {item:.40} at {end_ns / 1e6:g} ms, and {length_ns / 1e6:g} ms of it came"]

    def _update(self, message: Message) -> List[str]:
        voice = _voice(message)
        if voice is None or not self._has_spoken or self._voice in (None, voice):
            return []
        return [f"it changes the voice to {voice!r:.40} once the assistant has spoken"]


def _voice(message: Message) -> Optional[str]:
    session = member(message.fields, "session")
    return string(member(session, "audio", "output"), "voice") or string(session, "voice")
