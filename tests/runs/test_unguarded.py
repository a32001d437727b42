"""Tests of evi_harness.runs.unguarded: which line runs an event loop on import, and what is said of it."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest

from evi_harness.errors import HandlerError
from evi_harness.runs.spec import load
from evi_harness.runs.unguarded import unguarded_run

HEAD = "import asyncio\n\n\nclass App:\n    def on_message(self, message): ...\n\n\nasync def main(): ...\n\n\n"


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """The current folder is an empty one."""
    monkeypatch.chdir(tmp_path)


def refused(tmp_path, text):
    """The error for a file of a text; None where there is none."""
    file = tmp_path / "app.py"
    file.write_text(text, encoding="utf-8")
    return unguarded_run(file, "app.py")


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("asyncio.run(main())", "asyncio.run(main())"),
        ("code = asyncio.run(main())", "code = asyncio.run(main())"),
        ("import sys\nsys.exit(asyncio.run(main()))", "sys.exit(asyncio.run(main()))"),
        ("from asyncio import run\nrun(main())", "run(main())"),
        ("from asyncio import run as go\ngo(main())", "go(main())"),
        ("import asyncio as aio\naio.run(main(), debug=True)", "aio.run(main(), debug=True)"),
        ("import anyio\nanyio.run(main)", "anyio.run(main)"),
        ("import uvloop\nuvloop.run(main())", "uvloop.run(main())"),
        ("asyncio.get_event_loop().run_until_complete(main())", "asyncio.get_event_loop().run_until_complete(main())"),
        ("loop = asyncio.new_event_loop()\nloop.run_forever()", "loop.run_forever()"),
        ("try:\n    asyncio.run(main())\nexcept KeyboardInterrupt:\n    pass", "asyncio.run(main())"),
        ("import contextlib\nwith contextlib.suppress(OSError):\n    asyncio.run(main())", "asyncio.run(main())"),
    ],
)
def test_the_line_that_runs_a_loop_is_quoted_with_the_two_that_mend_it(tmp_path, text, statement):
    """In the place of that line they make a file that can be imported: the error is of that line, and then gone."""
    error = refused(tmp_path, HEAD + text + "\n")
    line = next(number for number, one in enumerate((HEAD + text).splitlines(), 1) if statement in one)
    assert error.where == f"{tmp_path / 'app.py'}:{line}"
    assert error.what.endswith(f": {statement}")
    first, second = error.hint.splitlines()[-2:]
    assert (first, second) == ('if __name__ == "__main__":', f"    {statement}")
    assert error.exit_code == 3
    lines = (HEAD + text).splitlines()
    indent = lines[line - 1].partition(statement)[0]
    lines[line - 1 : line] = [indent + first, indent + second]
    assert refused(tmp_path, "\n".join(lines)) is None


def test_a_statement_of_several_lines_is_quoted_whole(tmp_path):
    """And indented as a whole."""
    error = refused(tmp_path, HEAD + "asyncio.run(\n    main()\n)\n")
    assert error.hint.endswith('if __name__ == "__main__":\n    asyncio.run(\n        main()\n    )')


@pytest.mark.parametrize(
    "text",
    [
        'if __name__ == "__main__":\n    asyncio.run(main())',
        "def start():\n    asyncio.run(main())",
        "start = lambda: asyncio.run(main())",
        "class Runs:\n    def go(self):\n        asyncio.run(main())",
        "run(main())",
        "asyncio.run",
        "import subprocess\nsubprocess.run([])",
        "def broken(:",
    ],
)
def test_what_does_not_run_a_loop_on_import_is_not_refused(tmp_path, text):
    """It is behind a condition, in a function, or something else."""
    assert refused(tmp_path, HEAD + text + "\n") is None


def test_a_file_that_is_not_there_or_no_text_is_not_refused(tmp_path):
    """Importing it says what is wrong."""
    assert unguarded_run(tmp_path / "gone.py", "gone.py") is None
    (tmp_path / "app.py").write_bytes(b"\xff\xfe\x00")
    assert unguarded_run(tmp_path / "app.py", "app.py") is None


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("def start():\n    asyncio.run(main())\n\nstart()", "start()"),
        ("if True:\n    asyncio.run(main())", "asyncio.run(main())"),
        (
            """def start():
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()

start()""",
            "start()",
        ),
        ("def start():\n    asyncio.get_running_loop().run_until_complete(main())\n\nstart()", "start()"),
    ],
)
def test_what_only_running_it_shows_is_told_by_the_line_of_the_module(tmp_path, text, statement, monkeypatch):
    """Inside a running loop, as handlers are loaded; and nothing is said of coroutines that nobody awaited."""
    (tmp_path / "indirect_app.py").write_text(HEAD + text + "\n", encoding="utf-8")

    async def loaded():
        with pytest.raises(HandlerError) as raised:
            load("indirect_app.py:App")
        return raised.value

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        error = asyncio.run(loaded())
        error.__cause__ = error.__context__ = None
        gc.collect()
    assert [str(one.message) for one in caught if issubclass(one.category, RuntimeWarning)] == []
    line = 1 + (HEAD + text).splitlines().index(next(one for one in (HEAD + text).splitlines()[::-1] if one.strip() == statement))
    assert error.where == f"{tmp_path / 'indirect_app.py'}:{line}"
    assert error.hint.endswith(f'if __name__ == "__main__":\n    {statement}')


def test_a_sibling_that_runs_a_loop_is_told_by_its_own_line(tmp_path):
    """Not by the line that imports it."""
    (tmp_path / "sibling_that_runs.py").write_text(HEAD + "asyncio.run(main())\n", encoding="utf-8")
    (tmp_path / "app_with_it.py").write_text("from sibling_that_runs import App\n", encoding="utf-8")

    async def loaded():
        with pytest.raises(HandlerError, match=r"app_with_it\.py .*event loop") as raised:
            load("app_with_it.py:App")
        return raised.value.where

    assert asyncio.run(loaded()) == f"{tmp_path / 'sibling_that_runs.py'}:{HEAD.count(chr(10)) + 1}"


def test_another_runtime_error_is_told_as_ever(tmp_path):
    """As what it is."""
    (tmp_path / "app_that_fails.py").write_text("raise RuntimeError('no luck')\n", encoding="utf-8")
    with pytest.raises(HandlerError, match="RuntimeError: no luck"):
        load("app_that_fails.py:App")
