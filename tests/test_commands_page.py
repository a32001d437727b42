"""docs/how-to/commands.md: each row of its table is held by a test, which is named here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "how-to" / "commands.md").read_text(encoding="utf-8")

# Row → the file of the test that tries it, and the test.
HELD_BY = {
    "apps": ("runs/test_command_run.py", "test_an_app_passes_however_it_runs_its_loop_and_connects"),
    "clients": ("runs/test_command_run.py", "test_an_app_passes_however_it_runs_its_loop_and_connects"),
    "REST": ("runs/test_command_run.py", "test_an_app_is_told_of_its_own_chat"),
    "connections": ("injected/test_several_connections.py", "test_each_session_is_judged_by_its_own_connection"),
    "deviations": ("runs/test_command_run.py", "test_what_is_wrong_with_an_app_is_found"),
    "sound": ("test_unmodified_apps.py", "test_what_is_wrong_with_it_is_heard"),
    "`raised`": ("runs/test_command_run.py", "test_what_is_wrong_with_an_app_is_found"),
    "`swallowed`": ("injected/test_left_by_app.py", "test_what_an_app_leaves_behind_is_found"),
    "`leaked_task`, `open_socket`": ("injected/test_left_by_app.py", "test_what_is_pending_when_an_app_is_interrupted_is_no_finding"),
    "`leaked_thread`": ("injected/test_left_by_app.py", "test_what_an_app_leaves_behind_is_found"),
    "`sends_after_close`": ("injected/test_left_by_app.py", "test_a_message_to_a_closed_connection_has_its_place"),
    "`never_awaited`": ("injected/test_left_by_app.py", "test_what_an_app_leaves_behind_is_found"),
    "`unparseable`": ("injected/test_left_by_app.py", "test_a_message_that_the_sdk_cannot_parse_is_told_as_of_a_handler"),
    "`blocked`, `stuck`": ("runs/test_command_run.py", "test_what_is_wrong_with_an_app_is_found"),
    "`over_time`, `never_returns`": ("runs/real_commands/test_real_command_run.py", "test_an_app_that_does_not_return_is_ended"),
    "`crashed`": ("runs/test_command_run.py", "test_what_is_wrong_with_an_app_is_found"),
    "`network`": ("runs/real_commands/test_real_command_run.py", "test_what_the_app_meets_besides_the_service"),
    "`queue`, `handle`, `cpu`": (
        "injected/test_left_by_app.py",
        "test_a_message_is_taken_when_recv_returns_it_and_handled_until_the_next_call",
    ),
    "input": ("runs/test_command_run.py", "test_an_app_passes_however_it_runs_its_loop_and_connects"),
    "two runs": ("runs/test_command_run.py", "test_two_runs_are_the_same"),
}


def rows():
    """The first cells of the table of what is supported."""
    table = PAGE.split("## What is supported\n")[1].split("\n\n| | ")[1].split("\n\n")[0]
    return [line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:]]


def test_each_row_of_the_table_is_held_by_a_test():
    """In the order of the page."""
    assert rows() == list(HELD_BY)


@pytest.mark.parametrize(("file", "name"), sorted(set(HELD_BY.values())), ids=lambda one: one)
def test_the_tests_are_there(file, name):
    """By their names."""
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    assert name in [one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)]
