"""The simulator's messages of the Realtime protocol as fields, in the service's order, and their ids.

Rules of living here: one function for what has more in it than a type and an id. A field holds ``bytes`` where audio is meant; it becomes
base64 when the frame is made. Every id says that a simulator made it.
"""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Any, Dict, Mapping, Optional, Tuple

from evi_harness.session.events import TEXT, Frame
from evi_harness.session.wav import A_LAW, LINEAR, MU_LAW, Pcm
from evi_harness.simulate.turn_detection import TurnDetection

__all__ = ["Fields", "RealtimeIds", "RealtimeRefusal", "error", "first_session", "frame", "merged", "message_item"]

Fields = Dict[str, Any]

_FORMATS = {MU_LAW: "audio/pcmu", A_LAW: "audio/pcma"}


class RealtimeIds:
    """Gives ids, each with ``simulator`` in it; all follow from the seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"realtime ids {seed}")  # noqa: S311 - ids to tell apart, no secrets

    def new(self, kind: str) -> str:
        """An id of a kind: ``sess``, ``event``, ``item``, ``resp``, ``call``."""
        return f"{kind}_simulator{self._random.getrandbits(48):012x}"


class RealtimeRefusal(Exception):
    """A request that is not taken.

    Attributes:
        message: The error's words.
        code: Its code.
        param: Which field is wrong, None where that is no one field.
    """

    def __init__(self, message: str, code: str, param: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param


def frame(fields: Mapping[str, Any], event_id: str) -> Frame:
    """Make the frame of a message.

    Args:
        fields: The message; ``bytes`` stand for audio.
        event_id: Its id.
    """
    written = {name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in fields.items()}
    written = {"type": written.pop("type"), "event_id": event_id, **written}
    try:
        text = json.dumps(written, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which an app can send escaped, goes back as it came: it has no UTF-8.
        text = json.dumps(written, separators=(",", ":")).encode()
    return Frame(TEXT, text)


def error(refusal: RealtimeRefusal, event_id: Optional[str]) -> Fields:
    """The error that answers the event with an id; None for one that has none."""
    about = {"type": "invalid_request_error", "code": refusal.code, "message": refusal.message, "param": refusal.param}
    return {"type": "error", "error": {**about, "event_id": event_id}}


def first_session(identity: str, model: str, pcm: Pcm, detection: TurnDetection) -> Fields:
    """The configuration of a session before the app has changed anything."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": identity,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "audio": {
            "input": {
                "format": _format(Pcm(24_000, 1)),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": detection.speech_detection_threshold,
                    "prefix_padding_ms": detection.prefix_padding_ms,
                    "silence_duration_ms": detection.end_of_turn_silence_ms,
                    "idle_timeout_ms": None,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": _format(pcm), "voice": "simulator", "speed": 1.0},
        },
    }


def _format(pcm: Pcm) -> Fields:
    return {"type": "audio/pcm", "rate": pcm.rate} if pcm.encoding == LINEAR else {"type": _FORMATS[pcm.encoding]}


def merged(before: Mapping[str, Any], change: Mapping[str, Any]) -> Fields:
    """A configuration with what an update changes in it. Formats and turn detection are replaced as a whole, but for what is left out."""
    after = dict(before)
    for name, value in change.items():
        inner = after.get(name)
        # A format of another type keeps nothing of the one before.
        is_merged = isinstance(inner, dict) and isinstance(value, dict) and value.get("type", inner.get("type")) == inner.get("type")
        after[name] = merged(inner, value) if is_merged and isinstance(inner, dict) else value
    return after


def message_item(identity: str, role: str, status: str, content: Tuple[Fields, ...] = ()) -> Fields:
    """An item that is a message."""
    return {"id": identity, "type": "message", "object": "realtime.item", "status": status, "role": role, "content": list(content)}
