"""Transform every text of a document, to remove secrets from a page.

Rules of living here: short texts come again and again, most of all the names of emotions, so what was made of one is kept.
"""

from __future__ import annotations

from typing import Callable, Dict, Mapping

from evi_harness.session.json_value import Json

__all__ = ["every_text"]

_SHORT = 100


def every_text(document: Json, made: Callable[[str], str]) -> Json:
    """The document with each text in it made another one; names of members stay.

    Args:
        document: JSON values.
        made: Makes a text of a text; the same one of the same.
    """
    known: Dict[str, str] = {}

    def text(one: str) -> str:
        if len(one) > _SHORT:
            return made(one)
        found = known.get(one)
        if found is None:
            found = known[one] = made(one)
        return found

    def walked(value: Json) -> Json:
        if isinstance(value, str):
            return text(value)
        if isinstance(value, Mapping):
            return {name: walked(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [walked(inner) for inner in value]
        return value

    return walked(document)
