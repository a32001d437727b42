"""What an SDK's adapter says of an SDK that passes on everything: no message is misread, and no end is hidden."""

from __future__ import annotations

from typing import Any, Optional

from evi_harness.sdk.adapter import Misread

__all__ = ["HidesNothing"]


class HidesNothing:
    """Three members of ``sdk.adapter.Adapter``, where they are documented, for an SDK that hides nothing from its apps."""

    def hidden(self, message: Any) -> Optional[Misread]:  # noqa: ARG002 - the signature is Adapter's
        """None: what is parsed is as the message says, or refused."""
        return None

    def is_iterated(self) -> bool:
        """Never: only the end that an iteration hides depends on it."""
        return False

    def cut_off(self, error: BaseException) -> Optional[str]:  # noqa: ARG002 - the signature is Adapter's
        """None: the app gets what is raised."""
        return None
