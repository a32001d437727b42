"""Encoded audio: base64 in JSON, and containers other than WAV."""

from __future__ import annotations

import base64
import binascii
import json
from contextlib import suppress
from typing import Optional

__all__ = ["CONTAINERS", "STARTS", "base64_bytes"]

# Matroska (webm), Ogg, FLAC, MP3 with a tag. An MP3 without one begins like loud PCM, so it is not told by its start.
CONTAINERS = (b"\x1aE\xdf\xa3", b"OggS", b"fLaC", b"ID3")
# What audio with a header begins with: those, and WAV in its forms.
STARTS = (b"RIFF", b"RIFX", b"RF64", b"BW64", *CONTAINERS)
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def base64_bytes(raw: bytes) -> Optional[bytes]:
    """Decode base64 as it stands between the quotes of a JSON string: escaped, wrapped, url-safe or without padding.

    Args:
        raw: The bytes between the quotes.

    Returns:
        The bytes; None where it is not base64.
    """
    if len(raw) % 4 == 0:
        # As services write it.
        with suppress(binascii.Error, ValueError):
            return base64.b64decode(raw, validate=True)
    if b"\\" in raw:
        try:
            raw = json.loads(b'"' + raw + b'"').encode()
        except ValueError:
            return None
    clean = b"".join(raw.split()).translate(_URL_SAFE).rstrip(b"=")
    try:
        return base64.b64decode(clean + b"=" * (-len(clean) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
