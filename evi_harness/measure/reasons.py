"""Why a value may be unavailable: each sentence, written once.

Rules of living here: a sentence says what is missing and, where there is a way, what gives it. What differs from case to case follows a
colon.
"""

from __future__ import annotations

__all__ = [
    "BEGAN_BEFORE",
    "CUT_SHORT",
    "HANDED_ON",
    "LENGTH_UNKNOWN",
    "NEVER_ANSWERED",
    "NOTHING_RECEIVED",
    "NOT_BEGUN",
    "NOT_DONE",
    "NOT_HEARD",
    "NOT_NOTED_BLOCK",
    "NOT_NOTED_CONNECT",
    "NOT_NOTED_CPU",
    "NOT_NOTED_SOUND",
    "NOT_RETURNED",
    "NOT_TAKEN",
    "NOT_WATCHED",
    "NO_ANSWER_HEARD",
    "NO_AUDIO",
    "NO_HANDLER",
    "NO_REPLAY",
    "NO_REPLY",
    "NO_SPEECH",
    "NO_TIME_TOLD",
    "PLAYED",
    "PLAYED_ON",
    "SENT_UNKNOWN",
    "SYNTHESISED",
    "TAKEN",
    "TOLD_IN_GAP",
    "TYPED",
    "UNDER_FLOOR",
    "UNDER_INTERRUPTION_FLOOR",
    "UNHEARD",
]

# Of the session.
SYNTHESISED = "its times are made up, not measured: the source had none"
TAKEN = "its times are when the app read each message; when they arrived is unknown"
PLAYED = "a replay repeats the times of its recording: measure the recording, or a replay with --live"
SENT_UNKNOWN = "the app's own messages were not recorded"
NO_REPLAY = "this is not a replay of a handler: evi-harness replay SESSION --handler FILE.py:NAME --out DIR makes one"
NO_HANDLER = "no handler ran in this replay"

# Of the user.
TYPED = "the user typed"
UNHEARD = "no speech detector was run on the user's audio"
NO_SPEECH = "the detector found no speech that ended before the user message"
NO_TIME_TOLD = "the service does not say when the user spoke"
TOLD_IN_GAP = "the service reports the end of the speech where no audio was sent, so it counts time differently"
BEGAN_BEFORE = "the detector found no speech that began while the assistant was audible and before the interruption came"

# Of the service.
NOTHING_RECEIVED = "nothing was received"
NO_REPLY = "no reply came"
NO_AUDIO = "the reply has no audio"
LENGTH_UNKNOWN = "the playing time of some of the reply's audio is unknown"
NO_ANSWER_HEARD = "nothing came after the tool's answer"
CUT_SHORT = "the session ended too soon after the user message to say that a reply is missing"
UNDER_FLOOR = (
    "the user message came sooner than the assumed end-of-turn silence: give the one that EVI is configured with, --end-of-turn-ms"
)
UNDER_INTERRUPTION_FLOOR = (
    "the interruption came sooner than the assumed minimum speech: give the one that EVI is configured with, --min-interruption-ms"
)

# Of the app.
NEVER_ANSWERED = "the app did not answer the call"
NOT_BEGUN = "no callback of the handler started on this message"
NOT_RETURNED = "the callback had not returned when the replay ended"
# Of the app of a command, whose callbacks are not known.
NOT_TAKEN = "the app did not read this message"
NOT_DONE = "the app did not ask for another message after this one"
HANDED_ON = "the app hands its messages on to tasks, and it cannot be seen when they are done"
NOT_WATCHED = "it cannot be seen when the app reads its messages"
PLAYED_ON = "the handler kept passing on audio of the interrupted reply (finding plays_on), and it cannot be seen when it stopped"
NOT_HEARD = "this audio was not played as it was received"

# Of what was observed.
NOT_NOTED_CONNECT = "the session does not say when connect was called"
NOT_NOTED_SOUND = "the session does not say what was played: no software speaker was used"
NOT_NOTED_BLOCK = "the session does not say how long the event loop was blocked"
NOT_NOTED_CPU = "the session does not say how long the callbacks computed"
