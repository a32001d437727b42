"""Which of the developer's functions ran for a message: where to look if an expected message was never sent.

What is never sent has no line that sends it. What is known is who had the message that it should have answered, and what ran then: the
callback, the methods of the app's own class that it calls, and the tasks that it starts. That is what Python's profiling hook sees, set for
just these steps of the loop, of just the messages that the app may have to answer. What runs on other threads is left out.

Rules of living here: it looks and changes nothing. A hook that somebody else has set stays; then what the handler's class defines is noted
instead, and that nobody knows whether it ran. What has called as often as ``N_CALLS`` for one message is looked at no longer.
"""

from __future__ import annotations

import asyncio
import sys
from types import CodeType, FrameType
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.steps import ReadySteps
from evi_harness.guard.developers import HARNESS, PYTHON, owner
from evi_harness.guard.on_behalf_of import behalf, behalf_in
from evi_harness.guard.place_lookup import Stack, code_of, told_functions
from evi_harness.session.notes import HANDLER_RAN
from evi_harness.session.places import DEFINED, RAN

__all__ = ["N_CALLS", "FunctionsRan"]

# Calls and returns, of C functions too, that are looked at for one message, and in all: some milliseconds, and a tenth of a second.
N_CALLS = 10_000
N_CALLS_OF_RUN = 500_000
N_PLACES = 12
_LEFT_OUT = frozenset({HARNESS, PYTHON})


class _Message:
    """A message that the handler has or had.

    Attributes:
        callback: The callback that has it.
        ran: The code that ran for it, by id, for code is hashed anew each time; in the order in which it first began.
        n_left: How many calls are still looked at.
    """

    def __init__(self, callback: str, n_left: int) -> None:
        self.callback = callback
        self.ran: Dict[int, CodeType] = {}
        self.n_left = n_left


class FunctionsRan:
    """Watches one handler.

    Args:
        journal: The journal for ``handler_ran`` notes.
        handler: The object whose callbacks are called, or the function.
        redact: Removes secrets from quotations in the notes.
    """

    def __init__(self, journal: Journal, handler: Any, redact: Callable[[str], str] = str) -> None:
        self._journal = journal
        self._handler = handler
        self._redact = redact
        self._messages: Dict[int, _Message] = {}
        self._untraced: Dict[int, str] = {}
        self._n_left = N_CALLS_OF_RUN
        self._steps: Optional[ReadySteps] = None
        # What is compared has to be the same object each time.
        self._hook = self._called

    def begin(self, of: int, callback: str, function: Any) -> None:
        """Start observing what runs for a message, in this step and in others.

        Args:
            of: The message, by seq.
            callback: The name of the callback that handles it.
            function: The callback itself.
        """
        if sys.getprofile() is not None or self._n_left <= 0:
            self._untraced.setdefault(of, callback)
            return
        if self._steps is None:
            steps = getattr(asyncio.get_running_loop(), "_ready", None)
            if isinstance(steps, ReadySteps):
                self._steps = steps
                steps.on_step = self._step
        message = self._messages.setdefault(of, _Message(callback, min(N_CALLS, self._n_left)))
        code = code_of(function)
        if code is not None:
            # It began first: where it reads its messages by itself, it is only seen to go on.
            message.ran[id(code)] = code
        sys.setprofile(self._hook)

    def pause(self) -> None:
        """The callback has returned; what it started is observed when it runs."""
        if sys.getprofile() is self._hook:
            sys.setprofile(None)

    def finish(self) -> None:
        """Write a note for each message for which more than the callback ran."""
        self.pause()
        if self._steps is not None:
            self._steps.on_step = None
        told: Dict[Stack, List[Dict[str, Any]]] = {}
        for of, message in self._messages.items():
            functions = tuple(_place(code) for code in reversed(message.ran.values()))
            if len(functions) > 1:
                self._note(of, message.callback, functions, told, traced=True)
        for of, callback in self._untraced.items():
            self._note(of, callback, tuple(_defined_by(self._handler)), told, traced=False)

    def _note(self, of: int, callback: str, functions: Stack, told: Dict[Stack, List[Dict[str, Any]]], *, traced: bool) -> None:
        # The source stands in the first note of some functions: every sentence that is said runs through the same ones.
        if functions in told:
            places = [{**place, "source": []} for place in told[functions]]
        else:
            places = told[functions] = told_functions(functions, self._redact, whole=RAN if traced else DEFINED, n_most=N_PLACES)
        if places:
            self._journal.note(HANDLER_RAN, of=of, callback=callback, places=places, traced=traced, sample=True)

    def _step(self, handle: Any) -> None:
        """Before a step: it is looked at if it is one of a message's."""
        of = behalf_in(getattr(handle, "_context", None))
        if of is not None and of.of in self._messages and self._messages[of.of].n_left > 0:
            if sys.getprofile() is None:
                sys.setprofile(self._hook)
        else:
            self.pause()

    def _called(self, frame: FrameType, event: str, _: Any) -> None:
        of = behalf()
        message = None if of is None or of.of is None else self._messages.get(of.of)
        if message is None:
            return
        message.n_left -= 1
        self._n_left -= 1
        if message.n_left <= 0:
            self.pause()
        elif event == "call":
            code = frame.f_code
            if id(code) not in message.ran and code.co_name[0] != "<" and owner(code.co_filename) not in _LEFT_OUT:
                message.ran[id(code)] = code


def _place(code: CodeType) -> Tuple[str, Optional[int], str]:
    return code.co_filename, code.co_firstlineno, code.co_name


def _defined_by(handler: Any) -> Iterator[Tuple[str, Optional[int], str]]:
    """The functions that the handler's own class defines, but for those of Python's own names."""
    for name, value in vars(type(handler)).items():
        code = code_of(value) if callable(value) else None
        if code is not None and not name.startswith("__"):
            yield _place(code)
