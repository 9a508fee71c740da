"""A scenario: everything that defines a sale except its customers' sentences.

Owns    the frozen `Scenario` and its parts, their checks, and strict loading from TOML.
Units   rates per minute; money in one currency; `tick_minutes` is the length of one decision period.

A key that no part knows is an error that names the nearest known one, so that a typo never becomes a default.
"""

import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env.catalogue import Product
from flashsale_env.core.arrivals import ARRIVAL_LAWS
from flashsale_env.core.choice import CHOICE_MODELS
from flashsale_env.core.features import FEATURES
from flashsale_env.errors import unknown_name
from flashsale_env.population import HOMOGENEOUS, SHIPPED

_SCENARIO_FOLDER = Path(__file__).parent / "scenarios"
_CATALOGUE_FOLDER = Path(__file__).parent / "data"


# Stock is observed in single precision, which tells whole units apart up to here.
_MOST_UNITS = 1 << 23

# A sale of this size takes about ten seconds; far more would look like a program that hangs.
_MOST_CUSTOMERS = 1e8


def _non_negative(part: object, *names: str) -> None:
    for name in names:
        value = getattr(part, name)
        if not math.isfinite(value) or value < 0:
            raise ValueError(
                f"{type(part).__name__.lower()}.{name} must be a finite number of at least 0, got {value}."
            )


def _share(part: object, *names: str) -> None:
    _non_negative(part, *names)
    for name in names:
        if getattr(part, name) > 1:
            raise ValueError(
                f"{type(part).__name__.lower()}.{name} is a share and must be at most 1, got {getattr(part, name)}."
            )


def _rising_depths(name: str, depths: tuple[float, ...]) -> None:
    rises = list(depths) == sorted(set(depths)) and len(depths) > 1
    if not rises or depths[0] != 0.0 or depths[-1] >= 1:
        raise ValueError(f"{name} must rise from 0.0 and stay below 1.0, got {depths}; e.g. (0.0, 0.1, 0.2).")


@dataclass(frozen=True)
class Arrivals:
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

    customers_per_minute: float
    burst_share: float = 0.0
    burst_scale: float = 0.03
    late_share: float = 0.0
    late_scale: float = 0.05
    law: str = "poisson"

    def __post_init__(self) -> None:
        if self.law not in ARRIVAL_LAWS:
            raise ValueError(unknown_name("arrivals.law", self.law, ARRIVAL_LAWS))
        _non_negative(self, "customers_per_minute")
        _share(self, "burst_share", "burst_scale", "late_share", "late_scale")
        if self.burst_share + self.late_share > 1:
            raise ValueError(
                f"arrivals.burst_share + arrivals.late_share must be at most 1, got "
                f"{self.burst_share} + {self.late_share}."
            )
        if min(self.burst_scale, self.late_scale) <= 0:
            raise ValueError("arrivals.burst_scale and arrivals.late_scale must be above 0.")

    def cumulative_share(self, elapsed: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Expected share of customers who have come by the elapsed share of the sale, in [0, 1]."""
        x = np.asarray(elapsed, np.float64)
        burst = np.expm1(-x / self.burst_scale) / np.expm1(-1 / self.burst_scale)
        late = 1 - np.expm1(-(1 - x) / self.late_scale) / np.expm1(-1 / self.late_scale)
        even = 1 - self.burst_share - self.late_share
        return np.asarray(even * x + self.burst_share * burst + self.late_share * late)


@dataclass(frozen=True)
class Choice:
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
        if self.model not in CHOICE_MODELS:
            raise ValueError(unknown_name("choice.model", self.model, CHOICE_MODELS))
        if not 0.01 <= self.dissimilarity <= 1:
            raise ValueError(f"choice.dissimilarity must lie between .01 and 1, got {self.dissimilarity}.")
        _non_negative(self, "sensitivity_sd", "appetite_sd")
        if max(self.sensitivity_sd, self.appetite_sd) > 5:
            raise ValueError(
                f"choice.sensitivity_sd and choice.appetite_sd are standard deviations in logs and logits, at most 5, "
                f"got {self.sensitivity_sd} and {self.appetite_sd}."
            )
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
            raise ValueError(f"choice.drift must be factors between .001 and 1000, one a phase, got {self.drift}.")


@dataclass(frozen=True)
class Pricing:
    """Whether a box action sets any price between a product's first and last level, or picks one of the levels."""

    continuous: bool = False


@dataclass(frozen=True)
class Replenishment:
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
        _non_negative(self, "lead_minutes", "order_cost", "freight_per_unit")


@dataclass(frozen=True)
class Coupon:
    """A share off the price for the customers who clip it, while the budget lasts.

    Args:
        depths: shares off, rising from 0.
        budget: currency that all discounts together may cost.
        traffic_lift: relative increase of traffic while the deepest coupon is shown; proportional below.
    """

    depths: tuple[float, ...]
    budget: float
    traffic_lift: float = 0.0

    def __post_init__(self) -> None:
        _rising_depths("coupon.depths", self.depths)
        _non_negative(self, "budget", "traffic_lift")
        if self.budget == 0:
            raise ValueError("coupon.budget must be above 0, got 0; leave [coupon] out for a sale without one.")


@dataclass(frozen=True)
class Targeted:
    """Offers to the customers of one intent: the encoder reads each customer's message before a price is shown.

    The price that one customer sees may then depend on the intent that the message most likely has, which is not the
    true one wherever the encoder errs.

    Args:
        depths: shares off, rising from 0; each intent has a depth of its own.
    """

    depths: tuple[float, ...]

    def __post_init__(self) -> None:
        _rising_depths("targeted.depths", self.depths)


@dataclass(frozen=True)
class Shocks:
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
        _non_negative(self, "appeal_sd", "common_appeal_sd", "traffic_sd", "mix_sd")


@dataclass(frozen=True)
class Messages:
    """What customers write and the encoder reads.

    Args:
        share: share of the customers who leave a message.
        before_opening: expected number of messages before the sale opens.
    """

    share: float = 0.1
    before_opening: float = 0.0

    def __post_init__(self) -> None:
        _share(self, "share")
        _non_negative(self, "before_opening")


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

    name: str
    horizon_ticks: int
    tick_minutes: float
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
        if self.version < 0:
            raise ValueError(f"version must be a whole number of at least 0, got {self.version}.")
        if self.horizon_ticks < 1:
            raise ValueError(f"horizon_ticks must be at least 1, got {self.horizon_ticks}.")
        for name in ("tick_minutes", "memory_minutes"):
            if not math.isfinite(getattr(self, name)) or getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}.")
        if not self.products:
            raise ValueError("a scenario needs at least one product, got none.")
        expected = self.arrivals.customers_per_minute * self.sale_minutes
        if expected > _MOST_CUSTOMERS:
            raise ValueError(
                f"arrivals.customers_per_minute {self.arrivals.customers_per_minute:g} over {self.sale_minutes:g} "
                f"minutes are {expected:.3g} customers a sale; every one is simulated, so at most "
                f"{_MOST_CUSTOMERS:.0e} may come."
            )
        titles = [product.title for product in self.products]
        for title in titles:
            if titles.count(title) > 1:
                raise ValueError(f"product titles must differ, got {title!r} {titles.count(title)} times.")
        for feature in self.observe:
            if feature not in FEATURES:
                raise ValueError(unknown_name("feature in observe", feature, FEATURES))
            if feature not in self._applicable_features():
                raise ValueError(
                    f"observe names {feature!r}, which is constant in this scenario; "
                    f"it shows {', '.join(self._applicable_features())}."
                )
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
        if "horizon_ticks" in changes and "tick_minutes" not in changes and changes["horizon_ticks"] >= 1:
            changes["tick_minutes"] = self.sale_minutes / changes["horizon_ticks"]
        return dataclasses.replace(self, **changes)

    def _all_units(self, product: Product) -> int:
        unlimited = self.replenishment is not None and self.replenishment.unlimited
        if unlimited and len(product.order_levels) > 1:
            return product.storage
        return product.initial_stock + product.reserve

    def _check_supply(self) -> None:
        supply = self.replenishment
        for product in self.products:
            where = f"product {product.title!r}"
            if supply is None and product.reserve:
                raise ValueError(
                    f"{where} has a reserve but the scenario has no [replenishment], so no unit of it could ever be "
                    f"ordered. Add [replenishment] or set reserve = 0."
                )
            unlimited = supply is not None and supply.unlimited
            if unlimited and product.reserve:
                raise ValueError(
                    f"{where}: with replenishment.unlimited no order draws on the reserve; set reserve = 0."
                )
            if unlimited and len(product.order_levels) > 1 and not product.storage:
                raise ValueError(
                    f"{where} can be ordered without limit (replenishment.unlimited) and needs a storage, the most "
                    f"units on hand and on their way together."
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
            if supply is None or not supply.unlimited:
                continue
            if product.salvage_value > product.unit_cost + supply.freight_per_unit:
                raise ValueError(
                    f"{where}: salvage_value {product.salvage_value} is above unit_cost + freight_per_unit: every "
                    f"unit would be ordered only to be salvaged."
                )

    def _applicable_features(self) -> tuple[str, ...]:
        """Features that are not constant in this scenario."""
        orders = self.replenishment is not None and any(len(p.order_levels) > 1 for p in self.products)
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
        return _from_table({key: value for key, value in name.items() if value is not None}, "scenario")
    if name in SCENARIOS:
        path = SCENARIOS[str(name)]
    else:
        path = Path(name)
        if path.suffix != ".toml":
            raise ValueError(unknown_name("scenario", name, SCENARIOS) + " Or give the path of a TOML file.")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"no scenario file at {path}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid TOML: {error}.") from error
    # A population beside the file moves with it; shipped names stay names.
    beside = path.parent / str(content.get("population", ""))
    if content.get("population") not in (*SHIPPED, HOMOGENEOUS) and "population" in content and beside.is_dir():
        content["population"] = str(beside)
    if "catalogue" in content:
        content["products"] = _read_catalogue(content.pop("catalogue"), path)
    return _from_table(content, str(path))


def _from_table(content: Mapping[str, Any], where: str) -> Scenario:
    scenario: Scenario = _build(Scenario, content, where)
    return scenario


def _read_catalogue(name: object, scenario_path: Path) -> list[Any]:
    shipped = _CATALOGUE_FOLDER / f"{name}.toml"
    path = shipped if shipped.exists() else scenario_path.parent / str(name)
    if not path.exists():
        raise FileNotFoundError(f"{scenario_path}: catalogue {name!r} is neither shipped nor a file at {path}.")
    products = tomllib.loads(path.read_text(encoding="utf-8")).get("products")
    if not isinstance(products, list):
        raise ValueError(f"{path}: a catalogue needs [[products]] tables.")
    return products


def _build(kind: Any, content: Any, where: str) -> Any:
    """A frozen dataclass from a TOML table, strictly: unknown or missing keys and wrong types are errors."""
    if not isinstance(content, Mapping):
        raise ValueError(f"{where}: want a table, got {content!r}.")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in content:
        if key not in fields:
            raise ValueError(f"{where}: " + unknown_name("key", key, fields))
    missing = [
        name
        for name, field in fields.items()
        if name not in content and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ValueError(f"{where}: missing key {missing[0]!r}.")
    values = {key: _convert(hints[key], value, f"{where}: {key}") for key, value in content.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return _convert(typing.get_args(hint)[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where}: want a list, got {value!r}.")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, entry, f"{where}[{i}]") for i, entry in enumerate(value))
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bool) != (hint is bool) or not isinstance(value, hint):
        raise ValueError(f"{where}: want {hint.__name__}, got {value!r}.")
    return value
