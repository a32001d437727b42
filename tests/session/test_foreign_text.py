"""Tests of evi_harness.session.foreign_text."""

from __future__ import annotations

import json
import math

import pytest

from evi_harness.session.foreign_text import MAX_DIGITS, MAX_VALUES, has_more_values, json_value, strict_json_value, toml_tables


@pytest.mark.parametrize("read", [json_value, strict_json_value])
def test_json_is_read_as_python_reads_it(read):
    """Numbers of up to some thousand digits included."""
    for text in ("{}", "[1, -2, 3.5, 1e3]", '"x"', "null", "7" * 400, "-" + "7" * (MAX_DIGITS - 1), '{"a": 1, "a": 2}', " [1] "):
        assert read(text) == json.loads(text)
    assert read("1e400") == math.inf


@pytest.mark.parametrize("read", [json_value, strict_json_value])
@pytest.mark.parametrize(
    "text", ["7" * (MAX_DIGITS + 1), "[" + "7" * 1_000_000 + "]", '{"a":-' + "7" * 5000 + "}", "", "{", "\ufeff{}", "01"]
)
def test_what_is_no_json_here(read, text):
    """Is a ValueError on every Python, at once."""
    with pytest.raises(ValueError):
        read(text)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity"])
def test_what_only_python_takes_for_json(text):
    """Is refused where JSON is meant strictly."""
    assert not math.isfinite(json_value(f"[{text.strip('[]')}]")[0])
    with pytest.raises(ValueError, match="is not JSON"):
        strict_json_value(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_nesting_too_deep(text):
    """Is what Python raises for it, wherever that is."""
    with pytest.raises((RecursionError, ValueError)):
        json_value(text)


def test_toml_has_integers_of_64_bits():
    """However they are written, and wherever they stand; others are refused before anything prints them."""
    assert toml_tables("a = 9223372036854775807\nb = -9223372036854775808") == {"a": 2**63 - 1, "b": -(2**63)}
    for number in ("9223372036854775808", "-9223372036854775809", "0x" + "f" * 5000, "7" * 5000):
        for text in (f"a = {number}", f"[[t]]\na = [1, {{b = {number}}}]"):
            with pytest.raises(ValueError):
                toml_tables(text)


def test_how_many_values_there_are():
    """Each but the first follows a bracket or a comma; what stands in strings is none, however it is escaped."""
    for text, n_values in (("[1,2,3]", 3), ('{"a":1,"b":[2]}', 3), ('["a,b,[{", "\\",,\\\\"]', 2), ('"' + "," * 50 + '"', 0)):
        assert not has_more_values(text + " " * 60, n_values)
        assert has_more_values(text + " " * 60, n_values - 1)


def test_a_text_of_too_many_values():
    """Is refused before it fills the memory; one that may be is read, and so is a long text with many commas."""
    assert len(json_value("[" + "0," * (MAX_VALUES - 2) + "0]")) == MAX_VALUES - 1
    assert json_value('"' + "," * (MAX_VALUES * 2) + '"') == "," * (MAX_VALUES * 2)
    with pytest.raises(ValueError, match="more than"):
        json_value("[" + "[]," * MAX_VALUES + "0]")
    assert len(strict_json_value("[" + "0," * MAX_VALUES + "0]")) == MAX_VALUES + 1
