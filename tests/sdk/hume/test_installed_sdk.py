from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from importlib import metadata

import pytest

from evi_harness.errors import SdkError
from evi_harness.sdk.hume.installed_sdk import import_sdk, installed_version
from evi_harness.sdk.installed import version_of


def test_it_is_what_the_package_says():
    """The version of the distribution."""
    assert installed_version() == metadata.version("hume")


def test_an_absent_sdk_is_told_with_what_to_install(tmp_path, monkeypatch):
    """The error names the command that mends it, and exits with 3."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(SdkError, match="pip install 'hume") as raised:
        installed_version()
    assert raised.value.exit_code == 3


def test_a_version_is_that_of_what_is_installed_now(tmp_path, monkeypatch):
    """Also where it was asked for before: of a package that is installed, upgraded, removed, or found elsewhere first."""

    def install(version, folder=tmp_path):
        found = folder / f"a_made_package-{version}.dist-info"
        found.mkdir(parents=True)
        (found / "METADATA").write_text(f"Metadata-Version: 2.1\nName: a-made-package\nVersion: {version}\n")
        return found

    monkeypatch.syspath_prepend(str(tmp_path))
    assert version_of("a-made-package") is None
    first = install("1.0")
    assert [version_of("a-made-package"), version_of("a-made-package")] == ["1.0", "1.0"]
    shutil.rmtree(first)
    install("1.1")
    assert version_of("a-made-package") == "1.1"
    install("2.0", tmp_path / "nearer")
    monkeypatch.syspath_prepend(str(tmp_path / "nearer"))
    assert version_of("a-made-package") == "2.0"
    monkeypatch.setattr(sys, "path", [])
    assert version_of("a-made-package") is None


def test_a_folder_that_could_not_be_read_once_is_read_again(tmp_path, monkeypatch):
    """importlib remembers it as empty. Whoever imports importlib_metadata has its finder instead, on every Python; it remembers too."""
    found = tmp_path / "a_made_package-1.0.dist-info"
    found.mkdir()
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: a-made-package\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def full(_=None):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", full)
        assert version_of("a-made-package") is None
    assert version_of("a-made-package") == "1.0"


def test_the_sdk_is_imported_where_there_is_no_sound_system(tmp_path):
    """A sounddevice that finds no PortAudio is hidden from it, and is there again afterwards to say so itself."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from evi_harness.sdk.hume.installed_sdk import import_sdk\n"
        "import_sdk()\n"
        "import hume\n"
        "assert 'sounddevice' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)


def test_an_sdk_that_does_not_import_is_told(monkeypatch):
    """With what to install, and what Python said."""
    monkeypatch.setitem(sys.modules, "hume.client", None)
    with pytest.raises(SdkError, match=r"cannot be imported: .*hume\.client"):
        import_sdk()


def test_what_pydub_says_of_ffmpeg_is_not_said():
    """Whoever imports the SDK to replay plays nothing; other warnings are."""
    program = (
        "import warnings\n"
        "from evi_harness.sdk.hume.installed_sdk import silence_pydub\n"
        "silence_pydub()\n"
        "warnings.warn('Couldn\\'t find ffmpeg or avconv - defaulting to ffmpeg, but may not work', RuntimeWarning)\n"
        "warnings.warn('something else', RuntimeWarning)\n"
    )
    done = subprocess.run([sys.executable, "-W", "default", "-c", program], capture_output=True, text=True, check=True)
    assert "ffmpeg" not in done.stderr
    assert "something else" in done.stderr
