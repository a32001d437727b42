from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from evi_harness.carriers.limits import DEFAULT_LIMITS, LIMIT_NAMES, ServerLimits
from evi_harness.errors import UsageError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "serve.md"


def test_limits_are_replaced_by_name():
    """Without the unit; the last of a name counts."""
    limits = DEFAULT_LIMITS.with_values([("chats", "3"), ("idle", "0.5"), ("message", "1"), ("chats", "4")])
    assert limits == ServerLimits(chats=4, idle_s=0.5, message_mib=1)
    assert limits.message_bytes == 1024 * 1024


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("chat", "1", None),
        ("chats", "1.5", "a whole number above 0"),
        ("chats", "0", "a whole number above 0"),
        ("chats", "-1", "a whole number above 0"),
        ("chats", "", "a whole number above 0"),
        ("idle", "nan", "a number above 0"),
        ("idle", "inf", "a number above 0"),
        ("idle", "x", "a number above 0"),
        ("unknown", "1", "chats, waiting, handshake, idle"),
        ("idle_s", "1", "chats, waiting, handshake, idle"),
        ("", "", "chats, waiting, handshake, idle"),
    ],
)
def test_what_is_no_limit_is_said(name, value, words):
    """With what there is, or what would be right."""
    if words is None:
        assert DEFAULT_LIMITS.with_values([(name, value)]).chat_mib == 1
        return
    with pytest.raises(UsageError) as caught:
        DEFAULT_LIMITS.with_values([(name, value)])
    assert words in caught.value.hint


def test_every_limit_stands_in_the_page():
    """With its default."""
    page = PAGE.read_text(encoding="utf-8")
    rows = [f"| `{name}` | {getattr(DEFAULT_LIMITS, field):g} |" for name, field in LIMIT_NAMES.items()]
    assert [row for row in rows if row not in page] == []
    assert len(rows) == len(fields(ServerLimits))
