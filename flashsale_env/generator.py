"""Random scenarios, for agents that are to cope with any sale and for tests of what holds in every sale.

Owns    the map (seed, split) -> scenario, and the ranges of what belongs to no mechanism: clock, products, customers.
Leaves  the ranges of a mechanism's settings to its file (`Mechanism.ranges`), and the refusals to `Scenario`.
Units   rates per minute, prices in currency; a share names what it is a share of.

How a scenario is drawn:

1. Customers, their products and the choice model; clock, arrivals, prices and stock.
2. Each optional mechanism is wanted with probability 1/2. The wanted ones are added in random order, `ROUNDS` times
   through the list: one that the scenario refuses, e.g. a deal before there is a basket, is drawn anew in the next
   round, and left out after the last one.
3. The settings of a mechanism are drawn from its ranges. If the scenario refuses them together, they are added one by
   one in the order of the ranges, and one that is refused keeps its default: a dissimilarity belongs to one choice
   model.

A mechanism that declares no range for a setting without a default is in no random scenario.

What these customers would make idle is refused as well, so every part of a random scenario has an effect.

Each mechanism of each scenario has a stream of its own, keyed by a hash of (split, seed, mechanism). Splits therefore
share no draw, a new mechanism leaves the draws of the others as they are, and the same arguments give the same scenario
on any machine. All splits have the same ranges: a test split measures whether an agent copes with new sales of the same
kind, not with another kind.
"""

import contextlib
import dataclasses
import functools
import hashlib
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from flashsale_env.catalogue import Product
from flashsale_env.errors import unknown_name
from flashsale_env.intents import INTENTS, ByIntent
from flashsale_env.market.arrivals import Arrivals
from flashsale_env.market.choice import Choice
from flashsale_env.market.mechanism import Between, OneOf
from flashsale_env.market.rivals import Rivals, shared_out
from flashsale_env.market.stock import Replenishment
from flashsale_env.population import Population, load_population
from flashsale_env.scenario import MECHANISMS, Scenario, load_scenario
from flashsale_env.seeds import SPLITS, checked_seed

Range = Between | OneOf
T = TypeVar("T")

# How often a mechanism that the scenario refuses is drawn.
ROUNDS = 3

# Customers by what the choice model needs: those who differ in tastes, and those who differ in willingness to pay only.
# The products are those that the population knows.
CUSTOMERS: Mapping[bool, tuple[str, OneOf]] = {
    True: ("standard", OneOf(("learned", "reference", "learned-en-zh", "reference-en-zh"))),
    False: ("intent", OneOf(("intent",))),
}

CLOCK: Mapping[str, Range] = {
    "horizon_ticks": Between(10, 60),
    "tick_minutes": OneOf((0.5, 1.0, 2.0)),
}

# Of one product; the number of products is any that its customers know.
PRODUCTS: Mapping[str, Range] = {
    "list_price": Between(0.8, 1.2),  # share of the reference price
    "price_levels": Between(2, 8),  # their number
    "lowest_price": Between(0.5, 0.8),  # share of the list price
    "may_be_withheld": OneOf((False, False, False, True)),
    "unit_cost": Between(0.2, 0.5),  # share of the reference price
    "salvage_value": Between(0.0, 0.8),  # share of the unit cost
    "holding_cost": Between(0.0, 0.005),  # share of the unit cost, an hour
    "lost_sale_penalty": OneOf((0.0, 0.03)),  # share of the reference price
    "quality": Between(-0.5, 0.5),  # logits, where the choice model has utilities
    "nest": OneOf(("one", "two")),  # under nested choice
    "initial_stock": Between(0.005, 0.05),  # units per expected customer of the sale
    "reserve": Between(0.1, 1.0),  # share of the initial stock, with orders; the room in the storage without a limit
}
# Mechanisms that every scenario has: those of the first step, and those with neutral defaults.
_BARE = ("arrivals", "choice")
_ALWAYS = ("pricing", "shocks")
# Order sizes, as shares of what can be ordered.
_ORDERS = (0.25, 0.5, 1.0)


class _Stream:
    """Uniform draws of one purpose, from the raw bits of Philox: numpy may change its distributions, but not these."""

    def __init__(self, split: str, seed: int, purpose: str) -> None:
        digest = hashlib.sha256(f"{split}/{seed}/{purpose}".encode()).digest()
        self._bits = np.random.Philox(key=int.from_bytes(digest[:16], "little"))

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return float(int(self._bits.random_raw()) >> 11) * 2.0**-53

    def pick(self, choices: tuple[Any, ...]) -> Any:
        """One of these."""
        return choices[int(self.uniform() * len(choices))]

    def draw(self, from_range: Range) -> Any:
        """A value of the range; three significant digits, which any machine rounds alike."""
        if isinstance(from_range, OneOf):
            return self.pick(from_range.values)
        low, high = from_range.low, from_range.high
        if isinstance(low, int) and isinstance(high, int):
            return low + int(self.uniform() * (high - low + 1))
        return _rounded(low + self.uniform() * (high - low))


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def generate(seed: int, split: str = "train") -> Scenario:
    """A random scenario over all mechanisms.

    Args:
        seed: a whole number in 0..2^64 - 1.
        split: "train", "validation" or "test".

    Returns:
        A scenario named "SPLIT SEED"; the same one for the same arguments.

    Raises:
        ValueError: unknown split, or a seed out of range.

    >>> generate(7) == generate(7), generate(7, "test").name
    (True, 'test 7')
    """
    if split not in SPLITS:
        raise ValueError(unknown_name("split", split, SPLITS))
    seed = checked_seed(seed)

    streams = {name: _Stream(split, seed, name) for name in MECHANISMS}
    scenario, customers = _bare(f"{split} {seed}", streams, _Stream(split, seed, "sale"))
    for name in _ALWAYS:
        scenario = _with(scenario, customers, name, streams[name]) or scenario
    # Orders come with products that can be ordered, so here replenishment is as optional as the rest.
    optional = [name for name in MECHANISMS if name not in (*_BARE, *_ALWAYS) and _can_be_drawn(name)]
    places = {name: streams[name].uniform() for name in optional}
    wanted = [name for name in sorted(places, key=places.__getitem__) if streams[name].uniform() < 0.5]
    for _ in range(ROUNDS):
        for name in tuple(wanted):
            found = _with(scenario, customers, name, streams[name])
            if found is not None:
                scenario = found
                wanted.remove(name)
    return scenario


def _bare(name: str, streams: Mapping[str, _Stream], own: _Stream) -> tuple[Scenario, Population]:
    """A scenario with nothing that can be left out, and its customers."""
    choice = _with_settings("choice", streams["choice"], Choice)
    assert choice is not None
    clock = {setting: own.draw(values) for setting, values in CLOCK.items()}
    catalogue, populations = CUSTOMERS[choice.has_utilities]
    population = own.draw(populations)
    goods = _goods(catalogue)
    places = [own.uniform() for _ in goods]
    number = own.draw(Between(1, len(goods)))
    sold = sorted(sorted(range(len(goods)), key=places.__getitem__)[:number])
    drawn = {j: {setting: own.draw(values) for setting, values in PRODUCTS.items()} for j in sold}

    def make(**values: Any) -> Scenario:
        arrivals = Arrivals(**values)
        expected = arrivals.customers_per_minute * clock["horizon_ticks"] * clock["tick_minutes"]
        return Scenario(
            name=name,
            description="a random scenario",
            products=tuple(_product(goods[j], drawn[j], choice, expected) for j in sold),
            arrivals=arrivals,
            choice=choice,
            population=population,
            **clock,
        )

    scenario = _with_settings("arrivals", streams["arrivals"], make)
    assert scenario is not None
    return scenario, _voices(population, tuple(product.title for product in goods))


@functools.cache
def _goods(scenario: str) -> tuple[Product, ...]:
    return load_scenario(scenario).products


@functools.cache
def _voices(population: str, titles: tuple[str, ...]) -> Population:
    return load_population(population, titles)


def _product(known: Product, drawn: Mapping[str, Any], choice: Choice, customers: float) -> Product:
    """A product that customers know, with prices, costs and stock of its own, and without orders."""
    reference = known.reference_price
    list_price = drawn["list_price"] * reference
    unit_cost = drawn["unit_cost"] * reference
    shares = np.linspace(1.0, drawn["lowest_price"], drawn["price_levels"])
    return Product(
        known.title,
        tuple(_rounded(share * list_price) for share in shares.tolist()),
        max(1, round(drawn["initial_stock"] * customers)),
        unit_cost=_rounded(unit_cost),
        salvage_value=_rounded(drawn["salvage_value"] * unit_cost),
        holding_cost=_rounded(drawn["holding_cost"] * unit_cost),
        may_be_withheld=drawn["may_be_withheld"],
        lost_sale_penalty=_rounded(drawn["lost_sale_penalty"] * reference),
        reference_price=reference,
        quality=drawn["quality"] if choice.has_utilities else 0.0,
        nest=drawn["nest"] if choice.model == "nested" else "",
        noun=known.noun,
    )


def _with(scenario: Scenario, customers: Population, name: str, stream: _Stream) -> Scenario | None:
    """The scenario with this mechanism, its settings drawn; None if it is refused."""
    settings = MECHANISMS[name].mechanism.settings
    reserves = [stream.draw(PRODUCTS["reserve"]) for _ in scenario.products]

    def make(**values: Any) -> Scenario:
        part = settings(**values)
        products = scenario.products
        if isinstance(part, Replenishment):
            products = tuple(
                p if p.owner else orderable(p, part, share) for p, share in zip(products, reserves, strict=True)
            )
        if isinstance(part, Rivals):
            products = shared_out(products, part)
        made = scenario.replace(products=products, **{name: part})
        _refuse_idle(made, customers)
        return made

    return _with_settings(name, stream, make)


def orderable(product: Product, supply: Replenishment, share: float) -> Product:
    """The product with a reserve of this share of its stock, or room for as much where supply is unlimited."""
    more = max(4, round(share * product.initial_stock))
    return dataclasses.replace(
        product,
        reserve=0 if supply.unlimited else more,
        storage=product.initial_stock + more if supply.unlimited else 0,
        order_levels=(0, *(round(part * more) for part in _ORDERS)),
    )


def _refuse_idle(scenario: Scenario, customers: Population) -> None:
    for name, entry in MECHANISMS.items():
        part = getattr(scenario, name)
        for sentence in part.idle_among(scenario, customers) if entry.present(scenario) and part is not None else ():
            raise ValueError(sentence)


def _needed(name: str) -> set[str]:
    """Settings of a mechanism without a default."""
    settings: Any = MECHANISMS[name].mechanism.settings
    return {
        field.name
        for field in dataclasses.fields(settings)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }


def _can_be_drawn(name: str) -> bool:
    """Whether the mechanism declares ranges for all settings that it needs."""
    return _needed(name) <= MECHANISMS[name].mechanism.ranges.keys()


def _is_by_intent(hint: Any) -> bool:
    return hint is ByIntent or ByIntent in typing.get_args(hint)


def _with_settings(name: str, stream: _Stream, make: Callable[..., T]) -> T | None:
    """What `make` builds of settings drawn for a mechanism, those that are refused left out; None if all are."""
    mechanism = MECHANISMS[name].mechanism
    hints = typing.get_type_hints(mechanism.settings)
    drawn = {
        setting: ByIntent(stream.draw(values) for _ in INTENTS)
        if _is_by_intent(hints[setting])
        else stream.draw(values)
        for setting, values in mechanism.ranges.items()
    }
    with contextlib.suppress(ValueError):
        return make(**drawn)
    needed = _needed(name)
    kept = {setting: value for setting, value in drawn.items() if setting in needed}
    found = None
    with contextlib.suppress(ValueError):
        found = make(**kept)
    for setting, value in drawn.items():
        with contextlib.suppress(ValueError):
            found = make(**(kept | {setting: value}))
            kept[setting] = value
    return found
