from __future__ import annotations

import selectors

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.clock import RealClock
from evi_harness.errors import HandlerError, NotAHandler, StuckError
from evi_harness.runs import handler_setup as handling
from evi_harness.runs.handler_setup import Standing, callbacks_for, developers_part, note_stuck
from evi_harness.sdk.hume.hume_adapter import HUME, chat_options
from evi_harness.session.events import Handshake


def test_without_a_handler_there_is_the_built_in_one():
    """It prints through write."""
    assert callbacks_for(HUME, None, "built in", write=print, redact=str).name == "built in"


def test_an_error_of_the_handlers_is_told_without_its_secret():
    """And the exception that quotes it is not led to; without a secret it is."""

    class Broken:
        def __init__(self):
            raise ValueError("key k-1")

        def on_message(self, message): ...

    with pytest.raises(HandlerError) as redacted:
        callbacks_for(HUME, Broken, "Broken", write=print, redact=lambda text: text.replace("k-1", "…"))
    assert "key …" in redacted.value.what
    assert redacted.value.__cause__ is None
    with pytest.raises(HandlerError) as plain:
        callbacks_for(HUME, Broken, "Broken", write=print, redact=str)
    assert isinstance(plain.value.__cause__, ValueError)


def test_what_is_no_handler_is_refused():
    """As when it is given by a SPEC."""
    with pytest.raises(NotAHandler):
        callbacks_for(HUME, 3, "int", write=print, redact=str)


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ((), {}),
        ((("config_id", "c"), ("api_key", "k"), ("config_version", "3")), {"config_id": "c", "config_version": 3}),
        ((("verbose_transcription", "True"),), {"verbose_transcription": True}),
        ((("session_settings[system_prompt]", "p"), ("session_settings[language_model_api_key]", "k")), {}),
        (
            (("config_id", "c"), ("session_settings[audio][channels]", "1"), ("session_settings[voice_id]", "v")),
            {"config_id": "c", "audio": {"channels": "1"}},
        ),
    ],
)
def test_of_the_query_only_what_the_sdk_takes_is_repeated(query, options):
    """With the format of the audio, never a key; nothing where the opening is not known."""
    assert chat_options(Handshake("/", query)) == options
    assert chat_options(None) == {}


WAITS = (("app.py", 3, "on_message"),)
STACK = '  File "app.py", line 1, in f\n    g()\n'
IDLE = '  File "selectors.py", line 9, in select\n    poll()\n'


@pytest.mark.parametrize(
    ("standing", "of", "what", "detail"),
    [
        (None, None, "it ended", []),
        (Standing(STACK, 4), 4, "no progress for 2 s", ['File "app.py", line 1, in f', "g()"]),
        (Standing(STACK, 4, WAITS), 4, "no progress for 2 s", ['File "app.py", line 1, in f', "g()"]),
        (Standing(IDLE, 4, WAITS), 4, "no progress for 2 s", ["app.py:3 in on_message"]),
        (Standing(IDLE), None, "no progress for 2 s", ['File "selectors.py", line 9, in select', "poll()"]),
    ],
    ids=["ended by itself", "in the handler", "in what it called", "a loop that only turns", "nobody's"],
)
def test_stuck_is_noted_with_where_it_was_interrupted(standing, of, what, detail):
    """The handler's part of the stack; of a loop that turns, where the handler's coroutine stood; or what ended the run by itself."""
    journal = Journal(RealClock())
    note_stuck(journal, StuckError("it ended"), standing, timeout_s=2, redact=str)
    (note,) = journal.events
    assert (note.name, note.of, note.data["detail"], note.data["ended"]) == ("stuck", of, detail, True)
    assert note.data["what"].startswith(what)


@pytest.mark.parametrize(
    ("standing", "line"),
    [
        (Standing(STACK, 4, WAITS, (("app.py", 1, "f"),)), 1),
        (Standing(IDLE, 4, WAITS, ((selectors.__file__, 9, "select"),)), 3),
        (Standing(IDLE, 4, (), ((selectors.__file__, 9, "select"),)), None),
    ],
    ids=["in the handler", "a loop that only turns", "nobody's"],
)
def test_stuck_has_the_place_in_the_handler(standing, line):
    """Where its code ran, else where its coroutine stood; the code of others has none."""
    journal = Journal(RealClock())
    note_stuck(journal, StuckError("it ended"), standing, timeout_s=2, redact=str)
    assert [place["line"] for place in journal.events[0].data["places"]] == ([] if line is None else [line])


def test_what_ended_by_itself_has_the_place_that_waited():
    """As the loop saw it."""
    journal = Journal(RealClock())
    note_stuck(journal, StuckError("it ended"), None, timeout_s=2, redact=str, waits=WAITS)
    assert [place["function"] for place in journal.events[0].data["places"]] == ["on_message"]


def test_the_stack_that_is_quoted_holds_no_secret():
    """By its name: the line of code stands in it as Python read it."""
    stack = '  File "app.py", line 1, in f\n    api_key: str = "k9Jq2vXw7LmZ"; g()\n'
    assert Standing(stack).detail() == ['File "app.py", line 1, in f', 'api_key: [redacted] = "[redacted]"; g()']


def test_where_a_run_stands_is_seen_without_an_app_too():
    """Before the handler is connected there is only the stack."""
    assert Standing.seen(STACK, None) == Standing(STACK)


def test_of_a_stack_the_developers_part_is_shown():
    """What is below the last frame of this package; all of it where nothing is."""
    ours = f'  File "{handling.__file__}", line 1, in call\n    x()\n'
    theirs = '  File "app.py", line 5, in on_message\n    wait()\n'
    assert developers_part(ours + theirs) == theirs.splitlines()
    assert developers_part(ours) == ours.splitlines()
