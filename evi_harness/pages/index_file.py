"""The index of some pages: a line each, those that failed first."""

from __future__ import annotations

import base64
import hashlib
import html
from dataclasses import dataclass
from typing import Optional, Sequence
from urllib.parse import quote

from evi_harness.report.plain import printable

__all__ = ["FAILED", "NO_PAGE", "PASSED", "Indexed", "index_page"]

PASSED = "passed"
FAILED = "failed"
# Of a session that could not be replayed there is none.
NO_PAGE = "no page"

_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0;vertical-align:top;overflow-wrap:anywhere}"
    "tr{border-bottom:1px solid #8885}"
)
_ORDER = (FAILED, NO_PAGE, PASSED)


@dataclass(frozen=True)
class Indexed:
    """A row of the index.

    Attributes:
        name: What the page is of.
        verdict: The verdict in words, empty where there is none.
        state: ``PASSED``, also for what has no verdict, ``FAILED``, or ``NO_PAGE``.
        file: The page's file beside the index; None where there is none.
    """

    name: str
    verdict: str
    state: str
    file: Optional[str] = None


def index_page(title: str, rows: Sequence[Indexed]) -> str:
    """The index as HTML: no script, and nothing that is loaded.

    Args:
        title: Its title.
        rows: The pages, in any order.
    """
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    n_failed = sum(row.state != PASSED for row in rows)
    told = f"{len(rows)} page{'' if len(rows) == 1 else 's'}, {n_failed} failed" if n_failed else f"{len(rows)} pages"
    ranked = sorted(rows, key=lambda row: _ORDER.index(row.state))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_text(title)}</title><style>{_STYLE}</style></head>",
            f"<body><h1>{_text(title)}</h1><p>{_text(told)}</p>",
            '<table><thead><tr><th scope="col">What</th><th scope="col">Verdict</th></tr></thead><tbody>',
            *(f"<tr><td>{_link(row)}</td><td>{_text(row.verdict)}</td></tr>" for row in ranked),
            "</tbody></table></body></html>",
            "",
        ]
    )


def _link(row: Indexed) -> str:
    return _text(row.name) if row.file is None else f'<a href="{html.escape(quote(row.file))}">{_text(row.name)}</a>'


def _text(text: str) -> str:
    return html.escape(printable(text)).encode("ascii", "xmlcharrefreplace").decode()
