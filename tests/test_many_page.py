"""docs/how-to/many.md: its Python runs as it stands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, Dict

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "how-to" / "many.md").read_text(encoding="utf-8")


def test_the_snippet_replays_a_folder_of_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder with sessions and the handler that it names; each is replayed, and passes."""
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for name in ("weather", "again"):
        shutil.copytree(ROOT / "sessions" / "weather", tmp_path / "sessions" / name)
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    monkeypatch.chdir(tmp_path)
    found: Dict[str, Any] = {}
    exec(compile(snippet, "docs/how-to/many.md", "exec"), found)
    report = found["report"]
    assert [Path(one.folder).name for one in report.outcomes] == ["again", "weather"]
    assert report.passed
