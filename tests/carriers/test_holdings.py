from __future__ import annotations

from evi_harness.carriers.holdings import Holdings


def opened(holdings, names):
    """A holding for each name, and the names of those that were cut off."""
    cut = []
    return {name: holdings.open(lambda name=name: cut.append(name)) for name in names}, cut


def test_who_holds_most_is_cut_off():
    """Whoever it was that took the last byte; what it held no longer counts."""
    holdings = Holdings(100)
    held, cut = opened(holdings, "abc")
    held["a"].change(60)
    held["b"].change(40)
    assert cut == []
    held["c"].change(1)
    assert (cut, holdings.n_bytes) == (["a"], 41)
    assert not held["a"].is_open


def test_one_that_takes_all_is_cut_off_itself():
    """And what others hold stays."""
    holdings = Holdings(100)
    held, cut = opened(holdings, "ab")
    held["a"].change(50)
    held["b"].change(1000)
    assert (cut, holdings.n_bytes) == (["b"], 50)


def test_what_is_let_go_makes_room():
    """Also all at once, when the connection is gone; once more changes nothing."""
    holdings = Holdings(100)
    held, cut = opened(holdings, "ab")
    held["a"].change(90)
    held["a"].change(-80)
    held["b"].change(80)
    held["b"].close()
    held["b"].close()
    held["b"].change(1000)
    held["a"].change(90)
    assert (cut, holdings.n_bytes) == ([], 100)
