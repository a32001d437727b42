from __future__ import annotations

import gc
import threading
import weakref
from itertools import permutations
from types import ModuleType

import pytest

from evi_harness.guard.patches import Hooks, SharedHooks


class Thing:
    name = "of the class"


def test_what_was_replaced_is_put_back_latest_first():
    """Attributes of the object return, those of the class show through again, and other undoing runs in between."""
    thing, order = Thing(), []
    thing.own = 1
    hooks = Hooks()
    hooks.set(thing, "name", "replaced")
    hooks.on_restore(lambda: order.append(thing.name))
    hooks.set(thing, "own", 2)
    hooks.on_restore(lambda: order.append(thing.own))
    assert (thing.name, thing.own) == ("replaced", 2)
    hooks.restore()
    hooks.restore()
    assert (vars(thing), thing.name, order) == ({"own": 1}, "of the class", [2, "replaced"])


def test_what_somebody_else_replaced_since_stays():
    """A later owner's attribute is not touched."""
    thing = Thing()
    hooks = Hooks()
    hooks.set(thing, "name", "ours")
    thing.name = "theirs"
    hooks.restore()
    assert thing.name == "theirs"


def test_shared_hooks_are_there_while_anybody_is():
    """Set once, put back with the last; what is set asks who is there at each call."""
    thing, n_set_ups = Thing(), []
    shared = SharedHooks(lambda hooks: (n_set_ups.append(True), hooks.set(thing, "name", "replaced")))
    assert (list(shared), bool(shared), vars(thing)) == ([], False, {})
    for there in (["a"], ["a", "b"]):
        shared.join(there[-1])
        assert (list(shared), bool(shared), thing.name) == (there, True, "replaced")
    shared.leave("a")
    assert (list(shared), thing.name) == (["b"], "replaced")
    shared.leave("b")
    assert (list(shared), vars(thing)) == ([], {})
    shared.join("c")
    assert (thing.name, len(n_set_ups)) == ("replaced", 2)


def test_who_leaves_meanwhile_is_still_asked():
    """Iterating is over those of its moment, whatever they do."""
    shared = SharedHooks(id)
    shared.join("a")
    shared.join("b")
    seen = []
    for one in shared:
        shared.leave(one)
        seen.append(one)
    assert (seen, list(shared)) == (["a", "b"], [])


def adding(letter):
    """Makes a function that adds a letter to what it hands on to says."""
    return lambda real: lambda *args: real(*args) + letter


class Speaker:
    """Says something, by a method of its class."""

    def says(self):
        return "."


def a_module():
    """A module that says something."""
    module = ModuleType("says")
    module.says = lambda: "."
    return module


@pytest.mark.parametrize("make_owner", [Speaker, a_module, lambda: type("Quiet", (), {"says": lambda *_: "."})])
@pytest.mark.parametrize("order", list(permutations("abc")))
def test_layers_leave_in_any_order(make_owner, order):
    """Those above stay in force, those that have left do nothing, and what was there first comes back."""
    owner, hooks = make_owner(), {}
    before = dict(vars(owner))
    call = owner.says if isinstance(owner, Speaker) else None
    for letter in "abc":
        hooks[letter] = Hooks()
        hooks[letter].wrap(owner, "says", adding(letter))
    says = (lambda: owner().says()) if isinstance(owner, type) else (lambda: owner.says())
    assert says() == ".abc"
    left = "abc"
    for letter in order:
        hooks[letter].restore()
        left = left.replace(letter, "")
        assert says() == f".{left}"
    assert dict(vars(owner)) == before
    assert call is None or call() == "."


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_given_values_leave_in_any_order(order):
    """Entries of a table too: each shows through when all above it have gone."""
    table, hooks = {"it": "first"}, {}
    for letter in "abc":
        hooks[letter] = Hooks()
        hooks[letter].set_item(table, "it", letter)
        hooks[letter].set_item(table, "more", letter)
    left = ["first", *"abc"]
    for letter in order:
        assert table["it"] == left[-1]
        hooks[letter].restore()
        left.remove(letter)
    assert table == {"it": "first"}


def test_a_layer_under_somebody_elses_stays_and_does_what_it_may():
    """What is not ours is left alone, what stands above it is put back onto it, and what is below it is let be."""
    owner, below, above = Speaker(), Hooks(), Hooks()
    below.wrap(owner, "says", adding("a"))
    held = owner.says
    owner.says = theirs = lambda: held() + "x"
    above.wrap(owner, "says", adding("b"))
    below.restore()
    assert owner.says() == ".axb"
    above.restore()
    assert owner.says is theirs


def test_what_is_above_all_and_not_ours_holds_what_is_below():
    """A layer that leaves from below it is not taken out from under it, and those above the layer leave as ever."""
    owner, hooks = Speaker(), [Hooks(), Hooks()]
    for one, letter in zip(hooks, "ab"):
        one.wrap(owner, "says", adding(letter))
    held = owner.says
    owner.says = lambda: held() + "x"
    hooks[0].restore()
    assert owner.says() == ".abx"
    owner.says = held
    hooks[1].restore()
    assert "says" not in vars(owner)


def test_a_given_value_is_let_down_and_what_is_above_it_stays():
    """It hands on to what it was made with."""
    owner, hooks = Speaker(), [Hooks(), Hooks(), Hooks()]
    hooks[0].wrap(owner, "says", adding("a"))
    real = owner.says
    hooks[1].set(owner, "says", lambda: real() + "b")
    hooks[2].wrap(owner, "says", adding("c"))
    hooks[0].restore()
    assert owner.says() == ".abc"
    hooks[2].restore()
    hooks[1].restore()
    assert "says" not in vars(owner)


def test_what_is_replaced_in_an_object_goes_with_it():
    """Nothing of the registry keeps it, though nobody puts it back."""
    owner, hooks = Speaker(), Hooks()
    hooks.wrap(owner, "says", adding("a"))
    gone = weakref.ref(owner)
    del owner, hooks
    gc.collect()
    assert gone() is None


def test_threads_replace_and_put_back_at_once():
    """However they meet, each finds its own layer in force, and all is as before when the last has gone."""
    owner, barrier, wrong = a_module(), threading.Barrier(4), []
    before = dict(vars(owner))

    def replace(letter):
        barrier.wait()
        for _ in range(300):
            hooks = Hooks()
            hooks.wrap(owner, "says", adding(letter))
            if letter not in owner.says():
                wrong.append(letter)
            hooks.restore()

    threads = [threading.Thread(target=replace, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, dict(vars(owner))) == ([], before)


def test_what_can_never_be_put_back_is_set_once():
    """By the first that comes; one for whom it could not be set is not there, and the next tries again."""
    tried = []

    def for_good():
        tried.append(True)
        if len(tried) == 1:
            raise OSError

    shared = SharedHooks(set_for_good=for_good)
    with pytest.raises(OSError):
        shared.join("a")
    assert list(shared) == []
    for one in ("b", "c"):
        shared.join(one)
        shared.leave(one)
    shared.join("d")
    shared.join("e")
    assert (len(tried), list(shared), list(reversed(shared))) == (2, ["d", "e"], ["e", "d"])


@pytest.mark.parametrize("theirs", ["theirs", None])
def test_what_is_firm_is_put_back_over_somebody_elses(theirs):
    """Also where they have taken it away."""
    table, thing, hooks = {}, Thing(), Hooks()
    hooks.set_item(table, "it", "ours", is_firm=True)
    hooks.set(thing, "name", "ours", is_firm=True)
    if theirs is None:
        del table["it"], thing.name
    else:
        table["it"] = thing.name = theirs
    hooks.restore()
    assert (table, vars(thing)) == ({}, {})
