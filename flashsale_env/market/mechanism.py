"""The form that every mechanism of the market fills in.

Owns    `Mechanism` and what it declares: decisions, features, reward terms, metrics.
Leaves  what a mechanism does to its own file in this folder, and the composition to `scenario` (settings and tables)
        and `sale.composition` (records and compiled calls).

A mechanism is one file. Its settings are a `Part`; a field of `Scenario` with that type switches the mechanism on, and
that line is all that has to be written outside the file. From the fields of `Scenario` follow the TOML tables, the
records of the compiled core, the columns of an action, the layout of the observation, reward terms and metrics.

A mechanism whose part may be None is *optional*: where it is absent, its records do not exist and its functions are
not compiled. Its state and rules are nested records under its name (`sale.coupon.depth`); those of a mechanism that is
always there stand in the record itself (`sale.on_hand`). No field may be named like a method of numpy's records, e.g.
"mean".
"""

import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from flashsale_env.market.parts import Part

# The `Scenario` that holds the part. A mechanism lies below `scenario` and cannot name its type.
ScenarioLike: TypeAlias = Any
# What `np.dtype` takes for one field of a record.
Field: TypeAlias = tuple[str, str] | tuple[str, str, tuple[int, ...]]

# The observation is grouped by section, in this order; within a section by mechanism.
SECTIONS = ("time", "stock", "price", "demand", "promotion", "messages")


@dataclass(frozen=True)
class Sizes:
    """Lengths of the arrays in a record."""

    products: int
    slots: int  # of the inbound ring, a power of two
    intents: int


def _always(scenario: ScenarioLike) -> bool:
    return True


def _never_constant(scenario: ScenarioLike, number: int) -> bool:
    return False


@dataclass(frozen=True)
class Feature:
    """One entry of the observation: what it means, and where it is shown.

    Args:
        per: "sale" for one number, "product", "product and tick" (of lead time) or "intent" for one each.
        low, high: bounds; a value outside is cut to them.
        unit, meaning: for the reader of the layout.
        section: the group of the observation that it stands in, one of `SECTIONS`.
        applies: whether the feature varies at all in a scenario; it is left out where it does not.
        constant: whether number k of the feature never changes in a scenario.
        on_request: shown only where the scenario's `observe` names it.
        remembers: weighs events by their age, with the scenario's `memory_minutes`.
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
    """One term of the reward: what it means, and whether it is money, so part of the profit."""

    meaning: str
    is_money: bool = True


@dataclass(frozen=True)
class Decision:
    """One kind of decision: a row of the grids for each label.

    Args:
        labels: what each row decides about, e.g. the titles of the products; ("",) for the sale as a whole.
        levels: the values to choose from, one tuple a label. A row with a single level is no part of the action.
        discrete_steps: steps in which all rows move together in the small discrete grid, from the first level to the
            last of `discrete_levels`; None for every level. 0 leaves them at level 0.
        discrete_levels: number of levels of each row that the discrete grid may use; all of them by default.
        highest_useful: (scenario, reader of units, observations (N, D)) -> (N, rows) highest level of each row that can
            still make a difference, or None where the scenario does not show enough to tell.
    """

    labels: Callable[[ScenarioLike], Sequence[str]]
    levels: Callable[[ScenarioLike], Sequence[tuple[float, ...]]]
    discrete_steps: int | None = 0
    discrete_levels: Callable[[ScenarioLike], Sequence[int]] | None = None
    highest_useful: Callable[[ScenarioLike, Any, Any], Any] | None = None


@dataclass(frozen=True)
class Mechanism:
    """All that a mechanism is, apart from the calls written out in `sale.tick` and `sale.visit`.

    Compiled functions see the records of the whole sale. `rules.at.NAME` is the index of a feature in the observation,
    `rules.row.NAME` the first row of a decision in the grids, `rules.term.NAME` and `rules.metric.NAME` the columns of
    a term and of a metric.

    Args:
        settings: the part of the scenario.
        always: there also where its part is None (stock without replenishment); else a part that may be None is
            optional.
        state, rules: fields of the records, given the sizes; * in a comment marks what is never observed.
        lay_out: values of the rules' fields for a scenario.
        decisions, features, terms, metrics: by name.
        bounded: settings that the upper bounds may meet -> why no policy earns more than them all the same. A setting
            that is not named is refused by every bound.
        most_traffic: the largest factor on traffic that the shop can reach by it.
        promotion: what kind of promotion it is, for the table `PROMOTIONS`; "" for none.
        facts: what a view of the sale shows of an optional mechanism: (caption, field of its state, "money" or
            "discount").
        open: (rules, sale, grids) at the start of a sale, on a record of zeros.
        begin_tick: (rules, sale) before anything happens in a tick.
        decide: (rules, sale, grids, encoding, action) event 1 of a tick.
        write_tags: (rules, sale) whenever what is on offer changes: price tags, and the share of customers that comes.
        settle: (rules, sale, closes, terms) the money of the tick; `closes` in the last one.
        observe: (rules, sale, schedule, out) its features.
        measure: (rules, sale, out) its metrics.
    """

    settings: type[Part]
    always: bool = False
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
    facts: Sequence[tuple[str, str, str]] = ()
    open: Any = None
    begin_tick: Any = None
    decide: Any = None
    write_tags: Any = None
    settle: Any = None
    observe: Any = None
    measure: Any = None


@dataclass(frozen=True)
class Entry:
    """A mechanism as a field of `Scenario` has it."""

    name: str
    optional: bool
    mechanism: Mechanism

    def present(self, scenario: ScenarioLike) -> bool:
        """Whether the scenario has it."""
        return not self.optional or getattr(scenario, self.name) is not None


def mechanisms_of(scenario_class: type) -> dict[str, Entry]:
    """The mechanisms of a scenario class, by the names of its fields and in their order.

    The file of a part that is a field's type holds the part's mechanism as `MECHANISM`.
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
