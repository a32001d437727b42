"""docs/reference/api.md: every call with its arguments, every command with its call, and links that lead somewhere."""

from __future__ import annotations

import re
from importlib import util
from pathlib import Path
from typing import Any, List

import click

import evi_harness
from evi_harness import results
from evi_harness.cli.commands import evi_harness as group

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")


def made() -> str:
    """The page as docs/make_api.py makes it."""
    spec = util.spec_from_file_location("make_api", DOCS / "make_api.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.page(PAGE))


def frame(page: str) -> List[str]:
    """The calls' headings, signatures and examples, and the names of their arguments and errors, without what is said of them."""
    calls = page.partition("## Calls\n")[2].partition("\n## Classes\n")[0]
    blocks = re.findall(r"^(?:#+ .*|```\w+\n.*?^```|- `[^`]*`)", calls, re.MULTILINE | re.DOTALL)
    return [re.sub(r"^(- `[^`]*`).*", r"\1", one) for one in blocks]


def test_the_page_has_the_calls_as_they_are() -> None:
    """``python docs/make_api.py`` writes it anew."""
    assert frame(PAGE) == frame(made())


def test_the_page_has_every_public_name() -> None:
    """Also what is no call."""
    for name in (*evi_harness.__all__, *results.__all__):
        assert f"`{name}" in PAGE or f"### {name}\n" in PAGE or name == "__version__", name


def test_every_command_is_in_the_table() -> None:
    """With the call that does the same, or with the reason why there is none."""
    table = PAGE.partition("## Commands and calls")[2].partition("\n## ")[0]
    for command in group.list_commands(click.Context(group)):
        row = re.search(rf"^\| `{command}\b.*", table, re.MULTILINE)
        assert row is not None, command
        calls = re.findall(r"(\w+)\(", row[0])
        assert [one for one in calls if hasattr(evi_harness, one)] or "none: " in row[0], command


def test_links_lead_somewhere() -> None:
    """Of this page and of the docstrings that it is made of."""
    for link in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (DOCS / "reference" / link).exists(), link
