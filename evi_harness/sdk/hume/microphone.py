"""The SDK's own microphone and playback, run as Hume's quickstart runs them, for a handler that leaves this to its ``main``.

Rules of living here: the SDK reads the microphone, says in which format it comes, sends, and plays; nothing of it is replaced but its word
to the terminal, and its microphone where that is to be off. Nothing of it is left running behind.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

from evi_harness.sdk.hume.installed_sdk import import_sdk
from evi_harness.session.wav import Pcm

__all__ = ["AUDIO_FOLDER", "microphone_settings", "microphone_trouble", "run_microphone", "run_playback"]

_AUDIO = "hume.empathic_voice.chat.audio"
AUDIO_FOLDER = str(Path(*_AUDIO.split(".")))


def microphone_settings(pcm: Pcm) -> Dict[str, Any]:
    """The message by which the SDK's microphone says in which format it comes.

    Args:
        pcm: The format.
    """
    audio = {"encoding": "linear16", "sample_rate": pcm.rate, "channels": pcm.channels}
    return {"type": "session_settings", "audio": audio}


def microphone_trouble() -> Optional[str]:
    """Why the installed SDK cannot run its microphone, None where it can. Ask while software sound is in place."""
    import_sdk()
    try:
        from hume import MicrophoneInterface  # noqa: F401
        from hume.empathic_voice.chat.audio import microphone
    except ImportError as error:
        return f"the installed SDK has no microphone: {error}"
    failed = getattr(microphone, "_FAILED_IMPORTS", [])
    missing = ", ".join(sorted({str(error.name) for error in failed}))
    return f"the SDK's microphone finds no {missing} (pip install 'hume[microphone]')" if failed else None


async def run_microphone(socket: Any, byte_strs: Any, allow_user_interrupt: Optional[bool]) -> None:
    """Run the SDK's ``MicrophoneInterface`` until it ends; it does so by raising, as a rule.

    Args:
        socket: The SDK's connection.
        byte_strs: What is played: the SDK's ``Stream[bytes]``, a WAV in each item; None for nothing.
        allow_user_interrupt: Whether the microphone is sent while the assistant plays; None for the SDK's default.

    Raises:
        ConnectionClosed: The connection was closed. That is how it ends in good order.
        Exception: Whatever microphone or playback raise.
    """
    from hume import MicrophoneInterface, Stream

    options = {} if allow_user_interrupt is None else {"allow_user_interrupt": allow_user_interrupt}
    stream = Stream.new() if byte_strs is None else byte_strs
    with _without_a_word():
        try:
            await MicrophoneInterface.start(socket, byte_stream=stream, **options)
        finally:
            await _end_what_is_left()


async def run_playback(socket: Any, byte_strs: Any) -> None:
    """Play what is in ``byte_strs`` as the SDK's ``MicrophoneInterface`` does, and send nothing, until it is cancelled.

    Args:
        socket: The SDK's connection.
        byte_strs: What is played, as for ``run_microphone``.

    Raises:
        Exception: Whatever playback raises.
    """
    from hume.empathic_voice.chat.audio.chat_client import ChatClient

    try:
        await ChatClient.new(sender=_NoSender(), byte_strs=byte_strs).run(socket=socket)
    finally:
        await _end_what_is_left()


class _NoSender:
    """The SDK's ``Sender`` of an app that has no microphone."""

    async def on_audio_begin(self) -> None:
        """Nothing is held back while something is played."""

    async def on_audio_end(self) -> None:
        """As above."""

    async def send(self, *, socket: Any) -> None:  # noqa: ARG002 - the signature is Sender's
        """Send nothing, for as long as it is waited for."""
        await asyncio.get_running_loop().create_future()


async def _end_what_is_left() -> None:
    """End the SDK's tasks that outlive the interface: playback goes on when the sender has failed, and the sender when playback has.

    There is one microphone, so all of these belong to the interface that has just ended.
    """
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task() and _is_sdks(task)]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left)


def _is_sdks(task: Any) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    # The sender of playback alone runs in a task that the SDK makes.
    return code is _NoSender.send.__code__ or AUDIO_FOLDER in getattr(code, "co_filename", "")


@contextmanager
def _without_a_word() -> Iterator[None]:
    """Keep from the terminal what the interface prints: nobody is to say something."""
    names = vars(sys.modules[f"{_AUDIO}.microphone_interface"])
    names["print"] = lambda *_, **__: None
    try:
        yield
    finally:
        del names["print"]
