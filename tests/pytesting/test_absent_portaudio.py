"""The import hook: what an app at the top of a conftest file or a test finds where there is no PortAudio, and what it leaves alone."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any, Callable, List

import pytest

from evi_harness.audio.absent import AbsentSound
from evi_harness.pytesting.absent_portaudio import stand_in_where_absent

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
# As sounddevice is where the system's library is missing; put on the path before the real one.
WITHOUT_PORTAUDIO = "raise OSError('PortAudio library not found')\n"
PLUGIN = ("-p", "evi_harness.pytest_plugin")

APP = """
    import asyncio

    from hume import MicrophoneInterface
    from sounddevice import query_devices
    from weather import WeatherApp


    class Opens(WeatherApp):
        async def on_open(self):
            self.n_devices = len(query_devices())
            self.task = asyncio.create_task(self.listen())

        async def listen(self):
            while getattr(self, "socket", None) is None:
                await asyncio.sleep(0)
            await MicrophoneInterface.start(self.socket, byte_stream=self.byte_strs)

        async def on_close(self):
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
"""
TESTS = """
    import pytest
    import sounddevice
    import voice_app


    @pytest.mark.evi_session("sessions/weather")
    def test_the_harness_opens_the_microphone(evi_replay):
        evi_replay(voice_app.WeatherApp).assert_passed()


    @pytest.mark.evi_session("sessions/weather")
    def test_the_app_opens_the_microphone(evi_replay):
        app = []
        evi_replay(lambda: app.append(voice_app.Opens()) or app[0]).assert_passed()
        assert app[0].n_devices == 2


    def test_there_is_no_device_outside():
        assert list(voice_app.query_devices()) == []
        with pytest.raises(sounddevice.PortAudioError, match="PortAudio library not found"):
            sounddevice.RawInputStream(callback=print)
"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest in a process of its own, in a project with a session, a handler, and whatever sounddevice.py it is given."""
    monkeypatch.setenv("PYTHONPATH", f"{pytester.path / 'site'}:{pytester.path}:{ROOT}")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("PYTEST_ADDOPTS", "GITHUB_ACTIONS", "EVI_HARNESS_SAVE_BASELINE", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(ROOT / "sessions" / "weather", pytester.path / "sessions" / "weather")
    shutil.copy(ROOT / "fixtures" / "handlers" / "weather.py", pytester.path)
    pytester.makepyfile(voice_app=APP)
    pytester.makeini("[pytest]\nfilterwarnings = ignore::DeprecationWarning:")
    (pytester.path / "site").mkdir()

    def run_(*args: str, sounddevice: str = WITHOUT_PORTAUDIO) -> pytest.RunResult:
        (pytester.path / "site" / "sounddevice.py").write_text(sounddevice)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *args, timeout=120)

    return run_


# Loads the app where such plugins do that set up a framework.
EARLY_PLUGIN = """
    import pytest


    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests():
        import voice_app
"""


@pytest.mark.slow
@pytest.mark.parametrize("conftest", ["import voice_app", ""], ids=["conftest", "test-file"])
@pytest.mark.parametrize(
    "options",
    [
        PLUGIN,
        (*PLUGIN, "-p", "xdist", "-n", "2"),
        ("-p", "early_plugin", *PLUGIN),
        (*PLUGIN, "-p", "early_plugin"),
    ],
    ids=["alone", "spread", "behind", "before"],
)
def test_an_app_that_is_imported_at_the_top_is_replayed(run: Run, pytester: pytest.Pytester, options: List[str], conftest: str) -> None:
    """In a conftest file or a test, in one process or several, whichever plugin comes first; the microphone opened by either side."""
    pytester.makepyfile(early_plugin=EARLY_PLUGIN, test_app=TESTS)
    pytester.makeconftest(conftest)
    run(*options).assert_outcomes(passed=3)


def test_without_the_plugin_it_cannot_be_imported(run: Run, pytester: pytest.Pytester) -> None:
    """The test above can fail: the sounddevice of its project is one without PortAudio."""
    pytester.makeconftest("import sounddevice")
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("*PortAudio library not found*")


def test_a_plugin_that_a_conftest_file_names_is_in_time_for_tests(run: Run, pytester: pytest.Pytester) -> None:
    """What the conftest file itself imports before is its own affair."""
    pytester.makeconftest('pytest_plugins = ["evi_harness.pytest_plugin"]')
    pytester.makepyfile(test_app=TESTS)
    run().assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("sounddevice", "conftest", "told"),
    [
        pytest.param("NAME = 'theirs'", "", "sounddevice.NAME == 'theirs'", id="that-can-be-imported"),
        pytest.param(
            WITHOUT_PORTAUDIO,
            "import sys, types; sys.modules['sounddevice'] = types.SimpleNamespace(NAME='theirs')",
            "sounddevice.NAME == 'theirs'",
            id="put-in-its-place",
        ),
        pytest.param(
            WITHOUT_PORTAUDIO,
            "import pathlib, sys; stub = pathlib.Path(__file__).with_name('stubs'); stub.mkdir(exist_ok=True)\n"
            "(stub / 'sounddevice.py').write_text('NAME = 1'); sys.path.insert(0, str(stub))",
            "sounddevice.NAME == 1",
            id="first-on-the-path",
        ),
    ],
)
def test_another_sounddevice_is_kept(run: Run, pytester: pytest.Pytester, sounddevice: str, conftest: str, told: str) -> None:
    """One that works, or a stub of the user's own, is what an app gets, with its own loader; nothing of ours is loaded for it."""
    pytester.makeconftest(conftest)
    pytester.makepyfile(
        f"""
        import sys

        import sounddevice


        def test_it_is_theirs():
            assert {told}
            assert not [name for name in sys.modules if name.startswith(("evi_harness.audio", "evi_harness.sdk"))]
        """
    )
    run(*PLUGIN, sounddevice=sounddevice).assert_outcomes(passed=1)


@pytest.mark.parametrize("error", ["ImportError('no cffi')", "RuntimeError('theirs')"])
def test_any_other_error_is_its_own(run: Run, pytester: pytest.Pytester, error: str) -> None:
    """A package that is missing is still missing."""
    pytester.makepyfile(
        f"""
        import pytest


        def test_it_raises():
            with pytest.raises({error.split("(")[0]}, match={error.split("'")[1]!r}):
                import sounddevice
        """
    )
    run(*PLUGIN, sounddevice=f"raise {error}\n").assert_outcomes(passed=1)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is first on the path, in a process in which sounddevice was never imported and no hook of ours is."""
    others = [one for one in sys.meta_path if not type(one).__module__.startswith("evi_harness")]
    monkeypatch.setattr(sys, "meta_path", others)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "sounddevice.py").write_text(WITHOUT_PORTAUDIO)
    importlib.invalidate_caches()
    return tmp_path


@pytest.fixture(autouse=True)
def leave_sounddevice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever sounddevice is when a test begins it is when it has ended."""
    if "sounddevice" in sys.modules:
        monkeypatch.setitem(sys.modules, "sounddevice", sys.modules["sounddevice"])
    else:
        monkeypatch.setitem(sys.modules, "sounddevice", None)  # type: ignore[arg-type]
        del sys.modules["sounddevice"]


def test_the_hook_is_taken_out_by_who_put_it_in(alone: Path) -> None:
    """A run within a run finds it there and leaves it there."""
    before = list(sys.meta_path)
    take_out = stand_in_where_absent()
    stand_in_where_absent()()
    assert isinstance(importlib.import_module("sounddevice"), AbsentSound)
    take_out()
    take_out()
    assert sys.meta_path == before
    del sys.modules["sounddevice"]
    with pytest.raises(OSError, match="PortAudio library not found"):
        importlib.import_module("sounddevice")


def test_a_module_that_loads_is_as_without_the_hook(alone: Path) -> None:
    """Its loader, its source, its file; also where it is only looked for."""
    (alone / "sounddevice.py").write_text("NAME = 'theirs'\n")
    take_out = stand_in_where_absent()
    spec = importlib.util.find_spec("sounddevice")
    assert spec is not None
    assert spec.origin == str(alone / "sounddevice.py")
    module = importlib.import_module("sounddevice")
    take_out()
    assert module.NAME == "theirs"
    assert isinstance(module.__loader__, SourceFileLoader)
    assert module.__spec__ is not None
    assert module.__spec__.loader is module.__loader__


def test_beside_another_hook_that_asks_all_others(alone: Path) -> None:
    """Two that ask one another come to an end, whichever is first."""

    class Other:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
            if name != "sounddevice":
                return None
            found = (one.find_spec(name, path, target) for one in sys.meta_path if one is not self)  # type: ignore[comparison-overlap]
            return next((spec for spec in found if spec is not None), None)

    for is_first in (True, False):
        other: Any = Other()
        sys.meta_path.insert(0, other)
        take_out = stand_in_where_absent()
        if is_first:
            sys.meta_path.remove(other)
            sys.meta_path.insert(0, other)
        assert isinstance(importlib.import_module("sounddevice"), AbsentSound)
        take_out()
        sys.meta_path.remove(other)
        del sys.modules["sounddevice"]


def test_where_it_is_not_installed_nothing_is_found(alone: Path) -> None:
    """As without the hook."""
    (alone / "sounddevice.py").unlink()
    importlib.invalidate_caches()
    # Of the finders that look on the path, one that finds nothing there.
    sys.meta_path[:] = [one for one in sys.meta_path if one is not PathFinder]
    take_out = stand_in_where_absent()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("sounddevice")
    take_out()
