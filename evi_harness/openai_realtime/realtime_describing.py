"""What people are shown of the messages of a Realtime session: a line each, and what was said.

Rules of living here: no secret, no line break and no control character comes out, whatever goes in; of the message's own words at most
``WIDTH`` characters.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Mapping, Optional

from evi_harness.openai_realtime.realtime_causes import tool_output
from evi_harness.openai_realtime.realtime_messages import AUDIO
from evi_harness.openai_realtime.realtime_reading import member, objects, string
from evi_harness.openai_realtime.realtime_turns import text_of_item
from evi_harness.session.protocols import RECEIVED, Message, Saying

__all__ = ["describe", "saying", "telling", "typed"]

WIDTH = 72
Fields = Mapping[str, Any]

# What makes a conversation, then what went wrong in it, then what steers it.
_TELLING = (
    *("response.output_audio_transcript.done", "response.output_text.done", "response.function_call_arguments.done"),
    *("conversation.item.create", "conversation.item.input_audio_transcription.completed", "error"),
    *("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "response.done", "response.create"),
    *("response.cancel", "conversation.item.truncate", "session.update", "session.created"),
)


def describe(message: Message) -> str:
    """Describe a message in one line.

    Args:
        message: The message. One that is not known is told by its type and the names of its fields.
    """
    if message.text is not None:
        return f"text that is not a JSON object: {_quoted(message.text)}"
    if message.type is None:
        return f"object without a type: {_names(message.fields)}" if message.fields else "not a JSON object"
    line = _LINES.get(message.type)
    return f"{_clean(message.type)}: {_names(message.fields)}" if line is None else line(message.fields)


def telling(message: Message) -> int:
    """How much a message tells people, from 0 for what tells most."""
    return _TELLING.index(message.type) if message.type in _TELLING else len(_TELLING)


def typed(message: Message) -> Optional[str]:
    """The text of an item of the user's that the app gives; None for every other message."""
    item = member(message.fields, "item")
    if message.type != "conversation.item.create" or item.get("role") != "user":
        return None
    texts = [string(part, "text") for part in objects(item, "content") if part.get("type") == "input_text"]
    return " ".join(filter(None, texts)) or None


def saying(kind: str, message: Message) -> Optional[Saying]:
    """What a message adds to the transcript, None where that is nothing. The parts of a text that come before it is whole add nothing."""
    fields = message.fields
    if kind != RECEIVED:
        output, said = tool_output(message).get("output"), typed(message)
        if isinstance(output, str):
            return Saying("tool", output)
        return None if said is None else Saying("user", said)
    if message.type == "conversation.item.input_audio_transcription.completed":
        return Saying("user", string(fields, "transcript") or "", about=string(fields, "item_id"))
    if message.type in ("response.output_audio_transcript.done", "response.output_text.done"):
        return Saying("assistant", string(fields, "transcript") or string(fields, "text") or "", about=string(fields, "item_id"))
    return None


def _clean(text: str) -> str:
    """As much of a text as fits, what a terminal would act on escaped."""
    text = text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _quoted(value: Any) -> str:
    return f'"{_clean(value)}"' if isinstance(value, str) else _plain(value)


def _plain(value: Any) -> str:
    return _clean(value if isinstance(value, str) else json.dumps(value))


def _names(fields: Fields) -> str:
    return _clean(", ".join(name for name in fields if name not in ("type", "event_id"))) or "no fields"


def _said(what: str, *names: str) -> Callable[[Fields], str]:
    """A line of what somebody says, by the first of some fields that holds a text."""
    return lambda fields: f"{what}: {_quoted(next(filter(None, (string(fields, name) for name in names)), ''))}"


def _item(fields: Fields) -> str:
    item = member(fields, "item")
    if item.get("type") == "function_call_output":
        return f"tool output {_plain(item.get('call_id'))}: {_quoted(item.get('output'))}"
    if item.get("type") == "function_call":
        return f"tool call {_plain(item.get('call_id'))}: {_plain(item.get('name'))}"
    said = text_of_item(item)
    return f"{_plain(item.get('role') or item.get('type'))}: {_quoted(said)}" if said else f"item of the {_plain(item.get('role'))}"


def _response_done(fields: Fields) -> str:
    response = member(fields, "response")
    reason = member(response, "status_details").get("reason")
    return f"end of the response: {_plain(response.get('status'))}" + (f" ({_plain(reason)})" if reason else "")


def _error(fields: Fields) -> str:
    error = member(fields, "error")
    return f"error {_plain(error.get('code') or error.get('type'))}: {_quoted(error.get('message'))}"


_LINES: Mapping[str, Callable[[Fields], str]] = {
    AUDIO: lambda _: "user audio",
    "input_audio_buffer.append": lambda _: "user audio",
    "input_audio_buffer.commit": lambda _: "the user's audio is to be taken",
    "input_audio_buffer.committed": lambda _: "the user's audio is taken",
    "input_audio_buffer.speech_started": lambda fields: f"user speaks from {_plain(fields.get('audio_start_ms'))} ms on",
    "input_audio_buffer.speech_stopped": lambda fields: f"user has spoken, up to {_plain(fields.get('audio_end_ms'))} ms",
    "session.update": lambda fields: f"session settings: {_names(member(fields, 'session'))}",
    "session.updated": lambda fields: f"service's session settings: {_names(member(fields, 'session'))}",
    "session.created": lambda fields: f"session {_plain(member(fields, 'session').get('id'))}",
    "conversation.item.create": _item,
    "conversation.item.added": _item,
    "conversation.item.created": _item,
    "conversation.item.done": lambda fields: f"end of {_item(fields)}",
    "conversation.item.truncate": lambda fields: f"the reply was heard up to {_plain(fields.get('audio_end_ms'))} ms",
    "conversation.item.input_audio_transcription.completed": _said("user", "transcript"),
    "conversation.item.input_audio_transcription.delta": _said("user, in part", "delta"),
    "response.create": lambda _: "a response is asked for",
    "response.cancel": lambda _: "the response is to end",
    "response.created": lambda fields: f"response {_plain(member(fields, 'response').get('id'))}",
    "response.output_audio.delta": lambda _: "audio",
    "response.output_audio_transcript.delta": _said("assistant, in part", "delta"),
    "response.output_audio_transcript.done": _said("assistant", "transcript"),
    "response.output_text.delta": _said("assistant, in part", "delta"),
    "response.output_text.done": _said("assistant", "text"),
    "response.function_call_arguments.delta": _said("arguments, in part", "delta"),
    "response.function_call_arguments.done": lambda fields: (
        f"tool call {_plain(fields.get('call_id'))}: {_plain(fields.get('name') or 'a tool')} {_quoted(fields.get('arguments'))}"
    ),
    "response.done": _response_done,
    "error": _error,
}
