"""The version, in one place: the build reads it from here, and so does everything that reports it."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.2.0"
