"""Links of every page: the file is there, and so is the heading. What code and pages name in docs/ is there too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator, List, Set

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *(ROOT / "docs").glob("*/*.md")])


def prose(text: str) -> str:
    """A page without its code."""
    return re.sub(
        r"`[^`\n]*`", lambda code: re.sub(r"[\[\]()]", "", code[0]), re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    )


def anchors(text: str) -> Set[str]:
    """Where a link may lead within a page, as GitHub names its headings."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path, text: str) -> Iterator[str]:
    """The links that lead nowhere."""
    for target in (one or other for one, other in LINK.findall(prose(text))):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        if re.match(r"[a-z]+:", target):
            continue
        if not file.exists() or (anchor and anchor not in anchors(text if file == page else file.read_text(encoding="utf-8"))):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """In README, the changes, the documentation and the maps of the other folders."""
    assert list(broken(page, page.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](README.md) [b](docs/) [c](https://example.com/x)", []),
        ("[a](nowhere.md)", ["nowhere.md"]),
        ('<img src="nowhere.png">', ["nowhere.png"]),
        ("# It's `here`, now\n[a](#its-here-now) [b](#there)", ["#there"]),
        ("[a](LICENSE#mit)", ["LICENSE#mit"]),
        ("```\n[a](nowhere.md)\n```\n`[b](nowhere.md)`", []),
    ],
)
def test_a_broken_link_is_seen(text: str, found: List[str]) -> None:
    """The test above can fail."""
    assert list(broken(ROOT / "CHANGELOG.md", text)) == found


def test_what_is_named_in_docs_is_there() -> None:
    """By code, help, pages and tests."""
    files = [*PAGES, *(path for folder in ("evi_harness", "tests", "benchmarks", "fixtures") for path in (ROOT / folder).rglob("*.py"))]
    named = {
        name
        for file in files
        for name in re.findall(r"(?<![\w/.-])docs/[\w/-]+(?:\.schema)?\.(?:md|json|png|py)", file.read_text(encoding="utf-8"))
    }
    assert len(named) > 20
    assert sorted(name for name in named if not (ROOT / name).exists()) == ["docs/reference/some.schema.json"]


def test_the_map_of_the_documentation_is_whole() -> None:
    """It links to every page and every schema."""
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").glob("*/*") if path.suffix in {".md", ".json"}}
    linked = set(re.findall(r"\]\(([^)\s]+)\)", (ROOT / "docs" / "README.md").read_text(encoding="utf-8")))
    assert pages - linked == set()
