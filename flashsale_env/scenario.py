"""A scenario: everything that defines a sale except the sentences of its customers.

Owns    the frozen `Scenario`, its checks as a whole, and strict loading from TOML.
Leaves  each mechanism of the market to its file in `market`.
Units   rates per minute; money in one currency; `tick_minutes` is the length of one decision period.

Nothing is repaired in silence. An unknown key is an error that names the nearest known one, so a typo never becomes a
default. A setting without effect is refused by the part it belongs to.
"""

import dataclasses
import functools
import math
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env.catalogue import Product
from flashsale_env.errors import unknown_name
from flashsale_env.market.ads import Ads
from flashsale_env.market.arrivals import Arrivals
from flashsale_env.market.basket import Basket
from flashsale_env.market.bots import Bots
from flashsale_env.market.bundles import Bundles
from flashsale_env.market.campaign import Campaign
from flashsale_env.market.carts import Carts
from flashsale_env.market.choice import Choice
from flashsale_env.market.clicks import Clicks
from flashsale_env.market.contagion import Contagion
from flashsale_env.market.coupon import Coupon
from flashsale_env.market.deal import Deal
from flashsale_env.market.delivery import Delivery
from flashsale_env.market.disclosure import Disclosure
from flashsale_env.market.fairness import Fairness
from flashsale_env.market.mechanism import Decision, Entry, Feature, Term, in_sections, mechanisms_of
from flashsale_env.market.messages import Messages
from flashsale_env.market.parts import MOST_CUSTOMERS, Part
from flashsale_env.market.persons import Persons
from flashsale_env.market.pricing import Pricing
from flashsale_env.market.push import Push
from flashsale_env.market.retention import Retention
from flashsale_env.market.returns import Returns
from flashsale_env.market.rivals import Rivals
from flashsale_env.market.seckill import Seckill
from flashsale_env.market.service import Service
from flashsale_env.market.shocks import Shocks
from flashsale_env.market.slate import Slate
from flashsale_env.market.stock import Replenishment
from flashsale_env.market.targeted import Targeted
from flashsale_env.market.waiting import Waiting
from flashsale_env.population import HOMOGENEOUS, SHIPPED, Population
from flashsale_env.tables import as_declared, check_fields, example, from_table, read_toml

_SCENARIO_FOLDER = Path(__file__).parent / "scenarios"
_CATALOGUE_FOLDER = Path(__file__).parent / "data"

# Stock is observed in single precision, which represents whole units exactly up to here.
_MOST_UNITS = 1 << 23
_MOST_TICKS = 10**6
# Each tick scans the inbound units of every product for every tick of lead time.
_MOST_PIPELINE = 10**10
# Levels of all decisions, stored as one rectangle of 8-byte numbers: 80 MB.
_MOST_LEVELS = 10**7


@dataclass(frozen=True)
class Scenario:
    """One kind of sale.

    Args:
        name: its name in tables and environment ids.
        version: the v of its environment id; every change of behaviour takes a new number.
        description: one line for `flashsale list`.
        currency: code of the money, e.g. "EUR", for tables and pages; "" where none is named.
        horizon_ticks: decision periods in a sale (T).
        tick_minutes: length of one decision period, minutes.
        products: the M products.
        arrivals, choice, pricing, shocks: always present.
        the other parts: None switches the option off.
        population: a shipped name, "homogeneous", or a folder; a TOML file may name a folder beside itself.
        memory_minutes: half-life of past events in `conversion`, `traffic` and `intent_mean`, minutes.
        observe: names of the features shown; () for all that apply, except those shown on request only.

    Raises:
        ValueError: a value is out of range, has no effect, or does not fit another one; the message names it.
    """

    name: str = field(metadata=example("my sale"))
    horizon_ticks: int = field(metadata=example(60))
    tick_minutes: float = field(metadata=example(1.0))
    products: tuple[Product, ...]
    arrivals: Arrivals
    version: int = 0
    description: str = ""
    currency: str = ""
    choice: Choice = field(default_factory=Choice)
    pricing: Pricing = field(default_factory=Pricing)
    seckill: Seckill | None = None
    replenishment: Replenishment | None = None
    rivals: Rivals | None = None
    coupon: Coupon | None = None
    targeted: Targeted | None = None
    basket: Basket | None = None
    deal: Deal | None = None
    bundles: Bundles | None = None
    delivery: Delivery | None = None
    carts: Carts | None = None
    returns: Returns | None = None
    service: Service | None = None
    slate: Slate | None = None
    disclosure: Disclosure | None = None
    clicks: Clicks | None = None
    waiting: Waiting | None = None
    contagion: Contagion | None = None
    push: Push | None = None
    ads: Ads | None = None
    bots: Bots | None = None
    fairness: Fairness | None = None
    shocks: Shocks = field(default_factory=Shocks)
    messages: Messages | None = None
    campaign: Campaign | None = None
    retention: Retention | None = None
    persons: Persons | None = None
    population: str = "homogeneous"
    memory_minutes: float = 10.0
    observe: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        if self.version < 0:
            raise ValueError(f"version must be at least 0, got {self.version}.")
        for name in ("tick_minutes", "memory_minutes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name):g}.")
        if not self.products:
            raise ValueError("a scenario needs at least one product, got none.")
        self._check_size()
        titles = Counter(product.title for product in self.products)
        for title, number in titles.items():
            if number > 1:
                raise ValueError(f"product titles must differ, got {title!r} {number} times.")
        self._check_supply()
        for part in self._parts():
            part.check(self)
        idle = [sentence for part in self._parts() for sentence in part.idle(self)]
        idle += self._idle()
        if idle:
            raise ValueError(" ".join(idle))
        self._check_observed()

    @property
    def titles(self) -> tuple[str, ...]:
        """Titles of the M products."""
        return tuple(product.title for product in self.products)

    @property
    def own(self) -> npt.NDArray[np.bool_]:
        """(M,) whether a product is the shop's and no rival's."""
        return np.array([not product.owner for product in self.products])

    @property
    def own_products(self) -> tuple[Product, ...]:
        """The products of the shop, without those of rivals."""
        return tuple(product for product in self.products if not product.owner)

    @property
    def sale_minutes(self) -> float:
        """Length of the sale, minutes."""
        return self.horizon_ticks * self.tick_minutes

    @property
    def admission_edges(self) -> npt.NDArray[np.float64]:
        """(T + 1,) elapsed share of the sale such that whoever came earlier is admitted before tick 0, 1, ..., T.

        Without a lottery it is that of the tick itself.
        """
        return np.linspace(0, 1, self.horizon_ticks + 1)[self.arrivals.admitted_until(self)]

    @property
    def customers_per_tick(self) -> npt.NDArray[np.float64]:
        """(T,) customers expected in each tick, before shocks and promotions."""
        edges = self.arrivals.cumulative_share(self.admission_edges)
        return np.asarray(self.arrivals.customers_per_minute * self.sale_minutes * np.diff(edges))

    @property
    def most_traffic(self) -> float:
        """Largest expected traffic that promotions can reach, relative to that without any promotion; at least 1."""
        return math.prod(entry.mechanism.most_traffic(self) for entry in MECHANISMS.values() if entry.present(self))

    @property
    def drift_per_tick(self) -> npt.NDArray[np.float64]:
        """(T,) factor on willingness to pay in each tick, by its phase."""
        phase = (np.arange(self.horizon_ticks) * len(self.choice.drift)) // self.horizon_ticks
        return np.asarray(self.choice.drift, np.float64)[phase]

    @property
    def lead_ticks(self) -> int:
        """Ticks between an order and the first customers it serves."""
        if self.replenishment is None:
            return 0
        # A lead of exactly k ticks must not become k + 1 through rounding in the division.
        return math.ceil(self.replenishment.lead_minutes / self.tick_minutes - 1e-9)

    @property
    def stock_scale(self) -> npt.NDArray[np.int64]:
        """(M,) units of each product that observed stock is divided by, see `units`.

        Opening stock + reserve; under unlimited supply, the storage. A storage beside a reserve does not enter: a limit
        that never binds leaves the observation unchanged.
        """
        return np.array([self._all_units(product) for product in self.products], np.int64)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features of the observation, in order."""
        return self.observe or tuple(name for name in self._applicable_features() if not FEATURES[name].on_request)

    @property
    def opening_stock_cost(self) -> float:
        """Cost of the shop's opening stock, currency. It is sunk, so it counts in the profit and not in the reward."""
        return sum(product.unit_cost * product.initial_stock for product in self.own_products)

    def replace(self, **changes: Any) -> "Scenario":
        """A checked copy with some fields changed. Changing `horizon_ticks` alone keeps the minutes of the sale.

        Raises:
            ValueError: an unknown field, or values that `Scenario` refuses.

        >>> load_scenario("gvr-periodic").replace(horizon_ticks=60).sale_minutes
        60.0
        """
        known = {field.name for field in dataclasses.fields(self)}
        for name in changes:
            if name not in known:
                raise ValueError(unknown_name("scenario field", name, known))
        if "horizon_ticks" in changes and "tick_minutes" not in changes:
            ticks = as_declared(int, changes["horizon_ticks"], "horizon_ticks")
            if ticks >= 1:
                changes["tick_minutes"] = self.sale_minutes / ticks
        return dataclasses.replace(self, **changes)

    def check_customers(self, population: Population) -> None:
        """Refuse customers with tastes that the choice model would ignore.

        A setting without effect among these customers is a warning, not an error: studies compare populations under one
        scenario.

        Raises:
            ValueError: the population has relevance, and the choice model has no utilities.
        """
        if population.relevance.any() and not self.choice.has_utilities:
            voice = int(population.relevance.any(axis=1).argmax())
            raise ValueError(
                f"the population's relevance, e.g. {population.relevance[voice].tolist()} of voice {voice}, does "
                f"nothing under choice.model {self.choice.model!r} of scenario {self.name!r}: customers differ in "
                f"willingness to pay alone. Take another choice.model, or a population whose relevance is 0."
            )
        for part in self._parts():
            for sentence in part.idle_among(self, population):
                warnings.warn(sentence, stacklevel=3)

    def _parts(self) -> Iterator[Part]:
        """Every part, products one by one. A test checks that every field with tables holds parts."""
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Part):
                    yield part

    def _idle(self) -> Iterator[str]:
        """As `Part.idle`, for the scenario's own fields."""
        with_memory = [name for name in self._applicable_features() if FEATURES[name].remembers]
        if self.memory_minutes != Scenario.memory_minutes and not with_memory:
            names = ", ".join(name for name, feature in FEATURES.items() if feature.remembers)
            yield (
                f"memory_minutes {self.memory_minutes:g} does nothing: it is the memory of {names}, which are constant "
                f"without [shocks] and [messages]. Leave it out."
            )

    def _check_size(self) -> None:
        """Refuse sales that would take more than seconds or gigabytes; the message shows the arithmetic."""
        if not 1 <= self.horizon_ticks <= _MOST_TICKS:
            remedy = ""
            if self.horizon_ticks > _MOST_TICKS:
                remedy = (
                    f": so many take {24 * self.horizon_ticks / 1e9:.3g} GB of schedule; a sale of the same length "
                    f"has {_MOST_TICKS:,} ticks of {self.sale_minutes / _MOST_TICKS:g} minutes"
                )
            raise ValueError(f"horizon_ticks must lie in 1..{_MOST_TICKS:,}, got {self.horizon_ticks}{remedy}.")
        if not math.isfinite(self.sale_minutes):
            raise ValueError(
                f"tick_minutes {self.tick_minutes:g} times {self.horizon_ticks} ticks is not a finite time."
            )
        expected = self.arrivals.customers_per_minute * self.sale_minutes
        if expected > MOST_CUSTOMERS:
            raise ValueError(
                f"arrivals.customers_per_minute {self.arrivals.customers_per_minute:g} over {self.sale_minutes:g} "
                f"minutes are {expected:.3g} customers per sale; every one is simulated, so at most "
                f"{MOST_CUSTOMERS:.0e} may come."
            )
        # Traffic is log-normal with mean 1: exp(4·sd - sd²/2) is its four-sigma value, exceeded once in 30,000 sales.
        busiest = math.exp(max(0.0, 4.0 * self.shocks.traffic_sd - 0.5 * self.shocks.traffic_sd**2))
        before = self.messages.before_opening if self.messages else 0.0
        most = (expected * self.most_traffic + before) * busiest
        if most > MOST_CUSTOMERS:
            raise ValueError(
                f"{expected:.3g} expected customers, times {self.most_traffic:g} with every promotion, and "
                f"messages.before_opening {before:g}, times {busiest:.3g} in a sale of four standard deviations of "
                f"shocks.traffic_sd {self.shocks.traffic_sd:g}, are {most:.3g}; every one is simulated, so at most "
                f"{MOST_CUSTOMERS:.0e} may come."
            )
        lead = self.replenishment.lead_minutes / self.tick_minutes if self.replenishment else 0.0
        if not math.isfinite(lead):
            raise ValueError(f"replenishment.lead_minutes over tick_minutes {self.tick_minutes:g} is not finite.")
        pipeline = self.horizon_ticks * len(self.products) * min(lead, float(self.horizon_ticks))
        if pipeline > _MOST_PIPELINE:
            raise ValueError(
                f"{self.horizon_ticks} ticks times {len(self.products)} products times {lead:.3g} ticks of "
                f"replenishment.lead_minutes are {pipeline:.3g} scans of inbound units, at most "
                f"{_MOST_PIPELINE:.0e}. Take longer ticks."
            )
        longest = max(max(len(product.price_levels), len(product.order_levels)) for product in self.products)
        if 2 * len(self.products) * longest > _MOST_LEVELS:
            raise ValueError(
                f"price and order of {len(self.products)} products times {longest} levels of the longest list are "
                f"{2 * len(self.products) * longest:.3g} numbers, at most {_MOST_LEVELS:.0e}. Give fewer levels."
            )

    def _check_observed(self) -> None:
        applicable = self._applicable_features()
        for name, number in Counter(self.observe).items():
            if name not in FEATURES:
                raise ValueError(unknown_name("feature in observe", name, FEATURES))
            if name not in applicable:
                raise ValueError(
                    f"observe names {name!r}, which is constant in this scenario; it shows {', '.join(applicable)}."
                )
            if number > 1:
                raise ValueError(f"observe must name every feature once, got {name!r} {number} times.")

    def _all_units(self, product: Product) -> int:
        unlimited = self.replenishment is not None and self.replenishment.unlimited
        if unlimited and product.can_be_ordered:
            return product.storage
        return product.initial_stock + product.reserve

    def _check_supply(self) -> None:
        supply = self.replenishment
        for product in self.products:
            where = f"product {product.title!r}"
            if supply is not None and supply.unlimited and product.can_be_ordered:
                if not product.storage:
                    raise ValueError(
                        f"{where} can be ordered without limit (replenishment.unlimited) and needs a storage, the most "
                        f"units on hand and on their way together."
                    )
                if product.salvage_value > product.unit_cost + supply.freight_per_unit:
                    raise ValueError(
                        f"{where}: salvage_value {product.salvage_value} is above unit_cost + freight_per_unit: every "
                        f"unit would be ordered only to be salvaged."
                    )
            units = self._all_units(product)
            if units == 0:
                raise ValueError(f"{where} has neither initial_stock nor reserve: nothing of it could be sold.")
            if units > _MOST_UNITS:
                raise ValueError(
                    f"{where} has {units:,} units, more than the {_MOST_UNITS:,} that an observation can resolve "
                    f"(opening stock + reserve; the storage under replenishment.unlimited). Count packs of several "
                    f"units as one."
                )

    def _applicable_features(self) -> tuple[str, ...]:
        """Features that are not constant in this scenario."""
        present = {name for entry in MECHANISMS.values() if entry.present(self) for name in entry.mechanism.features}
        return tuple(name for name, feature in FEATURES.items() if name in present and feature.applies(self))


# All tables below follow from the fields of `Scenario`. Two mechanisms with the same name in a table are an error.
MECHANISMS: dict[str, Entry] = mechanisms_of(Scenario)


def _collected(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in MECHANISMS.values():
        for name, value in getattr(entry.mechanism, kind).items():
            if name in found:
                raise ValueError(f"mechanism {entry.name!r}: {kind} has {name!r}, which another mechanism has as well.")
            found[name] = value
    return found


DECISIONS: dict[str, Decision] = _collected("decisions")
FEATURES: dict[str, Feature] = in_sections(_collected("features"))
REWARD_TERMS: dict[str, Term] = _collected("terms")
METRICS: dict[str, str] = _collected("metrics")
SCHEDULES: dict[str, Any] = _collected("schedule")
# name -> meaning; the part of the scenario with the same name holds the settings
PROMOTIONS: dict[str, str] = {
    name: entry.mechanism.promotion for name, entry in MECHANISMS.items() if entry.mechanism.promotion
}


def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in sorted(_SCENARIO_FOLDER.glob("*.toml"))}


SCENARIOS: dict[str, Path] = _shipped()


def load_scenario(name: "str | Path | Scenario | Mapping[str, Any]") -> Scenario:
    """A scenario by name, by path of a TOML file, as a table of its fields, or as it is.

    Args:
        name: a key of `SCENARIOS`, the path of a TOML file, a mapping of fields, or a `Scenario`.

    Raises:
        ValueError: unknown name, or a wrong key, type or value; the message names it.
        FileNotFoundError: no file at the path, or no catalogue of that name.
    """
    if isinstance(name, Scenario):
        return name
    if isinstance(name, Mapping):  # the form of a Scenario in the JSON of an EnvSpec
        return from_table(Scenario, name, "scenario")
    if not isinstance(name, str | os.PathLike):
        raise ValueError(
            f"a scenario must be a name, the path of a TOML file, a table or a Scenario, got {name!r}; e.g. 'standard'."
        )
    if str(name) in SCENARIOS:
        return _read_shipped(str(name))
    path = Path(name)
    if path.suffix != ".toml":
        raise ValueError(unknown_name("scenario", str(name), SCENARIOS) + " Or give the path of a TOML file.")
    return _read(path)


@functools.cache
def _read_shipped(name: str) -> Scenario:
    return _read(SCENARIOS[name])


def _read(path: Path) -> Scenario:
    content = read_toml(path, "scenario file")
    # A folder beside the file is found wherever the file is moved; shipped names stay names.
    population = content.get("population")
    if isinstance(population, str) and population not in (*SHIPPED, HOMOGENEOUS):
        beside = path.parent / population
        if beside.is_dir():
            content["population"] = str(beside)
    if "catalogue" in content:
        if "products" in content:
            raise ValueError(
                f"{path}: gives a catalogue, {content['catalogue']!r}, and [[products]]; only one of them can "
                f"define the products. Leave one out, or move the products into the catalogue's file."
            )
        content["products"] = _read_catalogue(content.pop("catalogue"), path)
    return from_table(Scenario, content, str(path))


@dataclass(frozen=True)
class _Catalogue:
    """A file of products that several scenarios can share."""

    products: tuple[Product, ...]

    def __post_init__(self) -> None:
        check_fields(self)


def _read_catalogue(name: object, scenario_path: Path) -> tuple[Product, ...]:
    if not isinstance(name, str):
        raise ValueError(f"{scenario_path}: catalogue must be a text, a shipped name or a path, got {name!r}.")
    shipped = _CATALOGUE_FOLDER / f"{name}.toml"
    path = shipped if shipped.exists() else scenario_path.parent / name
    if not path.exists():
        raise FileNotFoundError(f"{scenario_path}: catalogue {name!r} is neither shipped nor a file at {path}.")
    return from_table(_Catalogue, read_toml(path, "catalogue"), str(path)).products
