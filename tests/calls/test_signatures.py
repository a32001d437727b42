"""The public calls are usable on their own: plain values in, public types out, nothing printed, and types that a checker sees."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path
from typing import Any, Iterator, Set

import pytest

import evi_harness
from evi_harness import errors, results
from evi_harness.session import events

ROOT = Path(__file__).resolve().parents[2]
CALLS = sorted(name for name in evi_harness.__all__ if inspect.isfunction(getattr(evi_harness, name)))
SECTIONS = ("Args:", "Returns:", "Raises:", "Example:")
# What a block is for returns nothing, and what cannot fail raises nothing.
LACKS = {"busy": {"Args:", "Returns:", "Raises:"}, "connect_with_callbacks": {"Returns:"}}


class APath:
    """A path of neither type that the standard library has."""

    def __init__(self, path: object) -> None:
        self._path = str(path)

    def __fspath__(self) -> str:
        return self._path


def classes_in(annotation: Any) -> Iterator[type]:
    """Every class in an annotation."""
    inner = [one for one in typing.get_args(annotation) if one is not Ellipsis]
    for one in inner:
        for each in one if isinstance(one, list) else [one]:
            yield from classes_in(each)
    if not inner and isinstance(annotation, type):
        yield annotation


def public_types() -> Set[type]:
    """What a user can import by a public name."""
    found = [getattr(place, name) for place, names in PLACES.items() for name in names]
    return {one for one in found if isinstance(one, type)}


PLACES = {evi_harness: evi_harness.__all__, results: results.__all__, errors: errors.__all__, events: events.__all__}


@pytest.mark.parametrize("name", CALLS)
def test_a_signature_has_public_types_alone(name: str) -> None:
    """Builtins, the standard library's, and what has a public name."""
    function = inspect.unwrap(getattr(evi_harness, name))
    hints = typing.get_type_hints(function)
    assert "return" in hints
    for argument, hint in hints.items():
        for one in classes_in(hint):
            is_foreign = not one.__module__.startswith("evi_harness")
            assert is_foreign or one in public_types(), f"{name}: {argument} is of {one.__module__}.{one.__name__}"


@pytest.mark.parametrize("name", CALLS)
def test_a_docstring_has_every_section(name: str) -> None:
    """What goes in, what comes out, what can go wrong, an example; each argument is described, and each error is one of ours."""
    function = getattr(evi_harness, name)
    text = inspect.getdoc(function) or ""
    assert [one for one in SECTIONS if f"\n{one}" not in text and one not in LACKS.get(name, ())] == []
    for argument in inspect.signature(function).parameters.values():
        stars = "**" if argument.kind is argument.VAR_KEYWORD else ""
        assert f"\n    {stars}{argument.name}: " in text, argument.name
    raised = text.partition("\nRaises:\n")[2].partition("\n\n")[0]
    for line in raised.splitlines():
        if line.startswith("    ") and not line.startswith("     "):
            for error in line.split(":")[0].split(","):
                assert hasattr(errors, error.strip()) or error.strip() in ("KeyboardInterrupt", "Exception"), error


def test_a_type_of_results_is_what_its_module_defines() -> None:
    """Each is there, by its own name, with a docstring."""
    assert results.__all__ == sorted(results.TYPES)
    assert set(results.__all__) <= set(dir(results))
    for name, module in results.TYPES.items():
        found = getattr(results, name)
        assert (found.__name__, found.__module__) == (name, module)
        assert inspect.getdoc(found)
    with pytest.raises(AttributeError, match="no attribute"):
        results.Nothing  # noqa: B018  # reading it is the test


def test_a_checker_sees_the_names() -> None:
    """A program of a user's is checked with the package itself, strictly, its expected errors too."""
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.mypy]\n")[2].partition("\n\n")[0]
    assert '"tests/calls/user_program.py"' in pyproject
    assert "strict = true" in pyproject


def test_a_path_may_be_any(weather_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text, a path, or whatever has ``__fspath__``; and nothing is printed or written to standard error."""
    for folder in (str(weather_folder), weather_folder, APath(weather_folder)):
        assert evi_harness.load_session(folder).name == "weather"
        assert evi_harness.check_sessions(folder).passed
        assert evi_harness.replay_session(folder, handler="recorded", out=APath(tmp_path)).folder.parent == tmp_path
        assert evi_harness.replay_sessions(folder, handler="recorded", n_jobs=1, out=APath(tmp_path)).passed
        assert evi_harness.compare_sessions(folder, APath(weather_folder)).passed
        assert evi_harness.replay_session(folder).passed
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def weather_folder() -> Path:
    """The recorded conversation about the weather."""
    return ROOT / "sessions" / "weather"


def test_what_is_invalid_is_a_public_error(weather_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never another exception, and never an exit; it names the argument as it is called in Python."""
    monkeypatch.setenv("HUME_API_KEY", "k" * 48)
    (tmp_path / "there.csv").touch()
    calls = [
        lambda: evi_harness.replay_live(weather_folder, base_url="https://example.com"),
        lambda: evi_harness.export_session(weather_folder, csv=tmp_path / "there.csv"),
        lambda: evi_harness.replay_session(weather_folder, clock="sundial"),
        lambda: evi_harness.replay_sessions([]),
        lambda: evi_harness.replay_sessions(weather_folder, handler=print),  # type: ignore[arg-type]
        lambda: evi_harness.replay_sessions(weather_folder, html=weather_folder / "session.json"),
        lambda: evi_harness.replay_live(weather_folder, base_url="https://example.com", cadence="waltz"),
        lambda: evi_harness.measure_latency(()),
        lambda: evi_harness.measure_latency(weather_folder, detector="ear"),
        lambda: evi_harness.judge_gate(weather_folder, gate="nonsense"),
        lambda: evi_harness.judge_gate(weather_folder),
        lambda: evi_harness.check_sessions(()),
        lambda: evi_harness.compare_sessions(weather_folder, weather_folder, tolerance_ms=-1),
        lambda: evi_harness.compare_versions("", ""),
        lambda: evi_harness.export_session(weather_folder),
        lambda: evi_harness.import_session(weather_folder / "events.jsonl", "mp3"),
        lambda: evi_harness.serve(),
        lambda: evi_harness.serve(weather_folder, simulate=True),
        lambda: evi_harness.serve(weather_folder, script="script.toml"),
        lambda: evi_harness.serve(simulate=True, strict=True),
        lambda: evi_harness.record_conversation(microphone="loud"),
        lambda: evi_harness.repair_session(weather_folder, tmp_path),
    ]
    for call in calls:
        with pytest.raises(errors.UsageError) as caught:
            call()
        assert "--" not in str(caught.value), caught.value
    with pytest.raises(TypeError, match="clok"):
        evi_harness.replay_sessions(weather_folder, clok="real")  # type: ignore[call-arg]
    with pytest.raises(errors.ReportError):
        evi_harness.explain_report(tmp_path / "nothing.json")
