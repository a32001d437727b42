"""Tests of evi_harness.sdk.adapter: every adapter has what the protocol has."""

from __future__ import annotations

import inspect
import pickle

import pytest

from evi_harness.sdk.adapter import Adapter
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.sdk.openai.openai_adapter import REALTIME
from evi_harness.sdk.plain_client import PLAIN
from evi_harness.session.protocols import Message

ADAPTERS = pytest.mark.parametrize("adapter", [HUME, REALTIME, PLAIN], ids=["hume", "openai", "plain"])


@ADAPTERS
def test_it_has_each_member_of_the_protocol(adapter: Adapter) -> None:
    """With the same parameters, or any, and facts besides."""
    for name, method in inspect.getmembers(Adapter, inspect.isfunction):
        own = inspect.signature(getattr(type(adapter), name)).parameters if not name.startswith("_") else {}
        if own and not any(one.kind is one.VAR_KEYWORD for one in own.values()):
            assert list(own) == list(inspect.signature(method).parameters), name
    assert all(hasattr(adapter, name) for name in Adapter.__annotations__)


@ADAPTERS
def test_it_can_be_given_to_another_process(adapter: Adapter) -> None:
    """As a run in a child process and a server in one of its own need it."""
    assert type(pickle.loads(pickle.dumps(adapter))) is type(adapter)


@ADAPTERS
def test_it_is_called_what_it_is_installed_by(adapter: Adapter) -> None:
    """And has a version."""
    assert adapter.version()[0].isdigit()


@ADAPTERS
def test_replies_are_followed_message_by_message(adapter: Adapter) -> None:
    """Nothing is owed at first; the time of the latest message is known."""
    replies = adapter.followed_replies()
    assert (replies.is_pending, replies.last_s) == (False, None)
    replies.take(Message("audio_output", {}, None), 1.0)
    replies.take(Message("chat_metadata", {}, None), 2.0)
    assert (replies.is_pending, replies.last_s) == (True, 2.0)


def test_only_an_adapter_that_knows_them_has_replies_end() -> None:
    """Of any other dialect, the latest message may be part of one."""
    for adapter, is_pending in ((HUME, False), (PLAIN, True)):
        replies = adapter.followed_replies()
        replies.take(Message("assistant_message", {}, None), 1.0)
        replies.take(Message("assistant_end", {}, None), 2.0)
        assert replies.is_pending is is_pending
