"""The study `duopoly`: where two sellers end who learn their prices alone, between equilibrium and cartel.

Owns    the market, the training of the learners in it, and the two indices.
Leaves  learners to `agents.independent`, the market's closed forms to `theory.duopoly`.
Axes    L kinds of learners, S sessions, each a pair of sellers in a market of its own.
Units   currency; an index is 0 at the equilibrium of one period and 1 at the joint price.

A period is a tick of a sale, and sales follow each other without an end for the learners. Rewards are the simulated
money of the sellers; one kind of learner is told expected profits instead. After the training, the greedy prices are
played in a fresh sale, and this sale is what is reported. A session that settles on a cycle of prices counts with its
means.
"""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from flashsale_env import REWARD_TERMS
from flashsale_env.agents.independent import IndependentLearners, QSettings
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.envs.sellers import SellersBatch
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import Callback as Advance
from flashsale_env.experiments.display import present, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.intervals import mean_interval
from flashsale_env.experiments.options import MOST_OF_ANYTHING, MOST_SALES, Json, Overwrite, Seed
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.pictures import differences
from flashsale_env.theory.duopoly import Duopoly, duopoly_sale

Floats = npt.NDArray[np.float64]

MARKET = Duopoly(2.0, 1.0, 1.0)
_REVENUE = list(REWARD_TERMS).index("revenue")
# Prices in four steps from the equilibrium to the joint price, and two and a half beyond: both are on the grid.
_STEPS, _BELOW, _ABOVE = 4, 2, 2
# Periods of a sale; all are of one length, so that the simulator is made once.
_TICKS = 500
# Exploration falls exponentially to this in the last period of a training.
_LAST_EXPLORATION = 0.005

# Settings, and whether profits are told without chance: those that the closed form expects, as in Calvano et al.
LEARNERS: Mapping[str, tuple[QSettings, bool]] = {
    "bandit, no memory": (QSettings(memory=False, discount=0.0), False),
    "Q-learning, memory, next profit only": (QSettings(discount=0.0), False),
    "Q-learning, memory, discount .95": (QSettings(), False),
    "Q-learning, the same, demand without chance": (QSettings(), True),
}

Sessions = Annotated[
    int, typer.Option("--sessions", metavar="N", min=2, max=10_000, help="Independent pairs of sellers, a learner.")
]
Periods = Annotated[
    int, typer.Option("--periods", metavar="N", min=_TICKS, max=MOST_SALES, help="Periods that each pair learns.")
]
Customers = Annotated[
    int, typer.Option("--customers", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Customers of a period, expected.")
]

EXAMPLES = ("flashsale study duopoly --out runs/duopoly",)


@on_interrupt("nothing was written: run the command again.")
def command(
    context: typer.Context,
    sessions: Sessions = 20,
    periods: Periods = 40_000,
    customers: Customers = 300,
    seed: Seed = 0,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure where independent learners end, between the equilibrium and the joint price.

    Two sellers of the duopoly learn their prices from their own profits.
    """
    run = run_in(
        out,
        context.obj,
        options={"sessions": sessions, "periods": periods, "customers": customers},
        seeds={"exploration": seed, "validation split": seed},
    )
    with run.claimed(overwrite=overwrite):
        with progress_bar("learning") as advance:
            found = study(sessions, periods, customers, seed, advance)
        run.keep(found)
    present(found, show, out, as_json=as_json)


def grid() -> Floats:
    """(A,) the prices, rising."""
    step = (MARKET.joint_price - MARKET.nash_price) / _STEPS
    return np.asarray(MARKET.nash_price + step * np.arange(-_BELOW, _STEPS + _ABOVE + 1))


def study(sessions: int, periods: int, customers: int, seed: int, advance: Advance) -> dict[str, Any]:
    """Train every kind of learner, and play what they learned.

    Returns:
        "nash" and "joint": their "price" and "profit" a customer; "rows", one for each kind of learner: "learner",
        "price" and "profit" a customer (means over sessions and sellers), and for both "..._index" with its interval
        over sessions, "..._low" and "..._high"; "sessions", the price index of each of them.
    """
    prices = grid()
    scenario = duopoly_sale(
        MARKET,
        prices[::-1].tolist(),
        customers_per_tick=float(customers),
        stock=2 * customers * _TICKS,  # nearly three times what both sell together at the lowest price
        ticks=_TICKS,
    )
    batch = SellersBatch(sessions, scenario, actions="multidiscrete")
    levels = {"nash": MARKET.nash_price, "joint": MARKET.joint_price}
    ends = {name: {"price": price, "profit": float(MARKET.profit(price, price))} for name, price in levels.items()}
    rows = []
    for done, (name, (settings, expected)) in enumerate(LEARNERS.items()):

        def progress(share: float, done: int = done, name: str = name) -> None:
            advance(round(1000 * (done + share)), 1000 * len(LEARNERS), name)

        price, profit = played(batch, settings, prices, periods, customers, seed, progress, expected=expected)
        rows.append({"learner": name, **indices("price", price, ends), **indices("profit", profit, ends)})
    return {"periods": periods, "customers": customers, **ends, "rows": rows}


def indices(quantity: str, values: Floats, ends: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """The mean of a quantity, (S,), and its index with the interval over sessions."""
    low, high = (ends[name][quantity] for name in ("nash", "joint"))
    of_session = (values - low) / (high - low)
    found = mean_interval(of_session)
    return {
        quantity: float(values.mean()),
        f"{quantity}_index": found.mean,
        f"{quantity}_low": found.low,
        f"{quantity}_high": found.high,
        f"{quantity}_sessions": of_session.tolist(),
    }


def played(
    batch: SellersBatch,
    settings: QSettings,
    prices: Floats,
    periods: int,
    customers: int,
    seed: int,
    progress: Callable[[float], None],
    *,
    expected: bool = False,
) -> tuple[Floats, Floats]:
    """(S,) mean price and (S,) mean profit a customer of greedy learners in a fresh sale, after so many periods.

    `expected` learners are told the profits that the closed form expects of their prices.
    """
    sessions, ticks = batch.num_envs, batch.scenario.horizon_ticks
    # What a price would earn a customer against a rival who draws any price (Calvano et al. 2020).
    first = MARKET.profit(prices[:, None], prices[None, :]).mean(axis=1) / (1.0 - settings.discount)
    learners = IndependentLearners(settings, first, sellers=len(batch.agents), markets=sessions, seed=seed)
    fall = math.log(_LAST_EXPLORATION) / periods
    batch.reset(seed=split_seeds("validation", seed, sessions))
    for period in range(periods):
        chosen = learners.choose(math.exp(fall * period))
        asked = prices[chosen]
        told = MARKET.profit(asked, asked[::-1]) if expected else _earned(batch, prices, chosen, customers)
        learners.learn(chosen, told)
        if batch.simulator.closed[0]:
            batch.reset()
        if period % ticks == 0:
            progress(period / periods)
    batch.reset()
    price, profit = np.zeros((2, sessions)), np.zeros((2, sessions))
    for _ in range(ticks):
        chosen = learners.choose(0.0)
        earned = _earned(batch, prices, chosen, customers)
        learners.go_on(chosen)
        price += prices[chosen] / ticks
        profit += earned / ticks
    return price.mean(axis=0), profit.mean(axis=0)


def _earned(batch: SellersBatch, prices: Floats, chosen: npt.NDArray[np.int64], customers: int) -> Floats:
    """(G, S) profits a customer of a period in which these prices are asked.

    Units are paid at cost: the opening stock is bought before the sale, and what is left is worth what it cost.
    """
    last = len(prices) - 1
    actions = {agent: (last - chosen[k])[:, None] for k, agent in enumerate(batch.agents)}
    _, _, terms = batch.advance(actions)
    revenue = np.array([terms[agent][:, _REVENUE] for agent in batch.agents])
    return np.asarray((revenue - MARKET.c * batch.simulator.sales["tick_sold"].T) / customers)


def columns() -> tuple[str, ...]:
    """The heads of the table."""
    return ("sellers", "price", "price index", "95 % interval", "profit a customer", "profit index", "95 % interval")


def cells(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table: the equilibrium, the learners and the joint price."""

    def end(name: str, title: str, index: str) -> tuple[str, ...]:
        return (title, f"{result[name]['price']:.3f}", index, "", f"{result[name]['profit']:.4f}", index, "")

    return [
        end("nash", "equilibrium of one period", "0"),
        *(
            (
                row["learner"],
                f"{row['price']:.3f}",
                f"{row['price_index']:.2f}",
                f"{row['price_low']:.2f} to {row['price_high']:.2f}",
                f"{row['profit']:.4f}",
                f"{row['profit_index']:.2f}",
                f"{row['profit_low']:.2f} to {row['profit_high']:.2f}",
            )
            for row in result["rows"]
        ),
        end("joint", "joint price, the ceiling", "1"),
    ]


def show(result: Mapping[str, Any]) -> None:
    """Where each kind of learner ends."""
    sessions = len(result["rows"][0]["price_sessions"])
    title = f"two sellers, {sessions} sessions of {result['periods']:,} periods of {result['customers']:,} customers"
    show_table(title, columns(), cells(result))


def charts(result: Mapping[str, Any]) -> dict[str, Chart]:
    """The profit index of each kind of learner."""
    gains = {
        row["learner"]: {"mean": row["profit_index"], "ci_low": row["profit_low"], "ci_high": row["profit_high"]}
        for row in result["rows"]
    }
    return {"duopoly": differences(gains, "profit index: 0 at the equilibrium of one period, 1 at the joint price")}
