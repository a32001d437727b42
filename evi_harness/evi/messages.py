"""EVI's messages in both directions, as data.

One row is one message type: who sends it, its fields, which field says what it is about, what differs from run to run, and from which
version of the Python SDK on it is known. docs/reference/dialect.md shows what a replay compares by. Sources: Hume's API definition, the
wheels of ``hume`` 0.7.13 to 0.14.1, one real capture.

Rules of living here: tables only. A field that may be missing on the wire is never required; ``required`` names the first SDK version whose
model insists on the field. Types are an open set: what is in no row is recorded and replayed like the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Mapping, Optional, Tuple

__all__ = ["ALWAYS_VOLATILE", "AUDIO", "EMOTIONS", "MESSAGES", "OBJECTS", "ROLES", "Field", "MessageType"]

# The type that a binary frame of the app's has here; no such type crosses the wire.
AUDIO = "audio"

# What every message may have and what is given anew in each run: who talks to whom is no part of what is said.
ALWAYS_VOLATILE = ("custom_session_id",)

ROLES = ("user", "assistant", "system", "all", "tool", "context")

# Exactly these 48, in the order and spelling of the wire.
EMOTIONS = (
    "Admiration",
    "Adoration",
    "Aesthetic Appreciation",
    "Amusement",
    "Anger",
    "Anxiety",
    "Awe",
    "Awkwardness",
    "Boredom",
    "Calmness",
    "Concentration",
    "Confusion",
    "Contemplation",
    "Contempt",
    "Contentment",
    "Craving",
    "Desire",
    "Determination",
    "Disappointment",
    "Disgust",
    "Distress",
    "Doubt",
    "Ecstasy",
    "Embarrassment",
    "Empathic Pain",
    "Entrancement",
    "Envy",
    "Excitement",
    "Fear",
    "Guilt",
    "Horror",
    "Interest",
    "Joy",
    "Love",
    "Nostalgia",
    "Pain",
    "Pride",
    "Realization",
    "Relief",
    "Romance",
    "Sadness",
    "Satisfaction",
    "Shame",
    "Surprise (negative)",
    "Surprise (positive)",
    "Sympathy",
    "Tiredness",
    "Triumph",
)


@dataclass(frozen=True)
class Field:
    """One field of a message or of an object in it.

    Attributes:
        name: Its name on the wire.
        shape: ``str``, ``int``, ``number``, ``bool``, ``scalar`` (str, number or bool), ``any``, ``literal:VALUE``, ``object:NAME`` (a
            row of ``OBJECTS`` or a message type), ``either:NAME,NAME``, ``list:NAME``, ``map:SHAPE``.
        required: The first SDK version that refuses a message without it; ``0`` is every version, None no version.
        nullable: Whether null may stand where it may be left out.
    """

    name: str
    shape: str = "str"
    required: Optional[str] = "0"
    nullable: bool = True


def _optional(name: str, shape: str = "str") -> Field:
    return Field(name, shape, None)


@dataclass(frozen=True)
class MessageType:
    """One message type.

    Attributes:
        name: The value of ``type``.
        sent: Whether the app sends it.
        received: Whether the service sends it.
        fields: Its fields besides ``type`` and ``custom_session_id``, which every message may have.
        identity: The field that says what it is about, None where nothing does.
        volatile: Fields that differ between two runs of one conversation, besides those of ``ALWAYS_VOLATILE``.
        known_since: The first SDK version that parses it when received; ``0`` is every version.
        audio: The field that holds base64 audio, None where there is none.
        role: Who speaks: ``user``, ``assistant`` or empty.
    """

    name: str
    sent: bool
    received: bool
    fields: Tuple[Field, ...] = ()
    identity: Optional[str] = None
    volatile: Tuple[str, ...] = ()
    known_since: str = "0"
    audio: Optional[str] = None
    role: str = ""

    @property
    def required(self) -> Tuple[str, ...]:
        """Names of the fields that every SDK version insists on."""
        return tuple(field.name for field in self.fields if field.required == "0")

    @property
    def optional(self) -> Tuple[str, ...]:
        """Names of the fields that some SDK version does without."""
        return tuple(field.name for field in self.fields if field.required != "0")


_TOOL_RESPONSE = (Field("content"), Field("tool_call_id"), _optional("tool_name"), _optional("tool_type", "any"))
_TOOL_ERROR = (
    Field("error"),
    Field("tool_call_id"),
    _optional("code"),
    _optional("content"),
    _optional("level", "literal:warn"),
    _optional("tool_type", "any"),
)
_SESSION_SETTINGS = (
    _optional("audio", "object:audio_configuration"),
    _optional("builtin_tools", "list:builtin_tool"),
    _optional("context", "object:context"),
    _optional("language_model_api_key"),
    _optional("metadata", "map:any"),
    _optional("system_prompt"),
    _optional("tools", "list:tool"),
    _optional("variables", "map:scalar"),
    _optional("voice_id"),
)

# "any" is what the SDK declares as Union[Literal[...], Any]: open enumerations.
OBJECTS: Mapping[str, Tuple[Field, ...]] = MappingProxyType(
    {
        "audio_configuration": (
            Field("channels", "int"),
            Field("sample_rate", "int"),
            Field("encoding", "literal:linear16", required=None, nullable=False),
            _optional("codec"),
        ),
        "builtin_tool": (Field("name", "any"), _optional("fallback_content")),
        "chat_message": (
            Field("role", "any"),
            _optional("content"),
            _optional("tool_call", "object:tool_call"),
            _optional("tool_result", "either:tool_response,tool_error"),
        ),
        "context": (Field("text"), _optional("type", "any")),
        "inference": (_optional("prosody", "object:prosody"),),
        "interval": (Field("begin", "int"), Field("end", "int")),
        "prosody": (Field("scores", "object:scores"),),
        "scores": tuple(Field(name, "number") for name in EMOTIONS),
        "tool": (
            Field("name"),
            Field("parameters"),
            Field("type", "any"),
            _optional("description"),
            _optional("fallback_content"),
        ),
    }
)

_ROWS = (
    MessageType("audio_input", sent=True, received=False, fields=(Field("data"),), audio="data", role="user"),
    MessageType(
        "session_settings",
        sent=True,
        received=True,
        fields=_SESSION_SETTINGS,
        # The service has always echoed it, the SDK has a model for the echo only since then.
        known_since="0.13.6",
    ),
    MessageType("user_input", sent=True, received=False, fields=(Field("text"),), role="user"),
    MessageType("assistant_input", sent=True, received=False, fields=(Field("text"),), role="assistant"),
    MessageType("tool_response", sent=True, received=True, fields=_TOOL_RESPONSE, identity="tool_call_id"),
    MessageType("tool_error", sent=True, received=True, fields=_TOOL_ERROR, identity="tool_call_id"),
    MessageType("pause_assistant_message", sent=True, received=False),
    MessageType("resume_assistant_message", sent=True, received=False),
    MessageType(
        "chat_metadata",
        sent=False,
        received=True,
        fields=(Field("chat_group_id"), Field("chat_id"), _optional("request_id")),
        volatile=("chat_group_id", "chat_id", "request_id"),
    ),
    MessageType(
        "user_message",
        sent=False,
        received=True,
        fields=(
            Field("message", "object:chat_message"),
            Field("models", "object:inference"),
            Field("time", "object:interval"),
            Field("from_text", "bool"),
            Field("interim", "bool"),
            _optional("language"),
        ),
        volatile=("models", "time"),
        role="user",
    ),
    MessageType(
        "assistant_message",
        sent=False,
        received=True,
        fields=(
            _optional("id"),
            Field("message", "object:chat_message"),
            Field("models", "object:inference"),
            Field("from_text", "bool"),
            _optional("language"),
            Field("is_quick_response", "bool", "0.13.6"),
        ),
        identity="id",
        volatile=("id", "models"),
        role="assistant",
    ),
    MessageType(
        "assistant_prosody",
        sent=False,
        received=True,
        fields=(_optional("id"), Field("models", "object:inference")),
        identity="id",
        volatile=("id", "models"),
        known_since="0.10",
        role="assistant",
    ),
    MessageType(
        "audio_output",
        sent=False,
        received=True,
        # The wire has is_final_chunk too, which no definition names.
        fields=(Field("id"), Field("index", "int"), Field("data"), _optional("is_final_chunk", "any")),
        identity="id",
        volatile=("id", "data"),
        audio="data",
        role="assistant",
    ),
    MessageType("assistant_end", sent=False, received=True, role="assistant"),
    MessageType("user_interruption", sent=False, received=True, fields=(Field("time", "int"),), volatile=("time",), role="user"),
    MessageType(
        "tool_call",
        sent=False,
        received=True,
        fields=(
            Field("name"),
            Field("parameters"),
            Field("response_required", "bool"),
            Field("tool_call_id"),
            Field("tool_type", "any", "0.13.2"),
        ),
        identity="tool_call_id",
        volatile=("tool_call_id",),
        role="assistant",
    ),
    MessageType(
        "error",
        sent=False,
        received=True,
        fields=(Field("code"), Field("slug"), Field("message"), _optional("request_id")),
        volatile=("request_id",),
    ),
)

MESSAGES: Mapping[str, MessageType] = MappingProxyType({row.name: row for row in _ROWS})
