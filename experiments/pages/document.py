"""The parts of a self-contained HTML page: a frame with its style, tables, and figures to look into.

Nothing is fetched: a page can be sent as one file. Plotly's bundle of charts in a plane (MIT licence, see
`assets/plotly-LICENSE.txt`) lies inside every page that has a figure, and the page forbids the browser any request.
"""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.interactive import as_plotly

ASSETS = Path(__file__).parent / "assets"
_FORBID = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"


def document(title: str, body: Sequence[str]) -> bytes:
    """The whole page; `body` is HTML."""
    content = "\n".join(body)
    scripts = ("plotly-cartesian.min.js", "page.js") if '<figure class="chart">' in content else ()
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_FORBID}">'
        f"<title>{escape(title)}</title><style>{_asset('page.css')}</style></head>\n<body>\n"
        + (_THEME if scripts else "")
        + content
        + "".join(f"\n<script>{_asset(name)}</script>" for name in scripts)
        + "\n</body></html>\n"
    )
    return page.encode()


_THEME = '<button type="button" class="plain" id="theme" aria-label="light or dark">&#9681;</button>\n'


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], best: int | None = None) -> str:
    """A table of texts, with row number `best` in bold. On a phone each row is a card that repeats the column names."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = []
    for i, row in enumerate(rows):
        named = zip(columns, row, strict=True)
        cells = "".join(f'<td data-column="{escape(column)}">{escape(cell)}</td>' for column, cell in named)
        lines.append(f'<tr class="best">{cells}</tr>' if i == best else f"<tr>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def figure(chart: Chart) -> str:
    """A figure that shows its numbers under the mouse, and its caption."""
    content = json.dumps(as_plotly(chart), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return (
        f'<figure class="chart"><script type="application/json">{content}</script>'
        f"<figcaption>{escape(chart.caption)}</figcaption></figure>"
    )


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8").strip()
