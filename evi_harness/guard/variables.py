"""The environment variables of a process, all at one moment.

``dict(os.environ)`` and ``os.environ.items()`` first list the names, then look each up; a variable that another thread takes away in
between is a KeyError. numpy takes two away at the end of its import, and so may an app at any time.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, Optional

__all__ = ["kept_variables", "variables_in"]


def kept_variables() -> Dict[Any, Any]:
    """Those of this process as Python keeps them: asked for by name, each is coded and decoded again, which took a run 0.1 ms."""
    return _kept_in(os.environ) or dict(os.environ)


def variables_in(environment: Optional[Mapping[Any, Any]] = None) -> Dict[Any, Any]:
    """A copy of an environment.

    Args:
        environment: None for that of this process. ``os.environb`` gives bytes, a mapping of an app's what is in it.
    """
    environment = os.environ if environment is None else environment
    kept = _kept_in(environment)
    if kept is None or not isinstance(environment, os._Environ):
        return dict(environment)
    return {environment.decodekey(name): environment.decodevalue(value) for name, value in kept.items()}


def _kept_in(environment: Mapping[Any, Any]) -> Optional[Dict[Any, Any]]:
    # A dict of bytes is copied in one step, which no other thread gets into.
    kept = getattr(environment, "_data", None) if isinstance(environment, os._Environ) else None
    return None if kept is None else dict(kept)
