"""The form that every mechanism of the market fills in.

Owns    `Mechanism` and its declarations: decisions, features, reward terms, metrics.
Leaves  the behaviour of a mechanism to its own file, and the composition to `scenario` (settings and tables) and
        `sale.composition` (records and compiled calls).

A mechanism is one file. Its settings are a `Part`. A field of `Scenario` with that type switches the mechanism on;
that line is the only one outside the file. The fields of `Scenario` determine the TOML tables, the records of the
compiled core, the columns of an action, the layout of the observation, the reward terms and the metrics.

A mechanism whose part may be None is *optional*: if it is absent, its records do not exist and its functions are not
compiled. Its state and rules are nested records under its name (`sale.coupon.depth`). Those of other mechanisms are
fields of the record itself (`sale.on_hand`). A field must not be named like a method of numpy's records, e.g. "mean".
"""

import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from flashsale_env.market.parts import Part

# The `Scenario` that holds the part. Mechanisms are below `scenario` and cannot import its type.
ScenarioLike: TypeAlias = Any
# One field of a record, as an argument of `np.dtype`.
Field: TypeAlias = tuple[str, str] | tuple[str, str, tuple[int, ...]]

# The observation is ordered by section, and within a section by mechanism.
SECTIONS = ("time", "stock", "price", "demand", "promotion", "messages")


@dataclass(frozen=True)
class Sizes:
    """Lengths of the arrays in a record."""

    products: int
    slots: int  # of the inbound ring
    intents: int
    own: int = 0  # of the mechanism itself, see `Mechanism.size`


# Lengths of arrays start here, so that the sales of small scenarios have one type.
_SHORTEST = 16


def power_of_two(least: int) -> int:
    """The lowest power of two that is at least this number.

    >>> power_of_two(5), power_of_two(8)
    (8, 8)
    """
    return 1 << max(0, least - 1).bit_length()


def room_for(count: int) -> int:
    """The length of an array of a record that holds this many numbers: few lengths mean few compilations.

    >>> room_for(0), room_for(17)
    (16, 32)
    """
    return power_of_two(max(count, _SHORTEST))


@dataclass(frozen=True)
class Between:
    """Values of a setting in random scenarios: uniform from `low` to `high`, whole numbers if both are."""

    low: float
    high: float


@dataclass(frozen=True)
class OneOf:
    """Values of a setting in random scenarios: one of these, with equal probability."""

    values: tuple[Any, ...]


def _always(scenario: ScenarioLike) -> bool:
    return True


def _never_constant(scenario: ScenarioLike, number: int) -> bool:
    return False


@dataclass(frozen=True)
class Feature:
    """One feature of the observation: its meaning, and the scenarios that show it.

    Args:
        per: "sale" for one number, or one for each "product", "product and tick" (of lead time) or "intent".
        low, high: bounds; values are clipped to them.
        unit, meaning: texts for the tables of the layout.
        section: its group in the observation, one of `SECTIONS`.
        applies: whether the feature varies in a scenario; otherwise it is left out.
        constant: whether number k of the feature never changes in a scenario.
        on_request: shown only if the scenario's `observe` names it.
        remembers: weights events by their age, with the scenario's `memory_minutes` as half-life.
    """

    per: str
    low: float
    high: float
    unit: str
    meaning: str
    section: str
    applies: Callable[[ScenarioLike], bool] = _always
    constant: Callable[[ScenarioLike, int], bool] = _never_constant
    on_request: bool = False
    remembers: bool = False


@dataclass(frozen=True)
class Term:
    """One term of the reward.

    Args:
        meaning: in words.
        is_money: whether it is money, and so part of the profit.
        applies: (scenario) whether it can differ from 0 in a scenario that has the mechanism.
    """

    meaning: str
    is_money: bool = True
    applies: Callable[[ScenarioLike], bool] = lambda scenario: True


@dataclass(frozen=True)
class Decision:
    """One kind of decision: a row of the grids for each label.

    Args:
        labels: one for each row, e.g. the titles of the products; ("",) for a decision about the sale as a whole.
        levels: the values to choose from, one tuple per label. A row with a single level is not part of the action.
        discrete_steps: number of steps in which all rows move together in the discrete grid, from level 0 to the last
            of `discrete_levels`; None for every level, 0 to keep them at level 0.
        discrete_levels: number of levels of each row in the discrete grid; all by default.
        highest_useful: (scenario, reader of units, observations (N, D)) -> (N, rows) highest level of each row that can
            still make a difference; None if the scenario does not show the features for it.
        meaning: what is decided, in words, for people and language models; with the terms that a player has to know,
            e.g. when an order arrives.
        unit: of the levels.
        words: level value -> the word for it, where a number would say nothing.
        once: taken for the coming tick alone, as an order is; the others stay as they are set.
    """

    labels: Callable[[ScenarioLike], Sequence[str]]
    levels: Callable[[ScenarioLike], Sequence[tuple[float, ...]]]
    discrete_steps: int | None = 0
    discrete_levels: Callable[[ScenarioLike], Sequence[int]] | None = None
    highest_useful: Callable[[ScenarioLike, Any, Any], Any] | None = None
    meaning: Callable[[ScenarioLike], str] = lambda scenario: ""
    unit: str = ""
    words: Callable[[ScenarioLike], Mapping[float, str]] = lambda scenario: {}
    once: bool = False


@dataclass(frozen=True)
class Mechanism:
    """The complete declaration of a mechanism, apart from the calls written out in `sale.tick` and `sale.visit`.

    Compiled functions take the records of the whole sale. `rules.at.NAME` is the index of a feature in the observation,
    `rules.row.NAME` the first row of a decision in the grids, `rules.term.NAME` and `rules.metric.NAME` the columns of
    a term and of a metric.

    Args:
        settings: the part of the scenario.
        always: present even if its part is None (stock without replenishment); otherwise a part that may be None makes
            the mechanism optional.
        size: length of the arrays of an optional mechanism that depend on the scenario, e.g. a ring of ticks; part of
            the type of its records, so take `room_for`.
        state, rules: fields of the records, given the sizes; * in a comment marks fields that are never observed.
        lay_out: values of the rules' fields in a scenario.
        decisions, features, terms, metrics: by name.
        bounded: settings covered by the upper bounds -> the reason why the bounds hold. A setting that is not named is
            refused by every bound.
        most_traffic: the largest factor on traffic that the shop can reach with it.
        promotion: its description in the table `PROMOTIONS`; "" if it is not a promotion.
        ranges: setting -> its values in random scenarios (`generator`); the others keep their defaults.
        schedule: name -> (scenario) -> (T,) numbers known before the sale, one per tick; in the core
            `schedule[sale.tick, rules.along.NAME]`.
        facts: figures of an optional mechanism in views of the sale: (caption, field of its state, "money" or
            "discount").
        open: (rules, sale, grids) at the start of a sale, on a record of zeros.
        begin_tick: (rules, sale) at the start of a tick.
        decide: (rules, sale, grids, encoding, action) event 1 of a tick.
        write_tags: (rules, sale) whenever the offer changes: price tags, and the share of customers that comes.
        end_tick: (rules, sale, closes) after the last customer of a tick; `closes` is true in the last one.
        settle: (rules, sale, closes, terms) the money of the tick.
        observe: (rules, sale, schedule, out) its features.
        measure: (rules, sale, out) its metrics.
    """

    settings: type[Part]
    always: bool = False
    size: Callable[[ScenarioLike], int] = lambda scenario: 0
    state: Callable[[Sizes], Sequence[Field]] = lambda sizes: ()
    rules: Callable[[Sizes], Sequence[Field]] = lambda sizes: ()
    lay_out: Callable[[ScenarioLike], Mapping[str, Any]] = lambda scenario: {}
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)
    terms: Mapping[str, Term] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    bounded: Mapping[str, str] = field(default_factory=dict)
    most_traffic: Callable[[ScenarioLike], float] = lambda scenario: 1.0
    promotion: str = ""
    ranges: Mapping[str, Between | OneOf] = field(default_factory=dict)
    schedule: Mapping[str, Callable[[ScenarioLike], Any]] = field(default_factory=dict)
    facts: Sequence[tuple[str, str, str]] = ()
    open: Any = None
    begin_tick: Any = None
    decide: Any = None
    write_tags: Any = None
    end_tick: Any = None
    settle: Any = None
    observe: Any = None
    measure: Any = None


@dataclass(frozen=True)
class Entry:
    """A mechanism as a field of `Scenario`."""

    name: str
    optional: bool
    mechanism: Mechanism

    def present(self, scenario: ScenarioLike) -> bool:
        """Whether the scenario has this mechanism."""
        return not self.optional or getattr(scenario, self.name) is not None


def mechanisms_of(scenario_class: type) -> dict[str, Entry]:
    """The mechanisms of a scenario class, by the names of its fields and in their order.

    The module that defines the type of a field holds its mechanism as `MECHANISM`.
    """
    found = {}
    hints = typing.get_type_hints(scenario_class)
    for entry in dataclasses.fields(scenario_class):
        kinds = [entry_type for entry_type in _alternatives(hints[entry.name]) if entry_type is not types.NoneType]
        mechanism = getattr(sys.modules.get(getattr(kinds[0], "__module__", "")), "MECHANISM", None)
        if len(kinds) == 1 and isinstance(mechanism, Mechanism) and mechanism.settings is kinds[0]:
            may_be_none = len(_alternatives(hints[entry.name])) > 1
            found[entry.name] = Entry(entry.name, may_be_none and not mechanism.always, mechanism)
    return found


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def in_sections(features: Mapping[str, Feature]) -> dict[str, Feature]:
    """Features in the order of the observation.

    Raises:
        ValueError: a section that does not exist.
    """
    for name, feature in features.items():
        if feature.section not in SECTIONS:
            raise ValueError(f"feature {name!r} has section {feature.section!r}, not one of {', '.join(SECTIONS)}.")
    return dict(sorted(features.items(), key=lambda item: SECTIONS.index(item[1].section)))
