"""The parts of a self-contained HTML page: a frame with its style, tables, and pictures inside the page.

Nothing is fetched: a page can be sent as one file.
"""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .3rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; }
p.verdict { font-size: 1.1rem; border-left: 4px solid #1f77b4; padding: .3rem 0 .3rem .9rem; }
p.note, figcaption, footer { color: #57606a; font-size: .9rem; }
table { border-collapse: collapse; margin: .6rem 0; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #d8dee4; text-align: right; }
th:first-child, td:first-child { text-align: left; }
tr.best td { font-weight: 600; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; } .pair figure { flex: 1 1 20rem; }
code { background: #f3f5f7; padding: .1rem .3rem; border-radius: 3px; overflow-wrap: anywhere; }
"""


def document(title: str, body: Sequence[str]) -> bytes:
    """The whole page; `body` is HTML."""
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )
    return page.encode()


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], best: int | None = None) -> str:
    """A table of texts, with row number `best` in bold."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = []
    for i, row in enumerate(rows):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        lines.append(f'<tr class="best">{cells}</tr>' if i == best else f"<tr>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def figure(picture: Path | bytes, caption: str) -> str:
    """A PNG picture inside the page."""
    data = base64.b64encode(picture if isinstance(picture, bytes) else picture.read_bytes()).decode()
    text = escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'
