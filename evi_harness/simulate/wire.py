"""The simulator's messages as frames, in compact JSON with EVI's order of fields.

Rules of living here: one function a message type; each message parses in every SDK version that knows its type. Scores are drawn and mean
nothing. A field holds ``bytes`` where audio is meant; it becomes base64 when the frame is made.
"""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Any, Dict, Mapping, Optional

from evi_harness.evi.failures import ERRORS
from evi_harness.evi.messages import EMOTIONS
from evi_harness.session.events import TEXT, Frame
from evi_harness.simulate.ids import Ids
from evi_harness.simulate.replies import Sentence, ToolCall

__all__ = [
    "PROSODY",
    "assistant_end",
    "assistant_message",
    "assistant_prosody",
    "audio_output",
    "chat_metadata",
    "error",
    "frame",
    "session_settings",
    "tool_call",
    "user_interruption",
    "user_message",
]

Fields = Dict[str, Any]

# The type of the scores that come in a message of their own.
PROSODY = "assistant_prosody"

_SECRET = "language_model_api_key"  # noqa: S105 - a field's name


def frame(fields: Mapping[str, Any], custom_session_id: Optional[str]) -> Frame:
    """Make the frame of a message.

    Args:
        fields: The message; ``bytes`` stand for audio.
        custom_session_id: What the app calls its session, None where it gave no name; then the field is absent.
    """
    written = {name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in fields.items()}
    if custom_session_id is not None:
        written = {"type": written.pop("type"), "custom_session_id": custom_session_id, **written}
    try:
        text = json.dumps(written, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which an app can send escaped, goes back as it came: it has no UTF-8.
        text = json.dumps(written, separators=(",", ":")).encode()
    return Frame(TEXT, text)


def chat_metadata(ids: Ids, chat_group_id: str) -> Fields:
    """The first message."""
    return {"type": "chat_metadata", "chat_group_id": chat_group_id, "chat_id": ids.chat_id, "request_id": ids.request_id}


def user_message(text: str, begin_ns: int, end_ns: int, random: Random, *, from_text: bool = False, interim: bool = False) -> Fields:
    """What the user said; only what was spoken and is final has scores."""
    return {
        "type": "user_message",
        "message": {"role": "user", "content": text},
        "models": {} if from_text or interim else _scores(random),
        "time": {"begin": begin_ns // 1_000_000, "end": end_ns // 1_000_000},
        "from_text": from_text,
        "interim": interim,
    }


def assistant_message(sentence: Sentence, sentence_id: str, random: Random) -> Fields:
    """A sentence of the assistant's; without scores where they come in a message of their own."""
    return {
        "type": "assistant_message",
        "id": sentence_id,
        "message": {"role": "assistant", "content": sentence.text},
        "models": {} if sentence.has_prosody else _scores(random),
        "from_text": sentence.from_text,
        "is_quick_response": sentence.is_quick,
    }


def audio_output(sentence_id: str, index: int, wav: bytes, *, is_final: bool) -> Fields:
    """One chunk of a sentence's audio."""
    return {"type": "audio_output", "id": sentence_id, "index": index, "data": wav, "is_final_chunk": is_final}


def assistant_prosody(sentence_id: str, random: Random) -> Fields:
    """The scores of a sentence."""
    return {"type": PROSODY, "id": sentence_id, "models": _scores(random)}


def assistant_end() -> Fields:
    """The end of a reply."""
    return {"type": "assistant_end"}


def user_interruption(position_ns: int) -> Fields:
    """The user interrupts; the time is a position in ms, as in the one real capture."""
    return {"type": "user_interruption", "time": position_ns // 1_000_000}


def tool_call(call: ToolCall, call_id: str) -> Fields:
    """The call of a tool."""
    return {
        "type": "tool_call",
        "name": call.name,
        "parameters": call.parameters,
        "response_required": call.response_required,
        "tool_call_id": call_id,
        "tool_type": "function",
    }


def session_settings(sent: Mapping[str, Any]) -> Fields:
    """The echo of settings, without the key that may be among them."""
    return {name: value for name, value in sent.items() if name not in (_SECRET, "custom_session_id")}


def error(code: str, message: str, request_id: str) -> Fields:
    """An error with the slug that EVI gives the code; a code whose slug nobody has written down gets one of the simulator's."""
    row = ERRORS.get(code)
    slug = row.slug if row is not None and row.slug else f"simulator_{code.lower()}"
    return {"type": "error", "code": code, "slug": slug, "message": message, "request_id": request_id}


def _scores(random: Random) -> Fields:
    return {"prosody": {"scores": {name: round(random.random() ** 4, 4) for name in EMOTIONS}}}
