"""The observable state of a sale in progress, for all views.

Never   anything hidden from the shop: tastes, true demand, lost sales, shocks, the stock of rivals.
Axes    M products. A stock bar stands for all units of a product: on hand, in carts, in transit, in reserve and sold,
        from left to right. It is empty if the product has had no units yet.
Units   money in the scenario's currency, stock in units, time in minutes.
"""

import numpy as np
import numpy.typing as npt

from flashsale_env.intents import INTENTS
from flashsale_env.scenario import MECHANISMS, REWARD_TERMS, Scenario

_REVENUE = list(REWARD_TERMS).index("revenue")


def facts(scenario: Scenario, sale: np.void) -> list[tuple[str, str]]:
    """(caption, value) of the figures of the sale as a whole."""
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


def stock(scenario: Scenario, sale: np.void) -> dict[str, npt.NDArray[np.int64]]:
    """The parts of a stock bar from left to right: caption -> (M,) units; together all units of each product.

    Of a rival's product none are shown.
    """
    has_carts = "carts" in (sale.dtype.names or ())
    parts = {
        "on hand": sale["on_hand"],
        **({"carts": sale["carts"]["reserved"]} if has_carts else {}),
        "transit": sale["inbound"].sum(axis=0),
        "reserve": sale["reserve"],
        "sold": sale["sold"],
    }
    return {name: units * scenario.own for name, units in parts.items()}


def prices(scenario: Scenario, sale: np.void) -> list[str]:
    """The price of each product as customers see it."""
    sold_out = ~scenario.own & (sale["on_hand"] == 0)
    return ["sold out" if gone else price(amount) for gone, amount in zip(sold_out, sale["price"], strict=True)]


def intent_shares(sale: np.void) -> npt.NDArray[np.float64]:
    """(I,) mean of the encoder's probabilities over recent messages; zeros before the first message."""
    messages = sale["messages"]
    return np.asarray(messages["intents"] / max(float(messages["recent"]), 1e-12))


def intent_name(number: int) -> str:
    """The intent in words."""
    return INTENTS[number].replace("_", " ")


def money(amount: float) -> str:
    """An amount, with cents below 10,000."""
    return f"{amount:,.2f}" if amount < 10_000 else f"{amount:,.0f}"


def discount(depth: float) -> str:
    """A discount as a percentage."""
    return f"-{100 * depth:.3g}%" if depth > 0 else "none"


def price(amount: float) -> str:
    """A price, or "withheld" for 0."""
    return money(amount) if amount > 0 else "withheld"


def edges(parts: npt.NDArray[np.int64], length: int) -> list[int]:
    """The edges of the parts of a bar. Cumulative sums are rounded, so the length is exact; all 0 without units."""
    ends = np.cumsum(parts)
    return [0, *np.rint(ends / max(ends[-1], 1) * length).astype(int).tolist()]
