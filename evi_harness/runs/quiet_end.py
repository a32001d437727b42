"""When a conversation is over whose microphone is a file: nothing has happened for a while behind the file and the last reply.

Rules of living here: time is given, never asked for. Where nobody could look, nothing was quiet.
"""

from __future__ import annotations

from typing import Optional

__all__ = ["LOOK_EVERY_S", "PATIENCE_S", "QUIET_S", "Quiet"]

# How long nothing is to happen.
QUIET_S = 3.0
# How long a reply that is owed or under way is waited for when nothing more comes.
PATIENCE_S = 30.0
LOOK_EVERY_S = 0.1


class Quiet:
    """Counts for how long it has been quiet, look by look."""

    def __init__(self) -> None:
        self._looked_s: Optional[float] = None
        self._quiet_s: Optional[float] = None

    def look(self, now_s: float, is_quiet: bool) -> float:
        """Look once more; gives for how long it has been quiet.

        Args:
            now_s: When, in seconds of any clock.
            is_quiet: Whether the file is over, nothing is played, and no reply is owed or under way.
        """
        earlier_s, self._looked_s = self._looked_s, now_s
        if not is_quiet:
            self._quiet_s = None
        elif self._quiet_s is None or earlier_s is None:
            self._quiet_s = 0.0
        else:
            # Where the process could not run meanwhile, what came then is still to be sent or played, and only the next look sees it: so
            # a look counts for no longer than a late one takes.
            self._quiet_s += min(now_s - earlier_s, 2 * LOOK_EVERY_S)
        return self._quiet_s or 0.0
