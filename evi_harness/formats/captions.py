"""A session as WebVTT captions with speakers, and as an Audacity label track.

Rules of living here: text of a session is data: what has a meaning in the form is escaped.
"""

from __future__ import annotations

from typing import Iterator, List, Sequence, Tuple

from evi_harness.formats.said_spans import Said, SaidSpan

__all__ = ["labels_text", "vtt_text"]

_VOICES = {"user": "User", "assistant": "Assistant"}
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MS_NS = 1_000_000


def vtt_text(said: Said, comment: str) -> str:
    """WebVTT captions: a cue for what each said, with its voice.

    Args:
        said: What was said.
        comment: What to say of the file, in one line.
    """
    return "".join(_vtt(said.spans, comment))


def _vtt(spans: Sequence[SaidSpan], comment: str) -> Iterator[str]:
    # No arrow may stand in a note, and none can in a cue, whose text is escaped.
    yield f"WEBVTT\n\nNOTE {comment.replace('-->', '->')}\n"
    for number, one in enumerate(spans, 1):
        # To the millisecond, and never empty.
        begin_ms = one.begin_ns // _MS_NS
        end_ms = max(begin_ms + 1, -(-one.end_ns // _MS_NS))
        yield f"\n{number}\n{_clock(begin_ms)} --> {_clock(end_ms)}\n<v {_VOICES[one.who]}>{one.text.translate(_ESCAPED)}</v>\n"


def _clock(at_ms: int) -> str:
    seconds, ms = divmod(at_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{ms:03}"


def labels_text(labels: Sequence[Tuple[int, int, str]]) -> str:
    """A label track of Audacity's: a line each, with tabs between the beginning, the end and the text.

    Args:
        labels: From when until when, in nanoseconds, and the text, in one line. One that ends where it begins is a point.
    """
    rows: List[Tuple[int, int, str]] = sorted(labels)
    return "".join(f"{begin_ns / 1e9:.6f}\t{end_ns / 1e9:.6f}\t{text}\n" for begin_ns, end_ns, text in rows)
