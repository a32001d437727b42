"""Parse the app's messages as strictly as the service does: a message, or the error that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Union

from evi_harness.evi.compat import problems_of_sent
from evi_harness.evi.reading import parse
from evi_harness.session.encoded_audio import base64_bytes
from evi_harness.session.events import Frame

__all__ = ["Refused", "request"]


@dataclass(frozen=True)
class Refused:
    """A message that is not taken.

    Attributes:
        code: The code of the error that answers it.
        message: The error's words.
    """

    code: str
    message: str


def request(frame: Frame) -> Union[Mapping[str, Any], Refused]:
    """Read a text frame of the app's.

    Args:
        frame: The frame.

    Returns:
        The fields of the message, ``type`` among them; or why it is refused, with no text in it that the app sent but the type.
    """
    fields = parse(frame.payload)
    if fields is None and frame.payload.strip() != b"null":
        return Refused("E0100", "Failed to parse the message: it is not valid JSON.")
    problems = problems_of_sent(fields)
    if problems:
        return Refused("E0101", f"Failed to parse payload. {'; '.join(map(str, problems))}.")
    assert isinstance(fields, dict)
    if fields["type"] == "audio_input" and base64_bytes(fields["data"].encode()) is None:
        return Refused("E0101", "Failed to parse payload. audio_input: data is not base64.")
    return fields
