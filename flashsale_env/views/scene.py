"""What a shop sees of a sale in progress, for views of every kind.

Never   what a shop does not see: tastes, true demand, lost sales, shocks.
Axes    M products. A bar of stock is as long as all units the sale has had so far and has in reserve: from the left
        units on hand, in transit, in reserve, and sold. It is empty where there are none yet.
Units   money in the scenario's currency, stock in units, time in minutes.
"""

import numpy as np
import numpy.typing as npt

from flashsale_env.intents import INTENTS
from flashsale_env.scenario import MECHANISMS, REWARD_TERMS, Scenario

# The parts of a bar of stock from the left, as `stock` counts them.
STOCK_PARTS = ("on hand", "transit", "reserve", "sold")

_REVENUE = list(REWARD_TERMS).index("revenue")


def facts(scenario: Scenario, sale: np.void) -> list[tuple[str, str]]:
    """Caption and value of every number that belongs to the sale as a whole."""
    minutes = (scenario.horizon_ticks - sale["tick"]) * scenario.tick_minutes
    shown = [
        ("tick", f"{sale['tick']}/{scenario.horizon_ticks}"),
        ("minutes left", f"{minutes:,.1f}".removesuffix(".0")),
        ("customers", f"{sale['customers']:,}"),
        ("revenue", money(sale["money"][_REVENUE])),
    ]
    formats = {"money": money, "discount": discount}
    for name, entry in MECHANISMS.items():
        if entry.optional and entry.present(scenario):
            for caption, field, kind in entry.mechanism.facts:
                shown.append((caption, formats[kind](sale[name][field])))
    return shown


def stock(sale: np.void) -> npt.NDArray[np.int64]:
    """(M, 4) units on hand, in transit, in reserve and sold; a row sums to all units the sale can have."""
    in_transit = sale["inbound"].sum(axis=0)
    return np.column_stack([sale["on_hand"], in_transit, sale["reserve"], sale["sold"]])


def intent_shares(sale: np.void) -> npt.NDArray[np.float64]:
    """(I,) mean of the encoder's probabilities over recent messages; zeros before the first message."""
    messages = sale["messages"]
    return np.asarray(messages["intents"] / max(float(messages["recent"]), 1e-12))


def intent_name(number: int) -> str:
    """The intent in words."""
    return INTENTS[number].replace("_", " ")


def money(amount: float) -> str:
    """An amount with cents up to 10,000."""
    return f"{amount:,.2f}" if amount < 10_000 else f"{amount:,.0f}"


def discount(depth: float) -> str:
    """A share off as a percentage."""
    return f"-{100 * depth:.3g}%" if depth > 0 else "none"


def price(amount: float) -> str:
    """The price of a product that may be withheld."""
    return money(amount) if amount > 0 else "withheld"


def edges(parts: npt.NDArray[np.int64], length: int) -> list[int]:
    """Where the parts of a bar begin and end, so that rounding never changes its length; all at 0 without units."""
    ends = np.cumsum(parts)
    return [0, *np.rint(ends / max(ends[-1], 1) * length).astype(int).tolist()]
