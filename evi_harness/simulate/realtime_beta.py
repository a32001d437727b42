"""The Realtime protocol under its beta's names, for apps that ask for them: requests as they are named today, events as in the beta.

Rules of living here: only names and forms differ. A format of the beta has no rate: its PCM is 24 kHz. What the beta does not have is left
out: an item is ``created``, and never ``done``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Mapping, Optional

from evi_harness.openai_realtime.realtime_reading import objects
from evi_harness.session.events import Handshake
from evi_harness.session.protocols import Message

__all__ = ["as_beta", "as_today", "asks_for_beta"]

Fields = Dict[str, Any]

_HEADER, _OFFERED, _OFFER = ("openai-beta", "realtime=v1"), "sec-websocket-protocol", "openai-beta.realtime-v1"
_FORMATS: Mapping[str, Fields] = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_FORMAT_NAMES = {str(form["type"]): name for name, form in _FORMATS.items()}
# The beta's field of a session → where it is today.
_MOVED = {
    "input_audio_format": ("input", "format"),
    "output_audio_format": ("output", "format"),
    "input_audio_transcription": ("input", "transcription"),
    "input_audio_noise_reduction": ("input", "noise_reduction"),
    "turn_detection": ("input", "turn_detection"),
    "voice": ("output", "voice"),
}
_RENAMED = {"modalities": "output_modalities", "max_response_output_tokens": "max_output_tokens"}
_TYPES = {f"response.output_{name}.": f"response.{name}." for name in ("audio", "audio_transcript", "text")}
_PARTS = {"output_audio": "audio", "output_text": "text"}


def asks_for_beta(handshake: Handshake) -> bool:
    """Whether an app asks for the beta: by the header that its SDKs sent, or by the subprotocol that a browser offered."""
    headers = [(name.lower(), value.lower()) for name, value in handshake.headers]
    offers = [offer.strip() for name, value in headers if name == _OFFERED for offer in value.split(",")]
    return _HEADER in headers or _OFFER in offers


def as_today(message: Message) -> Message:
    """A request of the beta, as it is named today."""
    kind = {"session.update": "session", "response.create": "response"}.get(message.type or "")
    given = message.fields.get(kind) if kind is not None else None
    if kind is None or not isinstance(given, Mapping):
        return message
    return replace(message, fields={**message.fields, kind: _configuration_today(given)})


def as_beta(fields: Mapping[str, Any]) -> Optional[Fields]:
    """An event as the beta has it; None for one that it does not have."""
    kind = fields["type"]
    if kind == "conversation.item.done":
        return None
    if kind == "conversation.item.added":
        kind = "conversation.item.created"
    renamed = next((beta + kind[len(now) :] for now, beta in _TYPES.items() if kind.startswith(now)), kind)
    found = {**fields, "type": renamed}
    if isinstance(found.get("session"), Mapping):
        found["session"] = _session(found["session"])
    if isinstance(found.get("item"), Mapping):
        found["item"] = _item(found["item"])
    if isinstance(found.get("part"), Mapping):
        found["part"] = _part(found["part"])
    if isinstance(found.get("response"), Mapping):
        response = {_BACK.get(name, name): value for name, value in found["response"].items()}
        found["response"] = {**response, "output": [_item(item) for item in objects(response, "output")]}
    return found


_BACK = {now: beta for beta, now in _RENAMED.items()}


def _configuration_today(given: Mapping[str, Any]) -> Fields:
    found: Fields = {_RENAMED.get(name, name): value for name, value in given.items() if name not in _MOVED}
    for name in (one for one in _MOVED if one in given):
        side, field = _MOVED[name]
        value = _FORMATS.get(given[name], given[name]) if field == "format" and isinstance(given[name], str) else given[name]
        found.setdefault("audio", {}).setdefault(side, {})[field] = value
    return found


def _session(session: Mapping[str, Any]) -> Fields:
    found: Fields = {_BACK.get(name, name): value for name, value in session.items() if name not in ("type", "audio")}
    for name, (side, field) in _MOVED.items():
        value = session["audio"][side].get(field)
        found[name] = _FORMAT_NAMES.get(str(value.get("type"))) if field == "format" and isinstance(value, Mapping) else value
    return found


def _item(item: Mapping[str, Any]) -> Fields:
    return {**item, "content": [_part(part) for part in objects(item, "content")]} if "content" in item else dict(item)


def _part(part: Mapping[str, Any]) -> Fields:
    return {**part, "type": _PARTS.get(str(part.get("type")), part.get("type"))}
