"""Tests of evi_harness.acts.paging.page_folder."""

from __future__ import annotations

from evi_harness.acts.paging.page_folder import PageNames


def test_names_differ_in_more_than_case():
    """Some file systems take the one for the other; the first keeps its name as it is, and no page is the index."""
    names = PageNames()
    assert [names.file(name) for name in ("Demo", "demo", "DEMO", "Index")] == ["Demo.html", "demo-2.html", "DEMO-3.html", "Index-2.html"]
