"""What people are shown of the messages of a Realtime session: a line each, and what was said.

Rules of living here: no secret, no line break and no control character comes out, whatever goes in; of the message's own words at most
``WIDTH`` characters.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

from evi_harness.json_dialects.json_messages import member
from evi_harness.json_dialects.one_line import clean, names_of, plain, quoted
from evi_harness.openai_realtime.realtime_causes import tool_output
from evi_harness.openai_realtime.realtime_messages import AUDIO
from evi_harness.openai_realtime.realtime_reading import objects, string
from evi_harness.openai_realtime.realtime_turns import text_of_item
from evi_harness.session.protocols import RECEIVED, Message, Saying

__all__ = ["describe", "saying", "telling", "typed"]

Fields = Mapping[str, Any]
_LEFT_OUT = ("type", "event_id")

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
        message: The message. One that is not known is described by its type and the names of its fields.
    """
    if message.text is not None:
        return f"text that is not a JSON object: {quoted(message.text)}"
    if message.type is None:
        return f"object without a type: {names_of(message.fields, _LEFT_OUT)}" if message.fields else "not a JSON object"
    line = _LINES.get(message.type)
    return f"{clean(message.type)}: {names_of(message.fields, _LEFT_OUT)}" if line is None else line(message.fields)


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


def _said(what: str, *names: str) -> Callable[[Fields], str]:
    """A line of what somebody says, by the first of some fields that holds a text."""
    return lambda fields: f"{what}: {quoted(next(filter(None, (string(fields, name) for name in names)), ''))}"


def _item(fields: Fields) -> str:
    item = member(fields, "item")
    if item.get("type") == "function_call_output":
        return f"tool output {plain(item.get('call_id'))}: {quoted(item.get('output'))}"
    if item.get("type") == "function_call":
        return f"tool call {plain(item.get('call_id'))}: {plain(item.get('name'))}"
    said = text_of_item(item)
    return f"{plain(item.get('role') or item.get('type'))}: {quoted(said)}" if said else f"item of the {plain(item.get('role'))}"


def _response_done(fields: Fields) -> str:
    response = member(fields, "response")
    reason = member(response, "status_details").get("reason")
    return f"end of the response: {plain(response.get('status'))}" + (f" ({plain(reason)})" if reason else "")


def _error(fields: Fields) -> str:
    error = member(fields, "error")
    return f"error {plain(error.get('code') or error.get('type'))}: {quoted(error.get('message'))}"


_LINES: Mapping[str, Callable[[Fields], str]] = {
    AUDIO: lambda _: "user audio",
    "input_audio_buffer.append": lambda _: "user audio",
    "input_audio_buffer.commit": lambda _: "commits the user's audio",
    "input_audio_buffer.committed": lambda _: "user's audio committed",
    "input_audio_buffer.speech_started": lambda fields: f"user starts to speak, at {plain(fields.get('audio_start_ms'))} ms",
    "input_audio_buffer.speech_stopped": lambda fields: f"user stops speaking, at {plain(fields.get('audio_end_ms'))} ms",
    "session.update": lambda fields: f"session settings: {names_of(member(fields, 'session'), _LEFT_OUT)}",
    "session.updated": lambda fields: f"service's session settings: {names_of(member(fields, 'session'), _LEFT_OUT)}",
    "session.created": lambda fields: f"session {plain(member(fields, 'session').get('id'))}",
    "conversation.item.create": _item,
    "conversation.item.added": _item,
    "conversation.item.created": _item,
    "conversation.item.done": lambda fields: f"end of {_item(fields)}",
    "conversation.item.truncate": lambda fields: f"cuts the reply off at {plain(fields.get('audio_end_ms'))} ms",
    "conversation.item.input_audio_transcription.completed": _said("user", "transcript"),
    "conversation.item.input_audio_transcription.delta": _said("user (partial)", "delta"),
    "response.create": lambda _: "asks for a response",
    "response.cancel": lambda _: "cancels the response",
    "response.created": lambda fields: f"response {plain(member(fields, 'response').get('id'))}",
    "response.output_audio.delta": lambda _: "audio",
    "response.output_audio_transcript.delta": _said("assistant (partial)", "delta"),
    "response.output_audio_transcript.done": _said("assistant", "transcript"),
    "response.output_text.delta": _said("assistant (partial)", "delta"),
    "response.output_text.done": _said("assistant", "text"),
    "response.function_call_arguments.delta": _said("arguments (partial)", "delta"),
    "response.function_call_arguments.done": lambda fields: (
        f"tool call {plain(fields.get('call_id'))}: {plain(fields.get('name') or 'a tool')} {quoted(fields.get('arguments'))}"
    ),
    "response.done": _response_done,
    "error": _error,
}
