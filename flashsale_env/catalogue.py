"""Products: what is sold, at which prices, at which costs, from which stock.

Units   prices, costs and values in the scenario's currency per unit; stock in units.
"""

import math
from dataclasses import dataclass

# Far beyond any taste, and single precision still tells logits a sixteenth apart.
_MOST_UTILITY = 1e6


@dataclass(frozen=True)
class Product:
    """One product of a sale.

    Args:
        title: what customers call it; a population knows products by title.
        price_levels: the prices that may be shown, highest first; the first one is the list price.
        initial_stock: units on hand when the sale opens, bought before it.
        unit_cost: what one unit costs the shop.
        salvage_value: worth of a leftover unit at the close.
        holding_cost: per unit on hand and hour.
        reserve: units that can be ordered during the sale.
        order_levels: units that one order may bring, rising from 0; (0,) where nothing can be ordered.
        storage: most units on hand and on their way together, an order is cut to it; 0 for no limit.
        may_be_withheld: whether the product need not be offered: one more price level, after the lowest price.
        lost_sale_penalty: goodwill lost with a customer who wanted this product, found it gone and bought nothing; it
            is wanted at the price that was asked when its last unit went.
        reference_price: price at which a taste's price sensitivity is stated; the list price unless given.
        quality: logits added to every voice's relevance.
        nest: products with the same word here are closer substitutes, under nested choice.
        noun: the phrase that messages use for it, e.g. "air fryer"; "" where no message mentions it.
    """

    title: str
    price_levels: tuple[float, ...]
    initial_stock: int
    unit_cost: float = 0.0
    salvage_value: float = 0.0
    holding_cost: float = 0.0
    reserve: int = 0
    order_levels: tuple[int, ...] = (0,)
    storage: int = 0
    may_be_withheld: bool = False
    lost_sale_penalty: float = 0.0
    reference_price: float = 0.0
    quality: float = 0.0
    nest: str = ""
    noun: str = ""

    def __post_init__(self) -> None:
        if not self.title:
            raise ValueError("a product needs a title, got ''.")
        where = f"product {self.title!r}"
        if self.reference_price == 0.0 and self.price_levels:
            object.__setattr__(self, "reference_price", self.price_levels[0])
        for name in (
            "unit_cost",
            "salvage_value",
            "holding_cost",
            "lost_sale_penalty",
            "reference_price",
            "quality",
        ):
            value = getattr(self, name)
            if not math.isfinite(value) or (value < 0 and name != "quality"):
                raise ValueError(f"{where}: {name} must be a finite number of at least 0, got {value}.")
        if not self.price_levels or min(self.price_levels) <= 0 or not all(map(math.isfinite, self.price_levels)):
            raise ValueError(
                f"{where}: price_levels must be positive prices, list price first, got {self.price_levels}; "
                f"e.g. (79.0, 69.0, 59.0)."
            )
        for i in range(1, len(self.price_levels)):
            if self.price_levels[i] >= self.price_levels[i - 1]:
                raise ValueError(
                    f"{where}: price_levels must fall from the list price, got {self.price_levels}: level {i} "
                    f"({self.price_levels[i]}) is not below level {i - 1} ({self.price_levels[i - 1]})."
                )
        if abs(self.quality) > _MOST_UTILITY:
            raise ValueError(f"{where}: quality is in logits, at most {_MOST_UTILITY:g} in size, got {self.quality}.")
        if min(self.initial_stock, self.reserve, self.storage) < 0 or self.stock_scale == 0:
            raise ValueError(
                f"{where}: initial_stock, reserve and storage must be at least 0 and not all 0, got "
                f"{self.initial_stock}, {self.reserve} and {self.storage}."
            )
        if 0 < self.storage < self.initial_stock:
            raise ValueError(
                f"{where}: storage {self.storage} cannot hold the initial_stock of {self.initial_stock}; 0 is no limit."
            )
        if self.order_levels[:1] != (0,) or list(self.order_levels) != sorted(set(self.order_levels)):
            raise ValueError(f"{where}: order_levels must rise from 0, got {self.order_levels}; e.g. (0, 25, 50, 100).")
        if self.salvage_value > self.unit_cost and self.reserve > 0:
            raise ValueError(
                f"{where}: salvage_value {self.salvage_value} is above unit_cost {self.unit_cost}: every unit of "
                f"the reserve would be ordered only to be salvaged. Lower salvage_value or set reserve = 0."
            )

    @property
    def stock_scale(self) -> int:
        """The most units there can be: what observed shares of stock are shares of."""
        return self.storage or self.initial_stock + self.reserve

    @property
    def list_price(self) -> float:
        """Price before markdown and promotion, currency."""
        return self.price_levels[0]
