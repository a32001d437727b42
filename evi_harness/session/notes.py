"""Every kind of note that the harness writes: its name, the event that it concerns, its facts, its writers and readers.

docs/reference/session-format.md has the same table for readers of sessions. A kind is a constant here, and its facts are a class: a writer
names both, and a reader gets the facts with their types. In the facts ``…_ns`` is nanoseconds, ``…_ms`` milliseconds, ``n_…`` a number of
what follows; ``at_ns`` and ``until_ns`` are session time.

Rules of living here: names, and the names of facts, are in folders that people keep; they never change. A new fact has a default.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Callable, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, TypeVar

from evi_harness.session.events import Event, Note
from evi_harness.session.json_value import Json
from evi_harness.session.note_kind import FactsReader, KindOf, NoteKind, ParamSpec

__all__ = [
    "APP_ENDED",
    "AUDIO_PATIENCE",
    "BLOCKED",
    "CANCELS_TASKS",
    "CHANGED_AUDIO",
    "CLOSED_BY_GRACE",
    "CLOSED_FROM",
    "CLOSE_NOT_ANSWERED",
    "CONNECTED",
    "CRASHED",
    "CUT_OFF",
    "DROPPED",
    "DUE",
    "END_UNKNOWN",
    "EXITS",
    "EXITS_AT_END",
    "FORKED_CHILD",
    "HANDLER_CPU",
    "HANDLER_ENTERED",
    "HANDLER_RAN",
    "HANDLER_RETURNED",
    "HANDLER_WAITS",
    "HEARD",
    "HISTORY_EVENT",
    "IMPORTED",
    "KINDS",
    "LEAKED_TASK",
    "LEAKED_THREAD",
    "LEFT_EARLY",
    "LONGEST_BLOCK",
    "LONGEST_STEP",
    "MAYBE_BLOCKED",
    "MICROPHONE_OFF",
    "MISREAD",
    "NETWORK",
    "NEVER_AWAITED",
    "NEVER_PLAYED",
    "NEVER_RETURNS",
    "OPEN_SOCKET",
    "OUT_OF_ORDER_AUDIO",
    "OVER_TIME",
    "OWN_LOOP",
    "OWN_SOUND",
    "PLAYBACK_STALL",
    "PLAYED_TWICE",
    "PLAYER_CHANGES",
    "PLAYER_TAIL",
    "PLAYS_NOTHING",
    "PLAYS_ON",
    "RAISED",
    "REBUILT",
    "RECEIVED_BEFORE",
    "SENDS_AFTER_CLOSE",
    "SENT_AFTER_CLOSE",
    "SENT_AS_RECORDED",
    "SENT_FROM",
    "SESSION_TIMES",
    "SIMULATOR",
    "STDIN_ENDED",
    "STDIN_LINE",
    "STOPS_LOOP",
    "STUCK",
    "SWALLOWED",
    "TOOL_ANSWER_IGNORED",
    "UNDELIVERED",
    "UNDERRUN",
    "UNHEARD",
    "UNJUDGED_AUDIO",
    "UNMET",
    "UNPARSEABLE",
    "UNREAD",
    "UNSEEN",
    "UNSENT",
    "WRONG_AUDIO",
    "WRONG_LENGTH",
    "WRONG_TRUNCATION",
    "AudioPatienceFacts",
    "BlockedFacts",
    "ClosedFromFacts",
    "ConnectedFacts",
    "DroppedFacts",
    "DueFacts",
    "FindingFacts",
    "HandlerCpuFacts",
    "HandlerEnteredFacts",
    "HandlerRanFacts",
    "HandlerReturnedFacts",
    "HandlerWaitsFacts",
    "HeardFacts",
    "HistoryEventFacts",
    "ImportedFacts",
    "LeftEarlyFacts",
    "LongestBlockFacts",
    "LongestStepFacts",
    "MicrophoneOffFacts",
    "NetworkFacts",
    "NoFacts",
    "PlayerTailFacts",
    "PlaysOnFacts",
    "RebuiltFacts",
    "ReceivedBeforeFacts",
    "SentAfterCloseFacts",
    "SentFromFacts",
    "SentenceFacts",
    "SimulatorFacts",
    "StdinEndedFacts",
    "StdinLineFacts",
    "ToolAnswerIgnoredFacts",
    "UnheardFacts",
    "UnmetFacts",
    "UnparseableFacts",
    "UnreadFacts",
    "UnseenFacts",
    "UnsentFacts",
    "WrongTruncationFacts",
    "finding_facts",
    "is_sample",
    "of_kinds",
    "sentence_of",
    "with_sentence",
]

P = ParamSpec("P")
D = TypeVar("D")

# Facts of any note that are session time.
SESSION_TIMES = ("at_ns", "until_ns")

# Lines of code as JSON holds them: see ``places``.
Places = Sequence[Mapping[str, Json]]


class NoFacts(NamedTuple):
    """That it happened is all."""


class SentenceFacts(NamedTuple):
    """A single sentence.

    Attributes:
        what: The sentence.
    """

    what: str


class FindingFacts(NamedTuple):
    """The facts that every finding may have; most have no others.

    Attributes:
        what: One sentence.
        detail: More lines for people.
        places: Places in the developer's code, innermost first.
        ended: Whether it ended the connection.
        sample: Whether it depends on the machine.
        at_ns: When it was, where that was before the note was written.
    """

    what: str
    detail: Sequence[str] = ()
    places: Places = ()
    ended: bool = False
    sample: bool = False
    at_ns: Optional[int] = None


class DueFacts(NamedTuple):
    """When a message should have gone out.

    Attributes:
        due_ns: By its own cause, in session time.
        cause_ns: When its cause came, in session time.
        held_ns: For how long the events before it held it back.
        recorded_seq: The event of the recording that it repeats.
    """

    due_ns: int
    cause_ns: Optional[int] = None
    held_ns: int = 0
    recorded_seq: Optional[int] = None


class HandlerEnteredFacts(NamedTuple):
    """A callback of the handler's began.

    Attributes:
        callback: Its name.
        places: Where it is defined; only the first note of it has the source.
    """

    callback: str
    places: Places = ()


class HandlerRanFacts(NamedTuple):
    """Which functions of the developer's ran for a message.

    Attributes:
        callback: The callback that had it.
        places: These functions, the last to begin first.
        traced: Whether they are known to have run; else they are those that the handler's class defines, and may have run.
        sample: Always: what is imported or cached does not run again.
    """

    callback: str
    places: Places = ()
    traced: bool = True
    sample: bool = True


class HandlerReturnedFacts(NamedTuple):
    """A callback of the handler's ended.

    Attributes:
        callback: Its name.
    """

    callback: str


class UnparseableFacts(NamedTuple):
    """The installed SDK cannot parse a message.

    Attributes:
        what: One sentence.
        fields: The fields that it cannot parse.
        sdk: The version of the SDK.
        ended: Whether it ended the connection.
        places: Where the app met it.
    """

    what: str
    fields: Sequence[str] = ()
    sdk: str = ""
    ended: bool = False
    places: Places = ()


class BlockedFacts(NamedTuple):
    """The event loop was blocked.

    Attributes:
        what: One sentence.
        blocked_ns: For how long; the note stands at the end. None for computing in virtual time, which is not charged.
        cpu_ns: How much of the processor's time it took, None where that was not counted.
        waited_ns: How much of it was spent in calls that are known to wait, None where that was not counted.
        at_ns: When what computed had ended.
        detail: Further places.
        places: Places in the developer's code, innermost first.
        sample: Whether it depends on the machine.
    """

    what: str
    blocked_ns: Optional[int] = None
    cpu_ns: Optional[int] = None
    waited_ns: Optional[int] = None
    at_ns: Optional[int] = None
    detail: Sequence[str] = ()
    places: Places = ()
    sample: bool = False


class NetworkFacts(NamedTuple):
    """The app tried to reach something that it may not reach.

    Attributes:
        what: One sentence.
        host: The host that it tried to reach.
        port: Its port, None where the call names none.
        call: The function that was called.
        detail: Who called, the innermost place first.
        places: The same, as places.
    """

    what: str
    host: str = ""
    port: Optional[int] = None
    call: str = ""
    detail: Sequence[str] = ()
    places: Places = ()


class PlaysOnFacts(NamedTuple):
    """Audio of an interrupted reply was played on.

    Attributes:
        what: One sentence.
        at_ns: When it was.
        late_ns: How long after the handler had dealt with the interruption.
        held_ns: How much audio it was.
        detail: More lines for people.
        places: Where it was handed on.
    """

    what: str
    at_ns: Optional[int] = None
    late_ns: int = 0
    held_ns: int = 0
    detail: Sequence[str] = ()
    places: Places = ()


class WrongTruncationFacts(NamedTuple):
    """The app reported the wrong amount of a reply as heard.

    Attributes:
        what: One sentence.
        at_ns: When it said so.
        claimed_ns: How much it said was heard.
        heard_ns: How much was.
        detail: More lines for people.
        places: Where it was sent.
    """

    what: str
    at_ns: Optional[int] = None
    claimed_ns: int = 0
    heard_ns: int = 0
    detail: Sequence[str] = ()
    places: Places = ()


class SentFromFacts(NamedTuple):
    """Where the app sent a message.

    Attributes:
        number: Which of the sent events it is, from 0.
        detail: Where it was sent, and the callers.
        places: The same, as places.
    """

    number: int
    detail: Sequence[str] = ()
    places: Places = ()


class ClosedFromFacts(NamedTuple):
    """Where the app closed the connection.

    Attributes:
        places: Where; where its coroutine is defined, if it ended before the session did.
    """

    places: Places = ()


class HandlerWaitsFacts(NamedTuple):
    """Where a callback waits that takes long.

    Attributes:
        at_ns: When it was looked up.
        callback: Its name.
        detail: Where it waited then, the innermost place first.
        places: The same, as places.
    """

    at_ns: int
    callback: str = ""
    detail: Sequence[str] = ()
    places: Places = ()


class UnseenFacts(NamedTuple):
    """Something that a replay could not see.

    Attributes:
        kind: What it is, as docs/reference/blind-spots.md has it.
        what: One sentence.
        at_ns: When it happened, for observations made during the run.
        sample: Whether it depends on the machine.
    """

    kind: str
    what: str
    at_ns: Optional[int] = None
    sample: bool = False


class PlayerTailFacts(NamedTuple):
    """The audio that the SDK's player held when the user interrupted.

    Attributes:
        what: One sentence.
        tail_ns: How much audio was still to be heard.
    """

    what: str
    tail_ns: int


class MicrophoneOffFacts(NamedTuple):
    """Nobody but the app speaks for the user.

    Attributes:
        what: One sentence, with the reason.
        ended: Whether the run ended for it, to be run again.
    """

    what: str
    ended: bool = False


class LeftEarlyFacts(NamedTuple):
    """The app closed before the session was over.

    Attributes:
        left: Recorded events that were still to come, by seq.
        early_ns: How much too early it was, where nothing was still to come.
    """

    left: Sequence[int]
    early_ns: Optional[int] = None


class UnmetFacts(NamedTuple):
    """A recorded message that the service waits for did not come.

    Attributes:
        awaited: The message, by its recorded seq.
        skipped: The recorded events that hung on it, by seq.
    """

    awaited: int
    skipped: Sequence[int] = ()


class AudioPatienceFacts(NamedTuple):
    """The user's audio did not get to a position in time.

    Attributes:
        position_ns: The position.
        waited_until_ns: Until when it was waited for, in session time.
    """

    position_ns: int
    waited_until_ns: int


class SimulatorFacts(NamedTuple):
    """Who answers, where nothing was recorded.

    Attributes:
        seed: Of ids, delays, scores and the made voice.
        detector: The speech detector.
        partner: The partner that decides the answers.
    """

    seed: int
    detector: str
    partner: str


class UnheardFacts(NamedTuple):
    """Data sent as audio is not audio.

    Attributes:
        why: The reason.
    """

    why: str


class ToolAnswerIgnoredFacts(NamedTuple):
    """An answer for which no call waits.

    Attributes:
        tool_call_id: The call that it names.
    """

    tool_call_id: Json


class LongestBlockFacts(NamedTuple):
    """The longest time for which one step blocked the loop.

    Attributes:
        blocked_ns: How long, however short; in virtual time 0 where none did.
        sample: Whether it depends on the machine.
    """

    blocked_ns: Optional[int] = None
    sample: bool = False


class HeardFacts(NamedTuple):
    """When audio was heard at the software speaker, the first time.

    Attributes:
        at_ns: From when on.
        until_ns: Until when.
    """

    at_ns: int
    until_ns: int


class HandlerCpuFacts(NamedTuple):
    """The computing of a callback.

    Attributes:
        cpu_ns: The time of the processor that the loop's thread used while the callback had the message.
        sample: Always: it depends on the machine.
    """

    cpu_ns: int
    sample: bool = False


class LongestStepFacts(NamedTuple):
    """The step of the event loop that computed for the longest.

    Attributes:
        what: What ran in it.
        real_ms: How long it took.
        cpu_ms: How much of the processor's time.
        sample: Always: it depends on the machine.
    """

    what: str
    real_ms: int
    cpu_ms: int
    sample: bool = False


class SentAfterCloseFacts(NamedTuple):
    """The app sent a frame after the close.

    Attributes:
        opcode: ``text`` or ``binary``.
        n_bytes: The length of its payload.
    """

    opcode: str
    n_bytes: int = 0


class UnsentFacts(NamedTuple):
    """Frames that were due but not sent.

    Attributes:
        n_frames: How many frames.
    """

    n_frames: int


class ConnectedFacts(NamedTuple):
    """How long connecting took.

    Attributes:
        took_ns: From the call of connect until the socket was open.
    """

    took_ns: int


class ReceivedBeforeFacts(NamedTuple):
    """Frames that the app's library already held when the recording began.

    Attributes:
        n_frames: How many frames.
    """

    n_frames: int


class DroppedFacts(NamedTuple):
    """Events that are not in the session, in the place of the first.

    Attributes:
        last_seq: The seq of the last.
        n_events: How many.
        n_bytes: How large they were.
    """

    last_seq: int
    n_events: int = 0
    n_bytes: int = 0


class UnreadFacts(NamedTuple):
    """Bytes on the wire that are not a message, or not one that a receiver should accept.

    Attributes:
        what: What is wrong with them.
        sent_by: ``app`` or ``service``.
        n_bytes: How many they are.
        begins: The first of them, what is not text with backslash escapes.
    """

    what: str
    sent_by: str
    n_bytes: int
    begins: str = ""


class ImportedFacts(NamedTuple):
    """Information that an imported file lacks, in sentences.

    Attributes:
        form: The format of the file: ``har``, ``chat-history`` or ``events``.
        lacks: Information missing from the file, and so from the session.
        assumed: Assumptions made instead.
        left_out: Parts of the file that the session leaves out.
    """

    form: str
    lacks: Sequence[str] = ()
    assumed: Sequence[str] = ()
    left_out: Sequence[str] = ()


class RebuiltFacts(NamedTuple):
    """The source of a message that differs from the original.

    Attributes:
        of_type: The type of the chat history event; empty if it was made from the chat itself.
        event_id: Its id, empty where it has none.
        assumed: The members of the message that the history does not have.
    """

    of_type: str
    event_id: str = ""
    assumed: Sequence[str] = ()


class HistoryEventFacts(NamedTuple):
    """An event of a chat history of which no message was made.

    Attributes:
        of_type: Its type.
        role: Who it is of, empty where it does not say.
        text: Its text, empty where it has none.
        event_id: Its id, likewise.
    """

    of_type: str
    role: str = ""
    text: str = ""
    event_id: str = ""


class AppEndedFacts(NamedTuple):
    """How the app of a command ended.

    Attributes:
        exit_code: Its exit code, None where a signal ended it.
        signal: The signal's name, empty where it exited.
    """

    exit_code: Optional[int] = None
    signal: str = ""


class StdinLineFacts(NamedTuple):
    """A line that the app read from its standard input.

    Attributes:
        text: The line, without its end.
        early_ns: How long before the opening it was read; the note is then at time 0. None if it was read later.
    """

    text: str
    early_ns: Optional[int] = None


class StdinEndedFacts(NamedTuple):
    """The app read the end of its standard input.

    Attributes:
        early_ns: How long before the opening it was read; the note is then at time 0. None if it was read later.
    """

    early_ns: Optional[int] = None


_ROWS: List[KindOf[object]] = []


def _kind(
    name: str, form: Callable[P, D], of: str = "", *, by: str, written_in: Tuple[str, ...], read_in: Tuple[str, ...] = ()
) -> NoteKind[P, D]:
    kind = NoteKind(name, form, of, said_by=by, written_in=written_in, read_in=read_in)
    _ROWS.append(kind)
    return kind


# What more than one row says.
_HANDLED = "the event that was handled"
_RECEIVED_EVENT = "the received event"
_FIRST_AUDIO = "the first message with the audio"
_FOUND = "a replay: a finding"
_FOUND_AT_END = "a replay, at its end: a finding"


DUE = _kind(
    "due",
    DueFacts,
    of=_RECEIVED_EVENT,
    by="a carrier, for each event that it sends",
    written_in=("carriers",),
    read_in=("carriers", "measure", "pages", "replay", "report"),
)
HANDLER_ENTERED = _kind(
    "handler_entered",
    HandlerEnteredFacts,
    of="the received event, none for on_open and the like",
    by="a replay: when a callback of the handler began and ended",
    written_in=("injected", "sdk"),
    read_in=("measure", "pages", "replay", "runs", "watch"),
)
HANDLER_RAN = _kind(
    "handler_ran",
    HandlerRanFacts,
    of="the received event",
    by="a replay, at its end",
    written_in=("watch",),
    read_in=("pages", "replay"),
)
HANDLER_RETURNED = _kind(
    "handler_returned",
    HandlerReturnedFacts,
    of="the received event, none for on_open and the like",
    by="a replay: when a callback of the handler began and ended",
    written_in=("injected", "sdk"),
    read_in=("measure", "pages", "replay", "runs", "watch"),
)
RAISED = _kind("raised", FindingFacts, of=_HANDLED, by=_FOUND, written_in=("injected", "runs", "sdk"), read_in=("replay",))
MISREAD = _kind("misread", FindingFacts, of=_RECEIVED_EVENT, by=_FOUND, written_in=("injected", "sdk"), read_in=("replay",))
CUT_OFF = _kind("cut_off", FindingFacts, by=_FOUND, written_in=("injected", "sdk"), read_in=("replay",))
UNPARSEABLE = _kind("unparseable", UnparseableFacts, of=_RECEIVED_EVENT, by=_FOUND, written_in=("injected", "sdk"), read_in=("replay",))
BLOCKED = _kind(
    "blocked",
    BlockedFacts,
    of=_HANDLED,
    by=_FOUND,
    written_in=("clocks", "injected", "sdk", "watch"),
    read_in=("measure", "pages", "replay"),
)
MAYBE_BLOCKED = _kind(
    "maybe_blocked", BlockedFacts, of=_HANDLED, by="a replay in real time: a finding", written_in=("watch",), read_in=("pages", "replay")
)
SWALLOWED = _kind(
    "swallowed",
    FindingFacts,
    of="the event whose callback started the task, the thread or the job",
    by=_FOUND,
    written_in=("injected", "watch"),
    read_in=("replay",),
)
NEVER_RETURNS = _kind(
    "never_returns", FindingFacts, of=_HANDLED, by=_FOUND, written_in=("injected", "runs", "sdk"), read_in=("pages", "replay")
)
APP_ENDED = _kind(
    "app_ended",
    AppEndedFacts,
    by="a replay of a command: how the app ended",
    written_in=("runs",),
    read_in=("measure", "report"),
)
LEAKED_TASK = _kind(
    "leaked_task",
    FindingFacts,
    of="the event whose callback started the task",
    by=_FOUND,
    written_in=("watch",),
    read_in=("replay",),
)
EXITS = _kind("exits", FindingFacts, of=_HANDLED, by=_FOUND, written_in=("clocks", "guard"), read_in=("replay", "runs"))
EXITS_AT_END = _kind("exits_at_end", FindingFacts, of=_HANDLED, by=_FOUND, written_in=("guard",), read_in=("replay",))
STOPS_LOOP = _kind("stops_loop", FindingFacts, of=_HANDLED, by=_FOUND, written_in=("clocks",), read_in=("replay", "runs"))
CANCELS_TASKS = _kind("cancels_tasks", FindingFacts, of=_HANDLED, by=_FOUND, written_in=("guard",), read_in=("replay", "runs"))
CRASHED = _kind(
    "crashed", FindingFacts, of=_HANDLED, by="a replay in a child process: a finding", written_in=("runs",), read_in=("acts", "replay")
)
FORKED_CHILD = _kind("forked_child", FindingFacts, by=_FOUND, written_in=("guard",), read_in=("replay",))
LEAKED_THREAD = _kind(
    "leaked_thread",
    FindingFacts,
    of="the event whose callback started the thread",
    by=_FOUND,
    written_in=("runs", "watch"),
    read_in=("replay",),
)
NEVER_AWAITED = _kind(
    "never_awaited",
    FindingFacts,
    of="the event that was handled when the coroutine was freed",
    by=_FOUND,
    written_in=("watch",),
    read_in=("replay",),
)
OPEN_SOCKET = _kind(
    "open_socket", FindingFacts, of="the event whose callback opened it", by=_FOUND, written_in=("watch",), read_in=("replay",)
)
SENDS_AFTER_CLOSE = _kind(
    "sends_after_close", FindingFacts, of="the event whose callback sent it", by=_FOUND, written_in=("watch",), read_in=("replay",)
)
SENT_FROM = _kind(
    "sent_from",
    SentFromFacts,
    of="the event whose callback sent it",
    by="a replay, at its end",
    written_in=("watch",),
    read_in=("replay", "runs"),
)
CLOSED_FROM = _kind(
    "closed_from",
    ClosedFromFacts,
    of="the event whose callback did it",
    by="a replay",
    written_in=("sdk", "watch"),
    read_in=("replay",),
)
HANDLER_WAITS = _kind(
    "handler_waits", HandlerWaitsFacts, of=_HANDLED, by="a replay, at its end", written_in=("watch",), read_in=("pages", "replay")
)
NETWORK = _kind("network", NetworkFacts, of=_HANDLED, by=_FOUND, written_in=("injected", "runs"), read_in=("replay",))
OWN_LOOP = _kind("own_loop", FindingFacts, of=_HANDLED, by=_FOUND, written_in=("runs",), read_in=("replay",))
NEVER_PLAYED = _kind("never_played", FindingFacts, of=_FIRST_AUDIO, by=_FOUND_AT_END, written_in=("replay",), read_in=("pages", "replay"))
PLAYED_TWICE = _kind("played_twice", FindingFacts, of=_FIRST_AUDIO, by=_FOUND_AT_END, written_in=("replay",), read_in=("replay",))
OUT_OF_ORDER_AUDIO = _kind(
    "out_of_order_audio", FindingFacts, of=_FIRST_AUDIO, by=_FOUND_AT_END, written_in=("replay",), read_in=("replay",)
)
UNDERRUN = _kind("underrun", FindingFacts, of=_FIRST_AUDIO, by=_FOUND_AT_END, written_in=("replay",), read_in=("pages", "replay"))
WRONG_AUDIO = _kind(
    "wrong_audio", FindingFacts, of=_FIRST_AUDIO, by=_FOUND_AT_END, written_in=("replay",), read_in=("measure", "pages", "replay")
)
WRONG_LENGTH = _kind(
    "wrong_length", FindingFacts, of=_FIRST_AUDIO, by=_FOUND_AT_END, written_in=("replay",), read_in=("measure", "pages", "replay")
)
CHANGED_AUDIO = _kind(
    "changed_audio", FindingFacts, of=_FIRST_AUDIO, by=_FOUND_AT_END, written_in=("replay",), read_in=("measure", "pages", "replay")
)
UNJUDGED_AUDIO = _kind(
    "unjudged_audio", FindingFacts, of=_FIRST_AUDIO, by=_FOUND_AT_END, written_in=("replay", "runs"), read_in=("measure", "pages", "replay")
)
PLAYS_NOTHING = _kind(
    "plays_nothing", FindingFacts, of="the first message with audio", by=_FOUND_AT_END, written_in=("runs",), read_in=("pages", "replay")
)
PLAYS_ON = _kind(
    "plays_on", PlaysOnFacts, of="the interruption", by=_FOUND_AT_END, written_in=("replay",), read_in=("measure", "pages", "replay")
)
WRONG_TRUNCATION = _kind(
    "wrong_truncation",
    WrongTruncationFacts,
    of="the message that truncates",
    by=_FOUND_AT_END,
    written_in=("replay",),
    read_in=("replay",),
)
OWN_SOUND = _kind(
    "own_sound",
    FindingFacts,
    of="a message of the reply during which it was played, none before the first",
    by="a replay, at its end",
    written_in=("replay",),
    read_in=("report",),
)
PLAYER_CHANGES = _kind("player_changes", SentenceFacts, by="a replay, at its end", written_in=("runs",), read_in=("report",))
PLAYBACK_STALL = _kind(
    "playback_stall",
    BlockedFacts,
    by="a replay: the SDK's own playback queue was full and blocked the event loop; not the handler's fault",
    written_in=("sdk",),
    read_in=("measure", "pages", "replay", "report"),
)
UNSEEN = _kind(
    "unseen",
    UnseenFacts,
    of="the event that was handled, if known",
    by="a replay",
    written_in=("injected", "runs"),
    read_in=("measure", "replay"),
)
PLAYER_TAIL = _kind(
    "player_tail", PlayerTailFacts, of="the interruption", by="a replay", written_in=("sdk",), read_in=("measure", "pages", "report")
)
SENT_AS_RECORDED = _kind(
    "sent_as_recorded",
    SentenceFacts,
    by="a replay: the recorded audio was sent unchanged, instead of the SDK's microphone",
    written_in=("runs",),
    read_in=("report",),
)
MICROPHONE_OFF = _kind(
    "microphone_off",
    MicrophoneOffFacts,
    by="a replay: from then on, or from the start, only the app speaks for the user",
    written_in=("runs",),
    read_in=("replay", "report", "runs"),
)
STUCK = _kind("stuck", FindingFacts, of=_HANDLED, by="a replay: a deviation", written_in=("runs",), read_in=("replay",))
OVER_TIME = _kind(
    "over_time",
    FindingFacts,
    of="the event that was handled, if it had to be interrupted",
    by="a replay: a deviation",
    written_in=("runs",),
    read_in=("replay",),
)
LEFT_EARLY = _kind(
    "left_early", LeftEarlyFacts, by="a player: the app closed before the session was over", written_in=("replay",), read_in=("replay",)
)
UNMET = _kind("unmet", UnmetFacts, by="a player", written_in=("replay",), read_in=("pages", "replay", "report"))
AUDIO_PATIENCE = _kind(
    "audio_patience",
    AudioPatienceFacts,
    by="a player: the user's audio did not reach a position in time",
    written_in=("replay",),
    read_in=("report",),
)
CLOSED_BY_GRACE = _kind(
    "closed_by_grace", NoFacts, by="a player: the app did not close, so the service did", written_in=("replay",), read_in=("report",)
)
END_UNKNOWN = _kind(
    "end_unknown", NoFacts, by="a player: the recording does not say how it ended", written_in=("replay",), read_in=("report",)
)
SIMULATOR = _kind("simulator", SimulatorFacts, by="a simulator, at the opening: this is not EVI", written_in=("simulate",), read_in=())
UNHEARD = _kind(
    "unheard", UnheardFacts, by="a simulator: data sent as audio is not audio, so the chat ends", written_in=("simulate",), read_in=()
)
TOOL_ANSWER_IGNORED = _kind(
    "tool_answer_ignored", ToolAnswerIgnoredFacts, by="a simulator: no call waits for this answer", written_in=("simulate",), read_in=()
)
LONGEST_BLOCK = _kind(
    "longest_block",
    LongestBlockFacts,
    by="a replay: the longest time for which one step blocked the loop, however short; in virtual time 0 if none did, "
    "in real time a `sample`",
    written_in=("watch",),
    read_in=("measure",),
)
HEARD = _kind("heard", HeardFacts, of="the received audio", by="a replay", written_in=("runs",), read_in=("measure", "pages"))
HANDLER_CPU = _kind("handler_cpu", HandlerCpuFacts, of=_RECEIVED_EVENT, by="a replay", written_in=("watch",), read_in=("measure", "replay"))
LONGEST_STEP = _kind(
    "longest_step",
    LongestStepFacts,
    by="a replay: the step of the event loop that computed longest",
    written_in=("watch",),
    read_in=(),
)
SENT_AFTER_CLOSE = _kind(
    "sent_after_close",
    SentAfterCloseFacts,
    by="a carrier: the app sent a frame after the close",
    written_in=("carriers",),
    read_in=("replay",),
)
CLOSE_NOT_ANSWERED = _kind(
    "close_not_answered", NoFacts, by="a carrier: the app did not answer the close frame", written_in=("carriers",), read_in=()
)
UNDELIVERED = _kind(
    "undelivered",
    NoFacts,
    of=_RECEIVED_EVENT,
    by="a carrier: the connection was gone before the frame was out",
    written_in=("carriers",),
    read_in=(),
)
UNSENT = _kind(
    "unsent",
    UnsentFacts,
    by="a carrier: frames that were due but not sent, because the connection was closed",
    written_in=("carriers",),
    read_in=(),
)
CONNECTED = _kind(
    "connected",
    ConnectedFacts,
    by="`record`, if it knows when connect was called, and a proxy, from the first byte of the request; always at time 0",
    written_in=("tap",),
    read_in=("measure",),
)
RECEIVED_BEFORE = _kind(
    "received_before",
    ReceivedBeforeFacts,
    by="a tap: frames that the app's library already held when the recording began; always at time 0",
    written_in=("tap",),
    read_in=(),
)
DROPPED = _kind(
    "dropped",
    DroppedFacts,
    by="a recorder: events missing from the session because memory or the disk did not keep up; at the position of the first",
    written_in=("tap",),
    read_in=("storage", "tap"),
)
UNREAD = _kind(
    "unread",
    UnreadFacts,
    by="a proxy: bytes that break the rules of WebSocket; they were forwarded as they came",
    written_in=("tap",),
    read_in=(),
)
STDIN_LINE = _kind(
    "stdin_line",
    StdinLineFacts,
    by="`record -- COMMAND`: when a Python app read the line",
    written_in=("tap",),
    read_in=("pages", "replay"),
)
STDIN_ENDED = _kind(
    "stdin_ended",
    StdinEndedFacts,
    by="`record -- COMMAND`: when a Python app read the end of its input",
    written_in=("tap",),
    read_in=("replay",),
)
IMPORTED = _kind("imported", ImportedFacts, by="an import, at the opening", written_in=("acts",), read_in=())
REBUILT = _kind(
    "rebuilt",
    RebuiltFacts,
    of="the received event",
    by="an import, for each message that differs from the original",
    written_in=("acts",),
)
HISTORY_EVENT = _kind(
    "history_event",
    HistoryEventFacts,
    by="an import: an event that did not become a message",
    written_in=("acts",),
    read_in=("acts",),
)

# Every kind, by name.
KINDS: Mapping[str, KindOf[object]] = MappingProxyType({kind.name: kind for kind in _ROWS})

_FINDING = FactsReader(FindingFacts)


def finding_facts(note: Note) -> FindingFacts:
    """The facts of a finding's note that every finding may have, whatever its kind."""
    return _FINDING.read(note.data) or FindingFacts("")


def sentence_of(note: Note) -> Optional[str]:
    """The sentence of a note, whatever its kind; None if it has none."""
    return finding_facts(note).what or None


def with_sentence(note: Note, what: str) -> Note:
    """The same note with another sentence."""
    return replace(note, data={**note.data, "what": what})


def is_sample(event: Event) -> bool:
    """Whether an event is a note that depends on the machine, so that two runs may differ in it."""
    return isinstance(event, Note) and bool(event.data.get("sample"))


def of_kinds(events: Iterable[Event], kinds: Iterable[KindOf[D]]) -> Iterator[Tuple[Note, D]]:
    """The notes of several kinds with their parsed facts, in the given order, except notes that lack a fact."""
    readers = {kind.name: kind.facts for kind in kinds}
    for event in events:
        if isinstance(event, Note) and event.name in readers:
            facts = readers[event.name].read(event.data)
            if facts is not None:
                yield event, facts
