"""The scenario that a new file holds: a shipped one or a small one, with mechanisms added.

Owns    the small sale to begin with; where the settings of a mechanism are taken from; how they are fitted to a sale.
Leaves  refusals to `Scenario`, writing to `toml_writer`.
Units   money in the scenario's currency, time in minutes.

Settings are those of a shipped scenario whose sale is about as long; where none has the mechanism, those of random
scenarios. Amounts of money are in proportion to list prices where these are of another size. If the scenario refuses
them, times are put in proportion to the length of the sale, and settings that it refuses by name are left out.
"""

import contextlib
import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from flashsale_env import SCENARIOS, Arrivals, Choice, Product, Scenario, load_scenario
from flashsale_env.errors import unknown_name
from flashsale_env.experiments.meanings import meanings_of
from flashsale_env.experiments.toml_writer import explicit
from flashsale_env.generator import orderable
from flashsale_env.market.mechanism import Between, OneOf
from flashsale_env.market.rivals import shared_out
from flashsale_env.scenario import MECHANISMS
from flashsale_env.tables import toml_value

# What `--with` takes: mechanisms that a scenario may have or not.
OPTIONAL = tuple(name for name in MECHANISMS if getattr(Scenario, name, name) is None)

# A part with a longer table is a demonstration, and no beginning.
_LONGEST_TABLE = 400
# Share of the stock that can be ordered in addition, about as in `standard`.
_RESERVE = 0.25
# List prices within this factor are of one size.
_ONE_SIZE = 3.0


@dataclass(frozen=True)
class Begun:
    """A scenario, and what was added to it: mechanism -> where its settings are from."""

    scenario: Scenario
    added: Mapping[str, str] = field(default_factory=dict)


def small_sale(name: str) -> Scenario:
    """Two products in an hour, customers of one kind who come in a burst."""
    return Scenario(
        name=name,
        description="a sale of my own",
        horizon_ticks=60,
        tick_minutes=1.0,
        arrivals=Arrivals(customers_per_minute=20.0, burst_share=0.3, burst_scale=0.035),
        choice=Choice("mnl"),
        products=(
            Product("first product", (89.0, 79.0, 69.0, 59.0), 120, unit_cost=38.0, salvage_value=20.0, quality=-1.0),
            Product("second product", (49.0, 45.0, 39.0, 35.0), 160, unit_cost=19.0, salvage_value=10.0, quality=-1.3),
        ),
    )


def begin(name: str, like: str | None = None, mechanisms: Sequence[str] = ()) -> Begun:
    """A scenario to begin with.

    Args:
        name: of the new scenario.
        like: the scenario to begin from, a name or a file; a small one by default.
        mechanisms: to add; one that the scenario has already stays as it is.

    Raises:
        ValueError: a name that is taken or unknown, or a mechanism that the scenario refuses; the message has the
            reason.
    """
    if not name.strip() or name in SCENARIOS:
        raise ValueError(f"a scenario of your own needs a name that no shipped one has, got {name!r}.")
    for mechanism in mechanisms:
        if mechanism not in OPTIONAL:
            raise ValueError(unknown_name("mechanism in --with", mechanism, OPTIONAL))
    begun = Begun(small_sale(name) if like is None else load_scenario(like).replace(name=name))
    for mechanism in mechanisms:
        begun = _with(begun, mechanism)
    return begun


def _with(begun: Begun, name: str) -> Begun:
    """The scenario with a mechanism, and before it those that it needs."""
    sale, refusal = begun.scenario, ""
    if getattr(sale, name) is not None:
        return begun
    for part, source in _candidates(sale, name):
        made, left_out, why = _fitted(sale, name, part)
        if made is not None:
            words = source + (f", without {', '.join(left_out)}" if left_out else "")
            return Begun(_observing(made, name), {**begun.added, name: words})
        for needed in re.findall(r"needs \[(\w+)\]|Add \[(\w+)\]", why):
            other = "".join(needed)
            if other != name and other in OPTIONAL and getattr(sale, other) is None:
                return _with(_with(begun, other), name)
        refusal = refusal or why
    raise ValueError(f"--with {name} does not fit scenario {sale.name!r}: {refusal}")


def _candidates(sale: Scenario, name: str) -> Iterator[tuple[Any, str]]:
    """Settings of the mechanism and where they are from, the likeliest first."""
    shipped = []
    for donor in _shipped():
        part = getattr(donor, name)
        if part is not None and len(toml_value(explicit(part))) <= _LONGEST_TABLE:
            others = sum(getattr(donor, other) is not None for other in OPTIONAL)
            shipped.append((abs(math.log(sale.sale_minutes / donor.sale_minutes)), others, donor))
    for _, _, donor in sorted(shipped, key=lambda entry: entry[:2]):
        part, source = getattr(donor, name), f"as in {donor.name}"
        prices = _list_price(sale) / _list_price(donor)
        if not 1 / _ONE_SIZE <= prices <= _ONE_SIZE:
            changed = _in_proportion(part, prices, _is_money)
            source += ", money in proportion to list prices" if changed != part else ""
            part = changed
        yield part, source
        longer = _in_proportion(part, sale.sale_minutes / donor.sale_minutes, _is_time)
        if longer != part:
            yield longer, f"{source}, times in proportion"
    for part in _of_random_scenarios(sale, name):
        yield part, "as in random scenarios"


@cache
def _shipped() -> tuple[Scenario, ...]:
    return tuple(map(load_scenario, SCENARIOS))


def _list_price(sale: Scenario) -> float:
    return sum(product.list_price for product in sale.products) / len(sale.products)


def _is_time(key: str, meaning: str) -> bool:
    return key.rpartition("_")[2] in ("minute", "minutes")


def _is_money(key: str, meaning: str) -> bool:
    return "currency" in meaning


def _in_proportion(part: Any, ratio: float, chosen: Callable[[str, str], bool]) -> Any:
    """The part with the chosen settings times the ratio, two significant digits."""
    meanings = meanings_of(type(part))
    changes: dict[str, Any] = {}
    for key, value in explicit(part).items():
        if chosen(key, meanings[key]) and not key.endswith("per_minute"):
            many = tuple(float(f"{ratio * number:.2g}") for number in (value if isinstance(value, tuple) else (value,)))
            changes[key] = many if isinstance(value, tuple) else many[0]
    return dataclasses.replace(part, **changes)


def _of_random_scenarios(sale: Scenario, name: str) -> Iterator[Any]:
    """Parts made of the ranges of random scenarios: the middle of a range, and the last of several values first."""
    mechanism = MECHANISMS[name].mechanism
    most = max((len(values.values) for values in mechanism.ranges.values() if isinstance(values, OneOf)), default=1)
    for k in reversed(range(most)):
        settings = {
            key: _middle(values) if isinstance(values, Between) else values.values[min(k, len(values.values) - 1)]
            for key, values in mechanism.ranges.items()
        }
        if name == "bundles" and len(sale.products) > 1:
            settings["sets"] = (sale.titles[:2],)
        with contextlib.suppress(ValueError):  # settings that exclude each other
            yield mechanism.settings(**settings)


def _middle(values: Between) -> float:
    middle = (values.low + values.high) / 2
    whole = isinstance(values.low, int) and isinstance(values.high, int)
    return round(middle) if whole else float(f"{middle:.3g}")


def _fitted(sale: Scenario, name: str, part: Any) -> tuple[Scenario | None, tuple[str, ...], str]:
    """The scenario with the part, the settings that were left out because it refuses them by name, its first refusal.

    The scenario is None where it refuses the part without them, too.
    """
    left_out: tuple[str, ...] = ()
    first = ""
    while True:
        products = sale.products
        if name == "replenishment":
            products = tuple(p if p.owner else orderable(p, part, _RESERVE) for p in products)
        if name == "rivals":
            products = shared_out(products, part)
        try:
            return sale.replace(products=products, **{name: part}), left_out, first
        except ValueError as error:
            first = first or str(error)
            refused = tuple(key for key in _with_defaults(part) if f"{name}.{key}" in str(error))
        if not refused:
            return None, left_out, first
        left_out += refused
        kept = {key: value for key, value in vars(part).items() if key not in refused}
        try:
            part = type(part)(**kept)
        except ValueError:
            return None, left_out, first


def _with_defaults(part: Any) -> list[str]:
    """Settings that differ from a default which they have."""
    required = {entry.name for entry in dataclasses.fields(part) if entry.default is dataclasses.MISSING}
    return [key for key in explicit(part) if key not in required]


def _observing(sale: Scenario, name: str) -> Scenario:
    """The scenario, whose list of features, if it has one, names those of the mechanism too."""
    if not sale.observe:
        return sale
    open_to_all = sale.replace(observe=())
    new = [feature for feature in MECHANISMS[name].mechanism.features if feature in open_to_all.features]
    return sale.replace(observe=(*sale.observe, *(feature for feature in new if feature not in sale.observe)))
