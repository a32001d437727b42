"""The message table."""

from __future__ import annotations

import re

import pytest

from evi_harness.evi.compat import parse_version
from evi_harness.evi.messages import EMOTIONS, MESSAGES, OBJECTS, ROLES, Field


def all_fields():
    """Every field of the tables with the row that it stands in."""
    for row in MESSAGES.values():
        yield from ((row.name, field) for field in row.fields)
    for name, fields in OBJECTS.items():
        yield from ((name, field) for field in fields)


def test_emotions_are_the_48_of_the_wire_in_order():
    """There are 48 emotions, none twice, in alphabetical order but for the two surprises, which stand as the wire has them."""
    assert len(set(EMOTIONS)) == len(EMOTIONS) == 48
    assert sorted(EMOTIONS) == list(EMOTIONS)


def test_roles():
    """The roles are those of the newest SDK."""
    assert set(ROLES) == {"user", "assistant", "system", "all", "tool", "context"}


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_what_a_row_names_is_in_it(name):
    """Identity and audio of a row are fields of it, somebody sends it, and no field stands twice."""
    row = MESSAGES[name]
    names = [field.name for field in row.fields]
    assert row.sent or row.received
    assert {row.identity, row.audio} - {None} <= set(names)
    assert set(row.volatile) <= set(names)
    assert len(set(names)) == len(names)
    assert parse_version(row.known_since)


@pytest.mark.parametrize(("owner", "field"), list(all_fields()), ids=lambda value: value if isinstance(value, str) else value.name)
def test_shapes_are_known(owner: str, field: Field):
    """A shape is a plain one, or names rows that exist; a required version is one."""
    kind, _, names = field.shape.partition(":")
    assert kind in {"str", "int", "number", "bool", "scalar", "any", "literal", "object", "either", "list", "map"}
    if kind in {"object", "either", "list"}:
        assert set(names.split(",")) <= {*OBJECTS, *MESSAGES}
    assert field.required is None or re.fullmatch(r"[\d.]+", field.required)


def test_required_and_optional_divide_the_fields():
    """What every version insists on and what some version does without are all the fields."""
    row = MESSAGES["assistant_message"]
    assert row.required == ("message", "models", "from_text")
    assert row.optional == ("id", "language", "is_quick_response")
