"""What the records of a shop do not contain and the scenario needs."""

import math
from dataclasses import dataclass

# The cost of goods of grocers is about 70 % of sales; other trades must give theirs.
COST_SHARE = 0.70
SALE_HOURS = 24.0
TICKS = 48
# Share of a category's visitors who buy one of the chosen products, where visits are not known: 2 % to 5 % are typical
# of online shops (P. Fader in Knowledge at Wharton, "Clicking with Customers: New Challenges in Online Conversion").
CONVERSION = 0.05
CONVERSION_SOURCE = "2 % to 5 % are typical of online shops (P. Fader, Knowledge at Wharton)"
# Visits a week. A log of choices has no dates; this many give a sale of a few thousand customers.
CHOICE_VISITS = 3000.0


@dataclass(frozen=True)
class Assumptions:
    """What is assumed, not measured.

    Args:
        cost_share: unit cost over the mean price.
        salvage_share: worth of a leftover unit over its unit cost.
        weeks: ordinary weeks whose visitors come to the sale, and whose unit sales are its stock.
        sale_hours: length of the sale.
        ticks: decision periods of the sale.
        visits: a week, buyers and others; None where the records have them or `conversion` takes their place.
        conversion: share of a category's visitors who buy a chosen product; None for `CONVERSION` where it is needed.
    """

    cost_share: float = COST_SHARE
    salvage_share: float = 0.0
    weeks: float = 1.0
    sale_hours: float = SALE_HOURS
    ticks: int = TICKS
    visits: float | None = None
    conversion: float | None = None

    def __post_init__(self) -> None:
        for name in ("cost_share", "salvage_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}.")
        if self.conversion is not None and not 0 < self.conversion < 1:
            raise ValueError(f"conversion must be above 0 and below 1, got {self.conversion}.")
        for name in ("weeks", "sale_hours", "visits"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be above 0, got {value}.")
        if self.ticks < 1:
            raise ValueError(f"ticks must be at least 1, got {self.ticks}.")
