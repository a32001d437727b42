"""A path as a caller may give it."""

from __future__ import annotations

import os
from typing import Union

__all__ = ["AnyPath"]

AnyPath = Union[str, os.PathLike[str]]
