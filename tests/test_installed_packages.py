"""Tests of evi_harness.installed_packages."""

from __future__ import annotations

import os
import sys
from importlib import metadata

import pytest

from evi_harness.installed_packages import metadata_now


def test_what_could_not_be_read_is_read_again(tmp_path, monkeypatch):
    """A folder that was taken for an empty one holds what it holds, though nothing in it has changed."""
    facts = tmp_path / "made_up-1.5.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.5\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "path_importer_cache", {})

    def no_more_files(path="."):
        raise OSError("Too many open files")

    with monkeypatch.context() as patch:
        metadata_now()
        patch.setattr(os, "listdir", no_more_files)
        with pytest.raises(metadata.PackageNotFoundError):
            metadata.version("made-up")
    assert metadata_now().version("made-up") == "1.5"
