from __future__ import annotations

import contextvars
import functools
import threading

import pytest

from evi_harness.clocks.jobs import Jobs, name_of


def work() -> None:
    """Do nothing."""


class Worker:
    def __call__(self) -> None:
        pass

    def method(self) -> None:
        pass


NAMES = [
    (work, "work"),
    (functools.partial(work, 1), "work"),
    (functools.partial(contextvars.copy_context().run, work, 1), "work"),
    (functools.partial(contextvars.copy_context().run, functools.partial(work)), "work"),
    (Worker().method, "Worker.method"),
    (Worker(), "Worker"),
]


@pytest.mark.parametrize(("call", "name"), NAMES, ids=range(len(NAMES)))
def test_a_job_is_named_by_what_it_calls(call, name):
    """Partial calls and those of asyncio.to_thread are named by what is below them."""
    assert name_of(call) == f"{__name__}.{name}"


def test_a_callable_without_a_module_is_named_all_the_same():
    """A builtin method has a name and no module."""
    assert name_of([].append) == "list.append"


def test_jobs_hold_until_they_are_done():
    """Without jobs nothing holds; with one, until it is no longer out."""
    jobs, out = Jobs(), {"a"}
    assert not jobs.holding()
    jobs.add("a", lambda: "a" in out)
    assert jobs.holding()
    assert jobs.any_out()
    out.clear()
    assert not jobs.holding()
    assert not jobs.any_out()


def test_what_is_done_is_not_given_up():
    """A job that ended while somebody waited for it in vain is not overdue."""
    jobs, out = Jobs(), {"a", "b"}
    for name in "ab":
        jobs.add(name, lambda name=name: name in out)
    out.remove("a")
    jobs.give_up()
    assert jobs.overdue == ["b"]


def test_jobs_may_be_added_from_any_thread():
    """Each is counted, while the loop asks."""
    jobs, out = Jobs(), {"a"}

    def add():
        for _ in range(500):
            jobs.add("a", lambda: bool(out))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        jobs.holding()
    jobs.give_up()
    assert len(jobs.overdue) == 2000


def test_jobs_that_are_given_up_hold_no_longer_but_are_still_out():
    """Giving up concerns the jobs that are out now, and names them in order; later ones hold again."""
    jobs, out = Jobs(), {"a", "b", "c"}
    for name in "ab":
        jobs.add(name, lambda name=name: name in out)
    jobs.give_up()
    assert not jobs.holding()
    assert jobs.any_out()
    jobs.add("c", lambda: "c" in out)
    assert jobs.holding()
    assert jobs.overdue == ["a", "b"]
    out.clear()
    assert not jobs.any_out()
