"""The pytest plugin: two marks, ``evi_session`` and ``evi_script``; fixtures named ``evi_…``; options named ``--evi-…``.

Rules of living here: it is loaded in every test run of whoever has evi-harness installed, so nothing but pytest, the errors and
the hook for sounddevice is imported before a fixture or an option asks for it. What a mark gets wrong is the error of its test alone.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Mapping, Optional, Sequence, Tuple

import pytest

from evi_harness.errors import EviHarnessError, Parameter, UsageError

if TYPE_CHECKING:
    from evi_harness.pytesting.run_gate import RunGate
    from evi_harness.pytesting.session_sound import SessionSound
    from evi_harness.pytesting.testing import CheckedReplay, CheckedServer, Replayer
    from evi_harness.runs.replay_options import ReplayOptions
    from evi_harness.session.session import Session

__all__ = [
    "evi_replay",
    "evi_server",
    "evi_session",
    "evi_session_folder",
    "evi_simulator",
    "evi_sound",
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_load_initial_conftests",
]

_SESSION = "evi_session"
_SCRIPT = "evi_script"
_FOLDER = "evi_session_folder"
_GATE = "evi-harness-gate"
# Names a folder where `evi-harness ab` runs this.
_SAVE_BASELINE = "EVI_HARNESS_SAVE_BASELINE"
# What a mark says of recordings that are not whole, and what says it where `evi-harness ab` runs this.
_ALLOW = "allow_incomplete"
# What it says of how long a run may take, and of how many sessions there should be.
_MAX_RUN = "max_run_s"
_LEAST = "min_sessions"
_ALLOW_INCOMPLETE = "EVI_HARNESS_ALLOW_INCOMPLETE"
# GitHub's runners set it.
_CI = "GITHUB_ACTIONS"
_ASK_FOR_GATE = ("--evi-gate", "--evi-baseline", "--evi-save-baseline")
# How a test run ended → why nothing that it measured is kept.
_UNKEPT: Mapping[int, str] = {pytest.ExitCode.TESTS_FAILED: "tests failed", pytest.ExitCode.NO_TESTS_COLLECTED: "no test was run"}
_REPLAYS_FAILED = "replays failed"
_NO_APP = 'no handler was given, so none of your code was measured: evi_replay(MyHandler), or evi_replay("builtin")'
_CUT_SHORT = "the run did not finish"
# How pytest's report of a test begins that was to fail, by a strict mark, and did not.
_PASSED_STRICTLY = "[XPASS(strict)]"
_MARKS = (
    f"{_SESSION}(path, ..., allow_incomplete=…, max_run_s=…, min_sessions=…): the session of the evi_ fixtures; of several, a test each",
    f"{_SCRIPT}(path): the script that evi_simulator follows",
)


def _seconds(text: str) -> float:
    """A length of time on the command line."""
    import argparse

    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    # Python reads "nan" and "inf" as numbers.
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("evi-harness", "EVI sessions")
    group.addoption(
        "--evi-clock", choices=["virtual", "real"], default="virtual", help="The clock of replays whose test does not name one."
    )
    group.addoption(
        "--evi-microphone",
        choices=["auto", "sdk", "off"],
        default="auto",
        help="Where the user's audio comes from, unless a test says otherwise: auto, the SDK's microphone until the app sends its own; "
        "sdk, always the SDK's microphone; off, only the app.",
    )
    group.addoption("--evi-child", action="store_true", help="Run handlers in a child process, so that a crash is reported.")
    group.addoption("--evi-update", action="store_true", help="Accept what apps send now, in expected.jsonl beside each recording.")
    group.addoption(
        "--evi-allow-incomplete", action="store_true", help="Accept recordings that are incomplete or damaged; without it they fail."
    )
    group.addoption(
        "--evi-max-run-time",
        metavar="SECONDS",
        type=_seconds,
        help="Fail a replay that takes longer than this, in real time. Default: 3600; with the real clock, plus twice the recording.",
    )
    group.addoption(
        "--evi-report",
        metavar="DIR",
        help="Write a report of each replay to DIR, and the session and a page of each that fails.",
    )
    group.addoption(
        "--evi-gate",
        metavar="THRESHOLD",
        action="append",
        default=[],
        help="Fail unless this holds for all replays together, such as 'handle: p(95)<50'. Repeatable.",
    )
    group.addoption("--evi-baseline", metavar="FILE", help="Compare what all replays measured with this baseline.")
    group.addoption("--evi-save-baseline", metavar="FILE", help="Save what all replays measured as a baseline, if all tests pass.")
    group.addoption("--evi-block-network", action="store_true", help="Refuse connections that tests open to other machines.")
    group.addoption(
        "--evi-allow-host",
        metavar="HOST[:PORT]",
        action="append",
        default=[],
        help="Let tests and replays connect to this host. Repeatable.",
    )


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Let conftest files and tests import an app that needs sounddevice, also where there is no PortAudio; later would be too late."""
    _stand_in_for_sounddevice(early_config)
    yield


def _stand_in_for_sounddevice(config: pytest.Config) -> None:
    from evi_harness.pytesting.absent_portaudio import stand_in_where_absent

    config.add_cleanup(stand_in_where_absent())


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the marks, and register what an option asks for."""
    # A plugin that a conftest file names is loaded after the hook of above, and still before any test.
    _stand_in_for_sounddevice(config)
    for line in _MARKS:
        config.addinivalue_line("markers", line)
    # Where tests are spread over processes, the one that the others report to tells and judges.
    if not hasattr(config, "workerinput"):
        with _as_usage_error():
            config.pluginmanager.register(_Gate(config), _GATE)
        if _CI in os.environ:
            config.pluginmanager.register(_Ci(), "evi-harness-ci")
        folder = _place_of(config, "--evi-report")
        if folder is not None:
            from evi_harness.acts.paging.page_place import page_place

            with _as_usage_error("--evi-report: "):
                page_place(folder / "index.html")
            config.pluginmanager.register(_Pages(folder), "evi-harness-pages")
        if config.getoption("--evi-update"):
            config.pluginmanager.register(_Accepted(), "evi-harness-accepted")
    allowed = config.getoption("--evi-allow-host")
    if allowed:
        from evi_harness.runs.replay_options import ReplayOptions

        with _as_usage_error():
            ReplayOptions(allow_hosts=tuple(allowed)).check_outside()
    if config.getoption("--evi-block-network"):
        config.pluginmanager.register(_ShutNetwork(allowed), "evi-harness-network")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test a session of a test that is marked with many."""
    if _FOLDER not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker(_SESSION)
    if mark is None:
        return
    from evi_harness.pytesting.marked import marked_sessions

    try:
        found, is_many = marked_sessions(_session_paths(mark), _places(metafunc.definition), mark.kwargs.get(_LEAST, 0))
    except EviHarnessError:
        # Told by the fixture: no other test of the file is to pay for it.
        return
    if is_many:
        metafunc.parametrize(_FOLDER, [one.folder for one in found], ids=[one.id for one in found], indirect=True)


@pytest.fixture(name=_FOLDER)
def evi_session_folder(request: pytest.FixtureRequest) -> Path:
    """The folder of the session that the test is marked with."""
    if hasattr(request, "param"):
        folder: Path = request.param
        return folder
    from evi_harness.pytesting.marked import marked_sessions

    mark = request.node.get_closest_marker(_SESSION)
    if mark is None:
        raise _error('no session is given: mark the test with @pytest.mark.evi_session("sessions/…")')
    with _told_plainly(f"@pytest.mark.{_SESSION}: "):
        return marked_sessions(_session_paths(mark), _places(request.node), mark.kwargs.get(_LEAST, 0))[0][0].folder


@pytest.fixture
def evi_session(request: pytest.FixtureRequest, evi_session_folder: Path) -> Session:
    """The session that the test is marked with; one that is incomplete or damaged fails the test, unless that is allowed."""
    from evi_harness.verdicts.loading import load_session
    from evi_harness.verdicts.wholeness import require_whole

    with _told_plainly():
        session = load_session(evi_session_folder, verify=True)
        require_whole(session, allow_incomplete=_allows_incomplete(request.node))
        return session


@pytest.fixture
def evi_replay(request: pytest.FixtureRequest, evi_session_folder: Path) -> Replayer:
    """Replays the session: ``evi_replay(MyHandler).assert_passed()``, in a test of either kind."""
    from evi_harness.pytesting.testing import Replayer

    node = request.node
    return Replayer(evi_session_folder, _defaults(node), _keeper(node), test=node.nodeid, places=_places(node))


@pytest.fixture
def evi_server(request: pytest.FixtureRequest, evi_session_folder: Path) -> Iterator[CheckedServer]:
    """The session as an EVI on a loopback port, in real time and in a process of its own; ``evi_server.url`` is where."""
    from evi_harness.pytesting.testing import CheckedServer

    with _told_plainly():
        server = CheckedServer(evi_session_folder, _defaults(request.node), _keeper(request.node), test=request.node.nodeid)
    with server:
        yield server


@pytest.fixture
def evi_sound(evi_session_folder: Path) -> Iterator[SessionSound]:
    """Sound for a whole app without a sound device: a microphone with the session's user, and a speaker that keeps what is played."""
    from evi_harness.pytesting.session_sound import session_sound

    with ExitStack() as stack:
        # What the test raises is the test's.
        with _told_plainly():
            sound = stack.enter_context(session_sound(evi_session_folder))
        yield sound


@pytest.fixture
def evi_simulator(request: pytest.FixtureRequest) -> Iterator[Any]:
    """An EVI that needs no recording, on a loopback port; ``evi_simulator.url`` is where, ``.events`` what crossed."""
    from evi_harness.acts.serve.serving import ServeOptions, served
    from evi_harness.acts.serve.simulating import SIMULATOR, simulation
    from evi_harness.pytesting.marked import file_of

    mark = request.node.get_closest_marker(_SCRIPT)
    with _told_plainly("evi_simulator: "):
        script = None if mark is None else file_of(_path(mark), _places(request.node))
        server = served(simulation(script), ServeOptions(service=SIMULATOR))
    with server:
        yield server


class _Reports:
    """Registered with the first replay, so that a test run without any has no more to do: what replays found and measured."""

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Put into a test's report what was measured, and what a failure does not show."""
        outcome: Any = yield
        kept = item.stash.get(_KEPT, None)
        if not kept:
            return
        report = outcome.get_result()
        if call.when == "call":
            from evi_harness.pytesting.testing import never_looked_at

            unread = never_looked_at(kept)
            if unread:
                _fail_unread(report, "\n".join(unread))
        if call.when == "call" and report.failed:
            told = str(report.longrepr)
            reports = [result.lines() for result in kept if not result.passed]
            # Not those that it shows whole, as where the test has called ``assert_passed``.
            untold = [lines for lines in reports if not all(line in told for line in lines)]
            report.sections += [("EVI replay", "\n".join(lines)) for lines in untold]
            page = self._page(item, kept, report)
            # The report says it all; the same in a few lines is for whoever asks for more.
            if item.config.getoption("verbose") > 0:
                from evi_harness.pytesting.testing import explanation_of

                explained = explanation_of(kept, item.config.rootpath, page)
                report.sections += [("EVI explanation", explained)] if explained else []
        elif call.when == "call" and item.config.stash[_MEASURES]:
            from evi_harness.pytesting.run_gate import measured_run

            # Plain data: it may have to cross to another process.
            report.evi_no_app = any(result.report.names_no_handler for result in kept)
            report.evi_measured = None if all(result.report.names_no_handler for result in kept) else measured_run(item.nodeid, kept)
            report.evi_failed = any(not result.passed for result in kept)
        if call.when == "call" and item.config.getoption("--evi-update"):
            from evi_harness.pytesting.ci_report import accepted

            report.evi_accepted = accepted(kept)
        if call.when == "call" and _CI in os.environ:
            from evi_harness.pytesting.ci_report import told_test

            error = (
                str(report.longrepr)
                if call.excinfo is None and report.failed
                else None
                if call.excinfo is None
                else str(call.excinfo.value)
            )
            file, line = _line_of(report)
            report.evi_told = told_test(item.nodeid, kept, error=error, seconds=call.duration, file=file, line=line)
        elif call.when == "teardown":
            kept.clear()

    def _page(self, item: pytest.Item, kept: List[CheckedReplay], report: Any) -> Optional[Path]:
        """Write the page of a test that failed, where reports are asked for, and name it in the failure."""
        folder = _place_of(item.config, "--evi-report")
        if folder is None:
            return None
        from evi_harness.pytesting.testing import write_test_page

        try:
            page = write_test_page(folder, item.nodeid, kept)
        except EviHarnessError as error:
            report.sections.append(("EVI page", str(error)))
            return None
        report.sections.append(("EVI page", str(page)))
        # Plain data: it may have to cross to another process.
        report.evi_page = [item.nodeid, next((one.verdict_text for one in kept if not one.passed), kept[0].verdict_text), page.name]
        return page


class _Pages:
    """Registered with ``--evi-report``: writes the index of the pages when all tests have run.

    Args:
        folder: Where the pages are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pages: List[List[str]] = []
        self._lines: List[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the page of a test, wherever it ran."""
        page = getattr(report, "evi_page", None)
        if page is not None:
            self._pages.append(page)

    def pytest_sessionfinish(self) -> None:
        """Write the index; that of a run before this one is replaced, also where nothing failed."""
        if not self._pages and not (self._folder / "index.html").is_file():
            return
        from evi_harness.acts.paging.page_folder import write_test_index

        try:
            index = str(write_test_index(self._folder, self._pages))
            self._lines = [index] if self._pages else []
        except EviHarnessError as error:
            self._lines = [str(error)]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where it is."""
        if self._lines:
            terminalreporter.section("EVI pages")
            for line in self._lines:
                terminalreporter.write_line(line)


class _Accepted:
    """Registered with ``--evi-update``: shows, when all tests have run, what is to be reviewed."""

    def __init__(self) -> None:
        self._lines: List[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test accepted, wherever it ran."""
        self._lines += getattr(report, "evi_accepted", ())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show it."""
        terminalreporter.section("EVI update")
        for line in self._lines or ["nothing to update: everything expected was sent"]:
            terminalreporter.write_line(line)


class _ShutNetwork:
    """Registered with ``--evi-block-network``: a guard around each test and its fixtures.

    Args:
        allow_hosts: What may be reached besides this machine.
    """

    def __init__(self, allow_hosts: Sequence[str]) -> None:
        from evi_harness.pytesting.offline import Offline

        self._offline = Offline(allow_hosts, self._tell)
        self._item: Optional[pytest.Item] = None

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Run one test with the network shut."""
        self._item = item
        with self._offline:
            yield

    def _tell(self, sentence: str) -> None:
        # The error that the test got may have been swallowed, and this is then all that is left of it.
        if self._item is not None:
            self._item.add_report_section("call", "EVI network", sentence)


class _Ci:
    """Registered where a CI server listens: tells it of the tests that replayed, when all have run."""

    def __init__(self) -> None:
        self._told: List[Any] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test told, wherever it ran."""
        told = getattr(report, "evi_told", None)
        if told is not None:
            self._told.append(told)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Tell, on standard output and where else the server reads."""
        if not self._told:
            return
        from evi_harness.pytesting.ci_report import tell_tests

        gate: Any = config.pluginmanager.get_plugin(_GATE)
        try:
            tell_tests(self._told, gate.judged, terminalreporter.write_line)
        except EviHarnessError as error:
            terminalreporter.write_line(str(error))


def _line_of(report: pytest.TestReport) -> Tuple[str, Optional[int]]:
    """The file of a test and the line in it at which it failed, else where it begins."""
    file, line, _ = report.location
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None and Path(crash.path).name == Path(file).name:
        return file, crash.lineno
    return file, None if line is None else line + 1


class _Gate:
    """Judges what all tests measured when they have run. Nothing is loaded before an option asks for it or a test has measured.

    Args:
        config: The test run's.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._gate: Optional[RunGate] = _gate_of(config) if _asks_for_gate(config) else None
        self._lines: List[str] = []
        self._failed: List[str] = []
        self._no_app: List[str] = []
        self.judged: List[Any] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test measured, wherever it ran."""
        measured = getattr(report, "evi_measured", None)
        if measured is not None:
            self._gate = self._gate or _gate_of(self._config)
            self._gate.take(report.nodeid, measured)
            self._failed += [report.nodeid] if report.evi_failed else []
        if getattr(report, "evi_no_app", False):
            self._gate = self._gate or _gate_of(self._config)
            self._no_app.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Judge, before pytest writes its JUnit file; a run in which a threshold does not hold, or something became slower, has failed."""
        if self._gate is None or session.config.getoption("collectonly"):
            return
        is_good = session.exitstatus == pytest.ExitCode.OK
        unkept = _REPLAYS_FAILED if self._failed else ""
        code = self._judge(self._gate, unkept if is_good else _UNKEPT.get(session.exitstatus, _CUT_SHORT))
        self._lines += [f"left out   a replay of {name}: it failed, though the test passed" for name in self._failed]
        self._lines += [f"left out   a replay of {name}: {_NO_APP}" for name in self._no_app]
        if code and is_good:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _judge(self, gate: RunGate, unkept: str) -> int:
        """Judge what there is, and take down what is to be shown; the exit code."""
        try:
            report = gate.judge(unkept=unkept)
        except EviHarnessError as error:
            # Who asks for it once, and measures nothing, has asked for the wrong tests. A configuration asks whatever is run, but where
            # sessions were replayed it means those.
            is_note = not gate.has_measured and not self._no_app and not _is_asked_for_now(self._config)
            self._lines.append(f"note       {error}" if is_note else str(error))
            if not is_note:
                _to_junit(self._config, [("gate", str(error))])
            return 0 if is_note else 1
        from evi_harness.pytesting.run_gate import failed_cases, lines_of

        self._lines += lines_of(report)
        self.judged.append(report)
        _to_junit(self._config, failed_cases(report))
        return report.exit_code

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the verdicts."""
        if self._lines:
            terminalreporter.section("EVI gate")
            for line in self._lines:
                terminalreporter.write_line(line)


def _to_junit(config: pytest.Config, failed: Sequence[Tuple[str, str]]) -> None:
    """Have pytest's own JUnit file, where one is written, tell of what failed besides tests, each by its name and what there is to tell."""
    writers = [plugin for plugin in config.pluginmanager.get_plugins() if type(plugin).__name__ == "LogXML"]
    for name, told in failed:
        nodeid, location = f"EVI gate::{name}", ("EVI gate", None, name)
        outcomes: List[Tuple[Any, Any, Any]] = [("failed", told, "call"), ("passed", None, "teardown")]
        for outcome, longrepr, when in outcomes:
            for writer in writers:
                writer.pytest_runtest_logreport(pytest.TestReport(nodeid, location, {}, outcome, longrepr, when))


def _asks_for_gate(config: pytest.Config) -> bool:
    """Whether the command line, or who runs it, asks for one; a project's configuration may do so besides."""
    return any(map(config.getoption, _ASK_FOR_GATE)) or _SAVE_BASELINE in os.environ


def _fail_unread(report: Any, told: str) -> None:
    """Have a test fail for replays that failed and that it never looked at; one that is expected to fail has then failed as expected."""
    is_strict = str(report.longrepr or "").startswith(_PASSED_STRICTLY)
    if is_strict or (report.passed and hasattr(report, "wasxfail")):
        report.wasxfail = getattr(report, "wasxfail", str(report.longrepr or "")[len(_PASSED_STRICTLY) :].strip())
        report.outcome, report.longrepr = "skipped", told
    elif report.passed:
        report.outcome, report.longrepr = "failed", told


def _is_asked_for_now(config: pytest.Config) -> bool:
    """Whether the command line itself, or who runs it, asks for one; not where pytest had it from ``addopts`` or PYTEST_ADDOPTS."""
    given = {str(arg).partition("=")[0] for arg in config.invocation_params.args}
    return not given.isdisjoint(_ASK_FOR_GATE) or _SAVE_BASELINE in os.environ


def _gate_of(config: pytest.Config) -> RunGate:
    from evi_harness.acts.asked_of_gate import GateOptions
    from evi_harness.pytesting.run_gate import RunGate

    options = GateOptions(
        gate=tuple(config.getoption("--evi-gate")),
        baseline=_place_of(config, "--evi-baseline"),
        save_baseline=_place_to_save(config),
    )
    return RunGate(options, config.rootpath)


def _place_to_save(config: pytest.Config) -> Optional[Path]:
    """Where the baseline is to be written; refused before anything runs where that cannot be."""
    named = os.environ.get(_SAVE_BASELINE)
    asked = _place_of(config, "--evi-save-baseline")
    place = asked or (Path(named) if named else None)
    if place is None:
        return None
    folder = place if place.is_dir() else place.parent
    if folder.is_dir() and os.access(folder, os.W_OK):
        return place
    why = "cannot be written to" if folder.is_dir() else "is not a folder"
    hint = f"Give {'--evi-save-baseline' if asked else _SAVE_BASELINE} a file in a folder that can be written."
    raise UsageError(f"the baseline cannot be written: {folder} {why}", where=str(place), hint=hint)


_MEASURES: pytest.StashKey[bool] = pytest.StashKey()
_KEPT: pytest.StashKey[List[CheckedReplay]] = pytest.StashKey()


def _keeper(item: pytest.Item) -> Callable[[CheckedReplay], object]:
    """What takes a test's replays: for its report, and for the folder of reports where one is asked for."""
    if not item.config.pluginmanager.has_plugin("evi-harness-reports"):
        with _told_plainly():
            item.config.stash[_MEASURES] = _gate_of(item.config).is_needed
        item.config.pluginmanager.register(_Reports(), "evi-harness-reports")
    kept = item.stash.setdefault(_KEPT, [])
    folder = _place_of(item.config, "--evi-report")

    def keep(result: CheckedReplay) -> None:
        kept.append(result)
        if folder is not None:
            from evi_harness.pytesting.testing import write_report

            write_report(folder, item.nodeid, len(kept), result)

    return keep


def _place_of(config: pytest.Config, option: str) -> Optional[Path]:
    """The file or folder that an option names, relative to where pytest was started."""
    name: Optional[str] = config.getoption(option)
    return None if name is None else config.invocation_params.dir / name


def _defaults(item: pytest.Item) -> ReplayOptions:
    from evi_harness.runs.replay_options import ReplayOptions

    config = item.config
    allow_hosts = tuple(config.getoption("--evi-allow-host"))
    return ReplayOptions(
        clock=config.getoption("--evi-clock"),
        update=config.getoption("--evi-update"),
        allow_hosts=allow_hosts,
        microphone=config.getoption("--evi-microphone"),
        child=config.getoption("--evi-child"),
        allow_incomplete=_allows_incomplete(item),
        max_run_s=_max_run_s(item),
    )


def _max_run_s(item: pytest.Item) -> Optional[float]:
    """How long a run of a test's may take: as its mark says, else the command line."""
    mark = item.get_closest_marker(_SESSION)
    said: Optional[float] = None if mark is None else mark.kwargs.get(_MAX_RUN)
    option: Optional[float] = item.config.getoption("--evi-max-run-time")
    return option if said is None else said


def _allows_incomplete(item: pytest.Item) -> bool:
    """Whether a test takes recordings that are incomplete or damaged: as its mark says, else the command line or who runs this."""
    mark = item.get_closest_marker(_SESSION)
    said = None if mark is None else mark.kwargs.get(_ALLOW)
    return bool(item.config.getoption("--evi-allow-incomplete") or os.environ.get(_ALLOW_INCOMPLETE) == "1") if said is None else said


def _option_of(parameter: Parameter) -> str:
    """What a parameter of a call is called on pytest's command line."""
    return "--evi-allow-host" if parameter.name == "allow_hosts" else f"--evi-{parameter.name.replace('_', '-')}"


@contextmanager
def _as_usage_error(before: str = "") -> Iterator[None]:
    """Have an error of the harness's end the run before it begins, as one of the command line's."""
    try:
        yield
    except EviHarnessError as error:
        raise pytest.UsageError(f"{before}{error.words().called(_option_of)}") from None


@contextmanager
def _told_plainly(before: str = "") -> Iterator[None]:
    """Have an error of the harness's end the test with its sentences, and no traceback through the harness."""
    try:
        yield
    except EviHarnessError as error:
        raise _error(f"{before}{error}") from None


def _error(what: str) -> BaseException:
    """What ends one test with a sentence and no traceback."""
    return pytest.fail.Exception(what, pytrace=False)


def _session_paths(mark: pytest.Mark) -> Sequence[str]:
    """The paths of a mark of sessions, which may say besides whether they need be whole."""
    allowed = mark.kwargs.get(_ALLOW, False)
    if not isinstance(allowed, bool):
        raise UsageError(f"{_ALLOW} must be True or False, not {allowed!r}")
    longest = mark.kwargs.get(_MAX_RUN)
    if longest is not None and (isinstance(longest, bool) or not isinstance(longest, (int, float)) or not 0 < longest < float("inf")):
        raise UsageError(f"{_MAX_RUN} must be a number of seconds, not {longest!r}")
    least = mark.kwargs.get(_LEAST, 0)
    if not isinstance(least, int) or isinstance(least, bool) or least < 0:
        raise UsageError(f"{_LEAST} must be a number of sessions, not {least!r}")
    return _paths(mark, _ALLOW, _MAX_RUN, _LEAST)


def _paths(mark: pytest.Mark, *names: str) -> Sequence[str]:
    if not mark.args or not mark.kwargs.keys() <= set(names) or not all(isinstance(one, (str, Path)) for one in mark.args):
        known = " ".join(["it takes paths, as text,", *(f"{name}," for name in names), "and nothing else"])
        raise UsageError(known, hint='Such as evi_session("sessions/weather").')
    return [str(one) for one in mark.args]


def _path(mark: pytest.Mark) -> str:
    if len(mark.args) != 1:
        raise UsageError("it takes the path of one script", hint='Such as evi_script("scripts/weather.toml").')
    return _paths(mark)[0]


def _places(item: Any) -> Sequence[Path]:
    """What the paths of a test are relative to: those of its marks, and the file of a handler."""
    return item.path.parent, item.config.rootpath
