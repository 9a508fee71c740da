"""Inventory: replenishment with lost sales in the long run, and the newsvendor.

Owns    their scenarios and what is known of them.
Leaves  the long-run average cost to `long_run`.
Units   the scenario's currency.
"""

import dataclasses

from scipy import stats

from flashsale_env import Arrivals, Product, Replenishment, Scenario, agents, load_scenario
from flashsale_env.agents import exact
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.long_run import WARM_UP, average_costs
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Measurement, described, mean_of
from flashsale_env.experiments.verify.simulating import MINUTES, RUN, ample, simulate

# Zipkin (2008), table 3: optimal average cost, Poisson(5) demand, holding cost 1.
ZIPKIN = {
    (4.0, 1): 4.04, (4.0, 2): 4.40, (4.0, 3): 4.60, (4.0, 4): 4.73,
    (9.0, 1): 5.44, (9.0, 2): 6.09, (9.0, 3): 6.53, (9.0, 4): 6.84,
}  # fmt: skip


@validation_case(
    "lost-sales",
    "Zipkin (2008), Operations Research 56(5), table 3; value iteration",
    "replenishment with lead time L and lost sales: long-run average cost of the optimal orders",
    variants=tuple({"lost_sale_cost": p, "lead": lead} for p, lead in ZIPKIN),
    demand=5.0,
    lost_sale_cost=9.0,
    holding=1.0,
    lead=4,
    largest_order=15,
    storage=60,
    ticks=1000,
)
def lost_sales(
    sales: int,
    demand: float,
    lost_sale_cost: float,
    holding: float,
    lead: int,
    largest_order: int,
    storage: int,
    ticks: int,
) -> list[Measurement]:
    if ticks <= WARM_UP:
        raise ValueError(f"lost-sales: a long-run average leaves out {WARM_UP} ticks; ticks must be more, got {ticks}.")
    base = load_scenario("lost-sales")
    product = dataclasses.replace(
        base.products[0], price_levels=(lost_sale_cost,), reference_price=lost_sale_cost,
        holding_cost=holding, order_levels=tuple(range(largest_order + 1)), storage=storage,
        initial_stock=min(storage, int((lead + 1) * demand)),
    )  # fmt: skip
    scenario = base.replace(
        products=(product,),
        arrivals=Arrivals(demand / base.tick_minutes),
        replenishment=Replenishment(lead * base.tick_minutes, unlimited=True),
        horizon_ticks=ticks,
        tick_minutes=base.tick_minutes,
        observe=("on_hand", "pipeline") if lead else ("on_hand", "stock_pressure"),
    )
    agent = agents.make("dp", scenario)
    # Each sale is a long average already, so a hundredth of the sales is enough.
    seeds = split_seeds("validation", RUN, max(sales // 100, 100))
    average = average_costs(agent, scenario, None, seeds)
    printed = ZIPKIN.get((lost_sale_cost, lead)) if (demand, holding) == (5.0, 1.0) else None
    label = described(p=lost_sale_cost, L=lead)
    most = lost_sale_cost * ample(demand * ticks) / ticks + holding * storage
    return [mean_of(f"average cost of a tick, {label}", agent.average_cost, average, reach=most, limit=printed)]


@validation_case(
    "newsvendor",
    "newsvendor, F(Q) = (p - c) / (p - s)",
    "one order before one period of Poisson demand",
    demand=100.0,
    price=10.0,
    unit_cost=6.0,
    salvage=2.0,
)
def newsvendor(sales: int, demand: float, price: float, unit_cost: float, salvage: float) -> list[Measurement]:
    quantity, profit = exact.newsvendor(stats.poisson(demand), price, unit_cost, salvage)
    most = ample(demand)
    scenario = Scenario(
        name="verification",
        horizon_ticks=1,
        tick_minutes=MINUTES,
        products=(
            Product(
                "paper", (price,), 0, unit_cost=unit_cost, salvage_value=salvage, reserve=most, quality=60.0,
                order_levels=tuple(range(most + 1)),
            ),
        ),
        arrivals=Arrivals(demand / MINUTES),
        replenishment=Replenishment(),
        observe=("time_left", "on_hand"),
    )  # fmt: skip
    table = simulate(agents.make("dp", scenario), scenario, sales)
    label = described(Q=quantity, demand=demand)
    return [
        mean_of(f"expected profit, {label}", profit, table["profit"], reach=most * (price + unit_cost + salvage)),
        Measurement("units ordered", quantity, float(table["units_ordered"].mean()), samples=sales),
    ]
