"""The pytest plugin beside others, all of them loaded at once as an environment with all of them loads them.

pytest-recording and cassetter have the same options, and pytest does not start with both; so each run has one of them.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Callable, List

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "how-to" / "pytest.md").read_text(encoding="utf-8")

NEIGHBOURS = ["pytest_recording", "xdist", "pytest_asyncio", "pytest_timeout", "anyio", "hypothesis"]
# It needs Python 3.10.
if sys.version_info >= (3, 10):
    NEIGHBOURS.append("cassetter")
MISSING = [name for name in NEIGHBOURS if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; the extra named test has them"),
]

# Which of the two is off → the name that pytest shows of the other.
ONE_OF_TWO = {"cassetter": "recording", "recording": "cassetter"}

EVERYTHING = """
    import asyncio

    import anyio
    import pytest
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st
    from weather import WeatherApp

    from my_app import talk

    pytestmark = pytest.mark.evi_session("sessions/weather")


    def test_plain(evi_replay):
        evi_replay(WeatherApp).assert_passed()


    @pytest.mark.asyncio
    async def test_on_asyncio(evi_replay):
        loop = asyncio.get_running_loop()
        evi_replay(WeatherApp).assert_passed()
        (await loop.run_in_executor(None, evi_replay, WeatherApp)).assert_passed()
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0)


    @pytest.mark.anyio
    async def test_on_anyio(evi_replay, anyio_backend_name):
        evi_replay(WeatherApp).assert_passed()
        (await anyio.to_thread.run_sync(evi_replay, WeatherApp)).assert_passed()


    @pytest.mark.asyncio
    @pytest.mark.evi_session("sessions/typed")
    async def test_server_on_asyncio(evi_server):
        await talk(base_url=evi_server.url)
        evi_server.result().assert_passed()


    @pytest.mark.timeout(60)
    def test_with_a_time_limit(evi_replay):
        evi_replay(WeatherApp).assert_passed()


    @pytest.mark.evi_session("sessions/typed")
    @settings(max_examples=3, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(n=st.integers())
    def test_with_examples(evi_replay, n):
        evi_replay().assert_passed()


    @pytest.mark.vcr
    def test_with_a_cassette(evi_replay):
        evi_replay(WeatherApp).assert_passed()


    @pytest.mark.evi_session("sessions/*")
    def test_many(evi_replay):
        evi_replay().assert_passed()
"""

APP = re.search(r'MY_APP = """\n(.*?)"""', (Path(__file__).with_name("test_pytest_plugin.py")).read_text(encoding="utf-8"), re.DOTALL)

Run = Callable[..., pytest.RunResult]


def loads_itself() -> bool:
    """Whether the plugin is installed with its entry point, so that pytest loads it unasked."""
    found = metadata.entry_points()
    group = found.select(group="pytest11") if hasattr(found, "select") else found.get("pytest11", ())
    return any(one.value == "evi_harness.pytest_plugin" for one in group)


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest in a project with our sessions, handlers and an app, with every plugin that is installed but those that are given."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_XDIST_WORKER", "GITHUB_ACTIONS", "CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    for name in ("weather", "typed"):
        shutil.copytree(ROOT / "sessions" / name, pytester.path / "sessions" / name)
    for handler in (ROOT / "fixtures" / "handlers").glob("*.py"):
        shutil.copy(handler, pytester.path)
    assert APP is not None
    pytester.makepyfile(my_app=APP[1])
    settings = ["addopts = --strict-markers --strict-config", "pythonpath = .", "filterwarnings = ignore::DeprecationWarning:"]
    pytester.makeini("\n".join(["[pytest]", *settings, "asyncio_default_fixture_loop_scope = function"]))
    own = [] if loads_itself() else ["-p", "evi_harness.pytest_plugin"]

    def run(*args: str, off: str = "cassetter") -> pytest.RunResult:
        return pytester.runpytest_subprocess("-p", f"no:{off}", *own, *args, timeout=180)

    return run


def said(result: pytest.RunResult) -> str:
    """All that a run printed."""
    return "\n".join([*result.outlines, *result.errlines])


@pytest.mark.parametrize(
    ("off", "options"),
    [
        ("cassetter", []),
        pytest.param(
            "recording", ["--evi-block-network"], marks=pytest.mark.skipif("cassetter" not in NEIGHBOURS, reason="not on Python 3.9")
        ),
        ("cassetter", ["-n", "2", "--timeout", "100"]),
        # The fake server is on this machine, which pytest-recording shuts too.
        ("cassetter", ["--block-network", "--allowed-hosts", "127.0.0.1", "--evi-block-network"]),
    ],
    ids=["recording", "cassetter-shut", "recording-spread", "recording-shut-twice"],
)
def test_all_kinds_of_tests_pass_beside_all_plugins(run: Run, pytester: pytest.Pytester, off: str, options: List[str]) -> None:
    """Sync and async tests, with examples, cassettes, a time limit and the network shut, in one process and spread over two, pass."""
    pytester.makepyfile(test_everything=EVERYTHING)
    result = run("-v", *options, off=off)
    assert result.ret == 0, said(result)
    assert result.parseoutcomes()["passed"] == 9 + said(result).count("test_on_anyio[trio]")


def test_a_test_of_which_pytest_recording_blocks_the_network_replays(run: Run, pytester: pytest.Pytester) -> None:
    """A replay in virtual time needs no network, so the mark of pytest-recording's changes nothing for it; and it still blocks."""
    pytester.makepyfile(
        """
        import socket

        import pytest
        from weather import WeatherApp


        @pytest.mark.block_network
        @pytest.mark.evi_session("sessions/weather")
        def test_blocked(evi_replay):
            evi_replay(WeatherApp).assert_passed()
            with pytest.raises(RuntimeError, match="Network is disabled"), socket.socket() as sock:
                sock.connect(("192.0.2.1", 9))
        """
    )
    run().assert_outcomes(passed=1)


@pytest.mark.parametrize("off", list(ONE_OF_TWO))
def test_no_name_is_taken_twice(run: Run, off: str) -> None:
    """pytest shows its help, marks and fixtures, with ours among them; every line of ours begins with our name."""
    for asked, ours in (("--help", "--evi-update"), ("--markers", "@pytest.mark.evi_session"), ("--fixtures", "evi_replay")):
        result = run(asked, off=off)
        assert result.ret == 0, said(result)
        assert ours in said(result)


def test_what_workers_leave_is_all_there(run: Run, pytester: pytest.Pytester) -> None:
    """Spread over two workers, each replay leaves its own report, and all of them one baseline, which a run in one process meets."""
    pytester.makepyfile(
        test_spread="""
        import pytest


        @pytest.mark.parametrize("n", range(3))
        @pytest.mark.evi_session("sessions/*")
        def test_each(evi_replay, n):
            evi_replay("builtin").assert_passed()
        """
    )
    run("-n", "2", "--evi-report", "reports", "--evi-save-baseline", "base.json").assert_outcomes(passed=6)
    assert len(list((pytester.path / "reports").glob("*.json"))) == 6
    result = run("--evi-baseline", "base.json")
    assert result.ret == 0, said(result)
    assert "passed        queue each" in said(result)


def test_a_time_limit_ends_a_replay(run: Run, pytester: pytest.Pytester) -> None:
    """pytest-timeout interrupts a handler that never returns, in a sync test and beside a loop, and the next test runs."""
    pytester.makepyfile(
        """
        import asyncio
        import threading

        import pytest
        from weather import WeatherApp


        class Hangs(WeatherApp):
            async def weather(self, place):
                threading.Event().wait()


        pytestmark = [pytest.mark.evi_session("sessions/weather"), pytest.mark.timeout(3, method="signal", func_only=True)]


        def test_sync(evi_replay):
            evi_replay(Hangs)


        @pytest.mark.asyncio
        async def test_async(evi_replay):
            evi_replay(Hangs)


        @pytest.mark.evi_session("sessions/typed")
        def test_next(evi_session):
            pass
        """
    )
    result = run()
    result.assert_outcomes(passed=1, failed=2)
    assert said(result).count("Timeout") >= 2


def test_the_page_s_async_example_runs(run: Run, pytester: pytest.Pytester) -> None:
    """What the page shows for pytest-asyncio passes as it stands."""
    examples = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "mark.asyncio" in block]
    assert examples
    for number, block in enumerate(examples):
        pytester.makepyfile(**{f"test_example_{number}": block})
    result = run()
    assert result.ret == 0, said(result)
