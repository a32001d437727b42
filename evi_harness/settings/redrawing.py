"""Whether a terminal's last line can be redrawn; where it cannot be erased, each drawing would stay."""

from __future__ import annotations

import os
from typing import Mapping, Optional

__all__ = ["CI_VARIABLES", "can_redraw", "is_set"]

# What CI servers set, as pytest looks for it, and Azure's.
CI_VARIABLES = ("CI", "BUILD_NUMBER", "TF_BUILD", "GITHUB_ACTIONS")


def is_set(environment: Mapping[str, str], name: str) -> bool:
    """Whether a variable is there and says neither ``0`` nor ``false``."""
    return environment.get(name, "").lower() not in ("", "0", "false")


def can_redraw(environment: Optional[Mapping[str, str]] = None) -> bool:
    """Whether a line can be drawn in the place of the one before, given that there is a terminal.

    Args:
        environment: None for the process's own.
    """
    here = os.environ if environment is None else environment
    return here.get("TERM", "") not in ("", "dumb") and not any(is_set(here, name) for name in CI_VARIABLES)
