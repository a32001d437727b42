from __future__ import annotations

import pytest

from evi_harness.errors import HandlerError, NotAHandler, StuckError
from evi_harness.harness import handling
from evi_harness.harness.handling import callbacks_for, chat_options, developers_part, note_stuck, note_unhandled
from evi_harness.live.clock import RealClock
from evi_harness.live.journal import Journal
from evi_harness.session.events import Handshake


class Loop:
    """Keeps what it is told to log."""

    def __init__(self):
        self.logged = []

    def default_exception_handler(self, context):
        self.logged.append(context)


def test_without_a_handler_there_is_the_built_in_one():
    """It prints through write."""
    assert callbacks_for(None, "built in", write=print, redact=str).name == "built in"


def test_an_error_of_the_handlers_is_told_without_its_secret():
    """And the exception that quotes it is not led to; without a secret it is."""

    class Broken:
        def __init__(self):
            raise ValueError("key k-1")

        def on_message(self, message): ...

    with pytest.raises(HandlerError) as redacted:
        callbacks_for(Broken, "Broken", write=print, redact=lambda text: text.replace("k-1", "…"))
    assert "key …" in redacted.value.what
    assert redacted.value.__cause__ is None
    with pytest.raises(HandlerError) as plain:
        callbacks_for(Broken, "Broken", write=print, redact=str)
    assert isinstance(plain.value.__cause__, ValueError)


def test_what_is_no_handler_is_refused():
    """As when it is given by a SPEC."""
    with pytest.raises(NotAHandler):
        callbacks_for(3, "int", write=print, redact=str)


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ((), {}),
        ((("config_id", "c"), ("api_key", "k"), ("config_version", "3")), {"config_id": "c", "config_version": 3}),
        ((("verbose_transcription", "True"),), {"verbose_transcription": True}),
    ],
)
def test_of_the_query_only_what_the_sdk_takes_is_repeated(query, options):
    """Never a key; nothing where the opening is not known."""
    assert chat_options(Handshake("/", query)) == options
    assert chat_options(None) == {}


def test_a_failed_task_is_noted_and_a_mere_complaint_is_logged():
    """What ends the run is neither."""
    journal, loop = Journal(RealClock()), Loop()
    note_unhandled(journal, loop, {"message": "m", "exception": ValueError("no")}, str)
    note_unhandled(journal, loop, {"message": "m", "exception": StuckError("stuck")}, str)
    note_unhandled(journal, loop, {"message": "complaint"}, str)
    assert [(note.name, note.data["what"]) for note in journal.events] == [("raised", "a task that nobody awaits raised ValueError: no")]
    assert loop.logged == [{"message": "complaint"}]


@pytest.mark.parametrize(
    ("stack", "what", "detail"),
    [(None, "it ended", []), ('  File "app.py", line 1, in f\n    g()\n', "nothing moved for 2 s", ['File "app.py", line 1, in f', "g()"])],
)
def test_stuck_is_noted_with_where_it_was_interrupted(stack, what, detail):
    """Or with what ended the run by itself."""
    journal = Journal(RealClock())
    note_stuck(journal, StuckError("it ended"), stack, of=4, timeout_s=2, redact=str)
    (note,) = journal.events
    assert (note.name, note.of, note.data["detail"], note.data["ended"]) == ("stuck", 4, detail, True)
    assert note.data["what"].startswith(what)


def test_of_a_stack_the_developers_part_is_shown():
    """What is below the last frame of this package; all of it where nothing is."""
    ours = f'  File "{handling.__file__}", line 1, in call\n    x()\n'
    theirs = '  File "app.py", line 5, in on_message\n    wait()\n'
    assert developers_part(ours + theirs) == theirs.splitlines()
    assert developers_part(ours) == ours.splitlines()
