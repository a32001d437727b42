"""What the page is made of, read: colours that can be told from what they are drawn on, and no way for text to become markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict

import pytest

ASSETS = Path(__file__).parents[2] / "evi_harness" / "assets" / "page"
STYLE = (ASSETS / "page.css").read_text(encoding="utf-8")
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(ASSETS.glob("*.js"))}
# WCAG 2: shapes that mean something need 3 : 1, text 4.5 : 1.
SHAPE, TEXT = 3.0, 4.5

# (what is drawn, on what, how, at least)
CONTRASTS = [
    ("user", "surface", "waveform, message sent, density", SHAPE),
    ("user", "band", "waveform on its row", SHAPE),
    ("heard", "surface", "waveform, message received", SHAPE),
    ("heard", "band", "waveform on its row", SHAPE),
    ("arrived", "band", "waveform on its row", SHAPE),
    ("tool", "surface", "span of a tool call, its word in the transcript", TEXT),
    ("tool", "tool-tint", "what of a tool call is the app's", SHAPE),
    ("interruption", "band", "interruption", SHAPE),
    ("handling", "band", "handler at work", SHAPE),
    ("waiting", "band", "handler that waits, hatched", SHAPE),
    ("error", "band", "blocked loop, tool call without an answer, mark", SHAPE),
    ("warning", "band", "late event, mark", SHAPE),
    ("head", "surface", "play head", SHAPE),
    ("head", "band", "play head on a row", SHAPE),
    ("edge", "surface", "border of a button", SHAPE),
    ("ink", "user-tint", "words of a turn", TEXT),
    ("ink", "heard-tint", "words of a turn", TEXT),
    ("ink", "tool-tint", "name of a tool", TEXT),
    ("ink", "surface", "text", TEXT),
    ("ink", "band", "text", TEXT),
    ("ink", "error-tint", "line of source", TEXT),
    ("ink", "warning-tint", "notice", TEXT),
    ("muted", "surface", "ruler, captions", TEXT),
    ("muted", "band", "captions", TEXT),
    ("muted", "page", "facts", TEXT),
    ("accent", "surface", "links, times", TEXT),
    ("accent", "band", "links, times", TEXT),
    ("surface", "accent", "the play button", TEXT),
    ("surface", "error", "number of a mark", TEXT),
    ("surface", "warning", "number of a mark", TEXT),
    ("error", "surface", "no answer, on the canvas", TEXT),
    ("error", "error-tint", "verdict", TEXT),
    ("good", "page", "verdict", TEXT),
    ("user", "surface", "who speaks", TEXT),
    ("user", "band", "who speaks", TEXT),
    ("heard", "surface", "who speaks", TEXT),
    ("heard", "band", "who speaks", TEXT),
    ("tool", "band", "who speaks", TEXT),
    ("warning", "surface", "a character that is not shown", TEXT),
    *[
        (f"owner-{owner}", "surface", "part of a latency", SHAPE)
        for owner in ("service", "setting", "app", "network", "service-and-network")
    ],
]


def colours(block: str) -> Dict[str, str]:
    """The colours of a block of the style sheet, by name."""
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def schemes() -> Dict[str, Dict[str, str]]:
    """The colours of each scheme: the first block of them is the light one, the second what is other in the dark."""
    blocks = re.findall(r":root[^{]*\{([^}]*--page:[^}]*)\}", STYLE)
    light, dark = map(colours, blocks)
    return {"light": light, "dark": {**light, **dark}}


def luminance(colour: str) -> float:
    """WCAG's relative luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return sum(share * one for share, one in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(one: str, other: str) -> float:
    """WCAG's ratio."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_ratio_itself() -> None:
    """Black on white is 21, and nothing on itself is 1; a grey that WCAG quotes is 4.48."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("drawn", "on", "what", "least"), CONTRASTS)
def test_contrast(scheme: str, drawn: str, on: str, what: str, least: float) -> None:
    """What is drawn can be told from what it is drawn on."""
    found = schemes()[scheme]
    assert contrast(found[drawn], found[on]) >= least, what


def test_every_colour_of_the_canvas_is_held() -> None:
    """The canvas has no colour but those by name, and each that is drawn with is in the table above."""
    named = set(re.findall(r"'([\w-]+)'", re.search(r"CANVAS_COLOURS = \[(.*?)\]", SCRIPTS["palette.js"], re.DOTALL)[1]))
    grounds = {"surface", "band", "line"} | {name for name in named if name.endswith("-tint")}
    assert named - grounds <= {drawn for drawn, _, _, _ in CONTRASTS}
    assert named <= set(schemes()["light"])
    for name, script in SCRIPTS.items():
        assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=['\"])|rgba?\(|hsl\(", script) == [], name


@pytest.mark.parametrize("name", SCRIPTS)
def test_text_stays_text(name: str) -> None:
    """No script makes markup, code or a request of a text."""
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|\beval\(|new Function|"
        r"fetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|import\(|importScripts|localStorage|['\"]style['\"]"
    )
    code = re.sub(r"//[^\n]*|/\*.*?\*/", "", SCRIPTS[name], flags=re.DOTALL)
    assert re.findall(forbidden, code) == []
