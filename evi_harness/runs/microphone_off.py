"""How a run goes on when the app sends its own audio: such an app is the only one that sends.

A run begins with the SDK's microphone, or with the recorded audio if that microphone cannot replace the recorded app's. If the app sends
its own audio before either was heard, nothing else speaks. If it does so later, a run in virtual time ends, like a conversation that the
app closes, and is run again with the microphone off; in real time the microphone is switched off.

Rules of living here: a run that is repeated is reported only as such, with the faults that occurred before it ended and did not occur
again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Iterator, Sequence, Tuple

from evi_harness.replay.judging.findings import FINDINGS
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.runs.run import Run, RunOptions
from evi_harness.sdk.user_voice import OFF
from evi_harness.session.events import Event, Note
from evi_harness.session.notes import MICROPHONE_OFF, sentence_of, with_sentence

__all__ = ["run_alone"]


def run_alone(
    run_once: Callable[[PlayedRecording, Any, RunOptions], Run], recording: PlayedRecording, handler: Any, options: RunOptions
) -> Tuple[Run, RunOptions, Sequence[Note]]:
    """Run a handler, and once more with the microphone off where it sends audio of its own.

    Args:
        run_once: Runs a handler once.
        recording: The recording.
        handler: The handler.
        options: Of the run.

    Returns:
        The run that counts, the options that it ran with, and notes of what went wrong in a run before it and in it no more.
    """
    run = run_once(recording, handler, options)
    if not _is_to_be_run_again(run.events):
        return run, options, ()
    alone = replace(options, asked=replace(options.asked, microphone=OFF), is_again=True)
    again = run_once(recording, handler, alone)
    return again, alone, tuple(_only_before(run.events, again.events))


def _is_to_be_run_again(events: Sequence[Event]) -> bool:
    """Whether a run has ended because its app sends audio of its own and somebody else had spoken already."""
    return any(facts.ended for _, facts in MICROPHONE_OFF.all_in(events))


def _only_before(first: Sequence[Event], second: Sequence[Event]) -> Iterator[Note]:
    """What went wrong in the first run and not in the second, to stand behind the second; what may come of the first's end is left out."""
    ended = max(note.seq for note in MICROPHONE_OFF.notes_in(first))
    known = {(event.name, sentence_of(event)) for event in second if isinstance(event, Note)}
    seq = max((event.seq for event in second), default=-1)
    for event in first:
        is_wrong = isinstance(event, Note) and event.name in FINDINGS and event.seq < ended
        if isinstance(event, Note) and is_wrong and (event.name, sentence_of(event)) not in known:
            seq += 1
            what = f"{sentence_of(event)} (in a first run, which ended when the app sent its own audio)"
            yield with_sentence(replace(event, seq=seq, of=None), what)
