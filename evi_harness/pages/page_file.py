"""Assemble a page: one HTML file with its style, script and data, which makes no network requests.

Rules of living here: what came from a session stands in the file as data only, escaped to ASCII, and nothing in it can end the element that
it stands in. Only our own style and script run: the policy names them by their digests.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from dataclasses import dataclass
from typing import Dict, Iterator, Mapping, Tuple

from evi_harness.report.plain import printable
from evi_harness.session.json_value import Json

__all__ = ["PageAssets", "island", "page_parts"]

_PLACES = ("csp", "title", "style", "data", "script")
# What could end the element that the data stands in, or begin another.
_ESCAPED = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}
# So much of a sound at a time becomes base64: a multiple of three bytes, so that the pieces join.
_PIECE_BYTES = 3 << 18


@dataclass(frozen=True)
class PageAssets:
    """What a page is put together of besides its data.

    Attributes:
        template: HTML. It has five places, once each, in this order: those of ``_PLACES``, each in two braces.
        style: The style sheet.
        script: The script.
    """

    template: str
    style: str
    script: str

    def policy(self) -> str:
        """The content security policy: nothing is loaded, and nothing runs but what is in the file."""
        return (
            f"default-src 'none'; style-src {_digest(self.style)}; script-src {_digest(self.script)}; "
            "media-src data:; img-src data:; base-uri 'none'; form-action 'none'"
        )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def island(value: Json) -> str:
    """JSON that can stand in any element: ASCII, without ``<``, ``>`` and ``&``."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).translate(_ESCAPED)


def page_parts(document: Mapping[str, Json], sounds: Mapping[str, Tuple[str, bytes]], assets: PageAssets) -> Iterator[str]:
    """A page, piece by piece: sounds are large, and are never all there twice.

    Args:
        document: What it shows.
        sounds: The sounds by name: their MIME type and their bytes.
        assets: Template, style and script.

    Yields:
        Text; ASCII but for what style, script and template hold.
    """
    given: Dict[str, str] = {
        "csp": html.escape(assets.policy()),
        "title": html.escape(printable(str(document["title"]))).encode("ascii", "xmlcharrefreplace").decode(),
        "style": assets.style,
        "script": assets.script,
    }
    rest = assets.template
    for place in _PLACES:
        before, found, rest = rest.partition("{{" + place + "}}")
        if not found:
            raise ValueError(f"the template of the page has no place for its {place}")
        yield before
        if place == "data":
            yield from _data(document, sounds)
        else:
            yield given[place]
    yield rest


def _data(document: Mapping[str, Json], sounds: Mapping[str, Tuple[str, bytes]]) -> Iterator[str]:
    yield island(document)[:-1]
    yield ',"sounds":{'
    for number, (name, (mime, data)) in enumerate(sounds.items()):
        yield f'{"," if number else ""}{island(name)}:"data:{mime.replace(" ", "")};base64,'
        for at in range(0, len(data), _PIECE_BYTES):
            yield base64.b64encode(data[at : at + _PIECE_BYTES]).decode()
        yield '"'
    yield "}}"
