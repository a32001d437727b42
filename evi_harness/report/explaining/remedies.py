"""What was observed, what was expected in its place, and what to try: for each kind of finding and of deviation.

Rules of living here: a kind is a row of a table; docs/reference/findings.md and docs/explanation/replay.md say at length what is
a sentence here.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple, Optional, Sequence, Tuple

from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.differences import Difference
from evi_harness.replay.judging.findings import Finding
from evi_harness.report.values import sides
from evi_harness.session.events import Event, Received, Sent
from evi_harness.session.figures import milliseconds
from evi_harness.session.protocols import Dialect

__all__ = ["DEVIATION_REMEDIES", "FINDING_REMEDIES", "Explained", "Remedy", "explained_deviation", "explained_finding"]


class Remedy(NamedTuple):
    """A row of a table.

    Attributes:
        expected: What a good app does, as a sentence without its end.
        to_try: What to do next.
        may_be_meant: Whether it may be a change that is meant, which an update accepts.
    """

    expected: str
    to_try: str
    may_be_meant: bool = False


class Explained(NamedTuple):
    """One finding or deviation, explained.

    Attributes:
        observed: What happened.
        expected: What was to happen.
        to_try: What to do next.
    """

    observed: str
    expected: str
    to_try: str


_IF_MEANT = "If the change is meant, accept it with an update of what the session expects."

FINDING_REMEDIES: Mapping[str, Remedy] = {
    "raised": Remedy(
        "the callback returns without an exception",
        "Look at the place: a json.loads of what a tool call brings, or a key that is not always there, are the usual ones.",
    ),
    "swallowed": Remedy(
        "every exception ends up where somebody looks",
        "Await the task, gather it in on_close, or give it a try or a done callback that looks at task.exception().",
    ),
    "exits": Remedy("the process goes on until the conversation is over", "Close the connection and return instead of ending the process."),
    "exits_at_end": Remedy("the handler returns, and its caller decides about the process", "Close the connection and return."),
    "stops_loop": Remedy("the event loop runs until main returns", "Set an asyncio.Event that main waits for, and return from there."),
    "cancels_tasks": Remedy("an app cancels only tasks that it started", "Keep the tasks that you start, and cancel those."),
    "crashed": Remedy("the process lives", "The place is the last Python line before the C code; python -X dev finds some causes earlier."),
    "forked_child": Remedy("a forked child ends by itself", "End it with os._exit(0), or use subprocess or multiprocessing."),
    "unparseable": Remedy(
        "the installed SDK parses every message",
        "Replay with upgrade if the recording is old; else use a version of the SDK that knows the message.",
    ),
    "blocked": Remedy(
        "no step of the event loop takes long",
        "Use await asyncio.sleep(…) for time.sleep(…), await asyncio.to_thread(f, …) for what computes, an asynchronous client.",
    ),
    "maybe_blocked": Remedy(
        "no step of the event loop takes long", "Run it again with nothing else on the machine; if it stays, see blocked."
    ),
    "falls_behind": Remedy(
        "each message is handled before the next ones pile up",
        "Start what takes long in a task; do not await a request for each chunk of audio.",
    ),
    "too_slow": Remedy(
        "the app computes less than it has time for", "Move the work to a thread or a process, or do it once and not for each chunk."
    ),
    "never_returns": Remedy(
        "every callback returns", "Look for an asyncio.Event that nobody sets or a queue that nobody fills; asyncio.wait_for bounds a wait."
    ),
    "leaked_task": Remedy("no task is pending at the end", "Keep the task and cancel it in on_close, or use asyncio.TaskGroup."),
    "leaked_thread": Remedy(
        "no thread runs at the end", "Tell the thread to end in on_close, by a threading.Event or by None in its queue."
    ),
    "never_awaited": Remedy("every coroutine is awaited", "Write the await, or hand the coroutine to asyncio.create_task."),
    "open_socket": Remedy("every connection is closed at the end", "Close it in on_close, or hold it with async with."),
    "sends_after_close": Remedy("nothing is sent once the connection is closed", "Let the task that sends end when the connection does."),
    "network": Remedy("the app reaches nothing but the service", "Give the app a fake of that peer, or allow the host."),
    "own_loop": Remedy("the app uses the event loop that runs", "Use the loop that runs, or replay in real time."),
    "rejected": Remedy(
        "every message is one that the service takes", "Send the SDK's own models; answer a tool call with the id that it came with."
    ),
    "plays_on": Remedy(
        "the app drops the rest of the reply at an interruption",
        "At an interruption, drop what you hold of the reply and what waits in byte_strs.",
    ),
    "never_played": Remedy(
        "all audio that is received is played",
        "Look for a chunk that is taken from a queue and dropped, a condition on index, or a buffer that a new reply empties.",
    ),
    "plays_nothing": Remedy(
        "audio that is received is handed on",
        "Put the decoded audio of each chunk into byte_strs; look for a message type that is misspelt.",
    ),
    "wrong_audio": Remedy(
        "the audio played is the audio received",
        "Hand on the decoded bytes as they are; if you cut the header off, say which rate the samples have.",
    ),
    "wrong_length": Remedy(
        "it plays as long as what was received",
        "Look for a slice of fixed length, a division that loses the remainder, or a buffer emptied too early.",
    ),
    "changed_audio": Remedy(
        "the audio is handed on unchanged", "Hand on the bytes as they came, or set the finding's severity to off if it is meant."
    ),
    "unjudged_audio": Remedy(
        "enough speech to judge what is played", "Record a session whose replies are speech of a few seconds; hand on PCM."
    ),
    "played_twice": Remedy(
        "each chunk is played once", "Look for two places that put the same chunk: a callback registered twice, a retry."
    ),
    "out_of_order_audio": Remedy(
        "audio is played in the order in which it came", "Put chunks from one place, in the order of the messages."
    ),
    "underrun": Remedy("the speaker has audio as long as there is some", "Put chunks when they come, and do not wait between them."),
}

DEVIATION_REMEDIES: Mapping[str, Remedy] = {
    "missing": Remedy(
        "the message is sent",
        "Look at what handled the message before it: it may raise, return early or branch elsewhere.",
        may_be_meant=True,
    ),
    "unexpected": Remedy("nothing is sent there", "Look at what sends it, and on which condition.", may_be_meant=True),
    "different": Remedy("the message as before", "Look at where the value comes from.", may_be_meant=True),
    "out_of_order": Remedy("the order as before", "Look for a task or a wait that one of the two now goes through.", may_be_meant=True),
    "late": Remedy("the message within the time it may take", "Look for a wait, or for work on the event loop, before it is sent."),
    "closed_early": Remedy(
        "the connection stays open until the session is over",
        "Look for a close, or a return from main, that comes before the last message.",
    ),
    "stuck": Remedy("the app goes on", "Look at the place for a wait that nothing ends, or a loop that never gives way."),
    "over_time": Remedy("the run ends in time", "Look for an app that polls or never closes; or allow a longer run."),
}


def explained_finding(finding: Finding) -> Explained:
    """Explain a finding."""
    row = FINDING_REMEDIES[finding.kind]
    return Explained(finding.what, row.expected, row.to_try)


def explained_deviation(
    deviation: Deviation, recorded: Optional[Event], live: Optional[Event], nearest: Optional[Event], dialect: Dialect
) -> Explained:
    """Explain a deviation.

    Args:
        deviation: The deviation.
        recorded: The expected event that it is about, None for none.
        live: The event of the replay, likewise.
        nearest: The expected message that is most like an unexpected one, likewise.
        dialect: What both are in.
    """
    row = DEVIATION_REMEDIES[deviation.kind]
    observed, expected = deviation.what, row.expected
    if deviation.kind == "different" and deviation.differences:
        observed, expected = _differing(deviation.differences)
    elif deviation.kind == "missing" and recorded is not None:
        # What the callback did with the message that was to be answered, where that is known.
        observed = next(iter(deviation.detail), observed)
        expected = f"{_said(recorded, dialect)}, at {recorded.at_ns / 1e9:.3f} s"
    elif deviation.kind == "unexpected" and live is not None:
        observed = f"{_said(live, dialect)}, at {live.at_ns / 1e9:.3f} s"
        expected = row.expected if nearest is None else f"{row.expected}; the nearest is {_said(nearest, dialect)} (#{nearest.seq})"
    elif deviation.kind == "out_of_order" and recorded is not None:
        expected = f"{_said(recorded, dialect)}, at its place: {recorded.at_ns / 1e9:.3f} s"
    elif deviation.kind == "late" and recorded is not None and deviation.late_ns is not None:
        observed = f"{_said(recorded, dialect)}, {milliseconds(deviation.late_ns / 1e6)} later than due"
    return Explained(observed, expected, f"{row.to_try} {_IF_MEANT}" if row.may_be_meant else row.to_try)


def _said(event: Event, dialect: Dialect) -> str:
    if isinstance(event, (Sent, Received)):
        return dialect.describe(event.kind, dialect.read(event.kind, event.frame))
    return event.kind


def _differing(differences: Sequence[Difference]) -> Tuple[str, str]:
    """Both values where two messages first differ, and in how many places more."""
    first, more = differences[0], len(differences) - 1
    recorded, live = sides(first)
    left = f" (and {more} more {'place' if more == 1 else 'places'})" if more else ""
    return f"{first.path}: {live}{left}", f"{first.path}: {recorded}"
