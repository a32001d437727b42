"""Tests of evi_harness.sdk.openai.event_classes: held against what the installed SDK really makes of messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from evi_harness.openai_realtime.realtime_messages import canonical, server_types
from evi_harness.sdk.openai.event_classes import known_types, misread, unreadable

pytest.importorskip("openai", reason="the extra openai is not installed")

DONE = {"type": "response.output_text.done", "text": "a", "event_id": "e", "response_id": "r", "item_id": "i"}
INDEXES = {"output_index": 0, "content_index": 0}


def parsed(fields: Any) -> Any:
    """What the SDK makes of a message."""
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

    return AsyncRealtimeConnection.parse_event(object(), json.dumps(fields))  # type: ignore[arg-type]


def test_every_class_of_the_sdk_is_of_a_type_of_the_protocol() -> None:
    """And most types have one."""
    assert known_types() <= {canonical(name) for name in server_types()}
    assert {"session.created", "response.done", "error", "response.output_audio.delta"} <= known_types()


def test_a_message_that_has_all_it_needs_is_read() -> None:
    """The object has every field."""
    whole = parsed({**DONE, **INDEXES})
    assert misread(whole) is None
    assert whole.output_index == 0


def test_a_missing_field_is_told_by_name() -> None:
    """The object has nothing there."""
    problem = misread(parsed(DONE))
    assert problem is not None
    assert {DONE["type"], *INDEXES} <= set(problem.replace(",", " ").replace("'", " ").split())
    assert getattr(parsed(DONE), "output_index", None) is None


@pytest.mark.parametrize("kind", ["response.audio.delta", "ping", "of.tomorrow", None])
def test_a_type_without_a_class_is_told_with_what_becomes_of_it(kind: Any) -> None:
    """The object is of another class, whose name is told."""
    message = parsed({"type": kind, "event_id": "e"})
    problem = misread(message)
    assert problem is not None
    assert type(message).__name__ in problem.split()


def test_what_is_no_object_is_told() -> None:
    """The SDK hands a list on as it is."""
    assert str(misread(parsed([1]))).endswith("list")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("openai-audio_in_server_vad_turn", set()),
        ("azure-tool_call_round", set()),
        ("xai-text_in_audio_out_turn", {"ping", "response.content_part.done"}),
    ],
)
def test_real_sessions(name: str, kinds: Any, shared_data: Any) -> None:
    """Nothing is hidden of what OpenAI and Azure send; of others' messages something is."""
    text = (shared_data / "openai-realtime" / f"{name}.yaml").read_text(encoding="utf-8")
    rows = yaml.safe_load(text)["interactions"]
    found = {row["data"]["type"] for row in rows if row["direction"] == "received" and misread(parsed(row["data"])) is not None}
    assert found >= kinds
    assert bool(found) is bool(kinds)


@pytest.mark.parametrize("payload", [b"", b"{", b"[" * 100_000])
def test_what_is_no_json_cannot_be_read(payload: bytes) -> None:
    """Nothing else is in the way of the parser."""
    assert len(unreadable(payload)) == 1
    assert unreadable(b"[1]") == []
