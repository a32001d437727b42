from __future__ import annotations

import pytest
from hypothesis import given

from evi_harness.session.events import TEXT, Frame
from evi_harness.simulate.requests import Refused, request
from evi_harness.strategies import frames, sent_messages


@given(sent_messages())
def test_a_conformant_message_is_taken(frame):
    """With its type."""
    fields = request(frame)
    assert not isinstance(fields, Refused)
    assert isinstance(fields["type"], str)


@given(frames())
def test_whatever_comes_is_taken_or_refused(frame):
    """Nothing raises; a refusal has one of two codes and words."""
    found = request(frame)
    if isinstance(found, Refused):
        assert found.code in ("E0100", "E0101")
        assert found.message.endswith(".")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "E0100"),
        ("{", "E0100"),
        ("hello", "E0100"),
        ("[" * 100_000, "E0100"),
        ("null", "E0101"),
        ("5", "E0101"),
        ("{}", "E0101"),
        ('{"type": "user_message"}', "E0101"),
        ('{"type": "user_input"}', "E0101"),
        ('{"type": "session_settings", "metadata": "x"}', "E0101"),
        ('{"type": "audio_input", "data": "?"}', "E0101"),
        ('{"type": "tool_response", "tool_call_id": "c"}', "E0101"),
    ],
)
def test_what_is_wrong_has_its_code(text, code):
    """Invalid JSON is one, what does not fit its type the other."""
    found = request(Frame(TEXT, text.encode()))
    assert isinstance(found, Refused)
    assert found.code == code


def test_a_secret_does_not_come_back():
    """Not even in the error about it."""
    found = request(Frame(TEXT, b'{"type": "session_settings", "language_model_api_key": {"k": "hunter2"}, "tools": "hunter2"}'))
    assert isinstance(found, Refused)
    assert "hunter2" not in found.message
