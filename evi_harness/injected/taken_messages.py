"""Which message an app takes of its connection, and when: what its client's ``recv`` returns, until it is called again.

Rules of living here: messages are not changed. They are identified by their order, so an app that reads in several places at once is no
longer watched.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from evi_harness.carriers.arrivals import Arrivals
from evi_harness.carriers.journal import Journal
from evi_harness.guard.on_behalf_of import Behalf, on_behalf_from_now_on
from evi_harness.guard.patches import Hooks
from evi_harness.guard.place_lookup import Stack, raised_stack, told_functions, told_places
from evi_harness.sdk.adapter import Adapter, HandingWatch, Misread
from evi_harness.sdk.handler_reads import leaves
from evi_harness.session.events import Closed, Event, Received
from evi_harness.session.notes import CUT_OFF, HANDLER_ENTERED, HANDLER_RETURNED, MISREAD, UNPARSEABLE, UNSEEN
from evi_harness.session.protocols import Dialect
from evi_harness.watch.cpu_time import CpuTime
from evi_harness.watch.sends_after_close import SendsAfterClose, describing
from evi_harness.watch.sent_from import SentFrom

__all__ = ["THE_APP", "TakenMessages"]

# On whose behalf code runs that no callback is known of.
THE_APP = "the app"
_AIOHTTP = "aiohttp.client_ws"
# What aiohttp gives that is a message of the service's.
_MESSAGES = frozenset({"TEXT", "BINARY"})


class TakenMessages:
    """Watches the connection of one app.

    Args:
        journal: Where the notes go.
        adapter: Of the SDK, which may parse what is taken.
        handing: Told when the app has dealt with an interruption.
        dialect: Says what is sent.
        redact: Takes secrets out of what notes quote.
    """

    def __init__(self, journal: Journal, adapter: Adapter, handing: HandingWatch, dialect: Dialect, redact: Callable[[str], str]) -> None:
        self._journal = journal
        self._adapter = adapter
        self._handing = handing
        self._redact = redact
        self._arrivals = Arrivals()
        self._hooks = Hooks()
        self._cpu = CpuTime(journal)
        self._sent_from = SentFrom(journal, dialect, redact)
        self._late = SendsAfterClose(journal, describing(dialect, redact), redact)
        self._counted: Callable[[], object] = int
        self._event: Optional[Received] = None
        self._failure: Optional[Exception] = None
        self._places: Dict[Stack, List[Dict[str, Any]]] = {}
        self._n_waiting = 0
        # The tasks that have read, the last one last.
        self._readers: List[Any] = []
        self._n_taken = 0
        self._misread: Set[str] = set()
        # Where the last message was read.
        self._read_at: List[Dict[str, Any]] = []
        self._is_library_watched = self._is_parsing_watched = self._is_aiohttp_watched = False
        self._why_not: Optional[str] = None
        # Where tasks were started that go on beyond their message, once for each; of one alone, such as a microphone's, nothing follows.
        self._handed_on: List[Stack] = []
        self._started: List[Tuple[Any, Stack]] = []

    @property
    def handling(self) -> Optional[int]:
        """The seq of the message that the app has taken last, None before the first and where it takes the next."""
        return None if self._event is None else self._event.seq

    def tell(self, event: Event) -> None:
        """Take an event of the connection: a sink for ``Journal``."""
        self._arrivals.tell(event)
        if isinstance(event, Closed):
            self._late.closed()

    def watch(self, protocol: Any) -> None:
        """Watch a connection to the service, if it is one of a client that is known: websockets', or aiohttp's."""
        if callable(getattr(protocol, "recv", None)):
            # Iterating over it calls its ``recv``, in all versions of the library.
            self._hooks.wrap(protocol, "recv", self._receiving)
            if not self._is_library_watched:
                self._is_library_watched = True
                self._sent_from.watch(protocol)
                self._late.watch_sends(protocol)
        client = sys.modules.get(_AIOHTTP)
        if client is not None and not self._is_aiohttp_watched:
            self._is_aiohttp_watched = True
            self._hooks.wrap(client.ClientWebSocketResponse, "receive", self._receiving)
        if self._adapter.package in sys.modules and not self._is_parsing_watched:
            self._is_parsing_watched = True
            self._adapter.watch_parsing(self._hooks, None, self._failed)

    def began(self, task: Any, of: Behalf, stack: Stack) -> None:
        """Take that the app has started a task: for a message, it may be that task that deals with it."""
        if self._event is not None and of.of == self._event.seq:
            self._started.append((task, stack))

    def raised(self, error: BaseException) -> bool:
        """Whether an exception that ends the app is that of the SDK's parser; then it is noted."""
        event, failure = self._event, self._failure
        if event is None or failure is None or failure not in leaves(error):
            return False
        self._note_unparseable(event, failure, ended=True)
        self._failure = None
        return True

    def drop(self) -> None:
        """Watch no longer: what was taken until now was another connection's."""
        self._hooks.restore()
        self._sent_from.restore()
        self._late.finish()

    def finish(self) -> None:
        """Watch no longer, and note what is told at the end."""
        self._hooks.restore()
        self._sent_from.restore()
        self._late.finish()
        self._sent_from.finish()
        if self._event is not None and self._failure is not None:
            self._note_unparseable(self._event, self._failure, ended=True)
        self._event = None
        self._cpu.finish()
        if self._why_not is None and not self._n_taken and any(isinstance(event, Received) for event in self._journal.events):
            self._why_not = "the app reads its connection in another way than with recv of websockets or aiohttp"
        if self._why_not is not None:
            self._unseen("app_command", f"{self._why_not}: when it reads each message, and how long it handles it, is not known")
        elif len(self._handed_on) > 1:
            place = "".join(f" at {one['file']}:{one['line']}" for one in told_places(self._handed_on[-1], self._redact)[:1])
            self._unseen("handed_on", f"the app hands messages on to tasks{place}: how long it handles them is not known")

    def _unseen(self, kind: str, what: str) -> None:
        if self._journal.opened_at_ns is not None:
            self._journal.note(UNSEEN, of=None, sample=True, kind=kind, what=what, at_ns=self._journal.now_ns)

    def _receiving(self, real: Callable[..., Any]) -> Callable[..., Any]:
        async def recv(*args: Any, **kwargs: Any) -> Any:
            is_iterated = self._adapter.is_iterated()
            self._let_go()
            self._asks(asyncio.current_task())
            self._n_waiting += 1
            try:
                taken = await real(*args, **kwargs)
            except Exception as error:
                if is_iterated:
                    self._ended_by(self._adapter.cut_off(error))
                raise
            finally:
                self._n_waiting -= 1
            kind = getattr(getattr(taken, "type", None), "name", None)
            if kind is None or kind in _MESSAGES:
                self._take()
            return taken

        return recv

    def _asks(self, task: Any) -> None:
        """One task may follow another; tasks that take turns, or wait together, deal with messages side by side."""
        is_another = not self._readers or self._readers[-1] is not task
        if self._n_waiting or (is_another and task in self._readers):
            self._why_not = "the app reads its connection in several tasks"
        elif is_another:
            self._readers.append(task)

    def _take(self) -> None:
        try:
            event = self._arrivals.next()
        except IndexError:
            # What is in no journal, such as what is left of another connection.
            return
        if self._why_not is not None:
            return
        self._n_taken += 1
        self._event = event
        name, places = self._reader()
        self._read_at = places
        self._journal.note(HANDLER_ENTERED, of=event.seq, callback=name, places=places)
        # In the app's own task: what it starts from now on is about this message.
        on_behalf_from_now_on(THE_APP, event.seq)
        self._counted = self._cpu.count(event.seq)

    def _let_go(self) -> None:
        event, failure = self._event, self._failure
        self._event = self._failure = None
        started, self._started = self._started, []
        if event is None:
            return
        self._handed_on += [stack for task, stack in started if not task.done()][:1]
        if failure is not None:
            self._note_unparseable(event, failure, ended=False)
        self._counted()
        self._journal.note(HANDLER_RETURNED, of=event.seq, callback=THE_APP)
        if self._adapter.is_interruption(event):
            self._handing.interrupted(event)

    def _reader(self) -> Tuple[str, List[Dict[str, Any]]]:
        """The function of the developer's that reads, and where it is; its source stands in the first note of it."""
        frame: Any = sys._getframe(2)
        stack = []
        while frame is not None:
            code = frame.f_code
            stack.append((code.co_filename, code.co_firstlineno, code.co_name))
            frame = frame.f_back
        places = self._places.get(tuple(stack))
        if places is None:
            places = told_functions(tuple(stack), self._redact, n_most=1)
            self._places[tuple(stack)] = [{**place, "source": []} for place in places]
        return (str(places[0]["function"]) if places else THE_APP), places

    def _note_misread(self, event: Received, hidden: Misread) -> None:
        """Note what the parser hides, once for all messages of which it is true."""
        if str(hidden) not in self._misread:
            self._misread.add(str(hidden))
            self._journal.note(
                MISREAD, of=event.seq, what=self._redact(f"{self._adapter.package} hides what it made of a message: {hidden}")
            )

    def _ended_by(self, cut_off: Optional[str]) -> None:
        if cut_off is not None:
            what = self._redact(f"{cut_off}; the iteration over the connection ends as if that were a normal end")
            self._journal.note(CUT_OFF, what=what, places=self._read_at)

    def _failed(self, error: Exception) -> None:
        self._failure = error

    def _note_unparseable(self, event: Received, error: Exception, *, ended: bool) -> None:
        adapter = self._adapter
        if isinstance(error, Misread):
            self._note_misread(event, error)
            return
        try:
            version = adapter.version()
            found = adapter.problems(event.frame.payload)
        except Exception:  # noqa: BLE001 - an app's environment may have a version that is not known
            version, found = "", ()
        fields = "; ".join(str(problem) for problem in found) or type(error).__name__
        self._journal.note(
            UNPARSEABLE,
            of=event.seq,
            what=self._redact(f"{adapter.package} {version} cannot parse this message: {fields}"),
            fields=[problem.field for problem in found],
            sdk=version,
            ended=ended,
            places=told_places(raised_stack(error), self._redact, or_library=False),
        )
