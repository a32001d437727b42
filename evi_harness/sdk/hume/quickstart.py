"""The built-in handler: Hume's quickstart, printing what was said and the strongest emotions."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Tuple

__all__ = ["Quickstart", "top_emotions"]


class Quickstart:
    """Prints a transcript: who said what, with the three strongest emotions; tool calls, interruptions and errors.

    Args:
        write: Takes one line of text.
    """

    def __init__(self, write: Callable[[str], object] = print) -> None:
        self._write = write

    async def on_message(self, message: Any) -> None:
        """Print what a message says, if it says something to people."""
        line = self._line(message)
        if line:
            self._write(line)

    def _line(self, message: Any) -> str:
        kind = getattr(message, "type", "")
        if kind in ("user_message", "assistant_message"):
            if getattr(message, "interim", False):
                return ""
            who = "user" if kind == "user_message" else "assistant"
            return f"{who}: {message.message.content}{_emotions(message)}"
        if kind == "tool_call":
            return f"tool call: {message.name}({message.parameters})"
        if kind == "user_interruption":
            return "user interrupts"
        return f"error: {message.code} {message.slug}: {message.message}" if kind == "error" else ""


def top_emotions(message: Any, count: int = 3) -> List[Tuple[str, float]]:
    """The strongest emotions of a message, strongest first; empty where it has no scores."""
    prosody = getattr(getattr(message, "models", None), "prosody", None)
    scores = getattr(prosody, "scores", None)
    if scores is None:
        return []
    dump = getattr(scores, "model_dump", None) or scores.dict
    # The SDK's models keep unknown fields; only numbers are scores.
    values: Dict[str, float] = {name: value for name, value in dump().items() if isinstance(value, (int, float))}
    return sorted(values.items(), key=lambda item: -item[1])[:count]


def _emotions(message: Any) -> str:
    shown = ", ".join(f"{name.replace('_', ' ')} {score:.2f}" for name, score in top_emotions(message))
    return f"  [{shown}]" if shown else ""
