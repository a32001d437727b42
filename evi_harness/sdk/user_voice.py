"""Who speaks for the user besides the app: the SDK's microphone, the recorded audio, or nobody, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

from evi_harness.errors import UsageError

__all__ = [
    "AUTO",
    "HANDLERS_TURN_NS",
    "MICROPHONES",
    "OFF",
    "RECORDED_AUDIO",
    "SDK",
    "SDKS_MICROPHONE",
    "Microphone",
    "Silenced",
    "UserVoice",
    "require_microphone",
]

# Who speaks for the user: the SDK's microphone until the app sends audio of its own; it, whatever the app sends; the app alone.
AUTO, SDK, OFF = "auto", "sdk", "off"
MICROPHONES = (AUTO, SDK, OFF)

# How long a handler that opens the microphone itself has for it at least, once on_open and set_socket have returned.
HANDLERS_TURN_NS = 3_000_000


@dataclass
class UserVoice:
    """Who speaks for the user besides the app: the SDK's microphone, or the recorded audio.

    Attributes:
        is_off: Whether it is to be silent, from the start or from now on.
        has_begun: Whether it has spoken, or is about to.
    """

    is_off: bool = False
    has_begun: bool = False


@dataclass(frozen=True)
class Microphone:
    """The microphone of an app whose ``main`` opens it.

    Attributes:
        begins_ns: When it is opened, in session time.
        is_open: Whether somebody listens to it: a handler may have opened it itself.
        voice: Whether it is off, so that what is in ``byte_strs`` is played and nothing is sent; and whether it has been opened.
        allow_user_interrupt: Whether it is sent while the assistant plays; None for the SDK's default.
    """

    begins_ns: int
    is_open: Callable[[], bool]
    voice: UserVoice
    allow_user_interrupt: Optional[bool] = None


def require_microphone(name: str) -> None:
    """Refuse what is none of ``MICROPHONES``.

    Raises:
        UsageError: It is invalid.
    """
    if name not in MICROPHONES:
        raise UsageError(f"there is no microphone {name!r}", hint=f"There are: {', '.join(MICROPHONES)}.")


@dataclass(frozen=True)
class Silenced:
    """What becomes of a voice when the app sends its own audio, as a sentence each.

    Attributes:
        unheard: It had not spoken by then.
        again: It had, and the app was run again without it.
    """

    unheard: str
    again: str
    _cut: str

    def cut(self, at_s: float) -> str:
        """It had spoken, and was silenced at a session time in seconds."""
        return f"{self._cut} at {at_s:.3f} s"


_OWN = "the app sends its own audio, so"
SDKS_MICROPHONE = Silenced(
    f"{_OWN} the SDK's microphone was not opened",
    f"{_OWN} it was run again with the SDK's microphone off",
    f"{_OWN} the SDK's microphone was switched off",
)
RECORDED_AUDIO = Silenced(
    f"{_OWN} the recorded audio was not sent",
    f"{_OWN} it was run again without the recorded audio",
    f"{_OWN} the recorded audio was cut off",
)
