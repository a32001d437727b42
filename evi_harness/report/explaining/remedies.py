"""Short advice for each kind of finding and deviation: the expected behaviour, and what to try.

Rules of living here: a kind is a row of a table; docs/reference/findings.md and docs/explanation/replay.md have the long version.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple, Optional, Sequence, Tuple

from evi_harness.replay.judging.code_places import is_silent_return
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.differences import Difference
from evi_harness.replay.judging.findings import Finding
from evi_harness.report.values import sides
from evi_harness.session.events import Event, Received, Sent
from evi_harness.session.figures import milliseconds
from evi_harness.session.protocols import Dialect

__all__ = ["DEVIATION_REMEDIES", "FINDING_REMEDIES", "Explained", "Remedy", "advice", "explained_deviation", "explained_finding"]


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
        expected: What should have happened.
        to_try: What to do next.
    """

    observed: str
    expected: str
    to_try: str


_IF_MEANT = "If the change is intended, accept it by updating what the session expects."

# Where it is known that nothing was raised.
_SENDS_NOTHING = "The callback returned and sent nothing: look for the send that is missing, or a branch that skips it."

FINDING_REMEDIES: Mapping[str, Remedy] = {
    "raised": Remedy(
        "the callback returns without an exception",
        "Look at the place. The usual causes are a json.loads of a tool call's result, or a key that is sometimes missing.",
    ),
    "swallowed": Remedy(
        "no exception goes unnoticed",
        "Await the task, gather it in on_close, or catch the exception in it, or add a done callback that checks task.exception().",
    ),
    "exits": Remedy("the process runs until the conversation is over", "Close the connection and return instead of ending the process."),
    "exits_at_end": Remedy("the handler returns and leaves the process to its caller", "Close the connection and return."),
    "stops_loop": Remedy("the event loop runs until main returns", "Set an asyncio.Event that main waits for, and return from there."),
    "cancels_tasks": Remedy("an app cancels only tasks that it started", "Keep the tasks that you start, and cancel those."),
    "crashed": Remedy(
        "the process keeps running", "The place is the last Python line before the C code; python -X dev finds some causes earlier."
    ),
    "forked_child": Remedy(
        "a forked child exits without returning into the conversation", "End it with os._exit(0), or use subprocess or multiprocessing."
    ),
    "unparseable": Remedy(
        "the installed SDK parses every message",
        "Replay with upgrade if the recording is old; else use a version of the SDK that knows the message.",
    ),
    "misread": Remedy(
        "each object that the SDK makes of a message is of the class of its type, with all fields",
        "Look at type before the class, and ask for the field with a default; or use a version of the SDK that knows the message.",
    ),
    "cut_off": Remedy(
        "an app knows whether the conversation was over when its loop ended",
        "Heed the error event that comes before, or look at the close code behind the loop; then connect anew, or say so.",
    ),
    "blocked": Remedy(
        "no callback or step of a task holds the event loop for long",
        "Use an asynchronous client, or move the call to asyncio.to_thread(f, …). Replacing time.sleep(…) "
        "with await asyncio.sleep(…) frees the loop, but whatever waits for the result is just as late.",
    ),
    "maybe_blocked": Remedy(
        "no callback or step of a task holds the event loop for long",
        "Run it again with nothing else on the machine; if it stays, treat it like blocked.",
    ),
    "falls_behind": Remedy(
        "each message is handled before the next ones pile up",
        "Start slow work in a task; do not await a request for each chunk of audio.",
    ),
    "too_slow": Remedy(
        "computing leaves enough time for the next message",
        "Move the work to a thread or a process, or do it once instead of once per chunk.",
    ),
    "never_returns": Remedy(
        "every callback returns",
        "Look for an asyncio.Event that is never set or a queue that is never filled; asyncio.wait_for limits a wait.",
    ),
    "leaked_task": Remedy(
        "no task is pending at the end", "Cancel the task when the conversation ends (on_close), or use asyncio.TaskGroup."
    ),
    "leaked_thread": Remedy(
        "no thread runs at the end", "Tell the thread to end in on_close, with a threading.Event or with None in its queue."
    ),
    "never_awaited": Remedy("every coroutine is awaited", "Add the await, or pass the coroutine to asyncio.create_task."),
    "open_socket": Remedy("every connection is closed at the end", "Close it in on_close, or hold it with async with."),
    "sends_after_close": Remedy("nothing is sent after the connection has closed", "End the task that sends when the connection ends."),
    "network": Remedy("the app contacts only the service", "Give the app a fake of that peer, or allow the host."),
    "own_loop": Remedy("the app uses the running event loop", "Use the running loop, or replay in real time."),
    "rejected": Remedy("the service accepts every message", "Send the SDK's own models; answer a tool call with the id of that call."),
    "plays_on": Remedy(
        "the app drops the rest of the reply on an interruption",
        "On an interruption, drop the rest of the reply and empty byte_strs.",
    ),
    "wrong_truncation": Remedy(
        "audio_end_ms is what the user has heard of the item",
        "Count the samples of the item that the device has taken, less what it still holds; not what was received, and not the time.",
    ),
    "never_played": Remedy(
        "all received audio is played",
        "Look for a chunk that is taken from a queue and dropped, a condition on index, or a buffer that a new reply empties.",
    ),
    "plays_nothing": Remedy(
        "received audio is passed on for playback",
        "Put the decoded audio of each chunk into byte_strs; look for a misspelt message type.",
    ),
    "wrong_audio": Remedy(
        "the audio played is the audio received",
        "Pass on the decoded bytes unchanged; if you cut the header off, declare the sample rate.",
    ),
    "wrong_length": Remedy(
        "the audio played is as long as the audio received",
        "Look for a slice of fixed length, a division that loses the remainder, or a buffer emptied too early.",
    ),
    "changed_audio": Remedy(
        "the audio is passed on unchanged", "Pass the bytes on unchanged, or set the finding's severity to off if the change is intended."
    ),
    "unjudged_audio": Remedy(
        "enough speech to judge the audio", "Record a session whose replies are a few seconds of speech; pass on PCM."
    ),
    "played_twice": Remedy(
        "each chunk is played once", "Look for two places that queue the same chunk: a callback registered twice, a retry."
    ),
    "out_of_order_audio": Remedy("audio is played in the order of arrival", "Queue chunks from one place, in the order of the messages."),
    "underrun": Remedy("the speaker has audio for as long as there is any", "Queue chunks as they arrive, without waiting in between."),
}

DEVIATION_REMEDIES: Mapping[str, Remedy] = {
    "missing": Remedy(
        "the message is sent",
        "Look at what handled the message before it: it may raise, return early or branch elsewhere.",
        may_be_meant=True,
    ),
    "unexpected": Remedy("nothing is sent at this point", "Look at the code that sends it, and at its condition.", may_be_meant=True),
    "different": Remedy("the same message as before", "Look at where the value comes from.", may_be_meant=True),
    "out_of_order": Remedy(
        "the same order as before", "Look for a task or a wait that one of the two now goes through.", may_be_meant=True
    ),
    "late": Remedy("the message within its time limit", "Look for a wait, or for work on the event loop, before it is sent."),
    "closed_early": Remedy(
        "the connection stays open until the session is over",
        "Look for a close, or a return from main, that comes before the last message.",
    ),
    "stuck": Remedy("the app makes progress", "Look at the place for a wait that nothing ends, or a loop that never yields."),
    "over_time": Remedy("the run ends in time", "Look for an app that polls or never closes; or allow a longer run."),
}


def advice(deviation: Deviation) -> str:
    """What to try for a deviation, as far as it is known how it came about."""
    if deviation.kind == "missing" and is_silent_return(deviation.detail):
        return _SENDS_NOTHING
    return DEVIATION_REMEDIES[deviation.kind].to_try


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
    to_try = advice(deviation)
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
    return Explained(observed, expected, f"{to_try} {_IF_MEANT}" if row.may_be_meant else to_try)


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
