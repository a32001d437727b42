from __future__ import annotations

import json
import re

import pytest

from evi_harness.evi.compat import parse_version
from evi_harness.evi.messages import EMOTIONS, MESSAGES, OBJECTS
from evi_harness.sdk.hume.installed_sdk import installed_version
from evi_harness.sdk.hume.parsing import parse, problems

PLAIN = {"str": "x", "int": 1, "number": 0.5, "bool": False, "scalar": "x", "any": "function"}
SDK = parse_version(installed_version())
RECEIVED = sorted(name for name, row in MESSAGES.items() if row.received and parse_version(row.known_since) <= SDK)


def value_of(shape):
    """A value of a shape as the message table writes shapes."""
    kind, _, name = shape.partition(":")
    if kind == "object":
        return dict.fromkeys(EMOTIONS, 0.1) if name == "scores" else object_of(OBJECTS[name] if name in OBJECTS else MESSAGES[name].fields)
    return {"list": [], "map": {}, "literal": name}.get(kind, PLAIN.get(kind))


def object_of(fields):
    """An object with every field that the installed SDK insists on."""
    return {field.name: value_of(field.shape) for field in fields if is_required(field)}


def is_required(field):
    """Whether the installed SDK insists on a field."""
    return field.required is not None and parse_version(field.required) <= SDK


def whole(name):
    """A message that the installed SDK parses."""
    return {"type": name, **object_of(MESSAGES[name].fields)}


def found_in(message):
    """The problems of a message, as sentences."""
    return [str(problem) for problem in problems(json.dumps(message).encode())]


@pytest.mark.parametrize("name", RECEIVED)
def test_a_whole_message_is_parsed(name):
    """The parsed model is of the message's own type."""
    payload = json.dumps(whole(name)).encode()
    assert problems(payload) == []
    assert parse(payload).type == name


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, field.name) for name in RECEIVED for field in MESSAGES[name].fields if is_required(field)],
)
def test_a_missing_field_is_named(name, field):
    """Of the whole union, only the field of the message's own model is told."""
    message = whole(name)
    del message[field]
    assert found_in(message) == [f"field {field} is missing"]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({**whole("user_message"), "time": {"begin": "soon", "end": 1}}, "time.begin"),
        ({**whole("user_message"), "message": {"role": "user", "content": 5}}, "message.content"),
        ({**whole("assistant_message"), "from_text": []}, "from_text"),
        ({**whole("audio_output"), "index": "first"}, "index"),
        ({**whole("tool_call"), "parameters": {}}, "parameters"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_wrong_type_is_told_with_its_path(message, field):
    """The path goes down to the field, and the model's words follow."""
    (problem,) = problems(json.dumps(message).encode())
    assert problem.field == field
    assert not problem.missing
    assert str(problem).startswith(f"field {field}: Input should be")


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (b'{"type": "brand_new"}', "type 'brand_new' .*unknown"),
        (b'{"type": ["a"]}', r"type \['a'\] .*unknown"),
        (b'{"type": null}', "type None .*unknown"),
        (b"[1]", "type None .*unknown"),
        (b"not json", "not JSON .*: Expecting value"),
        (b"", "not JSON .*: Expecting value"),
        (b"\xff\xfe\x00", "not JSON .*: "),
        (b"[" * 100_000, "not JSON .*: "),
    ],
    ids=["unknown", "list", "null", "array", "no JSON", "empty", "bytes", "deep"],
)
def test_what_is_no_message_is_told_as_a_whole(payload, what):
    """There is one problem, of no field, and no exception."""
    (problem,) = problems(payload)
    assert (problem.field, problem.missing) == ("", False)
    assert re.search(what, str(problem))
