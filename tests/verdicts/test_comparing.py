"""Tests of evi_harness.verdicts.comparing."""

from __future__ import annotations

import pickle

import pytest

from evi_harness.errors import UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.json_paths import HANDSHAKE
from evi_harness.replay.judging.pairing import Pairing, comparable
from evi_harness.session.events import Handshake
from evi_harness.session.protocols import Message
from evi_harness.verdicts.comparing import AS_USUAL, Comparing, Rules, matched


def message(kind="user_input", **fields):
    """A message of a type."""
    return Message(kind, {"type": kind, **fields})


def ignoring(*paths):
    """The dialect that leaves these out."""
    return Comparing(EVI, Rules.of(paths, strict=False))


def test_without_rules_it_is_the_dialect():
    """In all that is compared."""
    one = message("tool_response", tool_call_id="c", content="x", custom_session_id="s")
    assert Comparing(EVI).must_equal(one) == EVI.must_equal(one)
    assert Comparing(EVI).identity(one) == EVI.identity(one) == "c"


def test_what_is_left_out():
    """Fields, and what a message is about where that is left out; of messages of other types nothing."""
    dialect = ignoring("tool_response:$.content", "$..when")
    assert dialect.must_equal(message("tool_response", content="x", a={"when": 1, "b": 2})) == {"type": "tool_response", "a": {"b": 2}}
    assert dialect.must_equal(message("user_input", content="x")) == {"type": "user_input", "content": "x"}
    assert ignoring("$.tool_call_id").identity(message("tool_response", tool_call_id="c")) is None
    assert ignoring("$").must_equal(EVI.read("sent", type("F", (), {"is_text": True, "outline": b"hello"})())) == {}


def test_strict():
    """What is given anew in each run must be equal too."""
    one = message(custom_session_id="s")
    assert "custom_session_id" not in Comparing(EVI, AS_USUAL).must_equal(one)
    assert Comparing(EVI, Rules(strict=True)).must_equal(one)["custom_session_id"] == "s"


def test_a_handshake_has_a_type_of_its_own():
    """By which a path can be about it alone."""
    asked = Handshake("/", (("v", "1"), ("w", "2")))
    assert ignoring(f"{HANDSHAKE}:$.query.v").comparable_handshakes(asked, asked)[0] == {"query": {"w": "2"}}
    assert ignoring("user_input:$.query").comparable_handshakes(asked, asked)[0] == {"query": {"v": "1", "w": "2"}}


def test_what_is_too_deep_is_still_about_something():
    """A message that nobody can walk is compared by its identity alone."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    one = comparable(message("tool_response", tool_call_id="c", content=deep), ignoring("$..x"))
    assert (one.identity, one.fields) == ("c", {})


def test_pairing_goes_by_the_rules():
    """What differs only in what is left out meets at once, and releases what waits for it."""
    pairing = Pairing({1: message("tool_response", tool_call_id="a", content="x")}, ignoring("$.tool_call_id", "$.content"))
    pairing.meet(message("tool_response", tool_call_id="b", content="y"), 7)
    assert pairing.met_at_ns(1) == 7


def test_it_can_be_given_to_another_process():
    """And compares alike there."""
    one = message(text="a", when=1)
    assert pickle.loads(pickle.dumps(ignoring("$.when"))).must_equal(one) == {"type": "user_input", "text": "a"}


def test_which_paths_matched(weather):
    """In messages of either session, and in the handshake; nothing in audio, in what was received, or in what is not compared."""
    paths = ("$.content", "tool_response:$..content", "user_input:$.text", "$.chat_id", "handshake:$.query.config_id", "$.audio", "$.data")
    is_there = (True, True, False, False, False, True, False)
    assert matched(EVI, Rules.of(paths, strict=False), weather, weather) == tuple(zip(paths, is_there))


def test_what_is_no_path_is_a_usage_error():
    """Told before anything runs."""
    with pytest.raises(UsageError):
        Rules.of(["content"], strict=False)
