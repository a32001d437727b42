"""The documentation's site: ``sphinx-build -W docs FOLDER``, with the extra ``docs``. Its pages are those that GitHub shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Union

from evi_harness.version import __version__

project = "evi-harness"
version = release = __version__
extensions = ["myst_parser"]  # the pages of the API and of options are made from the code beforehand, so that GitHub shows them too
exclude_patterns = ["README.md"]  # the index contains it
myst_heading_anchors = 4
highlight_language = "none"  # a block that names no language is what a command prints
html_theme = "furo"  # fetches no fonts, scripts or styles from elsewhere
html_title = f"evi-harness {version}"
html_copy_source = False
html_show_copyright = False

DOCS = Path(__file__).resolve().parent
LINK = re.compile(r"\[([^\]]+)\]\((\.\.?/[^)#\s]*)[^)]*\)")


def without_links_out(folder: Path, text: str) -> str:
    """A page whose links to files outside docs/ are only their text: the site does not have those files."""
    return LINK.sub(lambda link: link[0] if DOCS in (folder / link[2]).resolve().parents else link[1], text)


def on_read(_: Any, page: Union[str, Path], *rest: Any) -> None:
    """Sphinx has read a page, or one that another page contains: its text is the only item of the last argument."""
    rest[-1][0] = without_links_out((DOCS / page).parent, rest[-1][0])


def setup(app: Any) -> None:
    """Have Sphinx call ``on_read``."""
    app.connect("source-read", on_read)
    app.connect("include-read", on_read)
