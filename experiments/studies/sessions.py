"""The study `sessions`: what a BERT over a customer's events foresees, beside recency and frequency, BG/NBD, and the
exact ceiling; and what it is worth when it chooses whom to give the retention coupon.

Owns    the comparison, and the rules of giving the coupon.
Leaves  the campaigns and the predictors to `encoders.sessions`, the ceiling to `theory.returning`, areas to
        `experiments.areas`.
Axes    C customers, N campaigns.
Units   profit in currency a customer, over the sales after the cut.

Campaigns are recorded up to a cut. Predictors learn from the customers of some campaigns and are measured on those of
others. A shop observes what customers do after the cut, and never that somebody is gone for good: this is a label of
the measurement only. The ceiling knows the law of the simulator and the same history; no score has a larger area in
expectation.

At the cut the shop decides who gets the coupon in all sales that follow, and pays for telling each of them. In the
training campaigns it was given at random; each predictor's rule regresses what customers earned on its predictions,
their squares, the coupon and all products of these with it, and gives the coupon where the gain is above the cost.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from flashsale_env import Population, Scenario, load_population
from flashsale_env.encoders.sessions.baselines import PastPurchases, RecencyFrequency
from flashsale_env.encoders.sessions.campaigns import Recorded, price_lists, record, scenario_of_sessions
from flashsale_env.encoders.sessions.encoder import SessionEncoder, Size
from flashsale_env.encoders.sessions.events import Vocabulary
from flashsale_env.experiments.areas import areas
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import Callback, notice, print_json, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import low_to_high
from flashsale_env.experiments.intervals import mean_interval
from flashsale_env.experiments.options import MOST_OF_ANYTHING, AnySeed, Json, Overwrite
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.pictures import differences
from flashsale_env.theory import returning

Floats = npt.NDArray[np.float64]
Scores = Mapping[str, Floats]

RECENCY, BG_NBD, ENCODER, CEILING = "recency and frequency", "BG/NBD", "session encoder", "exact ceiling"
NOBODY, EVERYBODY, HINDSIGHT = "nobody", "everybody", "who gains, in hindsight"
# The last one is hidden from the shop; whatever says who stays away is its score.
TARGETS = ("click", "purchase", "stays away", "gone for good")
FOLDER = "encoder"
_NEW = 100.0  # customers expected in a sale
_SHARE = 0.5  # of coupons in the training campaigns

Campaigns = Annotated[
    int,
    typer.Option(
        "--campaigns", metavar="N", min=10, max=MOST_OF_ANYTHING, help="Of the training; half as many to test."
    ),
]
Sales = Annotated[int, typer.Option("--sales", metavar="N", min=3, max=100, help="Sales of a campaign.")]
Cut = Annotated[int, typer.Option("--cut", metavar="N", min=2, max=99, help="Sales before the prediction.")]
Off = Annotated[float, typer.Option("--off", min=0.01, max=0.99, help="Share off with the coupon.")]
Contact = Annotated[
    float, typer.Option("--contact", min=0.0, max=10_000.0, help="Cost of telling a customer of the coupon, currency.")
]
Epochs = Annotated[int, typer.Option("--epochs", metavar="N", min=1, max=1000, help="Passes of the training.")]

EXAMPLES = ("flashsale study sessions --out runs/sessions",)


@on_interrupt("nothing was written: run the command again.")
def command(
    context: typer.Context,
    campaigns: Campaigns = 160,
    sales: Sales = 14,
    cut: Cut = 8,
    off: Off = 0.15,
    contact: Contact = 0.5,
    epochs: Epochs = Size.epochs,
    seed: AnySeed = 0,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure what the events of customers say of what they do next.

    A BERT over events, recency and frequency, and BG/NBD, beside the exact ceiling that the law of the simulator gives.
    """
    if cut >= sales:
        raise ValueError(f"--cut {cut} leaves no sale to predict: take at most {sales - 1}, or more --sales.")
    asked = {"campaigns": campaigns, "sales": sales, "cut": cut, "off": off, "contact": contact, "epochs": epochs}
    run = run_in(out, context.obj, options=asked, seeds={"campaigns, coupons and training": seed})
    with run.claimed(overwrite=overwrite):
        with progress_bar("sessions") as advance:
            found, encoder = study(campaigns, sales, cut, off, contact, epochs, seed, advance)
        run.keep(found)
        if out is not None:
            encoder.save(out / FOLDER, overwrite=True)
    if as_json:
        print_json(found)
        return
    show(found)
    if out is not None:
        notice(f"figures in {out}, the encoder in {out / FOLDER}")


def study(
    campaigns: int, sales: int, cut: int, off: float, contact: float, epochs: int, seed: int, advance: Callback
) -> tuple[dict[str, Any], SessionEncoder]:
    """Record campaigns, learn from these, and measure on half as many others.

    Returns:
        "areas", one a target and predictor: "target", "predictor", "area" with "ci_low" and "ci_high", and "below", the
        ceiling less it, with "below_low" and "below_high"; "shares" of customers with each target; "coupons", one a
        rule: "rule", "share" of customers with a coupon, "profit", and "gain" over the better of nobody and everybody
        with "ci_low" and "ci_high"; the options. And the encoder.
    """
    scenario = scenario_of_sessions(sales, _NEW, off)
    customers = load_population(scenario.population, scenario.titles)
    parts = []
    for number, (name, size) in enumerate((("training", campaigns), ("test", campaigns // 2))):
        advance(number, 4, f"{name} campaigns")
        parts.append(record(scenario, customers, size, cut, 2 * seed + number))
    training, test = parts
    advance(2, 4, "training the encoder")
    labels = labels_of(training)
    learned = {name: labels[name] for name in TARGETS[:-1]}
    network = Size(epochs=epochs)
    encoder = SessionEncoder.train(Vocabulary.of(scenario), training.found, learned, size=network, seed=seed)
    advance(3, 4, "ceiling and areas")
    predictors: dict[str, RecencyFrequency | PastPurchases | SessionEncoder] = {
        RECENCY: RecencyFrequency(training.found, learned),
        BG_NBD: PastPurchases(training.found),
        ENCODER: encoder,
    }
    scores: dict[str, dict[str, Floats]] = {name: model.predict(test.found) for name, model in predictors.items()}
    before = {name: model.predict(training.found) for name, model in predictors.items()}
    scores[CEILING], gain = ceiling_of(scenario, customers, test, off)
    truth = labels_of(test)
    found = {
        **{"campaigns": campaigns, "sales": sales, "cut": cut, "off": off, "contact": contact, "epochs": epochs},
        "customers": {"training": len(training.found), "test": len(test.found)},
        "shares": {name: float(values.mean()) for name, values in truth.items()},
        "held_out_loss": encoder.card["held_out_loss"],
        "areas": [row for name in TARGETS for row in rows_of(name, scores, truth[name], test)],
        "coupons": coupon_rows(training, test, before, scores, gain, off, contact, seed),
    }
    return found, encoder


def labels_of(recorded: Recorded) -> dict[str, npt.NDArray[np.bool_]]:
    """Target -> (C,): what a customer does in the sale after the cut, in all sales after it, and what it is."""
    after = recorded.after[0]
    away = np.asarray(~after.came.any(axis=1))
    return dict(zip(TARGETS, (after.clicked[:, 0], after.paid[:, 0], away, recorded.gone), strict=True))


def ceiling_of(
    scenario: Scenario, customers: Population, test: Recorded, off: float
) -> tuple[dict[str, Floats], Floats]:
    """The exact probability of each target, and the exact expected gain of the coupon, (C,) each."""
    assert scenario.campaign is not None
    known, prices = returning.posterior(test.found, scenario, customers), price_lists(scenario)
    left = scenario.campaign.sales - test.found.cut
    click, purchase = returning.next_sale(known, scenario, customers, prices)
    exact = (click, purchase, returning.stays_away(known, scenario, left), known.churn)
    gain = returning.coupon_gain(known, scenario, customers, prices, left, off=off)
    return dict(zip(TARGETS, exact, strict=True)), gain


def rows_of(
    target: str, scores: Mapping[str, Scores], label: npt.NDArray[np.bool_], test: Recorded
) -> list[dict[str, Any]]:
    """The areas of all predictors for one target, with intervals over campaigns."""
    shown = {name: found.get(target, found[TARGETS[2]]) for name, found in scores.items()}
    return [
        {
            "target": target,
            "predictor": name,
            "area": area.mean,
            "ci_low": area.low,
            "ci_high": area.high,
            "below": below.mean,
            "below_low": below.low,
            "below_high": below.high,
        }
        for name, (area, below) in areas(shown, label, test.found.row, CEILING).items()
    ]


def earned(recorded: Recorded, off: float) -> tuple[Floats, Floats]:
    """(C,) profit of each customer after the cut, without and with the coupon, currency."""
    without, with_it = recorded.after
    return without.margin.sum(axis=1), (with_it.margin - off * with_it.revenue).sum(axis=1)


def learned_rule(before: Scores, profit: Floats, given: npt.NDArray[np.bool_], now: Scores, cost: float) -> Any:
    """(C,) who gets the coupon: where a regression on predictions and coupon expects it to add more than its cost.

    Args:
        before, now: predictions for the customers of the training and of the test.
        profit, given: of the training: what each earned, and whether it had the coupon.
        cost: of telling a customer, currency.
    """

    def columns(scores: Scores) -> Floats:
        given_scores = np.column_stack([scores[name] for name in TARGETS[:-1]])
        return np.column_stack([np.ones(len(given_scores)), given_scores, given_scores**2])

    base = columns(before)
    design = np.hstack([base, base * given[:, None]])
    weights = np.linalg.lstsq(design, profit, rcond=None)[0]
    return columns(now) @ weights[base.shape[1] :] > cost


def coupon_rows(
    training: Recorded,
    test: Recorded,
    before: Mapping[str, Scores],
    scores: Mapping[str, Scores],
    gain: Floats,
    off: float,
    contact: float,
    seed: int,
) -> list[dict[str, Any]]:
    """What each rule of giving the coupon earns from a customer of the test; see `study`."""
    given = np.random.default_rng([seed, 2]).random(len(training.found)) < _SHARE
    observed = np.where(given, *earned(training, off)[::-1])
    without, with_it = earned(test, off)
    rules = {NOBODY: np.zeros(len(without), np.bool_), EVERYBODY: np.ones(len(without), np.bool_)}
    for name, known in before.items():
        rules[name] = learned_rule(known, observed, given, scores[name], contact)
    rules[CEILING] = gain > contact
    rules[HINDSIGHT] = with_it - without > contact
    profits = {name: np.where(rule, with_it - contact, without) for name, rule in rules.items()}
    plain = profits[max((NOBODY, EVERYBODY), key=lambda name: float(profits[name].mean()))]
    sizes = np.bincount(test.found.row)
    rows = []
    for name, rule in rules.items():
        # Campaigns are the independent units: customers of one share its prices.
        by_campaign = np.bincount(test.found.row, profits[name] - plain) / sizes.mean()
        interval = mean_interval(by_campaign)
        rows.append(
            {
                "rule": name,
                "share": float(rule.mean()),
                "profit": float(profits[name].mean()),
                "gain": interval.mean,
                "ci_low": interval.low,
                "ci_high": interval.high,
            }
        )
    return rows


AREA_COLUMNS = ("what is predicted", "by", "AUROC", "95 % interval", "below the ceiling", "95 % interval")
COUPON_COLUMNS = ("coupon for", "customers", "profit", "gain", "95 % interval")


def cells(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of areas; the ceiling of each target last."""
    return [
        (
            row["target"],
            row["predictor"],
            f"{row['area']:.3f}",
            f"{row['ci_low']:.3f} to {row['ci_high']:.3f}",
            *(("", "") if row["predictor"] == CEILING else _below(row)),
        )
        for row in result["areas"]
    ]


def _below(row: Mapping[str, Any]) -> tuple[str, str]:
    return f"{row['below']:+.3f}", f"{row['below_low']:+.3f} to {row['below_high']:+.3f}"


def coupon_cells(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of rules; the ceilings last."""
    return [
        (
            row["rule"],
            f"{row['share']:.1%}",
            f"{row['profit']:.3f}",
            f"{row['gain']:+.3f}",
            low_to_high(row, 1.0, "+"),
        )
        for row in result["coupons"]
    ]


def show(result: Mapping[str, Any]) -> None:
    """How well each predictor orders customers, and what its coupons earn."""
    seen = f"{result['cut']} of {result['sales']} sales seen"
    title = f"{result['customers']['test']:,} customers of {result['campaigns'] // 2} campaigns; {seen}"
    show_table(title, AREA_COLUMNS, cells(result))
    shares = ", ".join(f"{name} {share:.1%}" for name, share in result["shares"].items())
    notice(f"shares of customers: {shares}")
    learners = [row["profit"] for row in result["coupons"][:-2]]
    title = f"profit of a customer; coupon {result['off']:.0%}, {result['contact']:g} to tell a customer of it"
    show_table(title, COUPON_COLUMNS, coupon_cells(result), best=learners.index(max(learners)))


def charts(result: Mapping[str, Any]) -> dict[str, Chart]:
    """How far each predictor lies below the ceiling, and what each rule of giving coupons gains."""
    below = {
        f"{row['target']}: {row['predictor']}": {
            "mean": row["below"],
            "ci_low": row["below_low"],
            "ci_high": row["below_high"],
        }
        for row in result["areas"]
        if row["predictor"] != CEILING
    }
    gains = {row["rule"]: {"mean": row["gain"], **row} for row in result["coupons"]}
    return {
        "areas": differences(below, "AUROC of the exact ceiling, less that of the predictor"),
        "coupons": differences(gains, "profit of a customer, less that without or with a coupon for all"),
    }
