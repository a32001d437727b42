"""Tests of evi_harness.guard.forks."""

from __future__ import annotations

import os
import threading

import pytest

from evi_harness.guard.forks import STATUS, ForkedChildren, end_if_forked

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def forked(act):
    """Where children came back that an act forks."""
    with ForkedChildren() as children:
        act()
        return children.came_back()


def test_a_child_that_comes_back_ends_and_says_where_it_was_forked():
    """Once for each place; with a status of its own."""
    statuses = []

    def act():
        for _ in range(2):
            child = os.fork()
            # What only the run comes to: in the parent nothing happens.
            end_if_forked()
            statuses.append(os.WEXITSTATUS(os.waitpid(child, 0)[1]))

    (stack,) = forked(act)
    assert (stack[0][0], stack[0][2]) == (__file__, "act")
    assert statuses == [STATUS, STATUS]


def test_a_child_that_does_its_work_and_ends_is_not_told():
    """Nor one that runs a program, nor a child of another thread of the process."""
    go, done = threading.Event(), []

    def of_another():
        go.wait()
        child = os.fork()
        if not child:
            end_if_forked()
            os._exit(5)
        done.append(os.WEXITSTATUS(os.waitpid(child, 0)[1]))

    thread = threading.Thread(target=of_another)
    thread.start()

    def act():
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        program = os.fork()
        if not program:
            os.execv("/bin/sh", ["sh", "-c", "exit 0"])
        os.waitpid(program, 0)
        go.set()
        thread.join()

    assert forked(act) == []
    assert done == [5]


def test_children_that_stay_are_not_waited_for():
    """A parent waits for what is left only as long as it is told to."""
    held, release = os.pipe()
    with ForkedChildren() as children:
        child = os.fork()
        if not child:
            os.close(release)
            os.read(held, 1)
            os._exit(0)
        assert children.came_back(timeout_s=0) == []
    os.close(release)
    os.waitpid(child, 0)
    os.close(held)


def test_without_a_run_nothing_happens():
    """A process may fork as it likes."""
    child = os.fork()
    if not child:
        end_if_forked()
        os._exit(3)
    assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 3
