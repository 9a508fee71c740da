"""Baskets: how many units of which products one customer takes.

Owns    the declining worth of further units, the limit of a customer, and the customer's basket while it is filled.
Leaves  what a basket costs, and which one is taken, to `sale.till`.
Axes    M products.
Units   satiation and substitution in logits; under choice.model "exponential", in mean willingness to pay.

The worth of a basket with n_j units of product j over an empty one is

    sum_j l_j·n_j - satiation·n_j·(n_j - 1)/2 - substitution·(pairs of units of different products of one nest)

less what is paid for it, where l_j is the liking of product j over buying nothing: the same draw by which a customer
without a basket chooses. With satiation at least substitution the worth is M-natural-concave (a laminar sum of concave
functions; Murota 2003, Discrete Convex Analysis, section 6.3), so taking the unit of greatest net worth again and again
finds the best basket. The first unit is the choice of a customer without a basket, bit for bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import put
from flashsale_env.intents import ByIntent
from flashsale_env.market.mechanism import Between, Feature, Mechanism, OneOf, ScenarioLike
from flashsale_env.market.parts import Part, require_range
from flashsale_env.tables import example

MOST_UNITS = 8
# Logits; far beyond any liking, so that a customer takes a single unit.
_MOST_SATIATION = 1e6


@dataclass(frozen=True)
class Basket(Part):
    """Customers may take several units of several products.

    Args:
        most_units: units of one customer, 1 to 8.
        satiation: by how much every further unit of a product is worth less than the one before, logits (under
            "exponential", mean willingness to pay); a number, or by intent. Bulk buyers have little.
        substitution: by how much a unit is worth less for every unit of another product of its nest, in the same
            units; at most `satiation`.
        purchase_limit: units of each product that the shop sells to one customer; 0 for no limit.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    most_units: int = field(metadata=example(4))
    satiation: ByIntent = field(metadata=example(2.0))
    substitution: ByIntent = ByIntent.read(0.0, "substitution")  # noqa: RUF009
    purchase_limit: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.most_units <= MOST_UNITS:
            raise ValueError(f"basket.most_units must lie in 1..{MOST_UNITS}, got {self.most_units}.")
        require_range(self, "satiation", "substitution", most=_MOST_SATIATION)
        require_range(self, "purchase_limit")
        if any(other > own for own, other in zip(self.satiation, self.substitution, strict=True)):
            raise ValueError(
                f"basket.substitution must be at most basket.satiation for every intent, since no other product is a "
                f"closer substitute than a further unit of the same one; got {list(self.substitution)} and "
                f"{list(self.satiation)}."
            )

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Settings of further units if there are none, a limit that no customer can reach, and no substitutes."""
        if self.most_units == 1:
            if scenario.deal is None and scenario.delivery is None:
                yield (
                    "basket.most_units 1 does nothing: without [basket] a customer takes one unit too. Raise it, or "
                    "leave [basket] out."
                )
            for name in ("substitution", "purchase_limit"):
                if getattr(self, name) != getattr(Basket, name):
                    yield f"basket.{name} does nothing while most_units is 1. Raise most_units, or leave it out."
        elif self.purchase_limit >= self.most_units:
            yield (
                f"basket.purchase_limit {self.purchase_limit} does nothing, a customer takes at most most_units "
                f"{self.most_units}. Lower it, or set purchase_limit = 0."
            )
        elif any(self.substitution) and len({product.nest for product in scenario.products}) == len(scenario.products):
            yield (
                "basket.substitution does nothing, every product has a nest of its own. Leave it out, or give products "
                "a common nest."
            )


@scalar
def note(basket, j, surplus):
    """Note what a unit of product j is worth less its price; `basket` is None in a sale without baskets."""
    if basket is None:
        return
    basket.surplus[j] = surplus


@scalar
def note_terms(basket, nothing, paying):
    """Note the worth of buying nothing, and what turns money into worth: the second argument of the choice model."""
    if basket is None:
        return
    basket.nothing = nothing
    basket.paying = paying


@scalar
def units_of(basket, n_products, bought, j):
    """Units of product j that a customer bought, whose first product was `bought`; M for none."""
    if basket is None:
        return 1 if j == bought else 0
    return basket.units[j] if bought < n_products else 0


@scalar
def count(sale, basket):
    """Count a basket that is bought, and its further units as demand; the first one counts as the first choice."""
    for k in range(1, basket.n_units):
        sale.demand[basket.order[k]] += 1
    basket.filled += 1
    basket.recent_filled += 1.0
    basket.recent_units += basket.n_units


@scalar
def begin_tick(rules, sale):
    """The weights of recent baskets decay."""
    sale.basket.recent_filled *= rules.memory
    sale.basket.recent_units *= rules.memory


@scalar
def observe(rules, sale, schedule, out):
    """Units of recent baskets; 1 before the first one."""
    basket = sale.basket
    units = 1.0
    if basket.recent_filled > 0.0:
        units = basket.recent_units / basket.recent_filled
    put(out, rules.at.basket_units, units / rules.basket.most_units, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Baskets bought."""
    out[rules.metric.baskets] = sale.basket.filled


MECHANISM = Mechanism(
    settings=Basket,
    state=lambda sizes: (
        ("filled", "i8"),  # baskets that were bought
        ("recent_filled", "f8"),
        ("recent_units", "f8"),
        # * all that follows: the basket of the customer who is being served
        ("surplus", "f8", (sizes.products,)),  # worth of the first unit less its price; of what is on offer only
        ("nothing", "f8"),
        ("paying", "f8"),  # price sensitivity, logits per reference price; or mean willingness to pay
        ("satiation", "f8"),
        ("substitution", "f8"),
        ("most_off", "f8"),  # no basket is cheaper by a larger share of its price
        ("n_units", "i8"),  # of the best basket so far
        ("order", "i8", (MOST_UNITS,)),  # product of each unit
        ("n_trial", "i8"),  # of the basket on trial
        ("trial", "i8", (MOST_UNITS,)),
        ("units", "i8", (sizes.products,)),
        ("in_nest", "i8", (sizes.products,)),  # units of each nest
        ("next", "f8", (sizes.products,)),  # worth of one more unit of a product less its price
        ("lost", "f8", (sizes.products,)),  # satiation and substitution of all units of a product
        ("total", "f8"),  # sum of the prices after the coupon, currency
        ("weighed", "f8"),  # the worth of that money
        ("coupon_left", "f8"),  # of the coupon's budget
        ("before_coupon", "f8", (sizes.products,)),  # sum of the prices asked for the units of a product
        ("after_coupon", "f8", (sizes.products,)),
        ("after_bundles", "f8", (sizes.products,)),  # and targeted offers
        ("paid", "f8", (sizes.products,)),
        ("bundled", "f8"),  # taken off by bundles
        ("rebate", "f8"),  # by a deal
        ("fee", "f8"),
    ),
    rules=lambda sizes: (
        ("most_units", "i8"),
        ("purchase_limit", "i8"),
        ("satiation", "f8", (sizes.intents,)),
        ("substitution", "f8", (sizes.intents,)),
    ),
    lay_out=lambda scenario: {
        "most_units": scenario.basket.most_units,
        "purchase_limit": scenario.basket.purchase_limit or MOST_UNITS,
        "satiation": scenario.basket.satiation,
        "substitution": scenario.basket.substitution,
    },
    features={
        "basket_units": Feature(
            "sale",
            0.0,
            1.0,
            "share of most_units",
            "units of recent baskets (exponentially weighted)",
            "demand",
            applies=lambda scenario: scenario.basket.most_units > 1,
            remembers=True,
        )
    },
    metrics={"baskets": "baskets bought; counted in sales with [basket]"},
    ranges={
        "most_units": OneOf((2, 3, 4, 8)),
        "satiation": Between(0.2, 4.0),
        "substitution": Between(0.0, 0.2),
        "purchase_limit": OneOf((0, 1)),
    },
    begin_tick=begin_tick,
    observe=observe,
    measure=measure,
)
