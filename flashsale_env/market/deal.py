"""Threshold deals (full reductions): an amount off for every so much that a basket costs.

Owns    the amount on offer, the thresholds, and the cost of the deal.
Leaves  the sum that counts, and how a rebate is shared over a basket, to `sale.till`.
Units   currency.

The rebate on a basket that costs x is off·m(x), where m is a staircase: m(x) = min(times, floor(x / per)), or the
multiple of the highest tier at or below x. A threshold counts as reached up to rounding, 1e-9 of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import put
from flashsale_env.market.mechanism import Between, Decision, Feature, Mechanism, OneOf, ScenarioLike, room_for
from flashsale_env.market.parts import MOST_MONEY, Part, require_range
from flashsale_env.tables import example

_MOST_TIERS = 16
# Sums of up to eight prices are exact to a few units in the last place; a cent is far above this.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Deal(Part):
    """So much off for every so much spent; needs [basket].

    Args:
        off: the levels, amounts off that rise from 0, currency.
        per: sum after all other reductions that earns the amount once, currency; 0 with `tiers`.
        times: how often a basket can earn it.
        tiers: instead of `per`, pairs [sum, multiple of the amount], both rising: with off 10, [[100, 1], [200, 2.5]]
            takes 10 off from 100 and 25 off from 200.

    Raises:
        ValueError: a value is out of range, or a customer could be paid for a purchase; the message names it.
    """

    off: tuple[float, ...] = field(metadata=example([0.0, 15.0, 30.0]))
    per: float = field(default=0.0, metadata=example(200.0))
    times: int = 1
    tiers: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "per", most=MOST_MONEY)
        if len(self.off) < 2 or self.off[0] != 0.0 or list(self.off) != sorted(set(self.off)):
            raise ValueError(f"deal.off must rise from 0.0, got {list(self.off)}; e.g. [0.0, 15.0, 30.0].")
        if bool(self.per) == bool(self.tiers):
            raise ValueError(
                f"[deal] needs either per or tiers, got per = {self.per:g} and {len(self.tiers)} tiers; e.g. per = "
                f"200.0, or tiers = [[200.0, 1.0], [400.0, 2.5]]."
            )
        if self.tiers and self.times != Deal.times:
            raise ValueError(f"deal.times {self.times} belongs to per; leave it out beside tiers.")
        if not 1 <= self.times <= _MOST_TIERS or len(self.tiers) > _MOST_TIERS:
            raise ValueError(
                f"[deal] can have 1 to {_MOST_TIERS} times or tiers, got {self.times} and {len(self.tiers)}."
            )
        last = (0.0, 0.0)
        for tier in self.tiers:
            if len(tier) != 2 or tier[0] <= last[0] or tier[1] <= last[1] or tier[0] > MOST_MONEY:
                raise ValueError(
                    f"deal.tiers must be pairs [sum, multiple], both rising from above 0, got "
                    f"{[list(tier) for tier in self.tiers]}; e.g. [[200.0, 1.0], [400.0, 2.5]]."
                )
            last = tier[0], tier[1]
        for threshold, multiple in self.staircase:
            if self.off[-1] * multiple >= threshold:
                raise ValueError(
                    f"[deal] would take {self.off[-1] * multiple:g} off a basket of {threshold:g}, at which nothing is "
                    f"left to pay. Lower off, or raise the threshold."
                )

    @property
    def staircase(self) -> tuple[tuple[float, float], ...]:
        """(sum, multiple of the amount off) of each step, rising."""
        if self.tiers:
            return tuple((tier[0], tier[1]) for tier in self.tiers)
        return tuple((self.per * k, float(k)) for k in range(1, self.times + 1))

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Steps that no basket can reach at list prices."""
        if scenario.basket is None:
            return
        most = dearest(scenario)
        beyond = [threshold for threshold, _ in self.staircase if threshold > most * (1 + _ROUNDING)]
        if beyond:
            yield (
                f"the step of [deal] at {beyond[0]:g} does nothing: the dearest basket, of at most basket.most_units "
                f"{scenario.basket.most_units}, costs {most:g}. Lower per, times or tiers, or raise most_units."
            )

    def check(self, scenario: ScenarioLike) -> None:
        """A deal is on the sum of a basket.

        Raises:
            ValueError: there are no baskets.
        """
        if scenario.basket is None:
            raise ValueError("[deal] needs [basket]; add it, e.g. most_units = 4 and satiation = 2.0.")


def dearest(scenario: ScenarioLike) -> float:
    """The highest sum of a basket, at list prices."""
    basket = scenario.basket
    each = basket.purchase_limit or basket.most_units
    units = sorted((product.list_price for product in scenario.products for _ in range(each)), reverse=True)
    return float(sum(units[: basket.most_units]))


@scalar
def decide(rules, sale, grids, encoding, action):
    """The amount off in this tick."""
    sale.deal.off = chosen(rules, grids, encoding, action, rules.row.deal)


@scalar
def most_off(of_rules, deal):
    """The largest share of its price by which a basket can become cheaper; both records are None without deals."""
    if of_rules is None or deal is None:
        return 0.0
    return deal.off * of_rules.steepest


@scalar
def first_step(of_rules):
    """The lowest sum with a rebate; `of_rules` is None in a sale without deals."""
    if of_rules is None:
        return 0.0
    return of_rules.threshold[0] * (1.0 - _ROUNDING)


@scalar
def rebate(of_rules, deal, total):
    """The amount off a basket that costs `total`; both records are None in a sale without deals."""
    if of_rules is None or deal is None:
        return 0.0
    multiple = 0.0
    for k in range(of_rules.n_steps):
        if total >= of_rules.threshold[k] * (1.0 - _ROUNDING):
            multiple = of_rules.multiple[k]
    return deal.off * multiple


@scalar
def book(deal, amount):
    """Add the rebate of one basket to the cost of deals."""
    if deal is None:
        return
    deal.spend += amount


@scalar
def observe(rules, sale, schedule, out):
    """The amount off in the last tick."""
    put(out, rules.at.deal_off, sale.deal.off / rules.deal.largest, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """The cost of deals."""
    out[rules.metric.deal_spend] = sale.deal.spend


def _lay_out(scenario: ScenarioLike) -> dict[str, object]:
    steps = scenario.deal.staircase
    padded = [*steps, *[(0.0, 0.0)] * (room_for(len(steps)) - len(steps))]
    return {
        "n_steps": len(steps),
        "threshold": [threshold for threshold, _ in padded],
        "multiple": [multiple for _, multiple in padded],
        "largest": scenario.deal.off[-1],
        "steepest": max(multiple / (threshold * (1.0 - _ROUNDING)) for threshold, multiple in steps),
    }


def staircase_in_words(deal: Deal) -> str:
    """When a basket earns the amount, and how often."""
    if deal.tiers:
        return "times " + ", ".join(f"{multiple:.6g} from {amount:,.10g}" for amount, multiple in deal.tiers)
    return f"for every {deal.per:,.10g} that a basket costs, at most {deal.times} times"


MECHANISM = Mechanism(
    settings=Deal,
    size=lambda scenario: room_for(len(scenario.deal.staircase)),
    state=lambda sizes: (("off", "f8"), ("spend", "f8")),
    rules=lambda sizes: (
        ("n_steps", "i8"),
        ("threshold", "f8", (sizes.own,)),
        ("multiple", "f8", (sizes.own,)),
        ("largest", "f8"),
        ("steepest", "f8"),  # highest multiple over its threshold
    ),
    lay_out=_lay_out,
    decisions={
        "deal": Decision(
            labels=lambda scenario: ("",),
            levels=lambda scenario: [scenario.deal.off],
            discrete_steps=None,
            meaning=lambda scenario: f"threshold deal: amount off {staircase_in_words(scenario.deal)}",
            unit="currency",
        )
    },
    features={"deal_off": Feature("sale", 0.0, 1.0, "share of the largest", "deal in the last tick", "promotion")},
    metrics={"deal_spend": "rebates given by threshold deals; currency"},
    promotion="an amount off for every so much that a basket costs",
    ranges={
        "off": OneOf(((0.0, 5.0, 10.0), (0.0, 20.0))),
        "tiers": OneOf(((), (), ((80.0, 1.0), (200.0, 2.5)))),  # in place of the others
        "per": Between(40.0, 300.0),
        "times": OneOf((1, 2, 3)),
    },
    facts=(("deal", "off", "money"),),
    decide=decide,
    observe=observe,
    measure=measure,
)
