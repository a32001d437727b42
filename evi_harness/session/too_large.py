"""A close with 1009 in words: which message was too large, its size, and the limit.

Libraries say it in the close frame's reason, each in its own words, or not at all; then the message is the first that is larger than what
is known to be taken.

Rules of living here: what is not known is not made up: a message that never became an event has no name.
"""

from __future__ import annotations

import re
from typing import Callable, Optional, Sequence, Union

from evi_harness.session.events import Closed, Event, Received, Sent

__all__ = ["TOO_LARGE", "too_large"]

TOO_LARGE = 1009

# "frame with 2000 bytes exceeds limit of 1000 bytes", "over size limit (2000 > 1000 bytes)", "Message size 2000 exceeds limit 1000".
_SIZE = re.compile(r"(?:with|size|\() ?(\d{1,18})(?= bytes exceeds| exceeds| >)")
_LIMIT = re.compile(r"(?:limit(?: of)?|>) (\d{1,18})")


def too_large(
    closed: Optional[Closed], events: Sequence[Event], say: Callable[[Union[Sent, Received]], str], limits: Sequence[int]
) -> Optional[str]:
    """Say what a close with 1009 was about, in half a sentence.

    Args:
        closed: How the conversation ended.
        events: Its events, in order; the message may be among them, or have been refused before it was one.
        say: Says what a message says, in a line.
        limits: How large a message may be, as far as that is known: see ``Dialect.message_limits``.

    Returns:
        What was too large; None for any other end.
    """
    if closed is None or closed.code != TOO_LARGE:
        return None
    taker = "the app" if closed.by == "app" else "the service"
    size, limit = _number(_SIZE, closed.reason), _number(_LIMIT, closed.reason)
    kind = Received if closed.by == "app" else Sent
    # Whoever meets one that is too large reads no further.
    message = next((one for one in events if isinstance(one, kind) and one.frame.size > (limit or limits[0])), None)
    if message is not None:
        size = message.frame.size
        limit = limit or max(one for one in limits if one < size)
    what = "a message" if message is None else f"{say(message)} (#{message.seq})"
    has = f"{what} of {size} bytes" if size is not None else what
    return f"{has} is too large: {taker} takes {limit} bytes" if limit is not None else f"{has} is too large for {taker}"


def _number(pattern: re.Pattern[str], reason: str) -> Optional[int]:
    found = pattern.search(reason)
    return None if found is None else int(found[1])
