from __future__ import annotations

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
