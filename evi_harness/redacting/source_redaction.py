"""Secrets in source code: what is written behind a name that nobody gives to anything but a secret is replaced.

Source is read as Python reads it, token by token: a key may follow an annotation, in a subscript's assignment, as a default, in brackets
over several lines. What is replaced is the text within the quotes; the number of lines stays the same. It is better to hide a string too
many than one too few: anyone who has the code can look at it.

Rules of living here: pure, text in and out. Nothing is remembered, so that two runs of one handler give the same report; values that are
known to be secret are for ``redaction``, which comes behind this.
"""

from __future__ import annotations

import re
from typing import List, NamedTuple, Optional, Pattern, Tuple

from evi_harness.redacting.redaction import MIN_VALUE_LENGTH, REDACTED

__all__ = ["is_secret_name", "redacted_source"]

_WORDS = (
    r"(?:api|access|secret|private|signing|encryption)[_-]?key|(?:api|access|auth|bearer|refresh|secret)[_-]?tokens?|token(?!s|i[sz])"
    r"|secret(?!ar)|passw(?:or)?d|passphrase|authorization|credential|(?<![a-z])cookie|bearer"
)
_WORD = re.compile(_WORDS, re.IGNORECASE)


class _Later:
    """A pattern that is compiled when it is first looked for: most processes that load this meet no source."""

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self._pattern = pattern
        self._flags = flags
        self._compiled: Optional[Pattern[str]] = None

    @property
    def compiled(self) -> Pattern[str]:
        """The pattern, ready to be looked for."""
        if self._compiled is None:
            self._compiled = re.compile(self._pattern, self._flags)
        return self._compiled


# A name, a header, a query parameter, a variable of the environment: nothing with a space in it.
_NAME = _Later(rf"[\w.\[\]-]{{0,80}}(?:{_WORDS})[\w.\[\]-]{{0,80}}", re.IGNORECASE)

# In the order in which they are tried. An f-string's quotes within its braces (from Python 3.12 on) are taken for its end; that hides too
# much of the line, or nothing.
_TOKEN = _Later(
    r"""(?P<space>[ \t\f]+|\\\r?\n)
    |(?P<break>\r?\n)
    |(?P<comment>\#[^\n]*)
    |(?P<string>(?:[rRbBuUfF]{1,2})?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<name>\w+)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTES = _Later(r"[a-zA-Z]*(\"{3}|'{3}|[\"'])")
# What redaction would take for a value by its looks, an expression too. It is replaced here, so that nothing is left to be taken there.
_UNQUOTED = _Later(
    r"""(?<![A-Za-z0-9])(?:(?:api|secret)[_-]?key|access[_-]?token|client_secret|authorization|cookie)\]?["']?[ \t]*[=:][ \t]*"""
    r"""(?!\[redacted|[rRbBuUfF]{0,2}["'])((?:(?:Basic|Bearer)\s+)?[^\s"'&,;)}\]]+)""",
    re.IGNORECASE,
)
_SPOKEN = _Later(rf"(?:{_WORDS})\w*[ \t]*[=:][ \t]*(?=[^\s]*\d)([A-Za-z0-9._~+/=-]{{8,}})", re.IGNORECASE)
_BEARER = _Later(r"\b(?:bearer\s+|basic\s+(?=[A-Za-z]*[0-9A-Z]))([A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE)
_PEM = _Later(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)(?:-----END|\Z)", re.DOTALL)

# What is looked for in the rest of a file where it was found behind a secret name: a key, and no word.
_VALUE = _Later(rf"(?=.*\d)[^\s\"']{{{MIN_VALUE_LENGTH},}}")

_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


class _Token(NamedTuple):
    """A token of the source.

    Attributes:
        kind: ``name``, ``string``, ``sign``, ``comment`` or ``break``.
        start: Where it begins in the text.
        stop: Behind its end.
        text: It.
        depth: In how many brackets it is.
    """

    kind: str
    start: int
    stop: int
    text: str
    depth: int


def is_secret_name(name: str) -> bool:
    """Whether a name says that its value is secret: ``api_key``, ``HUME_SECRET_KEY``, ``X-Hume-Api-Key``, ``password``."""
    return _WORD.search(name) is not None


def redacted_source(text: str) -> str:
    """Source code with what its names say to be secret replaced; as many lines as before.

    Args:
        text: The text of a whole file where that can be had: an assignment may begin above what is to be shown.
    """
    spans = [match.span(1) for match in _PEM.compiled.finditer(text)]
    if _WORD.search(text) is not None:
        tokens = _tokens(text)
        for index, token in enumerate(tokens):
            if token.kind == "name" and is_secret_name(token.text):
                spans += _values(tokens, index, is_text=False)
            elif token.kind == "string" and _NAME.compiled.fullmatch(token.text.strip("\"'")):
                spans += _values(tokens, index, is_text=True)
            if token.kind in ("comment", "string"):
                spans += [match.span(1) for match in _SPOKEN.compiled.finditer(text, token.start, token.stop)]
    replaced = _replaced(text, spans)
    # What is a key in one line is one in all others.
    found = {text[start:stop] for start, stop in spans}
    for value in sorted(filter(_VALUE.compiled.fullmatch, found), key=lambda one: (-len(one), one)):
        replaced = replaced.replace(value, REDACTED)
    for pattern in (_UNQUOTED, _BEARER):
        replaced = _replaced(replaced, [match.span(1) for match in pattern.compiled.finditer(replaced)])
    return replaced


def _tokens(text: str) -> List[_Token]:
    found = []
    depth = 0
    for match in _TOKEN.compiled.finditer(text):
        kind, said = match.lastgroup or "", match[0]
        if said in _CLOSING:
            depth = max(0, depth - 1)
        if kind != "space":
            found.append(_Token(kind, *match.span(), said, depth))
        if said in _OPENING:
            depth += 1
    return found


def _inside(token: _Token) -> Tuple[int, int]:
    """The span between the quotes of a string."""
    match = _QUOTES.compiled.match(token.text)
    assert match is not None
    return token.start + match.end(), token.stop - len(match[1])


def _values(tokens: List[_Token], anchor: int, *, is_text: bool) -> List[Tuple[int, int]]:
    """The strings that are the value of a name: those behind it, up to the end of its expression.

    Args:
        tokens: All tokens.
        anchor: The name, or the string that is one.
        is_text: Whether it is a string: a key of a dictionary, a subscript, or an argument whose value is the next one.
    """
    spans: List[Tuple[int, int]] = []
    depth, is_one_of_several = tokens[anchor].depth, _is_one_of_several(tokens, anchor)
    before = tokens[anchor]
    for index in range(anchor + 1, len(tokens)):
        token = tokens[index]
        is_next_to_text = is_text and index == anchor + 1
        if token.kind == "string":
            if not _is_name_itself(tokens, index, has_value=bool(spans)):
                spans.append(_inside(token))
        elif token.kind == "comment":
            continue
        elif token.kind == "break":
            # A statement goes on behind a break in brackets alone, and a dictionary's value behind its colon.
            if token.depth <= depth and not (is_text and before.text in (":", ",")) and before.text not in ("=", "+", "("):
                break
            continue
        elif token.text in _CLOSING and token.depth < depth:
            # What closes behind a string is the subscript or the call that it stands in: os.environ["API_KEY"] = "…".
            if not is_next_to_text:
                break
            depth = token.depth
        elif token.depth <= depth and (token.text == ";" or (token.text == "," and not is_next_to_text and not is_one_of_several)):
            break
        before = token
    return spans


def _is_one_of_several(tokens: List[_Token], anchor: int) -> bool:
    """Whether a name is one of several that get their values together, as in ``api_key, place = …``."""
    has_comma = False
    for index in range(anchor + 1, len(tokens) if tokens[anchor].depth == 0 else 0):
        token = tokens[index]
        if token.kind in ("break", "string") or token.text == ";":
            return False
        if token.text == "=":
            return has_comma
        has_comma = has_comma or token.text == ","
    return False


def _is_name_itself(tokens: List[_Token], index: int, *, has_value: bool) -> bool:
    """Whether a string behind a name is not a value but a name again: the "API_KEY" of ``api_key=os.environ["API_KEY"]``."""
    if has_value or tokens[index - 1].text not in ("[", "(") or tokens[index - 2].kind != "name":
        return False
    return _NAME.compiled.fullmatch(tokens[index].text.strip("\"'")) is not None


def _replaced(text: str, spans: List[Tuple[int, int]]) -> str:
    """The text with what stands in some spans replaced, line by line."""
    pieces, at = [], 0
    for start, stop in sorted(spans):
        if start < at or start == stop:
            continue
        lines = text[start:stop].split("\n")
        pieces += [text[at:start], "\n".join(REDACTED if line.strip() else line for line in lines)]
        at = stop
    return "".join([*pieces, text[at:]])
