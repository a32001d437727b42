"""Pickles between a process and its child that need none of the sender's files."""

from __future__ import annotations

import io
import pickle
from typing import Any

from evi_harness.session.events import Frame

__all__ = ["dumps"]


class _Pickler(pickle.Pickler):
    """Frames that stand in a folder are sent with what is in them."""

    def reducer_override(self, one: Any) -> Any:
        return (Frame, (one.opcode, one.payload)) if isinstance(one, Frame) else NotImplemented


def dumps(message: Any) -> bytes:
    """Pickle something for another process.

    Raises:
        PicklingError, AttributeError, TypeError: It cannot be pickled.
    """
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(message)
    return buffer.getvalue()
