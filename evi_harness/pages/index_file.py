"""The index of several pages, one row each, failures first."""

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

# The colours are those of the pages: assets/page/page.css.
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0 auto;max-width:72rem;padding:1.5rem clamp(.75rem,2.5vw,2.5rem) 4rem;background:#f6f7f9;color:#1b2130;"
    'font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}'
    "h1{margin:0;font-size:1.45rem;line-height:1.25;overflow-wrap:anywhere}p{margin:.25rem 0 1.25rem}p,th{color:#566070}a{color:#2456b8}"
    "table{width:100%;border:1px solid #d8dce3;border-radius:10px;border-spacing:0;background:#fff}"
    "th,td{padding:.6rem 1rem;border-bottom:1px solid #d8dce3;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "th{font-size:.85rem;font-weight:500}tr:last-child td{border-bottom:0}"
    ".failed,.none{color:#bd2436;font-weight:600}.passed{color:#1c7a3e}"
    "@media screen and (prefers-color-scheme:dark){body{background:#12151b;color:#e6e9ef}p,th{color:#a4adbb}a{color:#8db4ff}"
    "table{background:#1a1e26}table,th,td{border-color:#363d4a}.failed,.none{color:#ff8791}.passed{color:#6fd08f}}"
)
_CLASSES = {PASSED: "passed", FAILED: "failed", NO_PAGE: "none"}
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


def index_page(title: str, rows: Sequence[Indexed], judged: str = "") -> str:
    """The index as HTML: no script, and nothing that is loaded.

    Args:
        title: Its title.
        rows: The pages, in any order.
        judged: The verdict of a gate on all of them that does not hold; empty for none.
    """
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    n_failed = sum(row.state != PASSED for row in rows)
    told = f"{len(rows)} page{'' if len(rows) == 1 else 's'}{f', {n_failed} failed' if n_failed else ''}"
    ranked = sorted(rows, key=lambda row: _ORDER.index(row.state))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_text(title)}</title><style>{_STYLE}</style></head>",
            f"<body><main><h1>{_text(title)}</h1><p>{_text(told)}</p>",
            *([f'<p class="{_CLASSES[FAILED]}">gate: {_text(judged)}</p>'] if judged else []),
            '<table><thead><tr><th scope="col">What</th><th scope="col">Verdict</th></tr></thead><tbody>',
            *(f'<tr><td>{_link(row)}</td><td class="{_CLASSES[row.state]}">{_text(row.verdict)}</td></tr>' for row in ranked),
            "</tbody></table></main></body></html>",
            "",
        ]
    )


def _link(row: Indexed) -> str:
    return _text(row.name) if row.file is None else f'<a href="{html.escape(quote(row.file))}">{_text(row.name)}</a>'


def _text(text: str) -> str:
    return html.escape(printable(text)).encode("ascii", "xmlcharrefreplace").decode()
