"""Tests of evi_harness.pages.page_file."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

from evi_harness.pages.page_file import PageAssets, island, page_parts

ASSETS = PageAssets("<a>{{csp}}|{{title}}|<style>{{style}}</style>|{{data}}|<script>{{script}}</script>", "p { }", "go()")
EVIL = "</script><script>alert(1)</script><!-- & \u2028 \u202e {{script}} \ud800"


def test_what_a_session_says_can_end_no_element():
    """Data are ASCII without what HTML acts on, and come out as they went in."""
    text = island({"said": EVIL})
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"said": EVIL}
    with pytest.raises(ValueError, match="not JSON compliant"):
        island(float("nan"))


def test_a_page_has_its_parts_in_their_places():
    """Title escaped, data with the sounds last, and what looks like a place within the data left alone."""
    sound = bytes(range(256)) * 4000
    page = "".join(page_parts({"title": EVIL, "x": 1}, {"s1": ("audio/ogg; codecs=vorbis", sound), "s2": ("audio/flac", b"")}, ASSETS))
    csp, title, style, data, script = page.split("|")
    assert "<script>" not in title
    assert (style, script) == ("<style>p { }</style>", "<script>go()</script>")
    told = json.loads(data)
    assert (told["title"], told["x"], list(told)[-1]) == (EVIL, 1, "sounds")
    assert told["sounds"] == {
        "s1": f"data:audio/ogg;codecs=vorbis;base64,{base64.b64encode(sound).decode()}",
        "s2": "data:audio/flac;base64,",
    }
    assert csp.startswith("<a>default-src &#x27;none&#x27;;")


def test_only_our_own_style_and_script_may_run():
    """The policy has the digests of both, and lets nothing else be loaded than data."""
    policy = ASSETS.policy()
    for kind, text in (("style", "p { }"), ("script", "go()")):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not re.search(r"unsafe|https?:|\*|blob:|'self'", policy)


def test_a_template_without_a_place_is_refused():
    """Ours is in the package, and a test of the act puts it together."""
    with pytest.raises(ValueError, match="no place"):
        list(page_parts({"title": ""}, {}, PageAssets("{{csp}}{{title}}{{style}}{{script}}", "", "")))
