"""Tests of evi_harness.session.protocols."""

from __future__ import annotations

import inspect

import pytest

from evi_harness.session import protocols

PROTOCOLS = [
    protocols.AudioSource,
    protocols.Dialect,
    protocols.Service,
    protocols.SpeechDetector,
    protocols.WireReader,
]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.__name__)
def test_every_member_is_documented(protocol):
    """Who implements a protocol reads here what each member must do: in its docstring, or among the attributes of the class."""
    methods = [member for name, member in vars(protocol).items() if inspect.isfunction(member) and not name.startswith("_")]
    assert [method.__name__ for method in methods if not method.__doc__] == []
    attributes = [name for name in vars(protocol).get("__annotations__", {}) if not name.startswith("_")]
    assert [name for name in attributes if f"{name}: " not in protocol.__doc__] == []
    assert methods or attributes


def test_a_close_is_a_normal_one():
    """Who closes without saying more closes with 1000."""
    assert protocols.Close() == protocols.Close(1000, "")
