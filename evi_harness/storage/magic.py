"""The kind of a file, by its first bytes.

Rules of living here: for the extension of a payload's name only; nothing is decided about sound by it but what stays verbatim.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

__all__ = ["Container", "container"]


class Container(NamedTuple):
    """A container of audio.

    Attributes:
        extension: Of a file name.
        once: Whether its header stands once at the start of a stream, so that another one begins another file.
    """

    extension: str
    once: bool


_SIGNATURES: Tuple[Tuple[int, bytes, Container], ...] = (
    (0, b"RIFF", Container("wav", True)),
    (0, b"\x1aE\xdf\xa3", Container("webm", True)),
    (0, b"fLaC", Container("flac", True)),
    (0, b"OggS", Container("ogg", False)),
    (0, b"ID3", Container("mp3", False)),
    (4, b"ftyp", Container("m4a", True)),
    (0, b"FORM", Container("aiff", True)),
    (0, b".snd", Container("au", True)),
)
# Two bytes that 16-bit samples begin with often enough; they count only where no PCM format is known.
_WEAK_SIGNATURES: Tuple[Tuple[bytes, Container], ...] = (
    (b"\xff\xfb", Container("mp3", False)),
    (b"\xff\xf3", Container("mp3", False)),
    (b"\xff\xf2", Container("mp3", False)),
    (b"\xff\xf1", Container("aac", False)),
    (b"\xff\xf9", Container("aac", False)),
)


def container(data: bytes, *, may_be_samples: bool) -> Optional[Container]:
    """Tell which container some bytes begin.

    Args:
        data: The first bytes of a frame's audio.
        may_be_samples: Whether headerless samples are expected here.

    Returns:
        The container, None where the bytes begin none that is known.
    """
    for at, signature, found in _SIGNATURES:
        if data.startswith(signature, at):
            return found
    if not may_be_samples:
        for signature, found in _WEAK_SIGNATURES:
            if data.startswith(signature):
                return found
    return None
