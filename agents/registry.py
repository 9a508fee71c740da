"""The agents by name: the table of all of them, and how one is made, loaded and labelled.

Owns    `AGENTS` and `REFERENCES`, and the rules by which a name becomes an agent: a key of the table, an entry point of
        an installed package, or `module:Class`.
Leaves  the agents to their own modules, tuned values to `tuned_values`, and the policies of others to `discovery`.

The table names modules as text and imports one only when its agent is asked for, so that listing the agents loads
neither torch nor Stable-Baselines3.
"""

import importlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flashsale_env import Population, Scenario, load_scenario
from flashsale_env.agents.base import Space, read_card
from flashsale_env.agents.devices import check_device
from flashsale_env.agents.discovery import build, entry_points, import_reference, is_reference
from flashsale_env.agents.tuned_values import UNTUNED, home, read
from flashsale_env.agents.tuned_values import find as find_tuned
from flashsale_env.errors import unknown_name

# Trained policies that are shipped: folders as `save` writes them, each with a card of its command and its figures.
REFERENCES_FOLDER = Path(__file__).parent / "trained"
REFERENCE_CARD = "card.json"
REFERENCES: dict[str, Path] = {path.parent.name: path.parent for path in REFERENCES_FOLDER.glob(f"*/{REFERENCE_CARD}")}


def import_part(name: str) -> Any:
    """A module of this package by its name inside it, e.g. `"rules.fluid"`.

    Raises:
        ModuleNotFoundError: a package of the extra `agents` is not installed; the message names the command.
    """
    try:
        return importlib.import_module(f"{__package__}.{name}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == __name__.partition(".")[0]:
            raise
        raise ModuleNotFoundError(
            f"this needs the package {package!r}, which is not installed: pip install 'flashsale-env[agents]'",
            name=error.name,
        ) from None


@dataclass(frozen=True)
class Entry:
    """One line of `AGENTS`.

    Args:
        name: key of the table.
        module: module of this package that holds the class, e.g. "rules.fluid".
        class_name: name of the class in it.
        description: one line for `flashsale list`.
        learns: whether the agent is trained.
        presets: for learners on torch, a module without torch whose `why_not(name, scenario)` answers `applies`.
        factory: for an agent from outside, its class, function or object; `module` and `class_name` are then empty.
    """

    name: str
    module: str
    class_name: str
    description: str
    learns: bool = False
    presets: str = ""
    factory: Any = None

    @property
    def cls(self) -> Any:
        """The class; importing a learner's loads torch."""
        if self.factory is not None:
            return self.factory
        return getattr(import_part(self.module), self.class_name)

    def applies(self, scenario: str | Path | Scenario) -> str | None:
        """Why the agent cannot play this scenario, or None where it can."""
        sale = load_scenario(scenario)
        reason: str | None
        if self.presets:
            reason = import_part(self.presets).why_not(self.name, sale)
            return reason
        applies = getattr(self.cls, "applies", None)
        reason = None if applies is None else applies(sale)
        return reason

    def space(self, scenario: str | Path | Scenario) -> Space:
        """The parameters that `flashsale tune` searches, with their ranges; empty for learners and plain policies."""
        declared = None if self.learns else getattr(self.cls, "space", None)
        return {} if declared is None else dict(declared(load_scenario(scenario)))


def _sb3(name: str, module: str, class_name: str, description: str) -> Entry:
    """A learner of Stable-Baselines3."""
    return Entry(name, f"sb3.{module}", class_name, description, learns=True, presets="sb3.presets")


# A new agent is one file (a class over `base.Agent`, in the folder of its kind) and one entry here. The tests
# run over this table, so it is tested from the day it is entered.
AGENTS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("random", "rules.heuristics", "Random", "uniform over the levels of every decision"),
        Entry(
            "fixed_price",
            "rules.heuristics",
            "FixedPrice",
            "a constant price for each product, the best one where tuned",
        ),
        Entry("linear_markdown", "rules.heuristics", "LinearMarkdown", "prices that come down evenly in time"),
        Entry(
            "sell_through",
            "rules.heuristics",
            "SellThrough",
            "chases the sell-through curve: marks down what sells behind it, up what sells ahead",
        ),
        Entry("step_markdown", "rules.heuristics", "StepMarkdown", "prices that step down at two moments"),
        Entry("clearance", "rules.heuristics", "Clearance", "holds the price, then clears what is left by its cover"),
        Entry("proportional", "rules.heuristics", "Proportional", "a price proportional to mean willingness to pay"),
        Entry("slump_coupon", "rules.heuristics", "SlumpCoupon", "fixed prices, and a coupon when trade slumps"),
        Entry(
            "estimated_myopic",
            "rules.estimating",
            "EstimatedMyopic",
            "the prices that earn most with the next customer, by demand estimated in the sale",
        ),
        Entry(
            "lp_resolve",
            "rules.estimating",
            "LpResolve",
            "the deterministic problem of all products, by demand estimated in the sale, solved anew every tick",
        ),
        Entry("fluid", "rules.fluid", "Fluid", "the fluid problem's price, solved once at the start of the sale"),
        Entry("fluid_resolve", "rules.fluid", "FluidResolve", "the fluid problem's price, solved anew every tick"),
        Entry("gvr", "rules.fluid", "GallegoVanRyzin", "Gallego and van Ryzin's optimal price of continuous time"),
        Entry("myopic", "rules.fluid", "Myopic", "the prices that earn most with the next customer"),
        Entry("base_stock", "rules.fluid", "BaseStock", "orders up to one level of units on hand and coming"),
        Entry("s_S", "rules.fluid", "ReorderPoint", "orders up to S when units on hand and coming fall to s"),
        Entry("order_up_to", "rules.estimating", "OrderUpTo", "fixed prices, orders up to a forecast"),
        Entry("ucb", "rules.bandits", "UpperConfidence", "learns demand in the sale: upper confidence bounds"),
        Entry("thompson", "rules.bandits", "Thompson", "learns demand in the sale: Thompson sampling"),
        Entry("thompson_lp", "rules.bandits", "ThompsonLp", "Thompson sampling with a linear programme of the stock"),
        Entry("exp3", "rules.bandits", "Exp3", "learns prices in the sale by exponential weights, without a model"),
        Entry("contextual", "rules.demand_curves", "Contextual", "learns demand by intent mix and price (LinUCB)"),
        Entry(
            "certainty_equivalent",
            "rules.demand_curves",
            "CertaintyEquivalent",
            "the fluid price of the demand curve estimated in the sale, with forced exploration",
        ),
        Entry("dp", "exact.agent", "DynamicProgramming", "the exact optimum, where it can be computed"),
        _sb3(
            "ppo",
            "on_policy",
            "PPOAgent",
            "Stable-Baselines3 PPO that corrects a tuned heuristic for the customers who arrive",
        ),
        Entry("q_learning", "tabular", "QLearning", "Q-learning on a grid of time and stock", learns=True),
        Entry("sarsa", "tabular", "Sarsa", "SARSA on a grid of time and stock", learns=True),
        Entry("expected_sarsa", "tabular", "ExpectedSarsa", "expected SARSA on that grid", learns=True),
        _sb3("a2c", "on_policy", "A2CAgent", "advantage actor-critic of Stable-Baselines3"),
        _sb3("maskable_ppo", "on_policy", "MaskablePPOAgent", "PPO on grids, useless levels masked"),
        _sb3("recurrent_ppo", "on_policy", "RecurrentPPOAgent", "PPO with a memory of the sale"),
        _sb3("dqn", "off_policy", "DQNAgent", "deep Q-network on the small discrete grid"),
        _sb3("sac", "off_policy", "SACAgent", "soft actor-critic"),
        _sb3("td3", "off_policy", "TD3Agent", "twin delayed deterministic policy gradient"),
        _sb3("tqc", "off_policy", "TQCAgent", "truncated quantile critics"),
    )
}


def entry(name: str, words: Iterable[str] = ()) -> Entry:
    """An agent by a key of `AGENTS`, by the name of an entry point, or as `module:Class`.

    Args:
        name: of the agent.
        words: other words that the caller accepts; the error suggests the nearest of all.

    Raises:
        ValueError: there is no such agent.
    """
    if name in AGENTS:
        return AGENTS[name]
    points = entry_points()
    if name in points:
        return Entry(name, "", "", f"entry point {points[name].value}", factory=points[name].load())
    if is_reference(name):
        return Entry(name, "", "", f"of {name}", factory=import_reference(name))
    raise ValueError(
        unknown_name("agent", name, [*AGENTS, *points, *words])
        + " An agent of yours is module:Class, or registered with agents.register."
    )


def register(name: str, factory: Any, description: str = "", *, replace: bool = False) -> None:
    """Add an agent of yours to `AGENTS` for this process; benchmarks, `make` and `flashsale` then find it by name.

    Args:
        name: key of the table.
        factory: a class or function that is called with a `Scenario`, or an object with `predict`, see
            `agents.protocol`.
        description: what it does, in one line.
        replace: whether to replace a name that you registered before.

    Raises:
        ValueError: the name is taken or invalid.
    """
    if not name or ":" in name or "/" in name or name.endswith(".zip"):
        raise ValueError(f"the name of an agent must not be empty, a path or hold ':', got {name!r}.")
    if name in AGENTS and not (replace and AGENTS[name].factory is not None):
        raise ValueError(f"agent {name!r} is there already: choose another name, or replace=True for one of yours.")
    AGENTS[name] = Entry(name, "", "", description or f"registered {name}", factory=factory)


def make(
    name: str,
    scenario: str | Path | Scenario,
    *,
    population: str | Path | Population | None = None,
    device: str = "auto",
    seed: int = 0,
    **settings: Any,
) -> Any:
    """An agent by name.

    A rule takes the values that were tuned for this very game. Where there are none it takes its defaults, and its
    `mark` says so.

    Args:
        name: a key of `AGENTS`, the name of an entry point, or `module:Class`.
        scenario: name, path or object; tuned values of a path lie beside it.
        population: the customers it will meet, where values were tuned among several; the scenario's own by default.
        device: where a learner's policy lives: "auto" (CUDA where available), "cpu", "cuda" or "cuda:N"; heuristics
            compute on the CPU.
        seed: of the agent's own randomness; for a learner, the number of its training run.
        settings: parameters of a heuristic or settings of a learner, in place of tuned, preset or default values.

    Raises:
        ValueError: unknown name or setting, or the agent does not apply to the scenario; the message gives the reason.
    """
    check_device(device)
    known, sale = entry(name), load_scenario(scenario)
    reason = known.applies(sale)
    if reason is not None:
        raise ValueError(f"agent {name!r} does not apply to scenario {sale.name!r}: {reason}.")
    if known.learns:
        return known.cls(scenario, population=population, device=device, seed=seed, **settings)
    space = known.space(sale)
    found = find_tuned(name, space, scenario, population) if space else None
    params = {} if found is None else found.params
    if known.factory is not None:
        agent = build(known.factory, sale, seed=seed, settings={**params, **settings}, called=name)
    else:
        agent = known.cls(sale, seed=seed, **{**params, **settings})
    if found is not None and params and not space.keys() <= settings.keys():
        agent.mark = found.mark
    return agent


def load(folder: str | Path, scenario: str | Path | Scenario, device: str = "auto", **options: Any) -> Any:
    """An agent that `save` wrote. A scenario other than the one it was made for is a warning that lists differences.

    Args:
        folder: where it is, or a key of `REFERENCES`, the trained policies that are shipped.
        scenario: what it will play.
        device: as for `make`.
        options: of the agent's own `load`: `adviser_params` of a learner that plays other products than it learned on.

    Raises:
        FileNotFoundError: the folder holds no agent.
        ValueError: a file is broken or was replaced, names an unknown agent, or does not fit the scenario.
    """
    check_device(device)
    folder = REFERENCES.get(str(folder), Path(folder))
    name = read_card(folder)["name"]
    if name not in AGENTS:
        raise ValueError(unknown_name(f"agent in {folder}", name, AGENTS))
    return AGENTS[name].cls.load(folder, scenario, device, **options)


def shorter(name: str, scenario: str | Path | Scenario, sales: int) -> dict[str, int]:
    """Settings of a training of only `sales` sales: its preset's batch size, or a smaller one that fits."""
    own = make(name, scenario, device="cpu").settings
    siblings = getattr(own, "siblings", 1)
    return {"sales": sales, "num_envs": max(min(sales, own.num_envs) // siblings, 1) * siblings}


def tuned(
    name: str, scenario: str | Path | Scenario, population: str | Path | Population | None = None
) -> dict[str, float]:
    """The parameters of a rule that were tuned for this game; empty for a changed or unknown game.

    Args:
        name, scenario, population: as for `make`.
    """
    space = entry(name).space(scenario)
    return find_tuned(name, space, scenario, population).params if space else {}


def best_tuned(scenario: str | Path | Scenario) -> tuple[str, float] | None:
    """The rule with the highest profit in the file of a scenario's tuned values; None if none is tuned for this game.

    Returns:
        Its name, and its mean profit on validation sales that the search did not use, currency.
    """
    file = home(scenario)
    found = {}
    for name in read(file) if file is not None else ():
        space = AGENTS[name].space(scenario) if name in AGENTS else {}
        values = find_tuned(name, space, scenario)
        if space and values.mark != UNTUNED and not math.isnan(values.profit):
            found[name] = values.profit
    return max(found.items(), key=lambda item: item[1]) if found else None


def labelled(name: str, agent: Any) -> str:
    """Display name of an agent: its name, with its mark in brackets, e.g. that it is untuned here."""
    mark = getattr(agent, "mark", "")
    return f"{name} ({mark})" if mark else name
