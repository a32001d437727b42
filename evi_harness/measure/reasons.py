"""Why a value may be unavailable: the sentences, each written once.

Rules of living here: a sentence says what is missing and, where there is a way, what gives it. What differs from case to case stands
behind a colon.
"""

from __future__ import annotations

__all__ = [
    "BEGAN_BEFORE",
    "CUT_SHORT",
    "LENGTH_UNKNOWN",
    "NEVER_ANSWERED",
    "NOTHING_RECEIVED",
    "NOT_BEGUN",
    "NOT_HEARD",
    "NOT_NOTED_BLOCK",
    "NOT_NOTED_CONNECT",
    "NOT_NOTED_CPU",
    "NOT_NOTED_SOUND",
    "NOT_RETURNED",
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
SYNTHESISED = "its times are synthesised: the source had none, and nobody measured them"
TAKEN = "its times are those at which the app took a message; when one came could not be seen"
PLAYED = "a replay repeats the times of its recording: measure the recording, or a replay with --live"
SENT_UNKNOWN = "what the app sent was not recorded"
NO_REPLAY = "this is not a replay of a handler: evi-harness replay SESSION --handler SPEC --out DIR makes one"
NO_HANDLER = "no handler ran in this replay"

# Of the user.
TYPED = "the user typed"
UNHEARD = "nobody listened to the user's audio"
NO_SPEECH = "the detector heard no speech that had ended before the user message"
NO_TIME_TOLD = "the service does not say when the user spoke"
TOLD_IN_GAP = "the end of the speech is reported at a place where no audio was sent, so the service counts differently"
BEGAN_BEFORE = "no speech that the detector heard began while the assistant could be heard and before the interruption came"

# Of the service.
NOTHING_RECEIVED = "nothing was received"
NO_REPLY = "no reply came"
NO_AUDIO = "the reply has no audio"
LENGTH_UNKNOWN = "how long some of the reply's audio plays cannot be known"
NO_ANSWER_HEARD = "nothing came after the tool's answer"
CUT_SHORT = "the session ended too soon after the user message for a reply to be missed"
UNDER_FLOOR = "the user message came sooner than the assumed end-of-turn silence: --end-of-turn-ms sets what is configured"
UNDER_INTERRUPTION_FLOOR = "the interruption came sooner than the assumed least speech: --min-interruption-ms sets what is configured"

# Of the app.
NEVER_ANSWERED = "the app did not answer the call"
NOT_BEGUN = "no callback of the handler's began with this message"
NOT_RETURNED = "the callback had not returned when the replay was over"
PLAYED_ON = "the handler went on handing on audio of the interrupted reply (finding plays_on), and nobody saw when it stopped"
NOT_HEARD = "this audio was not heard as it came"

# Of what was observed.
NOT_NOTED_CONNECT = "when connect was called is not in the session"
NOT_NOTED_SOUND = "what the speaker played is not in the session: no software speaker was played to"
NOT_NOTED_BLOCK = "how long the event loop was blocked is not in the session"
NOT_NOTED_CPU = "what the callbacks computed is not in the session"
