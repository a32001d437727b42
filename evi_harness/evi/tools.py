"""Calls of tools: what they ask for, and recorded answers addressed to another call.

Rules of living here: what crosses the wire again does so byte for byte but for the id.
"""

from __future__ import annotations

import json
from typing import Any, Mapping

from evi_harness.json_dialects.json_messages import in_one_order
from evi_harness.session.events import TEXT, Frame
from evi_harness.session.json_places import top_level_strings

__all__ = ["readdressed", "text_of_call"]


def readdressed(answer: Frame, call_id: Any) -> Frame:
    """A tool_response or tool_error with the id of another call.

    Args:
        answer: A sent frame with a ``tool_call_id``; one that has none comes back as it is.
        call_id: The id of the call that is to be answered; where it is not a string, neither is there anything to address.
    """
    if not isinstance(call_id, str):
        return answer
    # A name that stands twice counts where it stands last.
    place = next(((start, stop) for name, start, stop in reversed(list(top_level_strings(answer.payload))) if name == "tool_call_id"), None)
    if place is None:
        return answer
    start, stop = place
    return Frame(TEXT, answer.payload[:start] + json.dumps(call_id)[1:-1].encode() + answer.payload[stop:])


def text_of_call(fields: Mapping[str, Any]) -> str:
    """What a tool_call asks for: ``NAME PARAMETERS``, the parameters with sorted names where they are JSON.

    Args:
        fields: The message's fields.
    """
    return f"{fields.get('name')} {in_one_order(fields.get('parameters'))}"
