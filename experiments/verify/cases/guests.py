"""Guests: customers who wait for a markdown, and friends of buyers.

Owns    their scenarios and what is known of them.
Units   currency in units of the mean willingness to pay; time in units of the sale.

Stock never binds, unless a case says so. Purchase probabilities at price p are exp(-p).
"""

import math

import numpy as np

from flashsale_env import Arrivals, Choice, Contagion, Pricing, Product, Scenario, Waiting
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Measurement, described, mean_of, ratio_of
from flashsale_env.experiments.verify.simulating import MINUTES, ConstantPrices, PricesByTick, ample, simulate
from flashsale_env.intents import ByIntent


def _all(value: float) -> ByIntent:
    return ByIntent.read(value, "")


def _two_price_sale(ticks: int, customers: float, p1: float, p2: float, waiting: Waiting) -> Scenario:
    return Scenario(
        name="verification",
        horizon_ticks=ticks,
        tick_minutes=MINUTES / ticks,
        products=(Product("ticket", (p1, p2), ample(customers), reference_price=1.0),),
        arrivals=Arrivals(customers / MINUTES),
        choice=Choice("exponential"),
        pricing=Pricing(continuous=True),
        waiting=waiting,
        observe=("time_left", "on_hand"),
    )


def _places(customers: float) -> int:
    """A store that all customers together never fill."""
    return 1 << (ample(customers) - 1).bit_length()


def expected_of_waiters(
    ticks: int, markdown_tick: int, customers: float, p1: float, p2: float, stay: float, chance: float
) -> float:
    """Expected revenue of p1, then p2 from `markdown_tick` on, if myopic customers stay and look again.

    Who would pay p2 and not p1 stays with probability `stay` after each look, and looks again after a geometric number
    of ticks with this chance. Everybody else buys at the first visit or never.
    """
    each = customers / ticks
    between = math.exp(-p2) - math.exp(-p1)
    looks = np.zeros(ticks)
    for t in range(markdown_tick):
        remembered = stay * (each * between + looks[t])
        ahead = np.arange(1, ticks - t)
        looks[t + 1 :] += remembered * chance * (1.0 - chance) ** (ahead - 1)
    before = markdown_tick * each * math.exp(-p1) * p1
    after = (ticks - markdown_tick) * each * math.exp(-p2) * p2
    return before + after + p2 * float(looks[markdown_tick:].sum())


@validation_case(
    "waiting-myopic",
    "Aviv & Pazgal (2008), Manufacturing & Service Operations Management 10(3), proposition 3",
    "customers who wait for a markdown at T: gain over one price e^(T/e) if all stay and look in every tick",
    variants=({"markdown_tick": 4}, {"markdown_tick": 8}, {"markdown_tick": 8, "stay": 0.8, "look_ticks": 2.5}),
    ticks=16,
    markdown_tick=8,
    customers=40.0,
    stay=1.0,
    look_ticks=1.0,
)
def waiting_myopic(
    sales: int, ticks: int, markdown_tick: int, customers: float, stay: float, look_ticks: float
) -> list[Measurement]:
    if not (1 <= markdown_tick < ticks and stay <= 1 and look_ticks >= 1):
        raise ValueError(
            f"waiting-myopic: the markdown comes within the sale, stay is at most 1 and look_ticks at least 1, got "
            f"markdown_tick={markdown_tick} of ticks={ticks}, stay={stay:g}, look_ticks={look_ticks:g}."
        )
    share = markdown_tick / ticks
    p2 = 1.0 - share / math.e
    p1 = p2 + 1.0
    waiting = Waiting(_all(stay), look_ticks * MINUTES / ticks, most_waiting=_places(customers))
    scenario = _two_price_sale(ticks, customers, p1, p2, waiting)
    prices = np.where(np.arange(ticks) < markdown_tick, p1, p2)[:, None]
    table = simulate(PricesByTick(scenario, prices), scenario, sales)
    # One price earns most at 1, and nobody who stays changes that.
    single = _two_price_sale(ticks, customers, p1, 0.5, waiting)
    one_price = simulate(ConstantPrices(single, [1.0]), single, sales)
    expected = expected_of_waiters(ticks, markdown_tick, customers, p1, p2, stay, 1.0 / look_ticks)
    patient = customers / math.e * math.exp(share / math.e) if (stay, look_ticks) == (1.0, 1.0) else None
    label = described(T=share, stay=stay, look_ticks=look_ticks)
    most = ample(customers)
    return [
        mean_of(f"revenue, {label}", expected, table["revenue"], reach=most * p1, limit=patient),
        ratio_of(
            f"gain over one price, {label}", expected / (customers / math.e), table["revenue"],
            one_price["revenue"], reach=p1,
        ),
        Measurement("customers without a place in the store", 0.0, float(table["waiting_dropped"].sum())),
    ]  # fmt: skip


@validation_case(
    "waiting-strategic",
    "Cachon & Swinney (2009), Management Science 55(3); Aviv & Pazgal (2008)",
    "an announced markdown: who is patient buys at once only above v = (p1 - phi·p2) / (1 - phi)",
    variants=({}, {"patience": 0.5}),
    ticks=4,
    announced_tick=2,
    customers=40.0,
    p1=1.6,
    p2=0.8,
    patience=0.8,
)
def waiting_strategic(
    sales: int, ticks: int, announced_tick: int, customers: float, p1: float, p2: float, patience: float
) -> list[Measurement]:
    if not (1 <= announced_tick < ticks and p2 < p1 and patience < 1):
        raise ValueError(
            f"waiting-strategic: a lower price is announced for a tick of the sale and patience is below 1, got "
            f"announced_tick={announced_tick} of ticks={ticks}, p1={p1:g}, p2={p2:g}, patience={patience:g}."
        )
    share, threshold = announced_tick / ticks, (p1 - patience * p2) / (1.0 - patience)
    expected = customers * (
        share * (p1 * math.exp(-threshold) + p2 * (math.exp(-p2) - math.exp(-threshold)))
        + (1.0 - share) * p2 * math.exp(-p2)
    )
    waiting = Waiting(
        strategic=_all(1.0), patience=patience, announced_share=p2 / p1,
        announced_minute=announced_tick * MINUTES / ticks, most_waiting=_places(customers),
    )  # fmt: skip
    scenario = _two_price_sale(ticks, customers, p1, p2 / 2.0, waiting)
    # The shop asks p1 throughout: the announcement alone lowers the price.
    table = simulate(ConstantPrices(scenario, [p1]), scenario, sales)
    label = described(p1=p1, p2=p2, phi=patience)
    most = ample(customers)
    waited = customers * share * (math.exp(-p2) - math.exp(-threshold))
    return [
        mean_of(f"revenue, {label}", expected, table["revenue"], reach=most * p1),
        mean_of(f"buyers who waited, {label}", waited, table["return_buyers"], reach=most),
    ]


@validation_case(
    "contagion-friends",
    "Hawkes & Oakes (1974), Journal of Applied Probability 11(3)",
    "every buyer tells friends: E N(T) = mu·T/(1 - eta) - mu·eta(1 - e^(-beta(1 - eta)T)) / ((1 - eta)^2 beta)",
    variants=({"ticks": 2}, {}, {"friends": 1.5, "price": 1.5}),
    ticks=8,
    mu=1.0,
    friends=0.6 * math.e,
    beta=5.0,
    horizon=2.0,
    price=1.0,
)
def contagion_friends(
    sales: int, ticks: int, mu: float, friends: float, beta: float, horizon: float, price: float
) -> list[Measurement]:
    eta = friends * math.exp(-price)
    if eta >= 1:
        raise ValueError(f"contagion-friends: friends·e^-price must be below 1, got {eta:g}.")
    expected = mu * horizon / (1 - eta) - mu * eta * -math.expm1(-beta * (1 - eta) * horizon) / ((1 - eta) ** 2 * beta)
    # The size of a subcritical cluster has a geometric tail: a hundred times the mean never comes.
    most = ample(100.0 * mu * horizon / (1 - eta))
    scenario = Scenario(
        name="verification",
        horizon_ticks=ticks,
        tick_minutes=MINUTES / ticks,
        products=(Product("ticket", (2.0 * price, price), most, reference_price=1.0),),
        arrivals=Arrivals(mu * horizon / MINUTES),
        choice=Choice("exponential"),
        pricing=Pricing(continuous=True),
        contagion=Contagion(_all(friends), minutes=MINUTES / (beta * horizon), most_coming=1024),
        observe=("time_left", "on_hand"),
    )
    table = simulate(ConstantPrices(scenario, [price]), scenario, sales)
    label = described(eta=eta, beta=beta, T=horizon, K=ticks)
    return [
        mean_of(f"customers, {label}", expected, table["customers"], reach=most),
        mean_of(f"customers who are friends, {label}", expected - mu * horizon, table["friends"], reach=most),
        Measurement("friends without a place in the store", 0.0, float(table["friends_dropped"].sum())),
    ]


@validation_case(
    "contagion-claimed",
    "ticked linear birth process (Yule 1925); m <- m + a(1 + phi·m/n), a = lambda·e^-p",
    "traffic rises with the share of units sold: expected sales of a sale whose stock never binds",
    ticks=40,
    rate=5.0,
    price=0.5,
    stock=1000,
    claimed_lift=3.0,
)
def contagion_claimed(
    sales: int, ticks: int, rate: float, price: float, stock: int, claimed_lift: float
) -> list[Measurement]:
    each, sold = rate * math.exp(-price), 0.0
    for _ in range(ticks):
        sold += each * (1.0 + claimed_lift * sold / stock)
    if ample(2.0 * sold) > stock:
        raise ValueError(f"contagion-claimed: {sold:.4g} expected sales may meet the stock of {stock}; give more.")
    growth = each * claimed_lift / stock
    scenario = Scenario(
        name="verification",
        horizon_ticks=ticks,
        tick_minutes=MINUTES / ticks,
        products=(Product("ticket", (2.0 * price, price), stock, reference_price=1.0),),
        arrivals=Arrivals(rate * ticks / MINUTES),
        choice=Choice("exponential"),
        pricing=Pricing(continuous=True),
        contagion=Contagion(claimed_lift=claimed_lift),
        observe=("time_left", "on_hand"),
    )
    # A sale has thousands of points of the dominating stream, so a tenth of the sales is enough.
    table = simulate(ConstantPrices(scenario, [price]), scenario, max(sales // 10, 400))
    limit = stock * math.expm1(growth * ticks) / claimed_lift
    label = described(n=stock, phi=claimed_lift, K=ticks)
    return [mean_of(f"expected sales, {label}", sold, table["units_sold"], reach=stock, limit=limit)]
