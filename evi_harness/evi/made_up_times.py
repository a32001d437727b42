"""Make up times for a wire capture without any: the server messages of a session, in their order.

Nothing is known of when they came but what they say themselves, so the times are made up from that and are marked as such: a final
user_message comes when its speech has ended and EVI's end-of-turn silence has passed; a sentence comes when the one before it has been
played; an interruption comes at the time it gives, if that is one of the session's; the end of a reply comes when its audio has been
played. Time never goes back.

Rules of living here: a made-up time is never finer than what it is made of, and every constant that replaces something unknown is in
``ASSUMED``, which the header of the imported session repeats.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from evi_harness.evi.reading import read
from evi_harness.session.events import Frame
from evi_harness.session.protocols import RECEIVED, Message
from evi_harness.session.wav import split

__all__ = ["ASSUMED", "given_ids", "implausible", "synthesised_times"]

_MS = 1_000_000
# A chat ends after half an hour at the latest: timeouts.max_duration in EVI's configurations. Whoever resumes one begins anew.
_LONGEST_CHAT_MS = 4 * 1800 * 1000
# Of all that stands in one file, by the sound in it: one number, such as a rate, must not make days.
_LONGEST_NS = 24 * 3600 * 1000 * _MS

# EVI's default: turn_detection.end_of_turn_silence_ms in the SDK's types.
ASSUMED: Mapping[str, int] = {"end_of_turn_silence_ms": 800}


def synthesised_times(frames: Sequence[Frame]) -> List[int]:
    """A time for each frame, in nanoseconds since the opening; never before the one before it.

    Args:
        frames: The received frames of one session, in order.
    """
    times: List[int] = []
    now_ns, played_ns = 0, 0
    for frame in frames:
        message = read(RECEIVED, frame)
        hint_ns = _hint_ns(message, played_ns)
        now_ns = max(now_ns, hint_ns)
        if message.type == "audio_output":
            played_ns = max(now_ns, played_ns) + _length_ns(message)
        elif message.type == "user_interruption":
            # What was still to be played is not.
            played_ns = now_ns
        times.append(now_ns)
    return times


def implausible(frames: Sequence[Frame], times: Sequence[int]) -> Optional[Tuple[int, str]]:
    """The first frame whose time cannot be, and why; None where all can.

    Args:
        frames: As of ``synthesised_times``.
        times: What that gave.

    Returns:
        The index of the frame, and a sentence.
    """
    for index, (frame, at_ns) in enumerate(zip(frames, times)):
        # Nearly every time is early, and then nothing in the message is beyond.
        end_ms = _end_ms(read(RECEIVED, frame)) if at_ns > _LONGEST_CHAT_MS * _MS else 0
        if end_ms > _LONGEST_CHAT_MS:
            hours = f"{end_ms / 3_600_000:.1f} hours" if end_ms < 2**63 else "ages"
            return index, f"this message says that its speech ended {hours} after the chat began, and a chat lasts half an hour at most"
        if at_ns > _LONGEST_NS:
            return index, "this message comes more than a day after the first, by the length of the audio before it"
    return None


def given_ids(message: Message) -> Dict[str, str]:
    """The ids that the service gives the session in a received message, by name: in chat_metadata."""
    if message.type != "chat_metadata":
        return {}
    return {name: message.fields[name] for name in ("chat_id", "chat_group_id") if isinstance(message.fields.get(name), str)}


def _hint_ns(message: Message, played_ns: int) -> int:
    if message.type == "user_message":
        end_ms = _end_ms(message)
        silence_ms = 0 if message.fields.get("interim") is True else ASSUMED["end_of_turn_silence_ms"]
        return (end_ms + silence_ms) * _MS if end_ms else 0
    if message.type == "user_interruption":
        # EVI gives milliseconds or a Unix time; the latter lies beyond any session.
        time_ms = _whole(message.fields, "time")
        return time_ms * _MS if time_ms < _A_DAY_MS else 0
    return played_ns if message.type in ("assistant_message", "assistant_end") else 0


def _end_ms(message: Message) -> int:
    return _whole(message.fields.get("time"), "end") if message.type == "user_message" else 0


_A_DAY_MS = 24 * 60 * 60 * 1000


def _whole(fields: Any, name: str) -> int:
    value = fields.get(name) if isinstance(fields, Mapping) else None
    return value if isinstance(value, int) and value > 0 else 0


def _length_ns(message: Message) -> int:
    data = message.fields.get("data")
    if not isinstance(data, str):
        return 0
    try:
        wav = split(base64.b64decode(data))
    except (binascii.Error, ValueError):
        return 0
    return 0 if wav is None else wav.pcm.length_ns(len(wav.samples))
