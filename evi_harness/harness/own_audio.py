"""What becomes of a run whose app sends audio of its own: such an app is the only one that sends.

A run begins with the SDK's microphone, or with the recorded audio where that cannot stand for the recorded app's. When the app sends audio
of its own before either was heard, nobody else speaks. When it does so later, a run in virtual time ends, as a conversation does that the
app closes, and is run again with the microphone off; in real time the microphone is switched off.

Rules of living here: of a run that is run again nothing is told but that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Tuple

from evi_harness.harness.run import Run, RunOptions
from evi_harness.harness.user_audio import is_to_be_run_again
from evi_harness.replay.recording import Recording
from evi_harness.sdk.microphone import OFF

__all__ = ["run_alone"]


def run_alone(
    run_once: Callable[[Recording, Any, RunOptions], Run], recording: Recording, handler: Any, options: RunOptions
) -> Tuple[Run, RunOptions]:
    """Run a handler, and once more with the microphone off where it sends audio of its own.

    Args:
        run_once: Runs a handler once.
        recording: The recording.
        handler: The handler.
        options: Of the run.

    Returns:
        The run that counts, and the options that it ran with.
    """
    run = run_once(recording, handler, options)
    if not is_to_be_run_again(run.events):
        return run, options
    alone = replace(options, microphone=OFF, is_again=True)
    return run_once(recording, handler, alone), alone
