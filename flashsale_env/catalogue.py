"""Products: prices, costs, stock, and what customers see of them.

Units   prices, costs and values in the scenario's currency per unit; stock in units.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flashsale_env.errors import unknown_name
from flashsale_env.market.parts import MOST_MONEY, Part, require_range
from flashsale_env.tables import example

# Far beyond any taste; single precision still resolves a sixteenth of a logit there.
_MOST_UTILITY = 1e6
# Far beyond any shop; sums over products stay exact in 64 bits.
_MOST_UNITS = 10**12


@dataclass(frozen=True)
class Product(Part):
    """One product of a sale.

    Args:
        title: its name; populations refer to products by title.
        price_levels: the possible prices, highest first; the first one is the list price.
        initial_stock: units on hand at the start of the sale, bought before it.
        unit_cost: cost of one unit to the shop.
        salvage_value: worth of a leftover unit at the close.
        holding_cost: per unit on hand and hour.
        reserve: units that can be ordered during the sale.
        order_levels: possible order sizes in units, rising from 0; (0,) if the product cannot be ordered.
        storage: most units on hand and inbound together; orders are cut to it. 0 for no limit.
        may_be_withheld: whether the shop may withhold the product: one more price level, after the lowest price.
        lost_sale_penalty: goodwill lost per lost sale, currency: a customer wanted this product at the price of its
            last unit, found it out of stock and bought nothing.
        reference_price: unit of the price sensitivity (logits per reference price); the list price by default.
        quality: logits added to every voice's relevance.
        nest: name of its nest; products of one nest are closer substitutes, under nested choice.
        noun: its phrase in messages, e.g. "air fryer"; "" if no message mentions it.
        owner: the seller of [rivals] that sells it; "" for the shop itself.

    Raises:
        ValueError: a value is out of range or does not fit another one; the message names the product and the field.
    """

    title: str = field(metadata=example("air fryer"))
    price_levels: tuple[float, ...] = field(metadata=example([119.0, 99.0, 79.0]))
    initial_stock: int = field(metadata=example(300))
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
    owner: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.title:
            raise ValueError("a product needs a title, got ''.")
        where = f"product {self.title!r}"
        if not self.price_levels or min(self.price_levels) <= 0:
            raise ValueError(
                f"{where}: price_levels must be positive prices, list price first, got {list(self.price_levels)}; "
                f"e.g. [79.0, 69.0, 59.0]."
            )
        if self.price_levels[0] > MOST_MONEY:
            raise ValueError(f"{where}: price_levels must be at most {MOST_MONEY:g}, got {self.price_levels[0]:g}.")
        if self.reference_price == 0.0:
            object.__setattr__(self, "reference_price", self.price_levels[0])
        require_range(
            self, "unit_cost", "salvage_value", "holding_cost", "lost_sale_penalty", "reference_price", most=MOST_MONEY
        )
        for i in range(1, len(self.price_levels)):
            if self.price_levels[i] >= self.price_levels[i - 1]:
                raise ValueError(
                    f"{where}: price_levels must fall from the list price, got {list(self.price_levels)}: level {i} "
                    f"({self.price_levels[i]}) is not below level {i - 1} ({self.price_levels[i - 1]})."
                )
        if abs(self.quality) > _MOST_UTILITY:
            raise ValueError(f"{where}: quality is in logits, at most {_MOST_UTILITY:g} in size, got {self.quality:g}.")
        stock = self.initial_stock, self.reserve, self.storage
        if min(stock) < 0 or max(stock) == 0:
            raise ValueError(
                f"{where}: initial_stock, reserve and storage must be at least 0 and not all 0, got "
                f"{self.initial_stock}, {self.reserve} and {self.storage}."
            )
        if self.order_levels[:1] != (0,) or list(self.order_levels) != sorted(set(self.order_levels)):
            raise ValueError(
                f"{where}: order_levels must rise from 0, got {list(self.order_levels)}; e.g. [0, 25, 50, 100]."
            )
        require_range(self, "initial_stock", "reserve", "storage", most=_MOST_UNITS)
        if self.order_levels[-1] > _MOST_UNITS:
            raise ValueError(f"{where}: order_levels must be at most {_MOST_UNITS:g}, got {self.order_levels[-1]:g}.")
        if 0 < self.storage < self.initial_stock:
            raise ValueError(
                f"{where}: storage {self.storage} cannot hold the initial_stock of {self.initial_stock}; 0 is no limit."
            )
        if self.salvage_value > self.unit_cost and self.reserve > 0:
            raise ValueError(
                f"{where}: salvage_value {self.salvage_value} is above unit_cost {self.unit_cost}: every unit of "
                f"the reserve would be ordered only to be salvaged. Lower salvage_value or set reserve = 0."
            )

    @property
    def _where(self) -> str:
        return f"product {self.title!r}: "

    def idle(self, scenario: Any) -> Iterator[str]:
        """A sentence for each setting of supply, quality or nest without effect in the scenario, see `Part.idle`."""
        where, supply = self._where, scenario.replenishment
        if self.reserve and supply is None:
            yield (
                f"{where}reserve {self.reserve} does nothing, no unit of it could ever be ordered: the scenario has no "
                f"[replenishment]. Add [replenishment] or set reserve = 0."
            )
        if self.can_be_ordered and supply is None:
            yield (
                f"{where}order_levels {list(self.order_levels)} do nothing: the scenario has no [replenishment]. Add "
                f"[replenishment] or set order_levels = [0]."
            )
        if self.reserve and not self.can_be_ordered:
            yield (
                f"{where}reserve {self.reserve} does nothing: order_levels [0] order nothing of it. Give order_levels, "
                f"e.g. [0, 25, 50, 100], or set reserve = 0."
            )
        if supply is not None and supply.unlimited and self.reserve:
            yield f"{where}with replenishment.unlimited no order draws on the reserve; set reserve = 0."
        if supply is not None and not supply.unlimited and self.can_be_ordered and not self.reserve:
            yield (
                f"{where}order_levels {list(self.order_levels)} do nothing without a reserve to draw on. Give a "
                f"reserve, set replenishment.unlimited, or set order_levels = [0]."
            )
        if self.owner and scenario.rivals is None:
            yield (
                f"{where}owner {self.owner!r} does nothing: the scenario has no [rivals]. Add [[rivals.sellers]] with "
                f"this name, or leave owner out."
            )
        if self.quality and not scenario.choice.has_utilities:
            yield (
                f"{where}quality {self.quality:g} does nothing under choice.model {scenario.choice.model!r}, in which "
                f"customers differ in willingness to pay alone. Set quality = 0, or take another choice.model."
            )
        has_substitutes = scenario.basket is not None and any(scenario.basket.substitution)
        if self.nest and scenario.choice.model != "nested" and not has_substitutes:
            yield (
                f"{where}nest {self.nest!r} does nothing under choice.model {scenario.choice.model!r}; it belongs to "
                f"'nested' and to basket.substitution. Leave nest out, or take choice.model 'nested'."
            )

    def check(self, scenario: Any) -> None:
        """Refuse an owner that is no seller of [rivals].

        Raises:
            ValueError: such an owner; the message names the nearest seller.
        """
        if self.owner and scenario.rivals is not None:
            sellers = [seller.name for seller in scenario.rivals.sellers]
            if self.owner not in sellers:
                raise ValueError(unknown_name(f"owner of product {self.title!r}", self.owner, sellers))

    @property
    def can_be_ordered(self) -> bool:
        """Whether the shop can order the product."""
        return len(self.order_levels) > 1

    @property
    def list_price(self) -> float:
        """Price before markdown and promotion, currency."""
        return self.price_levels[0]
