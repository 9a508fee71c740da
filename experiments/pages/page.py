"""One self-contained HTML page about a run: figures as tables, pictures inside the page, nothing fetched.

Owns    the parts of such a page, and the page of the demo.
Leaves  the page of a benchmark or a training to `html_report`.
"""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from flashsale_env.files import write_atomically

PAGE = "index.html"

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


def write_page(folder: Path, result: Mapping[str, Any], verdict: str) -> Path:
    """Write `index.html` of a demo.

    Args:
        folder: of the run, with its pictures.
        result: content of `result.json`.
        verdict: one sentence on who wins.
    """
    encoder, demand, bound = result["encoder"], result["demand"], result["bound"]
    agents = sorted(result["agents"].items(), key=lambda item: -item[1]["mean_profit"])
    gap = demand["gap_no_text_minus_encoder"]
    below = (
        f"PPO earns {bound['ppo_profit']:,.0f} on these sales, {bound['gap']:,.0f} below it "
        f"(95 % interval {bound['gap_low']:,.0f} to {bound['gap_high']:,.0f})."
    )
    body = [
        "<h1>From customers' sentences to a trained policy</h1>",
        f'<p class="verdict">{escape(verdict)}</p>',
        f"<h2>Agents on {result['test_sales']:,} test sales, the same customers for all</h2>",
        table(
            ("agent", "mean profit", "95 % interval", "revenue", "sell-through", "fill rate", "lost sales"),
            [
                (
                    name,
                    f"{row['mean_profit']:,.0f}",
                    f"{row['ci_low']:,.0f} to {row['ci_high']:,.0f}",
                    f"{row['revenue']:,.0f}",
                    f"{row['sell_through']:.1%}",
                    f"{row['fill_rate']:.1%}",
                    f"{row['lost_sales']:,.0f}",
                )
                for name, row in agents
            ],
            best=0,
        ),
        f'<p class="note">No policy earns more than {bound["value"]:,.0f} &plusmn; {bound["half_width"]:,.0f} a sale '
        f"({escape(bound['name'])}: an upper bound over {result['settings']['bound_sales']:,} of the sales, "
        f"not an optimum). {below} Profit is money only: revenue less costs. "
        f"Heuristics are tuned on validation customers, from which the learner's best checkpoint is chosen too.</p>",
        figure(
            folder / "learning_curve.png",
            "Learning, on validation sales. Dashed: the tuned heuristics, on the same sales.",
        ),
        "<h2>One sale, played by PPO</h2>",
        figure(folder / "sale.png", "The first test sale, minute by minute."),
        "<h2>Reading messages</h2>",
        table(
            ("encoder", "accuracy", "macro-F1"),
            [
                ("fine-tuned BERT", f"{encoder['accuracy']:.3f}", f"{encoder['macro_f1']:.3f}"),
                (
                    "TF-IDF and logistic regression",
                    f"{encoder['tfidf_accuracy']:.3f}",
                    f"{encoder['tfidf_macro_f1']:.3f}",
                ),
            ],
        ),
        '<p class="note">On messages from templates that neither of them was trained on.</p>',
        "<h2>What a text says about demand</h2>",
        table(
            ("what is known of a customer", "held-out negative log-likelihood, nats a visit"),
            [
                ("nothing", f"{demand['no_text_nll']:.4f}"),
                ("the message, read by the encoder", f"{demand['heldout_nll']:.4f}"),
                ("the true intent and the product named", f"{demand['true_intent_nll']:.4f}"),
            ],
        ),
        f'<p class="note">Over {demand["heldout_visits"]:,} visits of customers whose phrasing was never seen. Reading '
        f"the message gains {gap['mean']:.4f} nats a visit (95 % interval {gap['low']:.4f} to {gap['high']:.4f}), "
        f"{demand['share_of_gap_closed']['mean']:.0%} of what the truth would gain.</p>",
        '<div class="pair">',
        figure(folder / "confusion.png", "Share of each true intent's messages read as each intent."),
        figure(folder / "elasticity.png", "Mean price elasticity of each intent, recovered against true."),
        "</div>",
        "<h2>How it was made</h2>",
        f"<p><code>{escape(result['command'])}</code></p>",
        table(("stage", "seconds"), [(name, f"{value:,.1f}") for name, value in result["seconds"].items()]),
        f"<footer>{escape(', '.join(f'{name} {version}' for name, version in result['versions'].items()))}</footer>",
    ]
    write_atomically(folder / PAGE, document(f"Flash sale: {result['settings']['scenario']}", body))
    return folder / PAGE


def document(title: str, body: Sequence[str]) -> bytes:
    """The whole page around these parts, each of them HTML."""
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )
    return page.encode()


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], best: int | None = None) -> str:
    """A table of texts; the row with number `best` stands out."""
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
