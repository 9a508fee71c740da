"""A scenario: everything that defines a sale except its customers' sentences.

Owns    the frozen `Scenario` and its parts, their checks, and strict loading from TOML.
Units   rates per minute; money in one currency; `tick_minutes` is the length of one decision period.

Nothing is repaired in silence. A key that no part knows is an error that names the nearest known one, so that a typo
never becomes a default; and a setting that does nothing in its scenario is refused, by the part that it belongs to.
"""

import dataclasses
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env.catalogue import Product
from flashsale_env.errors import unknown_name
from flashsale_env.market.arrivals import ARRIVAL_LAWS
from flashsale_env.market.choice import CHOICE_MODELS, EXPONENTIAL
from flashsale_env.market.features import FEATURES
from flashsale_env.parts import MOST_MONEY, Part, require_range, require_rising
from flashsale_env.population import HOMOGENEOUS, SHIPPED
from flashsale_env.tables import as_declared, check_fields, example, from_table, read_toml

_SCENARIO_FOLDER = Path(__file__).parent / "scenarios"
_CATALOGUE_FOLDER = Path(__file__).parent / "data"


# Stock is observed in single precision, which tells whole units apart up to here.
_MOST_UNITS = 1 << 23

# A sale of this size takes about ten seconds; far more would look like a program that hangs.
_MOST_CUSTOMERS = 1e8
_MOST_TICKS = 10**6
# Every tick looks at every product's every tick of lead time.
_MOST_PIPELINE = 10**10
# Levels of all decisions, which are laid out as one rectangle of 8-byte numbers: 80 MB.
_MOST_LEVELS = 10**7

# The range of every standard deviation of a logarithm or in logits: e^5 is a factor of 150.
_MOST_SD = 5.0


@dataclass(frozen=True)
class Arrivals(Part):
    """Expected traffic over the sale: an even part, a burst at the opening and a rush before the close.

    The density over x, the elapsed share of the sale, is
    (1 - burst - late) + burst·Exp(burst_scale) at x + late·Exp(late_scale) at 1 - x, both truncated to the sale;
    within a tick the rate is even. The shares and scales fitted to published single-day sales are burst .11-.51 with
    scale .01-.035, late about .08.

    Args:
        customers_per_minute: mean over the whole sale.
        burst_share, late_share: share of all customers in the burst and in the rush.
        burst_scale, late_scale: mean distance from the opening or the close, as a share of the sale.
        law: a key of `ARRIVAL_LAWS`; "bernoulli" lets at most one customer come in a tick.
    """

    customers_per_minute: float = field(metadata=example(20.0))
    burst_share: float = 0.0
    burst_scale: float = 0.03
    late_share: float = 0.0
    late_scale: float = 0.05
    law: str = "poisson"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.law not in ARRIVAL_LAWS:
            raise ValueError(unknown_name("arrivals.law", self.law, ARRIVAL_LAWS))
        require_range(self, "customers_per_minute")
        require_range(self, "burst_share", "burst_scale", "late_share", "late_scale", most=1.0)
        if self.burst_share + self.late_share > 1:
            raise ValueError(
                f"arrivals.burst_share + arrivals.late_share must be at most 1, got "
                f"{self.burst_share} + {self.late_share}."
            )
        if min(self.burst_scale, self.late_scale) <= 0:
            raise ValueError(
                f"arrivals.burst_scale and arrivals.late_scale must be above 0, got {self.burst_scale:g} and "
                f"{self.late_scale:g}."
            )

    def idle(self, scenario: "Scenario") -> Iterator[str]:
        """A scale without its share, or any shape inside a sale of one tick."""
        for name in ("burst", "late"):
            share, scale = getattr(self, f"{name}_share"), getattr(self, f"{name}_scale")
            if not share and scale != getattr(Arrivals, f"{name}_scale"):
                yield (
                    f"arrivals.{name}_scale {scale:g} does nothing while {name}_share is 0. Give {name}_share, or "
                    f"leave {name}_scale out."
                )
            if share and scenario.horizon_ticks == 1:
                yield (
                    f"arrivals.{name}_share {share:g} does nothing in a sale of one tick, within which the rate is "
                    f"even. Take more, shorter ticks, or set {name}_share = 0."
                )

    def cumulative_share(self, elapsed: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Expected share of customers who have come by the elapsed share of the sale, in [0, 1]."""
        x = np.asarray(elapsed, np.float64)
        burst = np.expm1(-x / self.burst_scale) / np.expm1(-1 / self.burst_scale)
        late = 1 - np.expm1(-(1 - x) / self.late_scale) / np.expm1(-1 / self.late_scale)
        even = 1 - self.burst_share - self.late_share
        return np.asarray(even * x + self.burst_share * burst + self.late_share * late)


@dataclass(frozen=True)
class Choice(Part):
    """How customers choose.

    Args:
        model: a key of `CHOICE_MODELS`.
        drift: factors on willingness to pay, .001 to 1000, one for each equal phase of the sale; (1.0,) for none.
        dissimilarity: under "nested", of the products in a nest, .01 to 1; 1 is "mnl", near 0 only the best of a nest
            counts.
        sensitivity_sd: under "mixed", standard deviation of log price sensitivity among customers of one voice (its
            factor has mean 1).
        appetite_sd: under "mixed", standard deviation of what one customer adds to every product, logits.
    """

    model: str = "mnl"
    drift: tuple[float, ...] = (1.0,)
    dissimilarity: float = 1.0
    sensitivity_sd: float = 0.0
    appetite_sd: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model not in CHOICE_MODELS:
            raise ValueError(unknown_name("choice.model", self.model, CHOICE_MODELS))
        if not 0.01 <= self.dissimilarity <= 1:
            raise ValueError(f"choice.dissimilarity must lie between .01 and 1, got {self.dissimilarity}.")
        require_range(self, "sensitivity_sd", "appetite_sd", most=_MOST_SD)
        for name, default, model in (
            ("dissimilarity", 1.0, "nested"),
            ("sensitivity_sd", 0.0, "mixed"),
            ("appetite_sd", 0.0, "mixed"),
        ):
            if getattr(self, name) != default and self.model != model:
                raise ValueError(
                    f"choice.{name} belongs to choice.model {model!r} and would do nothing under {self.model!r}."
                )
        if not self.drift or not all(1e-3 <= factor <= 1e3 for factor in self.drift):
            raise ValueError(
                f"choice.drift must be factors between .001 and 1000, one a phase, got {list(self.drift)}."
            )

    def idle(self, scenario: "Scenario") -> Iterator[str]:
        """Phases that no tick falls into; what belongs to another model was refused when the part was built."""
        if len(self.drift) > scenario.horizon_ticks:
            yield (
                f"choice.drift has {len(self.drift)} phases and the sale {scenario.horizon_ticks} ticks, so some phase "
                f"would never come. Take more ticks or fewer phases."
            )

    @property
    def knows_tastes(self) -> bool:
        """Whether the model has utilities: what a product is worth to a voice, in logits."""
        return CHOICE_MODELS[self.model] != EXPONENTIAL


@dataclass(frozen=True)
class Pricing(Part):
    """Whether a box action sets any price between a product's first and last level, or picks one of the levels."""

    continuous: bool = False

    def idle(self, scenario: "Scenario") -> Iterator[str]:
        """A range of prices where every product has one price."""
        if self.continuous and all(len(product.price_levels) == 1 for product in scenario.products):
            yield (
                "pricing.continuous does nothing, every product has a single price. Give price_levels, or set "
                "pricing.continuous = false."
            )


@dataclass(frozen=True)
class Replenishment(Part):
    """Orders from the reserve. The units an order may bring are in `Product.order_levels`.

    Args:
        lead_minutes: an order given at the start of a tick serves the customers from that many minutes later on
            (rounded up to whole ticks).
        order_cost: currency an order of one product costs, whatever its size.
        freight_per_unit: currency a unit, on top of its unit cost.
        unlimited: orders do not draw on a reserve; each product that can be ordered then needs a `storage`.
    """

    lead_minutes: float = 0.0
    order_cost: float = 0.0
    freight_per_unit: float = 0.0
    unlimited: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "lead_minutes")
        require_range(self, "order_cost", "freight_per_unit", most=MOST_MONEY)

    def idle(self, scenario: "Scenario") -> Iterator[str]:
        """The whole part where nothing can be ordered, or where no order arrives before the close."""
        if not any(product.can_be_ordered for product in scenario.products):
            yield (
                "[replenishment] does nothing, no product has order_levels. Give them, e.g. [0, 25, 50, 100], or leave "
                "[replenishment] out."
            )
        elif scenario.lead_ticks >= scenario.horizon_ticks:
            yield (
                f"replenishment.lead_minutes {self.lead_minutes:g}: an order of the first tick would arrive after the "
                f"close, {scenario.lead_ticks} ticks later in a sale of {scenario.horizon_ticks}, so orders could "
                f"serve nobody. Shorten the lead, or leave [replenishment] and order_levels out."
            )


@dataclass(frozen=True)
class Coupon(Part):
    """A share off the price for the customers who clip it, while the budget lasts.

    Args:
        depths: shares off, rising from 0.
        budget: currency that all discounts together may cost.
        traffic_lift: relative increase of traffic while the deepest coupon is shown; proportional below.
    """

    depths: tuple[float, ...] = field(metadata=example([0.0, 0.1, 0.2]))
    budget: float = field(metadata=example(3000.0))
    traffic_lift: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_rising(self, "depths")
        require_range(self, "budget", "traffic_lift")
        if self.budget == 0:
            raise ValueError("coupon.budget must be above 0, got 0; leave [coupon] out for a sale without one.")

    def idle(self, scenario: "Scenario") -> Iterator[str]:
        """Nothing: a coupon works in every scenario; whether anybody clips it, the population knows."""
        return iter(())


@dataclass(frozen=True)
class Targeted(Part):
    """Offers to the customers of one intent: the encoder reads each customer's message before a price is shown.

    The price that one customer sees may then depend on the intent that the message most likely has, which is not the
    true one wherever the encoder errs.

    Args:
        depths: shares off, rising from 0; each intent has a depth of its own.
    """

    depths: tuple[float, ...] = field(metadata=example([0.0, 0.1, 0.2]))

    def __post_init__(self) -> None:
        super().__post_init__()
        require_rising(self, "depths")

    def idle(self, scenario: "Scenario") -> Iterator[str]:
        """The whole part where nobody writes: there is no intent to read."""
        if scenario.messages is None:
            yield (
                "[targeted] does nothing: its offers follow from what the encoder reads in messages, and the scenario "
                "has no [messages]. Add [messages], e.g. share = 1.0, or leave [targeted] out."
            )


@dataclass(frozen=True)
class Shocks(Part):
    """What differs from sale to sale and is never observed.

    Args:
        appeal_sd: standard deviation of each product's own appeal, logits.
        common_appeal_sd: standard deviation of the appeal all products share, logits.
        traffic_sd: standard deviation of log traffic (its mean factor is 1).
        mix_sd: standard deviation of the log weight of each intent around the population's.
    """

    appeal_sd: float = 0.0
    common_appeal_sd: float = 0.0
    traffic_sd: float = 0.0
    mix_sd: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "appeal_sd", "common_appeal_sd", "traffic_sd", "mix_sd", most=_MOST_SD)

    def idle(self, scenario: "Scenario") -> Iterator[str]:
        """Shocks of appeal where a product has no appeal; whether intents differ, the population knows."""
        for name in ("appeal_sd", "common_appeal_sd"):
            if getattr(self, name) and not scenario.choice.knows_tastes:
                yield (
                    f"shocks.{name} {getattr(self, name):g} does nothing under choice.model {scenario.choice.model!r}, "
                    f"in which customers differ in willingness to pay alone. Set it to 0, or take another choice.model."
                )


@dataclass(frozen=True)
class Messages(Part):
    """What customers write and the encoder reads.

    Args:
        share: share of the customers who leave a message.
        before_opening: expected number of messages before the sale opens.
    """

    share: float = 0.1
    before_opening: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "share", most=1.0)
        require_range(self, "before_opening", most=_MOST_CUSTOMERS)

    def idle(self, scenario: "Scenario") -> Iterator[str]:
        """The whole part where nobody writes."""
        if not self.share and not self.before_opening:
            yield (
                "[messages] does nothing: share and before_opening are 0, nobody writes. Raise one of them, or leave "
                "[messages] out."
            )


@dataclass(frozen=True)
class Scenario:
    """One kind of sale.

    Args:
        name: what it is called in tables and environment ids.
        version: of the scenario under its name, the v of its environment id; a change of behaviour is a new one.
        description: one line for `flashsale list`.
        horizon_ticks: decision periods in a sale.
        tick_minutes: length of one of them.
        products: the M products.
        arrivals, choice, pricing, shocks: always present.
        replenishment, coupon, targeted, messages: None switches the option off.
        population: a shipped name, "homogeneous", or a folder; in a file, first looked for beside the file.
        memory_minutes: time after which a recent event counts half in `conversion`, `traffic` and `intent_mean`.
        observe: names of the features shown; () for all that apply, but those that are shown only when asked for.

    Raises:
        ValueError: any value is out of range; the message names it.
    """

    name: str = field(metadata=example("my sale"))
    horizon_ticks: int = field(metadata=example(60))
    tick_minutes: float = field(metadata=example(1.0))
    products: tuple[Product, ...]
    arrivals: Arrivals
    version: int = 0
    description: str = ""
    choice: Choice = Choice()
    pricing: Pricing = Pricing()
    replenishment: Replenishment | None = None
    coupon: Coupon | None = None
    targeted: Targeted | None = None
    shocks: Shocks = Shocks()
    messages: Messages | None = None
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
        if self.pricing.continuous and any(product.may_be_withheld for product in self.products):
            raise ValueError(
                "pricing.continuous has no level for a product that is not offered: set may_be_withheld = false or "
                "pricing.continuous = false."
            )
        if self.arrivals.law == "bernoulli":
            lift = self.coupon.traffic_lift if self.coupon else 0.0
            likeliest = float(self.customers_per_tick.max()) * (1.0 + lift)
            if likeliest > 1 or self.shocks.traffic_sd:
                raise ValueError(
                    f"arrivals.law 'bernoulli' needs at most 1 expected customer in every tick and no shock of "
                    f"traffic, got {likeliest:g} (coupon.traffic_lift included) and shocks.traffic_sd "
                    f"{self.shocks.traffic_sd:g}; take more, shorter ticks or law 'poisson'."
                )
        idle = [sentence for part in self._parts() for sentence in part.idle(self)]
        idle += self._idle()
        if idle:
            raise ValueError(" ".join(idle))
        self._check_observed()

    @property
    def sale_minutes(self) -> float:
        """Length of the sale."""
        return self.horizon_ticks * self.tick_minutes

    @property
    def customers_per_tick(self) -> npt.NDArray[np.float64]:
        """(T,) customers expected in each tick, before shocks and promotions."""
        edges = self.arrivals.cumulative_share(np.linspace(0, 1, self.horizon_ticks + 1))
        return np.asarray(self.arrivals.customers_per_minute * self.sale_minutes * np.diff(edges))

    @property
    def drift_per_tick(self) -> npt.NDArray[np.float64]:
        """(T,) factor on willingness to pay in each tick."""
        phase = (np.arange(self.horizon_ticks) * len(self.choice.drift)) // self.horizon_ticks
        return np.asarray(self.choice.drift, np.float64)[phase]

    @property
    def lead_ticks(self) -> int:
        """Ticks between an order and the first customers it serves."""
        if self.replenishment is None:
            return 0
        # A lead of exactly k ticks must not become k + 1 by rounding of the division.
        return math.ceil(self.replenishment.lead_minutes / self.tick_minutes - 1e-9)

    @property
    def stock_scale(self) -> npt.NDArray[np.int64]:
        """(M,) units of each product that observed stock is a share of, see `units`.

        All units there are, opening stock and reserve; where orders draw on no reserve, the storage that they fill. A
        storage beside a reserve is not asked: a limit that never binds changes nothing that is seen.
        """
        return np.array([self._all_units(product) for product in self.products], np.int64)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features of the observation, in order."""
        return self.observe or tuple(name for name in self._applicable_features() if not FEATURES[name].on_request)

    @property
    def opening_stock_cost(self) -> float:
        """What the opening stock cost before the sale: sunk, so part of the profit and not of the reward."""
        return sum(product.unit_cost * product.initial_stock for product in self.products)

    def replace(self, **changes: Any) -> "Scenario":
        """A checked copy with some fields changed; new `horizon_ticks` keep the sale's minutes and change the tick.

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

    def _parts(self) -> Iterator[Part]:
        """Every part, products one by one; a field that holds tables is a part or is not asked (a test sees to it)."""
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
        """What a sale lays out and plays must end within seconds; the arithmetic is in the message."""
        if not 1 <= self.horizon_ticks <= _MOST_TICKS:
            remedy = ""
            if self.horizon_ticks > _MOST_TICKS:
                remedy = (
                    f": each is laid out and played, and so many are {24 * self.horizon_ticks / 1e9:.3g} GB of "
                    f"schedule; {_MOST_TICKS:,} ticks of {self.sale_minutes / _MOST_TICKS:g} minutes are a sale as long"
                )
            raise ValueError(f"horizon_ticks must lie in 1..{_MOST_TICKS:,}, got {self.horizon_ticks}{remedy}.")
        if not math.isfinite(self.sale_minutes):
            raise ValueError(f"tick_minutes {self.tick_minutes:g} times {self.horizon_ticks} ticks is no finite time.")
        expected = self.arrivals.customers_per_minute * self.sale_minutes
        if expected > _MOST_CUSTOMERS:
            raise ValueError(
                f"arrivals.customers_per_minute {self.arrivals.customers_per_minute:g} over {self.sale_minutes:g} "
                f"minutes are {expected:.3g} customers a sale; every one is simulated, so at most "
                f"{_MOST_CUSTOMERS:.0e} may come."
            )
        # Traffic is log-normal with mean 1; one sale in 30,000 has more than this.
        busiest = math.exp(max(0.0, 4.0 * self.shocks.traffic_sd - 0.5 * self.shocks.traffic_sd**2))
        lift = self.coupon.traffic_lift if self.coupon else 0.0
        before = self.messages.before_opening if self.messages else 0.0
        most = (expected * (1.0 + lift) + before) * busiest
        if most > _MOST_CUSTOMERS:
            raise ValueError(
                f"{expected:.3g} expected customers, times 1 + coupon.traffic_lift {lift:g}, and "
                f"messages.before_opening {before:g}, times {busiest:.3g} in a sale of four standard deviations of "
                f"shocks.traffic_sd {self.shocks.traffic_sd:g}, are {most:.3g}; every one is simulated, so at most "
                f"{_MOST_CUSTOMERS:.0e} may come."
            )
        lead = self.replenishment.lead_minutes / self.tick_minutes if self.replenishment else 0.0
        if not math.isfinite(lead):
            raise ValueError(f"replenishment.lead_minutes over tick_minutes {self.tick_minutes:g} is no finite number.")
        pipeline = self.horizon_ticks * len(self.products) * min(lead, float(self.horizon_ticks))
        if pipeline > _MOST_PIPELINE:
            raise ValueError(
                f"{self.horizon_ticks} ticks times {len(self.products)} products times {lead:.3g} ticks of "
                f"replenishment.lead_minutes are {pipeline:.3g} looks at what is on its way, at most "
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
                    f"{where} has {units:,} units, more than the {_MOST_UNITS:,} that an observation can tell apart "
                    f"(opening stock + reserve; the storage under replenishment.unlimited). Count packs of several "
                    f"units as one."
                )

    def _applicable_features(self) -> tuple[str, ...]:
        """Features that are not constant in this scenario."""
        orders = self.replenishment is not None and any(product.can_be_ordered for product in self.products)
        applies = {
            "customers_left": self.arrivals.burst_share > 0 or self.arrivals.late_share > 0,
            "willingness_to_pay": len(set(self.choice.drift)) > 1,
            "in_transit": orders and self.lead_ticks > 0,
            "pipeline": orders and self.lead_ticks > 0,
            "reserve": self.replenishment is not None and any(p.reserve for p in self.products),
            "price": any(len(product.price_levels) > 1 or product.may_be_withheld for product in self.products),
            "conversion": bool(self.shocks.appeal_sd or self.shocks.common_appeal_sd or self.shocks.mix_sd),
            "traffic": self.shocks.traffic_sd > 0,
            "coupon_depth": self.coupon is not None,
            "coupon_budget": self.coupon is not None,
            "intent_mean": self.messages is not None,
            "intent_entropy": self.messages is not None,
        }
        return tuple(name for name in FEATURES if applies.get(name, True))


def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in sorted(_SCENARIO_FOLDER.glob("*.toml"))}


SCENARIOS: dict[str, Path] = _shipped()


def load_scenario(name: "str | Path | Scenario | Mapping[str, Any]") -> Scenario:
    """A scenario by name, by path of a TOML file, as a table of its fields, or as it is.

    Raises:
        ValueError: unknown name, or the file has a wrong key, type or value; the message names it.
        FileNotFoundError: a path that is not there.
    """
    if isinstance(name, Scenario):
        return name
    if isinstance(name, Mapping):  # what the `to_json` of an environment's spec makes of a Scenario
        return from_table(Scenario, name, "scenario")
    if not isinstance(name, str | os.PathLike):
        raise ValueError(
            f"a scenario is given by name, by path of a TOML file, as a table or as a Scenario, got {name!r}; "
            f"e.g. 'standard'."
        )
    path = SCENARIOS.get(str(name), Path(name))
    if path.suffix != ".toml":
        raise ValueError(unknown_name("scenario", str(name), SCENARIOS) + " Or give the path of a TOML file.")
    content = read_toml(path, "scenario file")
    # A population beside the file moves with it; shipped names stay names.
    population = content.get("population")
    if isinstance(population, str) and population not in (*SHIPPED, HOMOGENEOUS):
        beside = path.parent / population
        if beside.is_dir():
            content["population"] = str(beside)
    if "catalogue" in content:
        if "products" in content:
            raise ValueError(
                f"{path}: gives a catalogue, {content['catalogue']!r}, and [[products]]; only one of them can say what "
                f"is sold. Leave one out, or move the products into the catalogue's file."
            )
        content["products"] = _read_catalogue(content.pop("catalogue"), path)
    return from_table(Scenario, content, str(path))


@dataclass(frozen=True)
class _Catalogue:
    """A file of products that several scenarios may sell."""

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
