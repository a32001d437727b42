"""Where the demo's conversation is: the script of the simulator, and the user's side of it as one file of sound."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ASSETS", "SCRIPT", "USER"]

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "demo"
SCRIPT = ASSETS / "conversation.toml"
USER = ASSETS / "user.flac"
