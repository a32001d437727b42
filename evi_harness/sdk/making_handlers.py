"""How to make a handler from a class that needs more than text: a function of the developer's builds it."""

from __future__ import annotations

__all__ = ["by_a_function"]


def by_a_function(place: str, call: str) -> str:
    """Say how to name a function that returns the handler, with an example.

    Args:
        place: The file or module, as a SPEC has it.
        call: What builds the handler, such as ``App(name=…)``.
    """
    name = "my_handler" if call.startswith("handler(") else "handler"
    return (
        f"For anything else, write a function that returns the handler, and give {place}:{name}:\n    def {name}():\n        return {call}"
    )
