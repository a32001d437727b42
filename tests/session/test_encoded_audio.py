"""Tests of evi_harness.session.encoded_audio."""

from __future__ import annotations

import pytest

from evi_harness.session.encoded_audio import base64_bytes


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b"AAEC", b"\0\1\2"),
        (b"-_-_", b"\xfb\xff\xbf"),
        (b"AA", b"\0"),
        (b"AA==", b"\0"),
        (b"AA\\/\\u0041", b"\0\x0f\xc0"),
        (b"AA\\nEC\\r\\n", b"\0\1\2"),
        (b"", b""),
        (b"A", None),
        (b"not base64!", None),
        (b"\\x", None),
        ("é".encode(), None),
    ],
)
def test_base64_in_json(raw, data):
    """Base64 is read in every form that servers write; what is none is None."""
    assert base64_bytes(raw) == data
