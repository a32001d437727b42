"""The public surface: these names and no others, all there, all documented, and nothing heavy loaded for them."""

from __future__ import annotations

import ast
import inspect
import pydoc
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import evi_harness

PACKAGE = Path(__file__).resolve().parents[1] / "evi_harness"

PUBLIC = [
    "EviHarnessError",
    "Session",
    "WebSocketInterface",
    "app_command",
    "busy",
    "check_sessions",
    "compare_sessions",
    "compare_versions",
    "connect_with_callbacks",
    "explain_report",
    "export_session",
    "import_session",
    "judge_gate",
    "load_session",
    "measure_latency",
    "record",
    "record_conversation",
    "repair_session",
    "replay_live",
    "replay_session",
    "replay_sessions",
    "serve",
    "websocket_of",
    "write_report",
]

HEAVY = ["hume", "aiohttp", "msgspec", "numpy", "click", "asyncio", "soundfile", "websockets"]


def test_the_surface_is_exactly_this() -> None:
    """A name enters or leaves the public surface by an edit here as well."""
    assert evi_harness.__all__ == sorted([*PUBLIC, "__version__"])
    assert sorted(evi_harness.EXPORTS) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_name_resolves_and_is_documented(name: str) -> None:
    """Each name is what its module defines, and says what it is."""
    value = getattr(evi_harness, name)
    assert value.__module__ == evi_harness.EXPORTS[name]
    assert value.__name__ == name
    assert inspect.getdoc(value)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_defining_module_exports_the_name(name: str) -> None:
    """What is public here is public where it is defined."""
    assert name in import_module(evi_harness.EXPORTS[name]).__all__


def test_type_checkers_see_the_same_table() -> None:
    """The block for type checkers and the table name the same names from the same modules."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == evi_harness.EXPORTS


def test_dir_lists_the_names_before_they_are_loaded() -> None:
    """Completion in a shell finds every public name."""
    assert set(evi_harness.__all__) <= set(dir(evi_harness))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The package answers for names it does not have as any module does."""
    with pytest.raises(AttributeError, match="no attribute 'sesion'"):
        evi_harness.sesion  # noqa: B018  # reading it is the test


def test_no_name_hides_a_room() -> None:
    """No public name is also a room's, whose module would take its place when it is imported."""
    rooms = {path.stem for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert not rooms & set(PUBLIC)


def test_help_shows_every_name() -> None:
    """``help(evi_harness)`` has the public names with their docstrings, although they are loaded only then."""
    text = pydoc.plain(pydoc.render_doc(evi_harness))
    assert [name for name in PUBLIC if not re.search(rf"\b{name}\b", text)] == []
    assert evi_harness.replay_session.__doc__.splitlines()[0] in text


def test_a_call_and_a_room_keep_apart() -> None:
    """Importing every room leaves each public name what it was."""
    for room in ("replay", "report", "calls", "storage"):
        module = import_module(f"evi_harness.{room}")
        assert getattr(evi_harness, room) is module
    assert evi_harness.replay_session.__module__ == evi_harness.EXPORTS["replay_session"]


def test_importing_the_package_loads_nothing_heavy() -> None:
    """``import evi_harness`` loads neither the SDK nor a server nor a codec."""
    code = f"import sys, evi_harness; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=str(PACKAGE.parent))
    assert done.stdout.split() == []


def test_the_version_is_that_of_the_distribution() -> None:
    """What the code calls its version is what was installed; an old editable install would differ."""
    metadata = pytest.importorskip("importlib.metadata")
    try:
        installed = metadata.version("evi-harness")
    except metadata.PackageNotFoundError:
        pytest.skip("not installed: run from the source tree")
    assert evi_harness.__version__ == installed
