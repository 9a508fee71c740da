"""Carts: open carts of a busy sale, and a scarce product whose carts come back to the shelf."""

import numpy as np
import numpy.typing as npt
from scipy import stats

from flashsale_env import Arrivals, Carts, Product, Scenario, Simulator
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Measurement, described, distribution_of, mean_of, ratio_of
from flashsale_env.experiments.verify.simulating import BATCH, MINUTES, RUN, ample
from flashsale_env.intents import ByIntent
from flashsale_env.theory.carts import CartChain, open_carts, share_unpaid


def cart_sale(units: int, rate: float, ticks: int, minutes: float, carts: Carts) -> Scenario:
    """One product that every customer puts in a cart; one more tick than asked for, before which all is counted."""
    return Scenario(
        name="verification",
        horizon_ticks=ticks + 1,
        tick_minutes=minutes / ticks,
        products=(Product("ticket", (1.0, 0.5), units, quality=60.0),),
        arrivals=Arrivals(rate),
        carts=carts,
        observe=("time_left", "on_hand", "reserved"),
    )


def before_the_close(scenario: Scenario, sales: int) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void]]:
    """(sales one tick before the close, the same at the close), records of the simulator."""
    seeds = split_seeds("validation", RUN, sales)
    before, closed = [], []
    for first in range(0, sales, BATCH):
        batch = seeds[first : first + BATCH]
        simulator = Simulator(scenario, sales=len(batch), actions="multidiscrete")
        simulator.open(batch, np.zeros(len(batch), np.int64))
        for tick in range(scenario.horizon_ticks):
            if tick == scenario.horizon_ticks - 1:
                before.append(simulator.sales.copy())
            simulator.advance(np.zeros((len(batch), 1), np.int64))
        closed.append(simulator.sales.copy())
    return np.concatenate(before), np.concatenate(closed)


@validation_case(
    "carts-open",
    "Little (1961), Operations Research 9(3); M/G/infinity",
    "open carts are Poisson with mean rate · (1 - e^(-paid·hold)) / paid; the share e^(-paid·hold) is never paid",
    rate=2.0,
    hold=15.0,
    paid=0.0237783296,  # -ln(.7) / 15: 70 % are never paid
    minutes=MINUTES,
    ticks=60,
)
def carts_open(sales: int, rate: float, hold: float, paid: float, minutes: float, ticks: int) -> list[Measurement]:
    if minutes <= hold:
        raise ValueError(f"carts-open: the sale must be longer than the hold of {hold:g} minutes, got {minutes:g}.")
    units = ample(rate * minutes * (1 + 1 / ticks))
    # A sale has over a hundred carts, so a tenth of the sales is enough.
    before, closed = before_the_close(
        cart_sale(units, rate, ticks, minutes, Carts(hold, ByIntent.read(paid, "paid"))), max(sales // 10, 400)
    )
    held, mean = before["carts"]["reserved"][:, 0], open_carts(rate, hold, paid)
    law = stats.poisson.pmf(np.arange(units + 1), mean)
    opened = closed["carts"]["opened"].astype(float)
    label = described(rate=rate, hold=hold, paid=paid)
    return [
        mean_of(f"open carts, {label}", mean, held.astype(float), reach=units),
        distribution_of(f"law of open carts, {label}", law, np.bincount(held, minlength=units + 1).astype(float)),
        ratio_of(
            f"share of carts never paid, {label}", share_unpaid(hold, paid),
            closed["carts"]["lapsed"].astype(float), opened, reach=1.0,
        ),
    ]  # fmt: skip


@validation_case(
    "carts-scarce",
    "computed, Markov chain of free and held units by matrix exponential",
    "few units, carts that are paid or given up after exponential times: what is given up sells again",
    variants=({"cart_minutes": 5.0}, {}, {"cart_minutes": 60.0}),
    units=10,
    rate=1.0,
    paid=0.1,
    cart_minutes=15.0,
    minutes=30.0,
    ticks=30,
)
def carts_scarce(
    sales: int, units: int, rate: float, paid: float, cart_minutes: float, minutes: float, ticks: int
) -> list[Measurement]:
    rates = (ByIntent.read(each, "rate") for each in (paid, 1.0 / cart_minutes))
    # The hold outlasts the sale, so only payment and giving up end a cart.
    scenario = cart_sale(units, rate, ticks, minutes, Carts(2.0 * minutes, *rates))
    sold = before_the_close(scenario, sales)[0]["sold"][:, 0]
    chain, number = CartChain(units, rate, paid, 1.0 / cart_minutes), np.arange(units + 1)
    law, limit = chain.law(minutes, ticks), chain.limit(minutes)
    mean, all_gone = float(number @ law), float(law[-1])
    label = described(n=units, given_up_after=cart_minutes, T=minutes, K=ticks)
    return [
        mean_of(f"units sold, {label}", mean, sold.astype(float), reach=units, limit=float(number @ limit)),
        mean_of(
            f"probability that all is sold, {label}", all_gone, (sold == units).astype(float), reach=1.0,
            limit=float(limit[-1]),
        ),
        distribution_of(f"law of units sold, {label}", law, np.bincount(sold, minlength=units + 1).astype(float)),
    ]  # fmt: skip
