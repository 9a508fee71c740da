"""Campaigns that are recorded customer by customer, with prices drawn anew in every sale.

Owns    the scenario of the study of sessions, and playing it.
Leaves  what is recorded of a visit to the simulator.
Axes    N campaigns, S sales, U price lists.
"""

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashsale_env import (
    Arrivals,
    Campaign,
    CampaignSimulator,
    Carts,
    Clicks,
    Messages,
    Persons,
    Population,
    Product,
    Retention,
    Scenario,
    load_scenario,
)
from flashsale_env.histories import Histories, Later, histories, later
from flashsale_env.intents import ByIntent

Floats = npt.NDArray[np.float64]

STEPS = (1.0, 0.9, 0.8, 0.7)  # prices as shares of the reference price, the same for all products of a sale
_AMPLE = 10**6  # units: what follows from a history is exact only if nothing is ever sold out
_BETTER = 1.0  # logits above `standard`: there one visit in ten ends with a purchase
_HOUR = 60.0


@dataclass(frozen=True, eq=False)
class Recorded:
    """Customers of N campaigns.

    Args:
        found: their histories.
        gone: (C,) whether each was gone for good at the cut; hidden from the shop.
        after: what they do after the cut without a coupon, and with one.
    """

    found: Histories
    gone: npt.NDArray[np.bool_]
    after: tuple[Later, Later]


def scenario_of_sessions(sales: int, customers: float, off: float) -> Scenario:
    """The products and customers of `standard` in sales a week apart, with clicks, carts, messages and a coupon.

    Args:
        sales: of a campaign.
        customers: new ones expected in a sale.
        off: the retention coupon, share off.
    """
    standard = load_scenario("standard")
    products = tuple(
        Product(
            product.title,
            tuple(step * product.reference_price for step in STEPS),
            _AMPLE,
            unit_cost=product.unit_cost,
            reference_price=product.reference_price,
            quality=_BETTER,
        )
        for product in standard.products
    )
    return Scenario(
        name="sessions study",
        horizon_ticks=4,
        tick_minutes=_HOUR / 4,
        products=products,
        arrivals=Arrivals(customers / _HOUR),
        carts=Carts(15.0, ByIntent.read(0.1, "paid_per_minute")),
        clicks=Clicks(ByIntent.read(1.0, "curiosity")),
        messages=Messages(0.3),
        campaign=Campaign(sales),
        retention=Retention(
            customers,
            visit_shape=1.0,
            visit_scale=1.0,
            dropout_a=1.0,
            dropout_b=2.0,
            coupon=(0.0, off),
            lift=0.2,
            keeps=0.9,
        ),
        persons=Persons(1024),
        population="reference",
    )


def price_lists(scenario: Scenario) -> Floats:
    """(U, M) shares of reference prices, each as likely as the others."""
    levels = np.array([product.price_levels for product in scenario.products]).T
    reference = np.array([product.reference_price for product in scenario.products])
    return np.asarray(levels / reference)


def record(scenario: Scenario, population: Population, campaigns: int, cut: int, seed: int) -> Recorded:
    """Play campaigns up to the cut, and from there twice: without the coupon and with it for everybody.

    In every sale one of the price lists is drawn for all products. Draws belong to persons, so both courses meet the
    same ones, and a person does the same until the coupon changes it: what a coupon does to each is known.

    Raises:
        ValueError: the scenario follows nobody or has fewer sales.
        RuntimeError: something was sold out, or somebody was not followed.
    """
    assert scenario.campaign is not None
    rng = np.random.default_rng([seed, campaigns])
    steps = rng.integers(len(STEPS), size=(campaigns, scenario.campaign.sales))
    seeds = np.asarray(np.random.SeedSequence([seed, 1]).generate_state(campaigns, np.uint64), np.uint64)
    simulator = CampaignSimulator(
        scenario, population, sales=campaigns, actions="multidiscrete", threads=1, log_rows=_room(scenario)
    )
    simulator.open(seeds, np.zeros(campaigns, np.int64))
    for sale in range(cut):
        _play(simulator, steps[:, sale], 0)
    logs = []
    for level in (0, 1):
        branch = _copied(simulator)
        for sale in range(cut, scenario.campaign.sales):
            _play(branch, steps[:, sale], level)
        if branch.sales["persons"]["dropped"].any():
            raise RuntimeError("some customers found no place in the store and were not followed: raise persons.most.")
        logs.append(branch.campaign_log())
    if not all(log["available"].all() for log in logs):
        raise RuntimeError("something was sold out, so histories say less than is assumed: raise the stock.")
    found = histories(logs[0], scenario, population, cut)
    return Recorded(found, _gone(simulator, found), (later(logs[0], found, scenario), later(logs[1], found, scenario)))


def _room(scenario: Scenario) -> int:
    """Visits of a sale, at most: twelve standard deviations above what can be expected."""
    assert scenario.persons is not None
    new = float(scenario.customers_per_tick.sum())
    return int(new + 12.0 * np.sqrt(new) + 50) + scenario.persons.most


def _play(simulator: CampaignSimulator, steps: npt.NDArray[np.int64], coupon: int) -> None:
    codec = simulator.codec
    actions = np.zeros((len(simulator), len(codec.names)), np.int64)
    actions[:, codec.columns("price")] = steps[:, None]
    actions[:, codec.columns("retention")] = coupon
    for _ in range(simulator.scenario.horizon_ticks):
        simulator.advance(actions)


def _copied(simulator: CampaignSimulator) -> CampaignSimulator:
    """Another simulator in the same state."""
    return copy.deepcopy(simulator)


def _gone(simulator: CampaignSimulator, found: Histories) -> npt.NDArray[np.bool_]:
    """(C,) whether each customer is gone, from the state at the cut."""
    persons = simulator.sales["persons"]
    gone = np.zeros(len(found), np.bool_)
    for row in range(len(simulator)):
        here = np.flatnonzero(found.row == row)
        number = int(persons["number"][row])
        keys = persons["key"][row, :number]
        order = np.argsort(keys)
        place = order[np.searchsorted(keys, found.person[here], sorter=order)]
        gone[here] = persons["gone"][row, place] == 1
    return gone
