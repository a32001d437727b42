"""Audio that the app sends itself, recognised by its sender, and what is silenced when it comes.

An app whose audio comes from elsewhere than a microphone (a bridge, a plugin of a framework, a raw client) sends it itself. Then the other
sources of the user's audio, the SDK's microphone or the recorded audio, are silent.

Rules of living here: what the app sends is sent as ever; only the one connection's own attributes are replaced. What comes out of the SDK's
microphone is the microphone's, whoever opened it.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from types import CodeType, FrameType
from typing import Any, Callable, Optional

from evi_harness.carriers.acted_client import send_frame
from evi_harness.carriers.sends import Sends, sends_of
from evi_harness.evi.dialect import EVI
from evi_harness.guard.place_lookup import STEP, TURN
from evi_harness.sdk.hume.microphone import AUDIO_FOLDER
from evi_harness.sdk.user_voice import UserVoice
from evi_harness.session.events import TEXT, Frame
from evi_harness.session.protocols import SENT

__all__ = ["OwnAudio"]

# Who may have called the connection's ``send``.
_APP, _MICROPHONE, _VOICE = "the app", "the SDK's microphone", "the recorded audio"


class OwnAudio:
    """Watches one connection for audio of the app's own, and keeps the SDK's microphone from being sent once its voice is off.

    Args:
        voice: Who speaks besides.
        found: Called once, before the first frame of the app's own audio is sent.
    """

    def __init__(self, voice: UserVoice, found: Callable[[], object]) -> None:
        self._voice = voice
        self._found = found
        self._has_come = False
        # The task in which the SDK's microphone runs, once it has sent.
        self._microphones: Any = None
        self._reader = EVI.reader()
        self._sends: Optional[Sends] = None

    def watch(self, websocket: Any) -> None:
        """Watch a connection of the websockets library; what watches or records it besides is to be there already."""
        self._sends = sends_of(websocket)
        self._sends.refuse(self._is_silenced)

    def restore(self) -> None:
        """Watch no longer."""
        if self._sends is not None:
            self._sends.leave(self._is_silenced)

    def _is_silenced(self, message: Any) -> bool:
        """Look at what is about to be sent; whether it is not to be."""
        is_binary = isinstance(message, (bytes, bytearray, memoryview))
        if not is_binary and not isinstance(message, str):
            # A message in fragments is none that EVI knows.
            return False
        if self._has_come:
            return is_binary and self._voice.is_off and self._voice.has_begun and self._sender() == _MICROPHONE
        if (is_binary or self._is_audio(message)) and self._sender() == _APP:
            self._has_come = True
            self._found()
        return False

    def _is_audio(self, message: str) -> bool:
        return self._reader.read(SENT, Frame(TEXT, message.encode("utf-8", "surrogatepass"))) is not None

    def _sender(self) -> str:
        """Who makes the call of ``send`` that is served now: who began it, whatever stands between, such as a wrapper of the app's own.

        What is neither the microphone's nor ours is the app's, also in a task in which nothing but the SDK is.
        """
        # Outside of a loop, as on a thread of the app's, there is none.
        task = None if asyncio._get_running_loop() is None else asyncio.current_task()
        # The SDK runs its microphone in a task of its own, at the bottom of which it stands. Asked for each frame, so the task is
        # remembered: a look at a coroutine or at the stack is an audit event, for which the guard of the network is called.
        if task is not None and task is self._microphones:
            return _MICROPHONE
        if task is not None and _is_microphones(getattr(task.get_coro(), "cr_code", None)):
            self._microphones = task
            return _MICROPHONE
        frame: Optional[FrameType] = sys._getframe(1)
        while frame is not None and frame.f_code is not STEP and frame.f_code is not TURN:
            if frame.f_code is send_frame.__code__:
                return _VOICE
            if _is_microphones(frame.f_code):
                return _MICROPHONE
            frame = frame.f_back
        return _APP


@functools.cache
def _is_microphones(code: Optional[CodeType]) -> bool:
    return code is not None and AUDIO_FOLDER in code.co_filename
