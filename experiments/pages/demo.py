"""The page of the demo: its tables and figures.

Units   money in the scenario's currency.
"""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from flashsale_env.experiments.formats import AGENT_COLUMNS, Table, agent_rows, money
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.document import document, figure, table
from flashsale_env.experiments.pages.paper import keep_table
from flashsale_env.files import write_atomically

PAGE = "index.html"


def write_page(folder: Path, result: Mapping[str, Any], verdict: str, charts: Mapping[str, Chart]) -> Path:
    """Write `index.html`, and its tables for papers.

    Args:
        folder: of the run.
        result: content of `result.json`.
        verdict: one sentence on who wins.
        charts: "learning_curve", "sale", "confusion" and "elasticity".
    """
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    tables = _tables(result)
    for name, content in tables.items():
        keep_table(folder / name, content)
    body = [
        "<h1>From customers' sentences to a trained policy</h1>",
        f'<p class="verdict">{escape(verdict)}</p>',
        f"<h2>{escape(tables['agents'].title)}</h2>",
        *_shown(tables["agents"], best=0),
        figure(charts["learning_curve"]),
        "<h2>One sale, played by PPO</h2>",
        figure(charts["sale"]),
        "<h2>Intents of messages</h2>",
        *_shown(tables["intents"]),
        "<h2>What text is worth for predicting demand</h2>",
        *_shown(tables["demand"]),
        '<div class="pair">',
        figure(charts["confusion"]),
        figure(charts["elasticity"]),
        "</div>",
        "<h2>How it was made</h2>",
        f"<p><code>{escape(result['command'])}</code></p>",
        table(("stage", "seconds"), [(name, f"{value:,.1f}") for name, value in result["seconds"].items()]),
        f"<footer>{escape(versions)}</footer>",
    ]
    write_atomically(folder / PAGE, document(f"Flash sale: {result['settings']['scenario']}", body))
    return folder / PAGE


def _shown(content: Table, best: int | None = None) -> list[str]:
    return [table(content.columns, content.rows, best=best), f'<p class="note">{escape(" ".join(content.notes))}</p>']


def _tables(result: Mapping[str, Any]) -> dict[str, Table]:
    """File name -> table."""
    title = f"Agents on {result['test_sales']:,} test sales, the same customers for all"
    notes = (
        _bound(result["bound"], result["settings"]["bound_sales"]),
        "Profit is money only: revenue less costs. The heuristics are tuned on validation customers; the learner's "
        "best checkpoint is chosen on them too. The learning curve below shows those validation customers, other "
        "ones than this table.",
    )
    return {
        "agents": Table(title, AGENT_COLUMNS, tuple(agent_rows(result["agents"])), notes),
        "intents": _encoder(result["encoder"]),
        "demand": _demand(result["demand"]),
    }


def _bound(bound: Mapping[str, Any], sales: int) -> str:
    """The upper bound, and what PPO earns on the sales behind it."""
    scale = bound["value"]
    value, half, earned, gap, low, high = (
        money(bound[name], scale) for name in ("value", "half_width", "ppo_profit", "gap", "gap_low", "gap_high")
    )
    return (
        f"No policy earns more than {value} ± {half} a sale ({bound['name']}: an upper bound averaged over {sales:,} "
        f"of the sales, not an optimum). PPO earns {earned} on these sales, {gap} below the bound (95 % interval "
        f"{low} to {high})."
    )


def _encoder(figures: Mapping[str, float]) -> Table:
    """The encoder against TF-IDF, on messages from unseen templates."""
    rows = {"fine-tuned BERT": "", "TF-IDF and logistic regression": "tfidf_"}
    return Table(
        "Intents of messages",
        ("classifier", "accuracy", "macro-F1"),
        tuple(
            (name, f"{figures[f'{key}accuracy']:.3f}", f"{figures[f'{key}macro_f1']:.3f}") for name, key in rows.items()
        ),
        ("On messages from templates that neither classifier was trained on.",),
    )


def _demand(figures: Mapping[str, Any]) -> Table:
    """Held-out likelihood of demand models with and without the text."""
    gap, closed = figures["gap_no_text_minus_encoder"], figures["share_of_gap_closed"]
    return Table(
        "Predicting demand",
        ("known of a customer", "held-out negative log-likelihood, nats a visit"),
        (
            ("nothing", f"{figures['no_text_nll']:.4f}"),
            ("the message, through the encoder", f"{figures['heldout_nll']:.4f}"),
            ("the true intent and the product named", f"{figures['true_intent_nll']:.4f}"),
        ),
        (
            f"Over {figures['heldout_visits']:,} visits of customers with unseen phrasings. The message gains "
            f"{gap['mean']:.4f} nats a visit (95 % interval {gap['low']:.4f} to {gap['high']:.4f}), "
            f"{closed['mean']:.0%} of what the true intent and product would gain.",
        ),
    )
