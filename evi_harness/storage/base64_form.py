"""Decode and encode base64 in a JSON string, character for character.

Rules of living here: pure; ``read`` answers only with a form from which ``write`` makes exactly the text that was read, so that what
no form describes (a wrong padding, left-over bits, uneven lines) is kept verbatim by whoever asks.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Optional, Tuple

from evi_harness.storage.lines import Form

__all__ = ["read", "write"]

_PLAIN = re.compile(rb"[A-Za-z0-9+/_-]*={0,2}")
_BREAK = re.compile(rb"(?:\\[nrt]|\\u000[aAdD9])+")
_TO_STD = bytes.maketrans(b"-_", b"+/")
_TO_URL = bytes.maketrans(b"+/", b"-_")


def read(text: bytes) -> Optional[Tuple[bytes, Form]]:
    """Decode base64 between the quotes of a JSON string.

    Args:
        text: The text, escapes and all.

    Returns:
        The bytes and the form that gives back this very text, None where there is no such form.
    """
    plain, form = _unwrapped(text)
    if not _PLAIN.fullmatch(plain):
        return None
    is_url = b"-" in plain or b"_" in plain
    form.alphabet = "url" if is_url else "std"
    form.padded = plain.endswith(b"=") or len(plain) % 4 == 0
    bare = plain.rstrip(b"=")
    try:
        data = binascii.a2b_base64((bare.translate(_TO_STD) if is_url else bare) + b"=" * (-len(bare) % 4))
    except binascii.Error:
        return None
    return (data, form) if write(data, form) == text else None


def write(data: bytes, form: Form) -> bytes:
    """Encode bytes as base64 in a form; the inverse of ``read``.

    Args:
        data: The bytes.
        form: The form.
    """
    text = base64.b64encode(data)
    if form.alphabet == "url":
        text = text.translate(_TO_URL)
    if not form.padded:
        text = text.rstrip(b"=")
    lines = [text[at : at + form.wrap] for at in range(0, len(text), form.wrap)] if form.wrap else [text]
    if form.escaped_slash:
        lines = [line.replace(b"/", b"\\/") for line in lines]
    line_break = form.line_break.encode()
    return line_break.join(lines) + (line_break if form.last_break else b"")


def _unwrapped(text: bytes) -> Tuple[bytes, Form]:
    """The text without line breaks and escaped slashes, and the form as far as they give it."""
    form = Form(alphabet="std", padded=True)
    if b"\\" not in text:
        return text, form
    found = _BREAK.search(text)
    if found is not None:
        form.line_break = found[0].decode()
        form.last_break = text.endswith(found[0])
        form.wrap = len(text[: found.start()].replace(b"\\/", b"/"))
        text = text.replace(found[0], b"")
    form.escaped_slash = b"\\/" in text
    return text.replace(b"\\/", b"/"), form
