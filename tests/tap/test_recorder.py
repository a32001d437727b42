from __future__ import annotations

import queue
import threading

import pytest

from evi_harness.errors import SessionUnwritable
from evi_harness.session.events import BINARY, Closed, Frame, Note, Opened, Sent
from evi_harness.tap import recorder as recorder_module
from evi_harness.tap.recorder import EVENT_BYTES, Recorder
from evi_harness.tap.rounds import Rounds


class Writer:
    """Keeps what it is given; waits at its gate before each write, and fails where it is told to."""

    def __init__(self, fail_at=None, fail_closing=False, abandoning=None, tending=()) -> None:
        self.written = []
        self.tended = queue.Queue()
        self._tending = list(tending)
        self.closed = []
        self.abandoned = []
        self.gate = threading.Event()
        self.gate.set()
        self.reached = threading.Event()
        self._fail_at = fail_at
        self._fail_closing = fail_closing
        self._abandoning = abandoning

    def write(self, event):
        self.reached.set()
        self.gate.wait(60)
        if event.seq == self._fail_at:
            raise OSError(28, "No space left on device")
        self.written.append(event)

    def tend(self):
        self.tended.put(len(self.written))
        found = self._tending.pop(0) if self._tending else None
        if isinstance(found, Exception):
            raise found
        return found

    def close(self, **changes):
        if self._fail_closing:
            raise SessionUnwritable("read-only file system")
        self.closed.append(changes)

    def abandon(self, reason, **changes):
        self.abandoned.append((reason, changes))
        if self._abandoning is not None:
            raise self._abandoning


def events(n_events, n_bytes=0):
    """An opening and binary frames of so many bytes behind it."""
    return [Opened(0, 0)] + [Sent(seq, seq * 10, Frame(BINARY, bytes(n_bytes))) for seq in range(1, n_events)]


def test_all_that_was_put_is_written_in_order_before_close_returns():
    """Close drains, joins and completes the session with its changes; a second close does nothing."""
    writer = Writer()
    recorder = Recorder(writer)
    for event in events(500):
        recorder.put(event)
    recorder.close(service="player")
    recorder.close(service="nobody")
    assert writer.written == events(500)
    assert writer.closed == [{"service": "player"}]
    assert (recorder.n_dropped, recorder.failure, writer.abandoned) == (0, None, [])


def test_a_recorder_that_was_given_nothing_closes():
    """Zero events are a session too."""
    writer = Writer()
    Recorder(writer).close()
    assert (writer.written, writer.closed) == ([], [{}])


def test_what_does_not_fit_is_dropped_counted_and_told():
    """While the disk hangs, memory stays bounded; the user hears of it at once, and once; a note stands where the events would."""
    writer, warnings = Writer(), []
    writer.gate.clear()
    recorder = Recorder(writer, limit_bytes=3 * (EVENT_BYTES + 100), warn=warnings.append)
    put = events(10, 100)
    for event in put:
        recorder.put(event)
    (warning,) = warnings
    recorder.put(Closed(10, 100))
    assert recorder.n_dropped == 7
    writer.gate.set()
    recorder.close()
    note = Note(3, 30, "dropped", None, {"n_events": 7, "n_bytes": 700, "last_seq": 9})
    assert writer.written == [*put[:3], note, Closed(10, 100)]
    assert writer.closed == [{"counts": {"dropped": 7}}]
    assert "not keep up" in warning
    assert "the conversation continues" in warning
    assert warnings == [warning]


def test_recording_goes_on_behind_a_gap():
    """When there is room again events are taken again, the note before them; a gap at the end is told at close."""
    writer = Writer()
    writer.gate.clear()
    recorder = Recorder(writer, limit_bytes=2 * EVENT_BYTES, warn=lambda _: None)
    put = events(6)
    for event in put[:3]:
        recorder.put(event)
    writer.gate.set()
    while recorder._written_bytes < 2 * EVENT_BYTES:
        writer.reached.wait(60)
    writer.gate.clear()
    for event in put[3:]:
        recorder.put(event)
    writer.gate.set()
    recorder.close()
    seqs = [event.seq for event in writer.written]
    assert seqs == sorted(set(seqs))
    n_noted = sum(event.data["n_events"] for event in writer.written if isinstance(event, Note))
    assert n_noted == recorder.n_dropped
    assert n_noted + sum(not isinstance(event, Note) for event in writer.written) == len(put)


@pytest.mark.parametrize("abandoning", [None, OSError("still full")])
def test_a_full_disk_ends_the_recording_and_nothing_else(abandoning):
    """One warning, the session is left incomplete, and put and close go on without a word."""
    writer, warnings = Writer(fail_at=3, abandoning=abandoning), []
    recorder = Recorder(writer, warn=warnings.append)
    for event in events(10):
        recorder.put(event)
    recorder.close()
    recorder.put(Closed(10, 100))
    assert [event.seq for event in writer.written] == [0, 1, 2]
    assert recorder.n_dropped == 8
    assert isinstance(recorder.failure, OSError)
    # Why at once, how many when that is known: the last was put after the end and is not among them.
    (why, at_once), (again, at_last) = writer.abandoned
    assert (why, at_once, at_last, writer.closed) == (again, {}, {"counts": {"dropped": 7}}, [])
    (warning,) = warnings
    assert "No space left" in warning
    assert "conversation continues" in warning


def test_a_session_that_cannot_be_completed_is_told():
    """A failing close warns and does not raise."""
    warnings = []
    recorder = Recorder(Writer(fail_closing=True), warn=warnings.append)
    recorder.close()
    assert isinstance(recorder.failure, SessionUnwritable)
    assert "read-only" in warnings[0]


def test_a_disk_that_takes_nothing_any_more_holds_up_nobody(monkeypatch):
    """Close gives up what waits and says so; the thread goes on when the disk does, and writes why into the header."""
    monkeypatch.setattr(recorder_module, "NOTICE_S", 0.01)
    monkeypatch.setattr(recorder_module, "PATIENCE_S", 0.01)
    writer, warnings = Writer(), []
    writer.gate.clear()
    recorder = Recorder(writer, warn=warnings.append)
    for event in events(10):
        recorder.put(event)
    assert writer.reached.wait(60)
    recorder.close()
    recorder.close()
    assert recorder.n_dropped == 9
    assert "written nothing for 0.01 s" in str(recorder.failure)
    assert ["waiting for it" in warnings[0], "cannot be completed" in warnings[1], len(warnings)] == [True, True, 2]
    writer.gate.set()
    recorder._thread.join(60)
    assert [event.seq for event in writer.written] == [0]
    assert writer.abandoned == [(str(recorder.failure), {"counts": {"dropped": 9}})]
    assert (recorder.n_dropped, writer.closed) == (9, [])


def test_a_slow_disk_is_waited_for(monkeypatch):
    """As long as it takes anything at all, close waits for it, with one word."""
    monkeypatch.setattr(recorder_module, "NOTICE_S", 0.01)
    writer, warnings = Writer(), []
    writer.gate.clear()
    recorder = Recorder(writer, warn=lambda sentence: (warnings.append(sentence), writer.gate.set()))
    for event in events(10):
        recorder.put(event)
    recorder.close()
    assert (writer.written, len(warnings)) == (events(10), 1)
    assert (recorder.failure, recorder.n_dropped, writer.closed) == (None, 0, [{}])


def test_a_warning_that_raises_does_no_harm():
    """Whatever the app does with a warning, the recorder ends as it should."""

    def warn(sentence):
        raise ZeroDivisionError

    recorder = Recorder(Writer(fail_at=0), warn=warn)
    recorder.put(Opened(0, 0))
    recorder.close()
    assert recorder.n_dropped == 1


def test_many_threads_may_put():
    """Notes come from any thread; none is lost and the count of bytes returns to zero."""
    writer = Writer()
    recorder = Recorder(writer)
    threads = [threading.Thread(target=lambda: [recorder.put(event) for event in events(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    assert len(writer.written) == 800
    assert recorder._put_bytes == recorder._written_bytes


def test_the_writer_is_asked_again_and_again_to_tend_its_folder(monkeypatch):
    """Also while nothing comes; what it says is told, and what it raises ends the recording as a write that fails does."""
    monkeypatch.setattr(recorder_module, "TEND_EVERY_S", 0.0)
    gone = SessionUnwritable("the session is lost")
    writer, warnings = Writer(tending=[None, "moved", None, gone]), queue.Queue()
    recorder = Recorder(writer, warn=warnings.put)
    assert [writer.tended.get(timeout=60) for _ in range(4)] == [0, 0, 0, 0]
    assert warnings.get(timeout=60) == "moved"
    assert warnings.get(timeout=60).endswith(f": {gone}")
    recorder.put(Opened(0, 0))
    recorder.close()
    assert (recorder.failure, recorder.n_dropped) == (gone, 1)
    assert (writer.written, writer.closed, writer.tended.qsize()) == ([], [], 0)


def test_a_folder_is_tended_while_events_never_stop_coming(monkeypatch):
    """Between two of them."""
    monkeypatch.setattr(recorder_module, "TEND_EVERY_S", 0.0)
    writer = Writer()
    writer.gate.clear()
    recorder = Recorder(writer)
    for event in events(5):
        recorder.put(event)
    writer.gate.set()
    recorder.close()
    assert {1, 2, 3, 4} <= {writer.tended.get_nowait() for _ in range(writer.tended.qsize())}


def test_closing_that_is_interrupted_can_be_gone_on_with(monkeypatch):
    """Ctrl+C while the disk is waited for: the next call waits for the same end."""
    writer = Writer()
    writer.gate.clear()
    recorder = Recorder(writer)
    recorder.put(Opened(0, 0))
    join = recorder._thread.join

    def interrupted(timeout):
        monkeypatch.setattr(recorder._thread, "join", join)
        raise KeyboardInterrupt

    monkeypatch.setattr(recorder._thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recorder.close(service="player")
    writer.gate.set()
    recorder.close(service="nobody")
    assert (writer.written, writer.closed) == ([Opened(0, 0)], [{"service": "player"}])


class Named(Writer):
    """Also keeps on which thread each call came."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.threads = queue.Queue()

    def _note(self, call):
        self.threads.put((call, threading.current_thread().name))

    def write(self, event):
        super().write(event)
        self._note("write")

    def tend(self):
        self._note("tend")
        return super().tend()

    def close(self, **changes):
        self._note("close")
        super().close(**changes)


def test_what_may_wait_for_the_disk_is_on_a_thread_for_each_and_the_rest_on_one_for_all(monkeypatch):
    """The first event, which makes the folder, tending and completing are on the recorder's own; the rounds write what comes between."""
    monkeypatch.setattr(recorder_module, "TEND_EVERY_S", 0.01)
    rounds, writers = Rounds(), [Named(), Named()]
    recorders = [Recorder(writer, rounds=rounds) for writer in writers]
    for recorder, writer in zip(recorders, writers):
        recorder.put(Opened(0, 0))
        assert writer.threads.get(timeout=60) == ("write", "evi-harness recorder")
        assert writer.threads.get(timeout=60) == ("tend", "evi-harness recorder")
    for recorder in recorders:
        recorder.put(events(2)[1])
    for recorder, writer in zip(recorders, writers):
        found = iter(lambda writer=writer: writer.threads.get(timeout=60), ("write", "evi-harness rounds"))
        assert set(found) <= {("tend", "evi-harness recorder")}
        recorder.close(service="player")
        assert (writer.written, writer.closed) == (events(2), [{"service": "player"}])
        assert ("close", "evi-harness recorder") in [writer.threads.get_nowait() for _ in range(writer.threads.qsize())]


def test_a_disk_that_hangs_for_one_holds_up_no_other():
    """One recorder makes its folder, and does not come to an end; the other, in the same rounds, writes and completes its own."""
    rounds, stuck, free = Rounds(), Writer(), Writer()
    stuck.gate.clear()
    first, second = Recorder(stuck, rounds=rounds), Recorder(free, rounds=rounds)
    for recorder in (first, second):
        recorder.put(Opened(0, 0))
    assert stuck.reached.wait(60)
    for event in events(200)[1:]:
        second.put(event)
    second.close()
    assert (free.written, free.closed, stuck.written) == (events(200), [{}], [])
    stuck.gate.set()
    first.close()
    assert (stuck.written, stuck.closed) == ([Opened(0, 0)], [{}])


def test_all_that_was_put_while_the_rounds_write_is_there_at_the_end():
    """From several recorders at once, in order."""
    rounds, writers = Rounds(), [Writer() for _ in range(5)]
    recorders = [Recorder(writer, rounds=rounds) for writer in writers]
    for event in events(2000):
        for recorder in recorders:
            recorder.put(event)
    for recorder in recorders:
        recorder.close()
    assert [writer.written for writer in writers] == [events(2000)] * 5
    assert [recorder.n_waiting_bytes for recorder in recorders] == [0] * 5
