"""The environment variables of a process, all at one moment.

``dict(os.environ)`` and ``os.environ.items()`` first list the names, then look each up; a variable that another thread takes away in
between is a KeyError. numpy takes two away at the end of its import, and so may an app at any time.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, Optional

__all__ = ["decoded", "kept_variables", "variables_in"]


def kept_variables(environment: Optional[Mapping[Any, Any]] = None) -> Dict[Any, Any]:
    """A copy of an environment as Python keeps it, made in one step, which no other thread gets into.

    Enough to see whether anything has changed: asked for by name, each variable is coded and decoded again, which took a run 0.1 ms.

    Args:
        environment: None for that of this process. A mapping of an app's is copied as it is.
    """
    environment = os.environ if environment is None else environment
    return dict(getattr(environment, "_data", environment) if isinstance(environment, os._Environ) else environment)


def decoded(kept: Mapping[Any, Any], environment: Optional[Mapping[Any, Any]] = None) -> Dict[Any, Any]:
    """What an environment gives for what ``kept_variables`` has copied of it: text, or bytes for ``os.environb``."""
    environment = os.environ if environment is None else environment
    if not isinstance(environment, os._Environ):
        return dict(kept)
    return {environment.decodekey(name): environment.decodevalue(value) for name, value in kept.items()}


def variables_in(environment: Optional[Mapping[Any, Any]] = None) -> Dict[Any, Any]:
    """A copy of an environment, None for that of this process."""
    return decoded(kept_variables(environment), environment)
