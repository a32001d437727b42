"""Begin a run in an app's own process: called at Python's start, before any code of the app's."""

from __future__ import annotations

from evi_harness.injected.own_descriptors import keep_open
from evi_harness.runs.app_channel import PointedPlan, Reports, read_plan

__all__ = ["begin_in"]


def begin_in(channel: str) -> None:
    """Begin.

    Args:
        channel: The file descriptors of reports and plan, as the environment has them.
    """
    pipe, number = map(int, channel.split(","))
    keep_open((pipe, number))
    plan = read_plan(number)
    if isinstance(plan, PointedPlan):
        from evi_harness.injected.pointing import point

        point(plan, Reports(pipe, number, ends_alone=False), channel)
    else:
        from evi_harness.injected.app_run import AppRun

        AppRun(plan, Reports(pipe, number), channel).begin()
