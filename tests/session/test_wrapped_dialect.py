"""Tests of evi_harness.session.wrapped_dialect."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from evi_harness.session.protocols import Dialect
from evi_harness.session.wrapped_dialect import WrappedDialect

METHODS = sorted(name for name, _ in inspect.getmembers(Dialect, inspect.isfunction) if not name.startswith("_"))
FACTS = sorted([*Dialect.__annotations__, *(name for name, _ in inspect.getmembers(Dialect, lambda one: isinstance(one, property)))])


class Within:
    """Answers each call with the call itself."""

    def __init__(self) -> None:
        for name in FACTS:
            setattr(self, name, f"the {name}")

    def __getattr__(self, name: str) -> Any:
        if name not in METHODS:
            raise AttributeError(name)
        return lambda *args, **named: (name, (*args, *named.values()))


@pytest.mark.parametrize("name", METHODS)
def test_each_method_asks_the_one_within(name: str) -> None:
    """By its own name, with all that it was given; so a member that is added to the protocol has to be added here."""
    wrapped = WrappedDialect(Within())  # type: ignore[arg-type]
    parameters = list(inspect.signature(getattr(Dialect, name)).parameters.values())[1:]
    plain = [one.name for one in parameters if one.kind is not one.KEYWORD_ONLY]
    named = {one.name: one.name for one in parameters if one.kind is one.KEYWORD_ONLY}
    assert vars(WrappedDialect)[name].__get__(wrapped)(*plain, **named) == (name, (*plain, *named))


@pytest.mark.parametrize("name", FACTS)
def test_each_fact_is_that_of_the_one_within(name: str) -> None:
    """Names and numbers are taken as they are."""
    assert getattr(WrappedDialect(Within()), name) == f"the {name}"  # type: ignore[arg-type]
