from __future__ import annotations

from evi_harness.live.hooks import Hooks


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
