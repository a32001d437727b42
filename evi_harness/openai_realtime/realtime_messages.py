"""The messages of the Realtime protocol, under the names that OpenAI uses now and those of its beta, which other services still use.

Source: the types in ``openai.types.realtime`` of the openai package 3.57, and sessions recorded of five services.
"""

from __future__ import annotations

from typing import FrozenSet, Mapping

__all__ = ["AUDIO", "AWAITED", "CLIENT", "SERVER", "canonical", "is_known", "server_types"]

# A binary frame that was sent; no service is known to have sent one.
AUDIO = "audio"

CLIENT: FrozenSet[str] = frozenset(
    {
        *("session.update", "response.create", "response.cancel", "output_audio_buffer.clear"),
        *(f"input_audio_buffer.{name}" for name in ("append", "commit", "clear")),
        *(f"conversation.item.{name}" for name in ("create", "truncate", "delete", "retrieve")),
    }
)
# Those that the service answers, if only by an error.
AWAITED: FrozenSet[str] = CLIENT - {"input_audio_buffer.append"}

_TRANSCRIPTION = "conversation.item.input_audio_transcription"
SERVER: FrozenSet[str] = frozenset(
    {
        *("session.created", "session.updated", "conversation.created", "rate_limits.updated", "error", "ping"),
        *(f"input_audio_buffer.{name}" for name in ("speech_started", "speech_stopped", "timeout_triggered", "committed", "cleared")),
        "input_audio_buffer.dtmf_event_received",
        *(f"conversation.item.{name}" for name in ("added", "done", "created", "truncated", "deleted", "retrieved")),
        *(f"{_TRANSCRIPTION}.{name}" for name in ("delta", "completed", "failed", "segment", "updated")),
        *("response.created", "response.done"),
        *(f"response.{name}.{when}" for name in ("output_item", "content_part") for when in ("added", "done")),
        *(
            f"response.{name}.{when}"
            for name in ("output_audio", "output_audio_transcript", "output_text", "function_call_arguments", "mcp_call_arguments")
            for when in ("delta", "done")
        ),
        *(f"response.mcp_call.{name}" for name in ("in_progress", "completed", "failed")),
        *(f"mcp_list_tools.{name}" for name in ("in_progress", "completed", "failed")),
        *(f"output_audio_buffer.{name}" for name in ("started", "stopped", "cleared")),
    }
)
# Those that are no part of a conversation.
ASIDES: FrozenSet[str] = frozenset({"rate_limits.updated", "ping"})

# What the beta called something else.
_NOW: Mapping[str, str] = {
    f"response.{then}.{when}": f"response.output_{then}.{when}"
    for then in ("text", "audio", "audio_transcript")
    for when in ("delta", "done")
}


def canonical(name: str) -> str:
    """The name of a message's type today; the same for one that never had another."""
    return _NOW.get(name, name)


def server_types() -> FrozenSet[str]:
    """The types that a service sends, by either name."""
    return SERVER | frozenset(_NOW)


def is_known(name: str) -> bool:
    """Whether a type is one of the protocol's, by either name, or audio."""
    return name == AUDIO or canonical(name) in CLIENT or canonical(name) in SERVER
