"""The page of the demo: figures as tables, and its pictures.

Units   money in the scenario's currency.
"""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from flashsale_env.experiments.formats import AGENT_COLUMNS, agent_rows, money
from flashsale_env.experiments.pages.document import document, figure, table
from flashsale_env.files import write_atomically

PAGE = "index.html"


def write_page(folder: Path, result: Mapping[str, Any], verdict: str) -> Path:
    """Write `index.html`.

    Args:
        folder: of the run, with its pictures.
        result: content of `result.json`.
        verdict: one sentence on who wins.
    """
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    body = [
        "<h1>From customers' sentences to a trained policy</h1>",
        f'<p class="verdict">{escape(verdict)}</p>',
        f"<h2>Agents on {result['test_sales']:,} test sales, the same customers for all</h2>",
        table(AGENT_COLUMNS, agent_rows(result["agents"]), best=0),
        f'<p class="note">{_bound(result["bound"], result["settings"]["bound_sales"])} Profit is money only: revenue '
        f"less costs. The heuristics are tuned on validation customers; the learner's best checkpoint is chosen on "
        f"them too.</p>",
        figure(
            folder / "learning_curve.png",
            "Learning, on validation sales. Dashed: the tuned heuristics, on the same sales.",
        ),
        "<h2>One sale, played by PPO</h2>",
        figure(folder / "sale.png", "The first test sale, minute by minute."),
        *_encoder(result["encoder"]),
        *_demand(result["demand"]),
        '<div class="pair">',
        figure(folder / "confusion.png", "Predicted intents by true intent: share of each row."),
        figure(folder / "elasticity.png", "Mean price elasticity of each intent, estimated against true."),
        "</div>",
        "<h2>How it was made</h2>",
        f"<p><code>{escape(result['command'])}</code></p>",
        table(("stage", "seconds"), [(name, f"{value:,.1f}") for name, value in result["seconds"].items()]),
        f"<footer>{escape(versions)}</footer>",
    ]
    write_atomically(folder / PAGE, document(f"Flash sale: {result['settings']['scenario']}", body))
    return folder / PAGE


def _bound(bound: Mapping[str, Any], sales: int) -> str:
    """The upper bound, and what PPO earns on the sales behind it."""
    scale = bound["value"]
    value, half, earned, gap, low, high = (
        money(bound[name], scale) for name in ("value", "half_width", "ppo_profit", "gap", "gap_low", "gap_high")
    )
    return (
        f"No policy earns more than {value} &plusmn; {half} a sale ({escape(bound['name'])}: an upper bound averaged "
        f"over {sales:,} of the sales, not an optimum). PPO earns {earned} on these sales, {gap} below the bound "
        f"(95 % interval {low} to {high})."
    )


def _encoder(figures: Mapping[str, float]) -> list[str]:
    """The encoder against TF-IDF, on messages from unseen templates."""
    rows = {"fine-tuned BERT": "", "TF-IDF and logistic regression": "tfidf_"}
    return [
        "<h2>Intents of messages</h2>",
        table(
            ("classifier", "accuracy", "macro-F1"),
            [
                (name, f"{figures[f'{key}accuracy']:.3f}", f"{figures[f'{key}macro_f1']:.3f}")
                for name, key in rows.items()
            ],
        ),
        '<p class="note">On messages from templates that neither classifier was trained on.</p>',
    ]


def _demand(figures: Mapping[str, Any]) -> list[str]:
    """Held-out likelihood of demand models with and without the text."""
    gap, closed = figures["gap_no_text_minus_encoder"], figures["share_of_gap_closed"]
    return [
        "<h2>What text is worth for predicting demand</h2>",
        table(
            ("known of a customer", "held-out negative log-likelihood, nats a visit"),
            [
                ("nothing", f"{figures['no_text_nll']:.4f}"),
                ("the message, through the encoder", f"{figures['heldout_nll']:.4f}"),
                ("the true intent and the product named", f"{figures['true_intent_nll']:.4f}"),
            ],
        ),
        f'<p class="note">Over {figures["heldout_visits"]:,} visits of customers with unseen phrasings. The message '
        f"gains {gap['mean']:.4f} nats a visit (95 % interval {gap['low']:.4f} to {gap['high']:.4f}), "
        f"{closed['mean']:.0%} of what the true intent and product would gain.</p>",
    ]
