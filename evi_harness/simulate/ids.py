"""The simulator's ids: valid where EVI's are, but recognisable.

A chat's ids are UUIDs that begin with the letters "simula" in ASCII, ``73696d75-6c61-``; a sentence's id is 32 hex digits that begin with
"simulator" so written; a tool call's begins with ``call_simulator_``. All follow from the seed.
"""

from __future__ import annotations

from random import Random
from uuid import UUID

__all__ = ["Ids", "is_simulated"]

_MARK = b"simula"
_SENTENCE_MARK = b"simulator".hex()


class Ids:
    """Gives ids.

    Args:
        seed: Two sessions of one seed have the same ids.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(f"ids {seed}")  # noqa: S311 - ids to tell apart, no secrets
        self.chat_group_id = self._uuid()
        self.chat_id = self._uuid()
        # EVI's has digits behind its UUID too.
        self.request_id = f"{self._uuid()}{self._random.randrange(10**7):07}"

    def sentence(self) -> str:
        """The id of the next sentence."""
        return f"{_SENTENCE_MARK}{self._random.getrandbits(56):014x}"

    def call(self) -> str:
        """The id of the next tool call."""
        return f"call_simulator_{self._random.getrandbits(48):012x}"

    def _uuid(self) -> str:
        return str(UUID(bytes=_MARK + self._random.getrandbits(80).to_bytes(10, "big"), version=4))


def is_simulated(chat_id: str) -> bool:
    """Whether the id of a chat or a chat group is the simulator's."""
    try:
        return UUID(chat_id).bytes.startswith(_MARK)
    except ValueError:
        return False
