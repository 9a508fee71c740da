"""The page of a plan: the profit beside the baseline, one sale, and the limits of the claim."""

import contextlib
import io
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from flashsale_env.experiments.display import collected_tables
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.document import document, figure, table
from flashsale_env.experiments.plan.screen import show
from flashsale_env.files import write_atomically

PAGE = "index.html"


def write_page(folder: Path, result: Mapping[str, Any], sale: Chart) -> Path:
    """Write `index.html`.

    Args:
        folder: of the run.
        result: content of `result.json`.
        sale: the figure of the typical sale.
    """
    with collected_tables() as tables, contextlib.redirect_stdout(io.StringIO()):
        show(result)
    name = result["agent"]["name"]
    body = [f"<h1>{escape(name)} on {escape(result['scenario'])}</h1>"]
    body += [f'<p class="verdict">{escape(result["limits"][0])}</p>']
    for content in tables:
        body += [f"<h2>{escape(content.title)}</h2>", table(content.columns, content.rows)]
    body += ["<h2>The typical sale, tick by tick</h2>", figure(sale), "<h2>What this does not promise</h2>"]
    body += [f"<p>{escape(sentence)}</p>" for sentence in result["limits"]]
    write_atomically(folder / PAGE, document(f"Plan: {name} on {result['scenario']}", body))
    return folder / PAGE
