from __future__ import annotations

from types import SimpleNamespace

import pytest

from evi_harness.sdk.hume.owed_replies import Replies


@pytest.mark.parametrize(
    ("types", "is_pending"),
    [
        ("", False),
        ("chat_metadata session_settings", False),
        ("user_message", True),
        ("user_message assistant_message", True),
        ("user_message assistant_message audio_output", True),
        ("user_message assistant_message audio_output assistant_end", False),
        ("user_message tool_call", True),
        ("user_message tool_call assistant_end user_message", True),
        ("assistant_message audio_output", True),
        ("assistant_message user_interruption", True),
        ("assistant_message user_interruption assistant_end", False),
        ("user_message error", False),
        ("user_message something_new", True),
        ("assistant_end something_new", False),
    ],
)
def test_whether_a_reply_is_pending(types, is_pending):
    """From what the user said, or what the assistant began, to the end of the reply or an error; unknown messages change nothing."""
    replies = Replies()
    for number, name in enumerate(types.split()):
        replies.take(SimpleNamespace(type=name), float(number))
    assert replies.is_pending is is_pending
    assert replies.last_s == (len(types.split()) - 1.0 if types else None)


def test_a_message_without_a_type_changes_nothing():
    """Whatever the SDK made of it."""
    replies = Replies()
    replies.take(object(), 1.0)
    assert not replies.is_pending
