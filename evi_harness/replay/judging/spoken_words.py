"""The words of a text as they are spoken: what two transcribers may write differently is the same here.

Case, punctuation, the form of letters, and numbers: ``Twenty-one``, ``twenty one`` and ``21`` are one, as are ``1,000`` and ``a thousand``.
Number words are English; those of other languages are words like others.
"""

from __future__ import annotations

import re
import unicodedata
from typing import List, Mapping, Optional, Tuple

__all__ = ["spoken_words"]

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL: Mapping[str, int] = {
    **{word: value for value, word in enumerate(_ONES.split())},
    **{word: 10 * value for value, word in enumerate(_TENS.split(), 2)},
}
_LARGE: Mapping[str, int] = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_SIGNS: Mapping[str, str] = {
    "%": " percent ",
    "&": " and ",
    "€": " euros ",
    "£": " pounds ",
    "$": " dollars ",
    "°": " degrees ",
    "+": " plus ",
}
# Digits with or without separators of thousands and a fraction; or letters, with apostrophes in them.
_WORD = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|[^\W\d_]+(?:'[^\W\d_]+)*")


def spoken_words(text: str) -> List[str]:
    """The words of a text; numbers in digits, without zeros that say nothing."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    for sign, word in _SIGNS.items():
        plain = plain.replace(sign, word)
    words = _WORD.findall(plain)
    found: List[str] = []
    at = 0
    while at < len(words):
        number = _number(words, at)
        if number is None:
            found.append(_digits(words[at]) if words[at][0].isdigit() else words[at])
            at += 1
        else:
            value, at = number
            found.append(str(value))
    return found


def _digits(word: str) -> str:
    whole, point, fraction = word.replace(",", "").partition(".")
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (point + fraction if fraction else "")


def _number(words: List[str], at: int) -> Optional[Tuple[int, int]]:
    """The number that begins with a word, and behind which word it ends; None where none begins."""
    total = current = 0
    # What may follow: nothing smaller than this has been said in the part that is under way.
    room, start = 1000, at
    while at < len(words):
        word = words[at]
        if (
            word in _SMALL
            and _SMALL[word] < room
            and (current % 100 == 0 or (current % 100 >= 20 and current % 10 == 0 < _SMALL[word] < 10))
        ):
            current += _SMALL[word]
            room = 10 if _SMALL[word] >= 20 else 0
        elif word in ("a", "an") and at + 1 < len(words) and words[at + 1] in ("hundred", *_LARGE) and at == start:
            current = 1
        elif word == "hundred" and 0 < current < 100:
            current *= 100
            room = 100
        elif word in _LARGE and 0 < current < 1000 and (not total or total >= 1000 * _LARGE[word]):
            total += current * _LARGE[word]
            current, room = 0, 1000
        elif word == "and" and (current or total) and current % 100 == 0 and at + 1 < len(words) and words[at + 1] in _SMALL:
            pass
        else:
            break
        at += 1
    return None if at == start else (total + current, at)
