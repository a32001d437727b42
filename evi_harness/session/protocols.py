"""The protocols between the rooms: Dialect, Service, SpeechDetector, Hearing, Conversion, AudioSource.

Rules of living here: shapes only. A protocol documents every member; its implementations are named, not imported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import (
    Callable,
    Dict,
    FrozenSet,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Protocol,
    Sequence,
    Tuple,
    Union,
    runtime_checkable,
)

from evi_harness.session.events import NOTHING, Event, Frame, Handshake
from evi_harness.session.json_value import Json
from evi_harness.session.note_kind import KindOf, NoteKind, ParamSpec
from evi_harness.session.turn import Turn
from evi_harness.session.wav import Pcm

__all__ = [
    "Abort",
    "AccessCheck",
    "Action",
    "AudioPlace",
    "AudioSource",
    "Cause",
    "ClientSide",
    "Close",
    "Conversion",
    "Dialect",
    "FrameAudio",
    "Hearing",
    "LateHearing",
    "LateService",
    "Mark",
    "Message",
    "NamedId",
    "NamesIds",
    "Refuse",
    "Remark",
    "Saying",
    "Send",
    "Service",
    "SpeechDetector",
    "Told",
    "ToolSpec",
    "ToolUse",
    "Truncated",
    "UserAct",
    "UserActs",
    "UserSetup",
    "Variables",
    "WireReader",
    "remark",
]

P = ParamSpec("P")

# Kinds of cause.
OPENED = "opened"
SENT = "sent"
RECEIVED = "received"
POSITION = "position"


@dataclass(frozen=True)
class Message:
    """What a frame says, as far as it says anything.

    Attributes:
        type: Its type; ``audio`` for a binary frame that is audio; None where it has none (no JSON, no object, no type).
        fields: The members of the JSON object, audio possibly emptied; empty where there is no object.
        text: What a text frame says that is not a JSON object, as it is; None for all others.
    """

    type: Optional[str]
    fields: Mapping[str, Json] = field(default=NOTHING)
    text: Optional[str] = None


class Truncated(NamedTuple):
    """How much of an item of the assistant's an app says was heard.

    Attributes:
        item: The item, as the messages with its audio name it (``Dialect.identity``).
        heard_ns: How much, from the item's beginning.
    """

    item: str
    heard_ns: int


@dataclass(frozen=True)
class Saying:
    """What a message adds to the transcript of a conversation.

    Attributes:
        who: ``user``, ``assistant`` or ``tool``.
        text: What was said; empty where the message only adds to what was said in one before it.
        is_interim: Whether a later message will say it again, more surely.
        about: What it names itself or an earlier message by; None for nothing.
        emotions: How strongly each was heard in it, 0 to 1; empty where nobody listened for that.
    """

    who: str
    text: str
    is_interim: bool = False
    about: Optional[str] = None
    emotions: Mapping[str, float] = field(default=NOTHING)


@dataclass(frozen=True)
class Cause:
    """What an event answered.

    Attributes:
        kind: ``opened``, ``sent``, ``received`` or ``position``.
        seq: The event, for ``sent`` and ``received``.
        position_ns: The position, for ``position``.
    """

    kind: str
    seq: Optional[int] = None
    position_ns: Optional[int] = None


@dataclass(frozen=True)
class AudioPlace:
    """Where in a frame the audio stands and what it is.

    Attributes:
        track: ``user`` or ``assistant``.
        start: Offset in the payload of the first byte of audio: of the base64 text between its quotes, or of the raw bytes.
        stop: Offset behind the last.
        base64: Whether it is base64 in a JSON string (then escapes may stand in it), else raw bytes.
        pcm: The format in force, for this audio as for headerless audio behind it; None where none is known.
        has_header: Whether the audio begins with a header of its own, a WAV file's or another container's, from which the format is.
    """

    track: str
    start: int
    stop: int
    base64: bool
    pcm: Optional[Pcm] = None
    has_header: bool = False


class FrameAudio(Protocol):
    """The audio in one frame. What must be looked for in the payload is looked for when it is asked for, once."""

    @property
    def places(self) -> Tuple[AudioPlace, ...]:
        """Where it is, in the order in which it stands; none where that cannot be known, as in JSON that is not strict.

        Raises:
            AudioMissing: The session's folder does not hold the audio.
        """

    @property
    def length_ns(self) -> Optional[int]:
        """How long all of it plays, in nanoseconds, rounded down; None where that cannot be known.

        Raises:
            AudioMissing: As for ``places``.
        """

    @property
    def pcm(self) -> Optional[Pcm]:
        """The format in force behind it, for audio of its track that has no header; None where that is not known."""

    @property
    def has_header(self) -> bool:
        """Whether the user's audio in it begins with a header of its own."""


@dataclass(frozen=True)
class Told:
    """What a session itself says of what nobody can measure; None for what it does not say.

    Attributes:
        end_of_turn_ns: After how much silence the service takes a turn as over.
        min_interruption_ns: After how much speech over the assistant it takes that as an interruption.
        user: The format of the user's audio.
        assistant: The format of the assistant's.
    """

    end_of_turn_ns: Optional[int] = None
    min_interruption_ns: Optional[int] = None
    user: Optional[Pcm] = None
    assistant: Optional[Pcm] = None


@dataclass(frozen=True)
class Variables:
    """The environment variables of a service, by what they hold; None where there is none for it.

    Attributes:
        api_key: The API key.
        base_url: The URL of the service, or of an endpoint in its place.
        secret_key: The secret key that belongs to the API key.
        config_id: The configuration of the conversation.
        other_keys: Others that hold keys, as of services that speak the same.
        base_path: What SDKs have in that URL behind the address, where it says nothing else.
    """

    api_key: str
    base_url: str
    secret_key: Optional[str] = None
    config_id: Optional[str] = None
    other_keys: Tuple[str, ...] = ()
    base_path: str = ""


class WireReader(Protocol):
    """Reads what crosses one connection: each frame of both directions, once, in order. What one frame says of later ones is kept.

    A copy (``copy.copy``) reads on from where the reader is, and changes nothing in it.
    """

    @property
    def told(self) -> Told:
        """What the frames so far, and the handshake, said of the session."""

    def read(self, kind: str, frame: Frame) -> Optional[FrameAudio]:
        """Read the next frame, whatever it holds.

        Args:
            kind: ``sent`` or ``received``.
            frame: The frame. Its outline is enough, unless the audio in it may have a header.

        Returns:
            Its audio, None where it holds none. A message that changes the format counts for the frames behind it; a header in the audio
            counts for its own frame too.

        Raises:
            AudioMissing: The session's folder does not hold the message itself.
        """


# Kinds of act: it sets the conversation up; a text is typed; a call of a tool is answered; only the protocol needs it; no other service has
# the like, and without it the conversation goes another way.
SETS_UP = "sets_up"
TYPES = "types"
ANSWERS = "answers"
CHORE = "chore"
FOREIGN = "foreign"


@dataclass(frozen=True)
class ToolSpec:
    """A tool that an app offers.

    Attributes:
        name: Its name.
        description: What it is for, None where the app does not say.
        parameters: The JSON Schema of its parameters, None where the app gives none.
    """

    name: str
    description: Optional[str] = None
    parameters: Json = None


@dataclass(frozen=True)
class UserSetup:
    """What an app tells a service before a conversation, in no dialect's words.

    Attributes:
        instructions: What the assistant is to be and do, None where the app does not say.
        tools: The tools that it may call, None where the app does not say.
    """

    instructions: Optional[str] = None
    tools: Optional[Tuple[ToolSpec, ...]] = None

    def then(self, later: UserSetup) -> UserSetup:
        """What holds where another one follows: that says again only what it changes."""
        return UserSetup(
            self.instructions if later.instructions is None else later.instructions, self.tools if later.tools is None else later.tools
        )


@dataclass(frozen=True)
class ToolUse:
    """What a call of a tool asks for.

    Attributes:
        name: The tool's name; empty where the service does not say.
        arguments: Its arguments, as JSON text.
    """

    name: str
    arguments: str


@dataclass(frozen=True)
class UserAct:
    """What a sent message does in a conversation, in no dialect's words.

    Attributes:
        kind: ``sets_up``, ``types``, ``answers``, ``chore`` or ``foreign``.
        text: What is typed, or the answer of a tool.
        is_error: Whether that answer says that the tool failed.
        setup: What it sets up.
        lost: The names of what it says besides, for which there is no word here.
    """

    kind: str
    text: str = ""
    is_error: bool = False
    setup: UserSetup = UserSetup()
    lost: Tuple[str, ...] = ()


class ClientSide(Protocol):
    """What a client says on one connection of a dialect, where the conversation is one that was held in another.

    Attributes:
        pcm: The format of the user's audio.
        query: What the handshake asks for.
        opening: The frames that set the session up, as soon as it is open.
    """

    pcm: Pcm
    query: Tuple[Tuple[str, str], ...]
    opening: Tuple[Frame, ...]

    def sets_up(self, setup: UserSetup) -> Sequence[Frame]:
        """The frames that change what was set up."""

    def says(self, samples: bytes) -> Frame:
        """The frame that sends a piece of the user's audio.

        Args:
            samples: Whole sample frames of ``pcm``.
        """

    def types(self, text: str) -> Sequence[Frame]:
        """The frames that send a typed text, so that it is answered."""

    def answers(self, call: Message, text: str, *, is_error: bool) -> Sequence[Frame]:
        """The frames that answer a received call of a tool, so that the assistant goes on.

        Args:
            call: The call.
            text: The tool's answer, or what went wrong.
            is_error: Whether the tool failed.
        """

    def call_of(self, call: Message) -> ToolUse:
        """What a received call asks for."""

    def take(self, event: Event, at_ns: int) -> Sequence[Frame]:
        """Take what was received, each message once and in order: the frames with which a client answers it at once, if any.

        Args:
            event: The message.
            at_ns: When it came.
        """

    def sent(self, frame: Frame) -> None:
        """Learn that a frame went out."""

    def must_wait(self, frame: Frame) -> bool:
        """Whether a frame is not to go out yet, because the service would refuse it now."""


class UserActs(Protocol):
    """What a user and an app do in a dialect, read off a session of it and said in it: the two ends of a migration.

    Each dialect that is built in has one; which, ``evi_harness.dialects`` knows.
    """

    def acts(self, events: Sequence[Event]) -> Dict[int, UserAct]:
        """What each sent message does that is no audio, and what the opening sets up, by seq.

        Args:
            events: All events of a session, ordered in time.
        """

    def calls(self, events: Sequence[Event]) -> Dict[int, ToolUse]:
        """What each received call of a tool of the app's asks for, by seq.

        Args:
            events: All events of a session, ordered in time.
        """

    def client(self, setup: UserSetup, given: Mapping[str, Json], said: Optional[Pcm], *, greets: bool) -> ClientSide:
        """The client of one new connection.

        Args:
            setup: What the recorded app set up.
            given: What is to be set up in its place, in the dialect's own words; it counts before ``setup``.
            said: The format of the recorded user's audio, None where there is none.
            greets: Whether the assistant is to speak first.

        Raises:
            UsageError: What is given is nothing that this dialect sets up, or audio in it can be no such client's.
        """


class AccessCheck(Protocol):
    """Who gets an access token, and who may open a chat. ``Dialect.key_check`` makes one; ``carriers.server.Anybody`` is another.

    It decides and does nothing else: it is given what was asked and the time by the carrier's clock.
    """

    def token(self, request: Handshake, at_ns: int, body: bytes = b"") -> Union[str, Refuse]:
        """The access token to give out, or the refusal of a request for one.

        Args:
            request: Its path, query and headers.
            at_ns: When it came.
            body: What it holds.
        """

    def chat(self, handshake: Handshake, at_ns: int) -> Optional[Refuse]:
        """The refusal of a handshake, None where it is let in; a service may refuse it yet."""


@dataclass(frozen=True)
class HttpAnswer:
    """The answer to a request over HTTP.

    Attributes:
        body: Its body, as JSON.
        status: Its status.
    """

    body: Json
    status: int = 200


@dataclass(frozen=True)
class ToldSession:
    """A session that requests are answered from, as far as it has got.

    Attributes:
        events: Its events so far, ordered in time; more may come.
        began_ms: When it opened, in milliseconds since 1970.
    """

    events: Sequence[Event]
    began_ms: int


class History(Protocol):
    """Answers requests about a conversation, from a session. ``runs.session_history`` makes one.

    Attributes:
        paths: The paths on which there may be an answer to a GET request, with ``{id}`` in the place of an id.
    """

    @property
    def paths(self) -> Tuple[str, ...]:
        """The paths on which there may be an answer."""

    def answer(self, request: Handshake) -> Optional[HttpAnswer]:
        """The answer to a GET request, whose path, query and headers come in a ``Handshake``; None where there is none."""


class Dialect(Protocol):
    """What is specific to one voice API. Which there are ``evi_harness.dialects`` knows; everyone else is given one.

    One that is given to another process is pickled.

    Attributes:
        name: Its name, as in a session's header.
        version: Of its table of causes; stands in a replay's header.
        hosts: Where apps find the service by default, the usual one first.
        chat_paths: Paths on which a client opens the socket, the usual one first.
        token_path: Path on which a client gets an access token, behind whatever stands before the chat's; None for no such path.
        history_paths: Paths on which a client gets what a conversation was, with ``{id}`` in the place of an id; those that a session has
            an answer to.
        service_url: http or https URL of the service where nobody names another.
        bases: Paths that people write at the end of a service's URL, besides ``chat_paths``: beginnings of these.
        variables: Environment variables with its keys and its URL.
        secret_names: Names (lower case) whose values are secret, in a query, a header or a JSON object.
        folded_names: Names in a query (lower case) that hold other fields in a form of their own; in an unknown form they are
            secret as a whole.
        message_limits: How large a message an app, or the service, may take, in bytes: what is known of any version, rising.
    """

    name: str
    version: int
    hosts: Tuple[str, ...]
    chat_paths: Tuple[str, ...]
    history_paths: Tuple[str, ...]
    service_url: str
    bases: Tuple[str, ...]
    variables: Variables
    secret_names: FrozenSet[str]
    folded_names: FrozenSet[str]
    message_limits: Tuple[int, ...]

    @property
    def token_path(self) -> Optional[str]:
        """See above; one that always has a path may say ``str``."""

    def strictly(self) -> Dialect:
        """The same dialect, which compares also what is given anew in each run."""

    def read(self, kind: str, frame: Frame) -> Message:
        """What a frame says.

        Args:
            kind: ``sent`` or ``received``.
            frame: The frame; its outline is enough.
        """

    def reader(self, handshake: Optional[Handshake] = None) -> WireReader:
        """A reader of one connection, from its first frame on.

        Args:
            handshake: The opening, whose query may give the format; None where it is not known.
        """

    def causes(self, events: Sequence[Event], audio: Optional[Mapping[int, FrameAudio]] = None) -> Dict[int, Cause]:
        """The cause of each received event and of a close by service or network, by seq.

        Args:
            events: All events of a session, ordered in time.
            audio: The audio of each of its frames that holds some, by seq, where that is known already.
        """

    def prompts(self, events: Sequence[Event]) -> Dict[int, Cause]:
        """What each sent event and a close by the app answered, by seq: ``opened`` or ``received``.

        Args:
            events: All events of a session, ordered in time.
        """

    def is_awaited(self, message: Message) -> bool:
        """Whether the service answers a sent message, so that what follows it must wait for it."""

    def sets_audio(self, message: Message) -> bool:
        """Whether a sent message says in which format the audio comes (the microphone's own message)."""

    def gives_format(self, message: Message) -> bool:
        """Whether a sent message says in which format the audio comes, and nothing else."""

    def sets_up(self, message: Message) -> bool:
        """Whether a message, sent or received, sets a session up, so that a part of the session begins with it too."""

    def is_call(self, message: Message) -> bool:
        """Whether a received message calls a tool of the app's, which is to answer it."""

    def answer_to(self, call: Message, answer: Frame) -> Frame:
        """A tool's answer to an earlier call, made the answer to this one; nothing else of it changes.

        Args:
            call: The call that is to be answered.
            answer: A sent frame that answered another call.
        """

    def is_error(self, message: Message) -> bool:
        """Whether a received message says that something went wrong at the service's side."""

    def ended_by(self, message: Message) -> Optional[str]:
        """The code of a received error that ends the conversation; None for every other message."""

    def explain(self, code: Union[str, int]) -> str:
        """What the code of an error, a refused handshake's status (100 to 599) or a close code (from 1000 on) means: a sentence."""

    def ids(self, message: Message) -> Mapping[str, str]:
        """The ids that the service gives the session in a received message, by name; nothing in every other message."""

    def is_known(self, message: Message) -> bool:
        """Whether a message is of a type that the dialect knows."""

    def key_check(self, api_key: Optional[str], secret_key: Optional[str], *, token_seconds: int, token_name: str) -> Optional[AccessCheck]:
        """A check of the keys that apps present; None where nobody knows how they do.

        Args:
            api_key: The API key that is right, None where any will do.
            secret_key: The secret key that is right, None where any will do.
            token_seconds: How long an access token is right.
            token_name: What the tokens begin with.
        """

    def keys_in(self, handshake: Handshake) -> Tuple[str, ...]:
        """The keys and tokens that a handshake gives, wherever it has them."""

    def subprotocol(self, handshake: Handshake) -> Optional[str]:
        """The WebSocket subprotocol by which the service opens, of those that a handshake offers; None for none."""

    def token_answer(self, token: str, body: bytes, issued_s: int, expires_in_s: int) -> Mapping[str, Json]:
        """The service's answer to a request for an access token, as a JSON object.

        Args:
            token: The token that is given out.
            body: The body of the request.
            issued_s: When, in seconds since 1970.
            expires_in_s: For how many seconds, where the request does not say.
        """

    def call_text(self, call: Message) -> str:
        """What a call of a tool asks for, without what differs from run to run."""

    def family(self, message: Message) -> str:
        """Which sent messages may replace one another: what answers the same need (a result and an error of a tool)."""

    def identity(self, message: Message) -> Optional[str]:
        """What a sent message is about (the id of a tool call), None where it is about nothing in particular."""

    def truncations(self, events: Sequence[Event]) -> Dict[int, Truncated]:
        """How much of an item of the assistant's the app says was heard, by the seq of the sent message that says so.

        A replay compares that with what it heard. Empty where a protocol has no such messages.

        Args:
            events: All events of a session, ordered in time.
        """

    def must_equal(self, message: Message) -> Mapping[str, Json]:
        """The fields of a sent message that a replay compares: secrets, ids that change and audio left out.

        What is not a JSON object has one field, its text.
        """

    def rejected(self, events: Sequence[Event]) -> Dict[int, Tuple[str, ...]]:
        """Why the service does not take some sent messages, by seq: one sentence for each rule that is broken.

        Args:
            events: All events of a session, ordered in time.
        """

    def chunk(self, message: Message) -> Optional[Tuple[str, int]]:
        """Of which sentence a received message holds the audio, and its place in it; None where it does not say."""

    def comparable_handshakes(self, recorded: Handshake, live: Handshake) -> Tuple[Mapping[str, Json], Mapping[str, Json]]:
        """What a replay compares of two handshakes, as fields that are equal where both ask for the same; no secrets."""

    def resumed(self, handshake: Handshake) -> Optional[str]:
        """The id of the earlier conversation that a handshake asks to resume, None where it begins a new one."""

    def turns(self, events: Sequence[Event]) -> List[Turn]:
        """The turns of a session.

        Args:
            events: All events, ordered in time.
        """

    def describe(self, kind: str, message: Message) -> str:
        """One short line for people: who says what."""

    def saying(self, kind: str, message: Message) -> Optional[Saying]:
        """What a message adds to the transcript, None where that is nothing."""

    def history(self, request: Handshake, sessions: Sequence[ToldSession]) -> Optional[HttpAnswer]:
        """The answer to a GET request about conversations, None where their sessions do not have it.

        Args:
            request: The path, query and headers of the request.
            sessions: The sessions, in the order in which they opened.
        """

    def typed(self, message: Message) -> Optional[str]:
        """The text that a user typed, of a sent message that holds one; None for every other message."""

    def telling(self, kind: str, message: Message) -> int:
        """How much a message tells people of a conversation, from 0 for what tells most: what was said, what was called."""

    def is_aside(self, message: Message) -> bool:
        """Whether a received message is no part of the conversation, such as what is left of a limit.

        In a recording, it may have crossed with the app's close: an app that closes before it comes has not left early.

        Args:
            message: The message.
        """


class NamedId(NamedTuple):
    """An id in a message, at a place where the protocol has one that an app may have chosen.

    Attributes:
        what: What it is the id of. Ids of different things have nothing to do with one another.
        id: The id.
        is_given: Whether the app gives it there, and does not only refer to it.
    """

    what: str
    id: str
    is_given: bool

    @property
    def key(self) -> Tuple[str, str]:
        """What it is the id of, and the id."""
        return self.what, self.id


@runtime_checkable
class NamesIds(Protocol):
    """What a ``Dialect`` has besides if apps may choose ids by which the service then names things. A dialect may do without."""

    def named_ids(self, kind: str, frame: Frame) -> Sequence[NamedId]:
        """The ids in a frame, in the order of the protocol's places for them; none where ids are compared like all other fields.

        Args:
            kind: ``sent`` or ``received``.
            frame: The frame; its outline is enough.
        """

    def renamed(self, kind: str, frame: Frame, ids: Mapping[Tuple[str, str], str]) -> Frame:
        """A frame with other ids, at the places of ``named_ids`` alone; all other bytes stay.

        Args:
            kind: ``sent`` or ``received``.
            frame: The frame.
            ids: The new ids, by what each is the id of and the old one.

        Returns:
            The frame itself where it names none of them.
        """


@dataclass(frozen=True)
class Send:
    """Send a frame.

    Attributes:
        frame: The frame.
        due_ns: When it should have been sent by its own cause.
        cause_ns: When its cause was, in live time.
        recorded_seq: The event of the recording that it repeats, if any.
        held_ns: How long the events before it held it back beyond ``due_ns``.
    """

    frame: Frame
    due_ns: int
    cause_ns: Optional[int] = None
    recorded_seq: Optional[int] = None
    held_ns: int = 0


# The code of a close frame that holds none; it never stands on the wire (RFC 6455, 7.4.1).
NO_STATUS = 1005
# Most bytes of a close reason: a control frame holds 125 (RFC 6455, 5.5), and the code is two of them.
MAX_REASON_BYTES = 123


@dataclass(frozen=True)
class Close:
    """Close with a close frame.

    Attributes:
        code: The close code; ``NO_STATUS`` for a close frame that holds none.
        reason: The close reason.
    """

    code: int = 1000
    reason: str = ""


@dataclass(frozen=True)
class Abort:
    """End the connection with no close frame."""


@dataclass(frozen=True)
class Refuse:
    """Answer the handshake with an HTTP status other than 101; only before the socket is open."""

    status: int
    body: str = ""


@dataclass(frozen=True)
class Remark:
    """Write a note into the session.

    Attributes:
        kind: The kind of the note.
        data: Its facts, by name; ``remark`` makes one whose facts a type checker has looked at.
    """

    kind: KindOf[object]
    data: Mapping[str, Json] = field(default=NOTHING)


def remark(kind: NoteKind[P, object], /, *_: P.args, **data: P.kwargs) -> Remark:
    """Make a remark of the facts of a kind of note, given by name."""
    return Remark(kind, data)


Action = Union[Send, Close, Abort, Refuse, Remark]


class Service(Protocol):
    """What plays the service's part. Decides what to do next; knows nothing of sockets or clocks.

    Player and simulator are services; every carrier carries any service. Times are nanoseconds since the socket opened.
    """

    def take(self, event: Event, at_ns: int) -> Optional[bool]:
        """Take an event of the app's: ``opened`` with its handshake first, then what it sent, then its close.

        Args:
            event: The event. Its seq is the carrier's.
            at_ns: When, not before the event before it.

        Returns:
            False where it changes nothing of what is due and when, as most frames of audio do: the carrier need not ask then. True or None
            where it may.
        """

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to do now, in order. Each action is handed out once.

        Args:
            at_ns: Now. A carrier calls this after every ``take`` that may have changed something, and when ``next_at_ns`` has come.
        """

    def next_at_ns(self) -> Optional[int]:
        """When something is due next if the app does nothing; None while only the app can bring it on, and when all is over."""


class LateService(Service, Protocol):
    """A ``Service`` that also learns something by itself, from what works for it elsewhere.

    Attributes:
        is_behind: Whether it should be given nothing more of the app's for now.
    """

    @property
    def is_behind(self) -> bool:
        """Whether it should be given nothing more of the app's for now."""

    def wake_by(self, wake: Callable[[], object]) -> None:
        """Say what it is to call, on the carrier's loop, when it has learned something or is no longer behind."""


class SpeechDetector(Protocol):
    """Tells where there is speech in the user's audio.

    Attributes:
        name: Its name and version, as reports give it.
        rate: Frames a second that it takes, mono, 16-bit.
        block: Frames that one call takes.
    """

    name: str
    rate: int
    block: int

    def probability(self, samples: bytes) -> float:
        """How likely there is speech in one block: 0 to 1. Keeps state from block to block."""


@dataclass(frozen=True)
class Mark:
    """How likely there is speech in one stretch of the user's audio.

    Attributes:
        start_ns: Where it begins, on the axis on which the audio's place was given.
        end_ns: Where it ends; the next mark begins there.
        probability: 0 to 1.
    """

    start_ns: int
    end_ns: int
    probability: float


class Hearing(Protocol):
    """Listens to one stream of the user's audio, of any rate and number of channels.

    Attributes:
        name: Name and version of the detector behind it.
    """

    name: str

    def hear(self, samples: bytes, pcm: Pcm, start_ns: int) -> Sequence[Mark]:
        """Hear the next piece of audio.

        Args:
            samples: Its bytes; a frame may be cut anywhere.
            pcm: Its format, which may change from piece to piece.
            start_ns: Where it begins; what lies between it and the piece before was never sent and is silence.

        Returns:
            What could be judged by now, in order and without holes from 0 on; empty while that is nothing.
        """


class LateHearing(Hearing, Protocol):
    """A ``Hearing`` that needs a while: what was heard in a piece may be known when the next one comes, or be asked for in between.

    Attributes:
        has_heard: Whether something is known that was not given yet.
        is_behind: Whether there is so much to be heard that no more should be given to it for now; it wakes when there is not.
    """

    @property
    def has_heard(self) -> bool:
        """Whether something is known that was not given yet."""

    @property
    def is_behind(self) -> bool:
        """Whether no more should be given to it for now."""

    def heard(self) -> Sequence[Mark]:
        """What is known and was not given yet."""

    def wake_by(self, wake: Callable[[], object]) -> None:
        """Say what is to be called when something is known that nobody has asked for, or it is no longer behind."""

    def close(self) -> None:
        """It is needed no more."""


class Conversion(Protocol):
    """Converts a whole piece of audio from one format to another."""

    def __call__(self, samples: bytes, pcm: Pcm, to: Pcm) -> bytes:
        """Whole frames of the format ``to``."""


class AudioSource(Protocol):
    """Audio that a software microphone plays.

    Attributes:
        pcm: Its format.
    """

    pcm: Pcm

    def read(self, n_frames: int) -> bytes:
        """The next frames; fewer at the end, none behind it."""
