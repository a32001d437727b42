"""Accept the changes of an update, for one session or many, after somebody has seen them and agreed.

Rules of living here: what is written is what was shown; without agreement nothing is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Iterator, List, Tuple

from evi_harness.acts.corpus import accept_all
from evi_harness.acts.measured_runs import Replayed
from evi_harness.acts.replay import ReplayResult
from evi_harness.report.corpus_report import CorpusReport
from evi_harness.report.plain import printable

__all__ = ["accept_if_agreed"]


def accept_if_agreed(result: Replayed, agree: Callable[[str], bool], write: Callable[[str], object]) -> Replayed:
    """Show what an update would change, ask, and accept it or leave it.

    Args:
        result: Of a replay with ``update`` and ``defer``, or of many.
        agree: Asked once, with a sentence, where there is something to accept. Only True accepts.
        write: Takes the lines that say what would change.

    Returns:
        The result by what is expected then. What was shown is not in its lines again.

    Raises:
        SessionUnwritable: The folder of the one session cannot be written. Of many sessions, that is the outcome of the one.
    """
    proposals = list(_proposals(result))
    if not proposals:
        return result
    for name, lines in proposals:
        for line in (printable(name), *(f"  {line}" for line in lines)):
            write(line)
    n_sessions = len(proposals)
    if not agree(f"Accept {'this' if n_sessions == 1 else f'these, in {n_sessions} sessions'}?"):
        return result
    if isinstance(result, CorpusReport):
        done = accept_all(result)
        shown = {name for name, _ in proposals}
        outcomes = (replace(one, changes=one.changes[:1]) if one.folder in shown else one for one in done.outcomes)
        return replace(done, outcomes=tuple(outcomes))
    assert isinstance(result, ReplayResult)
    return _shown(result.accept())


def _proposals(result: Replayed) -> Iterator[Tuple[str, List[str]]]:
    """Each session of which something is to be accepted, and what."""
    if isinstance(result, CorpusReport):
        yield from ((one.folder, list(one.changes)) for one in result.outcomes if one.proposal is not None)
    elif isinstance(result, ReplayResult) and result.proposal is not None:
        yield result.report.recorded.name, result.changes()


def _shown(result: ReplayResult) -> ReplayResult:
    told = result.report.expectation
    assert told is not None
    return replace(result, report=replace(result.report, expectation=replace(told, is_shown=True)))
