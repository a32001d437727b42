from __future__ import annotations

import functools
import time

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.virtual import run_virtual
from evi_harness.session.events import Handshake
from evi_harness.session.notes import PLAYBACK_STALL
from evi_harness.watch.blocked import BlockedNotes

MS = 1_000_000


def noted(*steps, threshold_ns=100 * MS):
    """What is noted of steps that each make some charges: (milliseconds, where) or (milliseconds, where, kind)."""
    notes = []

    async def main(loop):
        journal = Journal(loop)
        journal.opened(Handshake("/"))
        notes.append(BlockedNotes(journal, lambda: 7, threshold_ns))

        def step(charges):
            for took_ms, *rest in charges:
                loop.charge(took_ms * MS, *rest)

        for number, charges in enumerate(steps):
            loop.call_at_ns(number * 1000 * MS, functools.partial(step, charges))
        over = loop.create_future()
        loop.call_at_ns(10_000 * MS, lambda: over.set_result(None))
        await over
        return [event for event in journal.events if event.kind == "note"]

    def charged(charge):
        notes[0].charged(charge_loop[0], charge)

    charge_loop = []

    async def keeping(loop):
        charge_loop.append(loop)
        return await main(loop)

    return [(note.name, note.of, note.data["blocked_ns"] // MS, note.data["detail"]) for note in run_virtual(keeping, on_charge=charged)]


def test_what_one_step_was_charged_counts_together():
    """Sixty and fifty milliseconds of one step are over the threshold, each in its own step they are not."""
    assert noted([(60, "a"), (50, "b")]) == [("blocked", 7, 110, ["b"])]
    assert noted([(60, "a")], [(50, "b")]) == []


def test_each_kind_of_charge_counts_by_itself():
    """What the SDK's playback blocked is noted as that, and is not the doing of the handler that has an event just now."""
    step = [(150, "line", PLAYBACK_STALL), (120, "sleep"), (50, "line", PLAYBACK_STALL)]
    assert noted(step) == [("playback_stall", None, 200, []), ("blocked", 7, 120, [])]


def test_a_sleep_of_the_apps_is_blocked():
    """Without a word of its kind."""
    notes = []

    async def main(loop):
        journal = Journal(loop)
        journal.opened(Handshake("/"))
        notes.append((BlockedNotes(journal, lambda: None), loop))
        time.sleep(0.5)  # noqa: ASYNC251 - that is what is to be seen
        over = loop.create_future()
        loop.call_at_ns(1000 * MS, lambda: over.set_result(None))
        await over
        return [event.name for event in journal.events if event.kind == "note"]

    assert run_virtual(main, on_charge=lambda charge: notes[0][0].charged(notes[0][1], charge)) == ["blocked"]
