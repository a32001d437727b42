"""Tests of evi_harness.sdk.making_handlers."""

from __future__ import annotations

import ast
import textwrap

import pytest

from evi_harness.sdk.making_handlers import by_a_function


@pytest.mark.parametrize(("call", "name"), [("App(client=…)", "handler"), ("handler(…)", "my_handler")])
def test_the_example_is_a_function_of_another_name_than_what_it_calls(call, name):
    """It is Python, and the SPEC names it."""
    first, *code = by_a_function("some/app.py", call).splitlines()
    assert f" some/app.py:{name}:" in first
    (function,) = ast.parse(textwrap.dedent("\n".join(code)).replace("…", "...")).body
    assert isinstance(function, ast.FunctionDef)
    assert function.name == name
