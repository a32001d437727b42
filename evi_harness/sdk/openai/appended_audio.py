"""Audio that the app sends itself, recognised by its sender; then nobody else speaks for its user.

Rules of living here: what the app sends is sent as ever; only the one connection's own attributes are replaced.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, Callable, Optional

from evi_harness.carriers.acted_client import send_frame
from evi_harness.carriers.sends import Sends, sends_of
from evi_harness.guard.place_lookup import STEP, TURN
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.session.events import TEXT, Frame
from evi_harness.session.protocols import SENT

__all__ = ["AppendedAudio"]

# What stands in every message with audio, so that no other is read.
_APPENDS = "input_audio_buffer"


class AppendedAudio:
    """Watches one connection for audio of the app's own.

    Args:
        found: Called once, before the first frame of the app's own audio is sent.
    """

    def __init__(self, found: Callable[[], object]) -> None:
        self._found = found
        self._has_come = False
        self._reader = OPENAI_REALTIME.reader()
        self._sends: Optional[Sends] = None

    def watch(self, websocket: Any) -> None:
        """Watch a connection of the websockets library; what watches or records it besides is to be there already."""
        self._sends = sends_of(websocket)
        self._sends.refuse(self._looked_at)

    def restore(self) -> None:
        """Watch no longer."""
        if self._sends is not None:
            self._sends.leave(self._looked_at)

    def _looked_at(self, message: Any) -> bool:
        """Look at what is about to be sent. It is sent in any case."""
        if not self._has_come and self._is_audio(message) and not _is_of_the_recording():
            self._has_come = True
            self._found()
        return False

    def _is_audio(self, message: Any) -> bool:
        if isinstance(message, str):
            frame = Frame(TEXT, message.encode("utf-8", "surrogatepass"))
            return _APPENDS in message and self._reader.read(SENT, frame) is not None
        return isinstance(message, (bytes, bytearray, memoryview))


def _is_of_the_recording() -> bool:
    """Whether it is the recorded audio that is being sent: who sends it stands below."""
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None and frame.f_code is not STEP and frame.f_code is not TURN:
        if frame.f_code is send_frame.__code__:
            return True
        frame = frame.f_back
    return False
