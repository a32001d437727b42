"""Tests of evi_harness.guard.process_state."""

from __future__ import annotations

import asyncio
import locale
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from importlib import import_module
from pathlib import Path

import pytest

from evi_harness.guard.process_state import forget_modules_of, restored_process


class Policy(asyncio.DefaultEventLoopPolicy):
    """An event loop policy of an app's."""


def state():
    """All that is put back."""
    umask = os.umask(0o022)
    os.umask(umask)
    wakes = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakes)
    return {
        "folder": str(Path.cwd()),
        "umask": umask,
        "environment": dict(os.environ),
        "handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "wakes": wakes,
        "policy": asyncio.events._event_loop_policy,
        "filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "locale": locale.setlocale(locale.LC_ALL),
        "path": (sys.path, list(sys.path)),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook),
        "recursion": sys.getrecursionlimit(),
        "timeout": socket.getdefaulttimeout(),
        "zone": time.tzname,
    }


def changes(folder):
    """Change all of it, as an app may."""
    os.chdir(folder)
    os.umask(0o077)
    os.environ["EVI_HARNESS_NEW"] = "1"
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    del os.environ["PATH"]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    asyncio.set_event_loop_policy(Policy())
    warnings.simplefilter("ignore")
    warnings.showwarning = lambda *_: None
    locale.setlocale(locale.LC_ALL, "C")
    sys.path = [str(folder), *sys.path]
    sys.stdout = None
    sys.excepthook = threading.excepthook = lambda *_: None
    sys.setrecursionlimit(5000)
    socket.setdefaulttimeout(1)


def fails_behind(folder):
    """Change all of it, and fail."""
    changes(folder)
    raise ZeroDivisionError


def test_what_an_app_changes_is_put_back(tmp_path):
    """All of it, also where the app fails."""
    before = state()
    with pytest.raises(ZeroDivisionError), restored_process():
        fails_behind(tmp_path)
    assert state() == before


def test_a_folder_that_is_gone_is_no_reason_to_fail(tmp_path, monkeypatch):
    """The way back is the folder, and not its name."""
    inside = tmp_path / "old"
    inside.mkdir()
    monkeypatch.chdir(inside)
    with restored_process():
        os.chdir("/")
        inside.rename(tmp_path / "new")
    assert Path.cwd() == tmp_path / "new"
    (tmp_path / "new").rmdir()
    with restored_process():
        os.chdir("/")


def test_the_event_loop_of_the_thread():
    """The one that an app sets is gone, and there is none again where there was none."""
    own = asyncio.new_event_loop()
    with restored_process():
        asyncio.set_event_loop(own)
    own.close()
    local = getattr(asyncio.events._event_loop_policy, "_local", None)
    assert getattr(local, "_loop", None) is not own


def test_modules_of_the_handlers_folder_are_forgotten(tmp_path):
    """Those that were loaded from a folder which came to ``sys.path`` meanwhile, so that another folder's module of that name is found."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sibling_of_a_handler.py").write_text(f"NAME = {name!r}\n", encoding="utf-8")
    found = []
    for name in ("one", "two"):
        with restored_process():
            sys.path.insert(0, str(tmp_path / name))
            found.append(import_module("sibling_of_a_handler").NAME)
    assert found == ["one", "two"]
    assert "sibling_of_a_handler" not in sys.modules


PACKAGE = """
import sys
from pathlib import Path

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None

sys.meta_path.insert(0, Finder)
sys.meta_path.append(Finder())
sys.path.insert(0, str(Path(__file__).parent / "ahead"))
sys.path.append(str(Path(__file__).parent / "behind"))
"""


@pytest.mark.parametrize("place", ["site-packages", "app"])
def test_what_a_package_has_put_up_to_be_found_by_stays_as_long_as_the_package(place, tmp_path, monkeypatch):
    """An installed one stays loaded, so its finders and folders stay; the app's own go with the app."""
    folder = tmp_path / place
    package = folder / "a_made_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PACKAGE)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    path, finders = list(sys.path), list(sys.meta_path)
    try:
        with restored_process():
            made = import_module("a_made_package").Finder
            # Taken away by the app, though it was there: it is put back beside what has come.
            del sys.meta_path[-2]
            sys.path.append(str(tmp_path))
    finally:
        sys.modules.pop("a_made_package", None)
    if place == "app":
        assert (sys.path, sys.meta_path) == (path, finders)
    else:
        assert sys.path == [str(package / "ahead"), *path, str(package / "behind")]
        assert sys.meta_path[0] is made
        assert sys.meta_path[1:-1] == finders
        assert isinstance(sys.meta_path[-1], made)


def test_what_is_installed_is_found_behind_the_first_import_of_importlib_metadata():
    """It takes the standard library's finder away and puts up its own. Many packages import it, and so may any app."""
    pytest.importorskip("importlib_metadata")
    program = (
        "import sys\n"
        "from importlib import metadata\n"
        "from evi_harness.guard.process_state import restored_process\n"
        "with restored_process():\n"
        "    import importlib_metadata\n"
        "print(metadata.version('pytest'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == (pytest.__version__, 0), done.stderr


def test_ways_to_modules_that_are_no_lists_any_more_are_put_back():
    """Whatever an app has made of them."""
    path, finders = list(sys.path), list(sys.meta_path)
    with restored_process():
        sys.path, sys.meta_path = None, ()
    assert (sys.path, sys.meta_path) == (path, finders)


def test_beside_the_main_thread():
    """Signal handlers cannot be had there and are left alone; the rest is put back."""
    folders = []

    def act():
        with restored_process():
            os.chdir("/")
        folders.append(Path.cwd())

    before = Path.cwd()
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
    assert folders == [before]


def test_modules_of_a_folder_that_was_named_are_forgotten_too(tmp_path, monkeypatch):
    """Though it was on ``sys.path`` before; what was loaded from it before comes back, also as an attribute of its package."""
    package = tmp_path / "package_of_a_handler"
    package.mkdir()
    for name in ("__init__", "old", "new"):
        (package / f"{name}.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    holder, old = import_module(package.name), import_module(f"{package.name}.old")
    with restored_process():
        forget_modules_of(str(tmp_path))
        del sys.modules[f"{package.name}.old"]
        assert import_module(f"{package.name}.old") is not old
        import_module(f"{package.name}.new")
    assert sys.modules[f"{package.name}.old"] is old
    assert holder.old is old
    assert not hasattr(holder, "new")
    assert f"{package.name}.new" not in sys.modules
    # What was named for one run holds for that alone.
    with restored_process():
        import_module(f"{package.name}.new")
    assert f"{package.name}.new" in sys.modules
    for name in (package.name, f"{package.name}.old", f"{package.name}.new"):
        del sys.modules[name]
