"""Pass observations and their times from the app's thread to a thread of the tap.

It is not the recorder's thread, though that one looks as often: a disk that does not answer holds that one up, and what comes meanwhile is
held to the recorder's limit, and counted, by this one. Held here it would grow with the conversation, or be measured on the app's time.

Rules of living here: hearing costs a reading of the clock and an append; all else is done on the other side. Nothing of this reaches the
app: an error on either side ends the observation and is reported once.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Callable, Deque, Optional, Tuple

__all__ = ["Heard", "TapQueue"]

# A call, and what to call it with.
Heard = Tuple[Any, ...]
# As the recorder does, behind this: to be woken by each message would cost the app more than all the rest.
LOOK_EVERY_S = 0.02


class TapQueue:
    """Makes calls on a thread of its own, in the order in which they were put in.

    Args:
        now_ns: The clock, for those who put something in.
        on_failure: Called once with the error that a call raised; no call is made after it.

    Attributes:
        put: Takes a call: a tuple of what to call and its arguments. From any thread.
        failure: What ended the calls early, None while nothing did.
    """

    def __init__(self, now_ns: Callable[[], int], on_failure: Callable[[Exception], object] = lambda _: None) -> None:
        self.now_ns = now_ns
        self.failure: Optional[Exception] = None
        self._heard: Deque[Heard] = deque()
        # Without a method of ours around it: it stands in the app's way.
        self.put: Callable[[Heard], None] = self._heard.append
        self._on_failure = on_failure
        self._no_more = threading.Event()
        self._thread = threading.Thread(target=self._work, name="evi-harness tap", daemon=True)
        self._thread.start()

    def tell(self, *call: Any) -> None:
        """Put in a call whose last argument is the present time. Raises nothing."""
        try:
            self.put((*call, self.now_ns()))
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is ours, and the app goes on
            self.fail(failure)

    def fail(self, failure: Exception) -> None:
        """End the calls because of an error on the app's side."""
        self.put((_raise, failure))

    def finish(self) -> None:
        """Make the calls that wait and end the thread. Idempotent."""
        self._no_more.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _work(self) -> None:
        is_last_round = False
        while not is_last_round:
            # Read before the queue is emptied: what was put in before finish is then in it.
            is_last_round = self._no_more.wait(LOOK_EVERY_S)
            while self._heard:
                call, *arguments = self._heard.popleft()
                if self.failure is None:
                    self._call(call, arguments)

    def _call(self, call: Any, arguments: Any) -> None:
        try:
            call(*arguments)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is ours, and the app goes on
            self.failure = failure
            self._on_failure(failure)


def _raise(failure: Exception) -> None:
    raise failure
