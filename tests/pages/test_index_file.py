"""Tests of evi_harness.pages.index_file."""

from __future__ import annotations

import re

from evi_harness.pages.index_file import FAILED, NO_PAGE, PASSED, Indexed, index_page


def test_what_failed_comes_first_and_what_has_no_page_has_no_link():
    """Among those of one state the order stays."""
    rows = [
        Indexed("a", "passed", PASSED, "a.html"),
        Indexed("b", "could not run", NO_PAGE),
        Indexed("c", "failed: 1 finding", FAILED, "c.html"),
        Indexed("d", "failed: 2 findings", FAILED, "d.html"),
    ]
    text = index_page("Replays", rows)
    assert re.findall(r"<tr><td>(?:<a href=\"(.*?)\">)?(\w)", text) == [("c.html", "c"), ("d.html", "d"), ("", "b"), ("a.html", "a")]
    assert "4 pages, 3 failed" in text


def test_names_are_text_and_files_are_addresses():
    """Whatever a session or a test is called."""
    evil = "</title><script>alert(1)</script>&\u202e"
    text = index_page(evil, [Indexed(evil, evil, PASSED, 'a b"<#?.html')])
    assert "<script" not in text
    assert text.isascii()
    assert 'href="a%20b%22%3C%23%3F.html"' in text
    assert "default-src &#x27;none&#x27;" in text
