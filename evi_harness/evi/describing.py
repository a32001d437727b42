"""Describe each message in one short line for people.

Rules of living here: no secret, no line break and no control character comes out, whatever goes in; of the message's own words at most
``WIDTH`` characters.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Union

from evi_harness.evi.messages import AUDIO, MESSAGES
from evi_harness.evi.reading import text_of
from evi_harness.evi.secrets import is_secret
from evi_harness.json_dialects.json_messages import member
from evi_harness.json_dialects.one_line import clean, names_of, plain, quoted
from evi_harness.session.encoded_audio import base64_bytes
from evi_harness.session.protocols import RECEIVED, Message
from evi_harness.session.wav import split

__all__ = ["describe", "telling"]

Fields = Mapping[str, Any]


def describe(kind: str, message: Message) -> str:
    """Describe a message.

    Args:
        kind: ``sent`` or ``received``.
        message: The message.

    Returns:
        One line. A message of no known type is described by its type and the names of its fields.
    """
    if message.text is not None:
        return f"text that is not a JSON object: {quoted(message.text)}"
    if message.type is None:
        return f"object without a type: {names_of(message.fields)}" if message.fields else "not a JSON object"
    row = MESSAGES.get(message.type)
    line = _LINES.get(message.type)
    if line is None:
        return f"{clean(message.type)}: {names_of(message.fields)}"
    said = line if isinstance(line, str) else line(message.fields)
    return f"service's {said}" if kind == RECEIVED and row is not None and row.sent else said


def telling(message: Message) -> int:
    """How much a message tells people, from 0 for what tells most.

    Args:
        message: The message, sent or received.
    """
    return _TELLING.index(message.type) if message.type in _TELLING else len(_TELLING)


# What makes a conversation: what was said, what was called, what went wrong; then what steers it.
_TELLING = (
    *("assistant_message", "tool_call", "tool_response", "tool_error", "user_message", "error", "user_interruption", "audio_output"),
    *("user_input", "assistant_input", "pause_assistant_message", "resume_assistant_message", "chat_metadata", "session_settings"),
)


def _user_message(fields: Fields) -> str:
    how = "".join(word for word, is_so in ((", typed", fields.get("from_text")), (", interim", fields.get("interim"))) if is_so)
    return f"user{how}: {quoted(text_of(fields))}"


def _audio_output(fields: Fields) -> str:
    data = fields.get("data")
    decoded = base64_bytes(data.encode("utf-8", "replace")) if isinstance(data, str) else None
    wav = split(decoded) if decoded else None
    length = f" {wav.pcm.length_ns(len(wav.samples)) / 1e9:.2f} s" if wav is not None else ""
    return f"audio{length}, chunk {plain(fields.get('index'))}"


def _session_settings(fields: Fields) -> str:
    audio = member(fields, "audio")
    form = f" ({plain(audio.get('sample_rate'))} Hz, {plain(audio.get('channels'))} channels)" if audio else ""
    return f"session settings: {names_of({name: 0 for name in fields if not is_secret(name)})}{form}"


def _tool_call(fields: Fields) -> str:
    return f"tool call {plain(fields.get('tool_call_id'))}: {plain(fields.get('name'))} {quoted(fields.get('parameters'))}"


_LINES: Mapping[str, Union[str, Callable[[Fields], str]]] = {
    AUDIO: "user audio",
    "audio_input": "user audio",
    "session_settings": _session_settings,
    "user_input": lambda fields: f"user types: {quoted(fields.get('text'))}",
    "assistant_input": lambda fields: f"assistant input: {quoted(fields.get('text'))}",
    "tool_response": lambda fields: f"tool response {plain(fields.get('tool_call_id'))}: {quoted(fields.get('content'))}",
    "tool_error": lambda fields: f"tool error {plain(fields.get('tool_call_id'))}: {quoted(fields.get('error'))}",
    "pause_assistant_message": "pause",
    "resume_assistant_message": "resume",
    "chat_metadata": lambda fields: f"chat {plain(fields.get('chat_id'))}",
    "user_message": _user_message,
    "assistant_message": lambda fields: f"assistant: {quoted(text_of(fields))}",
    "assistant_prosody": "assistant's prosody",
    "audio_output": _audio_output,
    "assistant_end": "end of the reply",
    "user_interruption": "user interrupts",
    "tool_call": _tool_call,
    "error": lambda fields: f"error {plain(fields.get('code'))} {plain(fields.get('slug'))}: {quoted(fields.get('message'))}",
}
