"""The server that carries a service: WebSocket conversations and the token endpoint, on one aiohttp application.

Rules of living here: it gets its clock and its connections from a carrier and depends on neither kind. A handshake is handed on as it
came, with its secrets: it is never logged, and no message of this module quotes it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple, Union
from urllib.parse import unquote

from aiohttp import web

from evi_harness.carriers.access_tokens import (
    MADE_UP,
    TOKEN_SECONDS,
    TokenAnswer,
    no_subprotocol,
    plain_token_answer,
    prefixes,
    token_paths,
)
from evi_harness.carriers.admission import Admission
from evi_harness.carriers.conversation import Conversation
from evi_harness.carriers.door import Door, Hall
from evi_harness.carriers.http_connection import HttpConnection
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.limits import ServerLimits
from evi_harness.carriers.telling import OnceAMinute
from evi_harness.clocks.clock import Clock
from evi_harness.session.events import Handshake, Opened
from evi_harness.session.header import SERVICE_HEADER
from evi_harness.session.protocols import AccessCheck, Action, History, Refuse, Service

__all__ = ["TOKEN_SECONDS", "Anybody", "ChatServer", "OpenService"]

OpenService = Callable[[Handshake], Service]

# Above the largest line a session folder takes, so that what a folder can hold can be sent.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# A handshake's query can hold a whole prompt; aiohttp takes 8 KiB.
MAX_REQUEST_LINE_BYTES = 16 * 1024 * 1024
# So many different paths that there are not are told, and so much of each.
MAX_UNKNOWN = 100
MAX_SHOWN = 200
# What many conversations leave behind is not to wait for a server on which there is always one more.
MANY_ENDED = 20
LONG_BUSY_NS = 5_000_000_000
# How long who is refused for want of room should wait.
RETRY_S = 5


class Anybody:
    """The check that refuses nobody.

    Args:
        token: The access token to give out.
    """

    def __init__(self, token: str = MADE_UP) -> None:
        self._token = token

    def token(self, request: Handshake, at_ns: int, body: bytes = b"") -> Union[str, Refuse]:  # noqa: ARG002 - the signature is Check's
        """The same token each time."""
        return self._token

    def chat(self, handshake: Handshake, at_ns: int) -> Optional[Refuse]:  # noqa: ARG002 - the signature is Check's
        """None."""
        return None


class ChatServer:
    """Carries a service to any number of connections, one after another or at once.

    Args:
        open_service: Makes the service for one connection, given its handshake.
        clock: The carrier's clock.
        chat_paths: Paths on which a client opens the socket, whatever characters are in them; a slash at the end makes no difference.
        token_path: Path on which a client gets an access token, None for none. Behind what stands before one of the chat paths in another,
            as behind a gateway's own path, there is one too.
        journal_for: Makes the journal for one connection that was let in. By default a plain one.
        token: The access token to give out where there is no check.
        check: Who gets a token and who may open a chat; everybody by default.
        service_name: What answers here (``player``, ``simulator``), told in the header ``X-Evi-Harness``: nobody is to take it for EVI.
        history: Answers other requests, about a conversation, for whoever may open a chat; behind a gateway's own path, too. None for none.
        on_idle: Called each time that the last conversation is over and none runs; and now and then where many are over and others run on.
        on_unknown: Called with one line for each path and method that there is not, the first time that it is asked for: what was asked
            for, without the query, and what there is. Likewise, at most once a minute each, for who was turned away, and why, and for each
            kind of request that cannot be read, which is not quoted.
        limits: What clients may take of it, where it is reached over a port of the machine. None for one that is not, in virtual time.
        admission: Who is answered then; by default programs, and web pages of this machine.
        redact: Takes secrets out of what was asked for, before that is shortened.
        token_answer: What is answered to a request for a token; ``Dialect.token_answer``.
        subprotocol: Which of the subprotocols that a handshake offers is taken; ``Dialect.subprotocol``. None of them by default.

    Attributes:
        journals: The journals of the conversations so far, in the order in which they were opened.
        failures: What services raised. The connection was aborted each time.
        n_refused: How many chats a service has refused.
    """

    def __init__(
        self,
        open_service: OpenService,
        *,
        clock: Clock,
        chat_paths: Sequence[str],
        token_path: Optional[str] = None,
        journal_for: Optional[Callable[[Handshake], Journal]] = None,
        token: str = MADE_UP,
        check: Optional[AccessCheck] = None,
        service_name: Optional[str] = None,
        history: Optional[History] = None,
        on_idle: Callable[[], object] = lambda: None,
        on_unknown: Callable[[str], object] = lambda _: None,
        limits: Optional[ServerLimits] = None,
        admission: Optional[Admission] = None,
        redact: Callable[[str], str] = str,
        token_answer: TokenAnswer = plain_token_answer,
        subprotocol: Callable[[Handshake], Optional[str]] = no_subprotocol,
    ) -> None:
        self.journals: List[Journal] = []
        self.failures: List[BaseException] = []
        self.n_refused = 0
        self._open_service = open_service
        self._clock = clock
        self._chat_paths = tuple(dict.fromkeys(chat_paths))
        self._token_paths = token_paths(token_path, self._chat_paths)
        self._prefixes = prefixes(self._chat_paths)
        self._history = history
        self._journal_for = journal_for or (lambda _: Journal(clock))
        self._check: AccessCheck = Anybody(token) if check is None else check
        self._headers = {} if service_name is None else {SERVICE_HEADER: service_name}
        self._on_idle = on_idle
        self._on_unknown = on_unknown
        self._limits = limits
        self._admission = admission or Admission()
        self._tell = OnceAMinute(on_unknown, clock.now_ns)
        self._redact = redact
        self._token_answer = token_answer
        self._subprotocol = subprotocol
        self._unknown: Set[str] = set()
        self._runner: Optional[web.AppRunner] = None
        self._running: Dict[Conversation, asyncio.Future[None]] = {}
        # How many are over since it was told that none runs, and when that was.
        self._n_ended = 0
        self._idle_ns = clock.now_ns()
        # Those that run, and those whose handshake is being answered.
        self._n_chats = 0

    async def start(self) -> Callable[[], Any]:
        """Get ready to serve on the running loop.

        Returns:
            What makes the protocol of one connection: for ``loop.create_server`` or ``connect_accepted_socket``.
        """
        self._runner = web.AppRunner(self._application(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        connection = partial(
            HttpConnection,
            server,
            loop=asyncio.get_running_loop(),
            on_error=lambda line: self._tell(line, line),
            max_line_size=MAX_REQUEST_LINE_BYTES,
        )
        if self._limits is None:
            return connection
        # A door has measured the headers.
        inside = partial(connection, max_field_size=MAX_REQUEST_LINE_BYTES)
        return Hall(inside, clock=self._clock, limits=self._limits, admission=self._admission, warn=self._tell)

    async def stop(self) -> None:
        """End the conversations that still run, with no close frame, and stop serving. Does nothing before ``start``."""
        ends = list(self._running.values())
        for conversation in list(self._running):
            conversation.abort()
        if ends:
            await asyncio.wait(ends)
        if self._runner is not None:
            await self._runner.cleanup()

    def next_due_ns(self) -> Optional[int]:
        """When something is due next in any conversation, on the clock, as far as that is known by now; None for nothing."""
        due = (conversation.due_at_ns for conversation in self._running)
        return min((due_ns for due_ns in due if due_ns is not None), default=None)

    def _application(self) -> web.Application:
        application = web.Application()
        # Not aiohttp's router: what stands in braces in a path would be a pattern to it.
        application.router.add_route("*", r"/{path:[\s\S]*}", self._answer)
        return application

    def tell(self, kind: str, line: str) -> None:
        """Tell a line through ``on_unknown``, at most once a minute for each kind."""
        self._tell(kind, line)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        answer = await self._answer_to(request)
        if isinstance(answer, web.Response) and self._limits is not None:
            # A door takes one request, so that it knows where the frames begin.
            answer.force_close()
            answer.headers.update(self._admission.shared_with(request.headers.get("Origin")))
        return answer

    async def _answer_to(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and self._path(request).rstrip("/") in [path.rstrip("/") for path in self._chat_paths]:
            return await self._chat(request)
        if request.method == "POST" and request.path in self._token_paths:
            return await self._give_token(request)
        answer = self._from_history(request) if request.method == "GET" else None
        return await self._nothing_here(request) if answer is None else answer

    def _from_history(self, request: web.Request) -> Optional[web.Response]:
        """What is known of a conversation; None for a request about something else."""
        history = self._history
        asked = [request.path[len(prefix) :] for prefix in self._prefixes if request.path.startswith(prefix)]
        answers = () if history is None else (history.answer(_handshake(request, path)) for path in asked)
        answer = next((one for one in answers if one is not None), None)
        if answer is None:
            return None
        stranger = self._check.chat(_handshake(request, request.path), self._clock.now_ns())
        return web.json_response(answer.body, status=answer.status) if stranger is None else _refused(stranger)

    def _path(self, request: web.Request) -> str:
        """The path of a request as one of those that are served has it: recordings have it decoded or as it was asked for."""
        asked = request.raw_path.partition("?")[0]
        decoded = unquote(asked)
        # What does not begin with a slash cannot be asked for without one.
        forms = (decoded, asked, decoded[1:], asked[1:])
        return next((form for form in forms if form in self._chat_paths), decoded)

    async def _give_token(self, request: web.Request) -> web.Response:
        body = await request.read()
        token = self._check.token(_handshake(request, request.path), self._clock.now_ns(), body)
        if isinstance(token, Refuse):
            return _refused(token)
        # The time of day is the app's, which compares it with its own.
        return web.json_response(self._token_answer(token, body, int(time.time()), TOKEN_SECONDS))

    async def _nothing_here(self, request: web.Request) -> web.Response:
        there = [f"GET {path} (WebSocket)" for path in self._chat_paths]
        there += [f"POST {path}" for path in self._token_paths]
        there += [] if self._history is None else [f"GET {prefix}{path}" for prefix in self._prefixes for path in self._history.paths]
        rest = f"there is {', '.join(map(_shown, there))}"
        asked = _shown(self._redact(f"{request.method} {request.path}"))
        self._tell_once(f"nothing here for {asked}; {rest}")
        # Not what was asked for: a proxy may log an answer, and some write their key into the path.
        return web.Response(status=404, text=f"nothing here; {rest}\n")

    def _tell_once(self, line: str) -> None:
        # A client that is refused may try again for ever; one that tries anything is told of so often.
        if line not in self._unknown and len(self._unknown) < MAX_UNKNOWN:
            self._unknown.add(line)
            self._on_unknown(line)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        # aiohttp takes what is smaller, and this is the largest that is taken.
        largest = MAX_MESSAGE_BYTES if self._limits is None else self._limits.message_bytes + 1
        handshake = _handshake(request, self._path(request))
        chosen = self._subprotocol(handshake)
        offered = () if chosen is None else (chosen,)
        socket = web.WebSocketResponse(compress=False, max_msg_size=largest, autoping=True, autoclose=False, protocols=offered)
        if not socket.can_prepare(request):
            return web.Response(status=426, text=f"{request.path} speaks WebSocket, and this request does not ask for it\n")
        stranger = self._check.chat(handshake, self._clock.now_ns())
        if stranger is not None:
            return _refused(stranger)
        if self._limits is not None and self._n_chats >= self._limits.chats:
            return self._no_room(self._limits.chats)
        self._n_chats += 1
        try:
            service = self._open_service(handshake)
            service.take(Opened(seq=0, at_ns=0, handshake=handshake), 0)
            first = service.due(0)
            refusal = next((action for action in first if isinstance(action, Refuse)), None)
            if refusal is not None:
                self.n_refused += 1
                return _refused(refusal)
            await self._converse(request, socket, service, first, self._journal_for(handshake), handshake)
        except Exception as failure:  # noqa: BLE001 - a service's own code may raise anything; the carrier raises it again
            self.failures.append(failure)
            if not socket.prepared:
                return web.Response(status=500, text="the service failed before it was open\n")
        finally:
            self._n_chats -= 1
        return socket

    async def _converse(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        service: Service,
        first: Sequence[Action],
        journal: Journal,
        handshake: Handshake,
    ) -> None:
        socket.headers.update(self._headers)
        with suppress(ConnectionError):
            await socket.prepare(request)
        if request.transport is None or not socket.prepared:
            # The peer was gone before the handshake was over: there was no session.
            return
        journal.opened(handshake)
        self.journals.append(journal)
        protocol = request.transport.get_protocol()
        door = protocol if isinstance(protocol, Door) else None
        shortcut = protocol if isinstance(protocol, HttpConnection) and protocol.follow(MAX_MESSAGE_BYTES) else door
        conversation = Conversation(
            service, journal, self._clock, socket, request.transport, door=door, shortcut=shortcut, limits=self._limits
        )
        self._running[conversation] = end = asyncio.get_running_loop().create_future()
        try:
            await conversation.run(first)
        finally:
            del self._running[conversation]
            end.set_result(None)
            self._n_ended += 1
            now_ns = self._clock.now_ns()
            if not self._running or (self._n_ended >= MANY_ENDED and now_ns - self._idle_ns > LONG_BUSY_NS):
                self._n_ended, self._idle_ns = 0, now_ns
                self._on_idle()

    def _no_room(self, n_chats: int) -> web.Response:
        line = f"refused a chat: {n_chats} are open, as many as are allowed"
        self._tell("chats", line)
        return web.Response(status=503, text=f"evi-harness: {line}\n", headers={"Retry-After": str(RETRY_S)})


def _shown(text: str) -> str:
    """What anybody may have asked for, as one line of bounded length."""
    line = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return line if len(line) <= MAX_SHOWN else f"{line[:MAX_SHOWN]}…"


def _refused(refusal: Refuse) -> web.Response:
    return web.Response(status=refusal.status, text=refusal.body)


def _handshake(request: web.Request, path: str) -> Handshake:
    return Handshake(path=path, query=_pairs(request.query), headers=_pairs(request.headers))


def _pairs(pairs: Any) -> Tuple[Tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in pairs.items())
