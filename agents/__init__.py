"""Agents: heuristics, and Stable-Baselines3 learners, all behind `predict`.

    agent = agents.make("sell_through", "standard")
    actions, state = agent.predict(observations, state, episode_start)

`AGENTS` lists what there is; `register` adds one of yours, and `agents.own` says what a policy has to be. Listing and
heuristics need neither torch nor Stable-Baselines3. A module is imported when it is asked for: `agents.exact.optimal`.
"""

import importlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flashsale_env import Population, Scenario, load_scenario
from flashsale_env.agents.base import Space, read_card
from flashsale_env.agents.devices import check_device
from flashsale_env.agents.own import build, entry_points, import_reference, is_reference
from flashsale_env.agents.play import SaleTable, play, trace
from flashsale_env.agents.seeding import SPLITS, split_seeds
from flashsale_env.agents.tuned_values import find as find_tuned
from flashsale_env.errors import unknown_name

if TYPE_CHECKING:
    from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv

__all__ = [
    "AGENTS",
    "REFERENCES",
    "SPLITS",
    "Entry",
    "FlashSaleVecEnv",
    "SaleTable",
    "entry",
    "labelled",
    "load",
    "make",
    "play",
    "register",
    "shorter",
    "split_seeds",
    "trace",
    "tuned",
]

# Trained policies that are shipped: folders as `save` writes them, each with a card of its command and its figures.
REFERENCES_FOLDER = Path(__file__).parent / "trained"
REFERENCE_CARD = "card.json"
REFERENCES: dict[str, Path] = {path.parent.name: path.parent for path in REFERENCES_FOLDER.glob(f"*/{REFERENCE_CARD}")}


def _module(name: str) -> Any:
    """A module of this package.

    Raises:
        ModuleNotFoundError: it needs a package of the extra that is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(f"{__name__}.{name}")
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
    """One line of `AGENTS`: a class, the module of this package that holds it, and what it does.

    An agent of yours has its class, function or object in `own`, and neither module nor class name.
    """

    name: str
    module: str
    class_name: str
    description: str
    learns: bool = False
    own: Any = None

    @property
    def cls(self) -> Any:
        """The class; importing a learner's loads torch."""
        if self.own is not None:
            return self.own
        return getattr(_module(self.module), self.class_name)

    def applies(self, scenario: str | Path | Scenario) -> str | None:
        """Why the agent cannot play this scenario, or None where it can."""
        if self.module == "sb3.learners":  # asked where no torch has to be loaded for the answer
            reason = importlib.import_module(f"{__name__}.sb3.presets").why_not(self.name, load_scenario(scenario))
            return reason  # type: ignore[no-any-return]
        asked = getattr(self.cls, "applies", None)
        return None if asked is None else asked(load_scenario(scenario))

    def space(self, scenario: str | Path | Scenario) -> Space:
        """Parameters that `flashsale tune` searches, with their ranges; none of a learner or a plain policy."""
        declared = None if self.learns else getattr(self.cls, "space", None)
        return {} if declared is None else dict(declared(load_scenario(scenario)))


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
        Entry("fluid", "rules.fluid", "Fluid", "the fluid problem's price, solved once at the opening"),
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
        Entry("dp", "exact.optimal", "DynamicProgramming", "the exact optimum, where it can be computed"),
        Entry(
            "ppo",
            "sb3.learners",
            "PPOAgent",
            "Stable-Baselines3 PPO that corrects a tuned heuristic by who comes",
            learns=True,
        ),
        Entry("q_learning", "tabular", "QLearning", "Q-learning on a grid of time and stock", learns=True),
        Entry("sarsa", "tabular", "Sarsa", "SARSA on a grid of time and stock", learns=True),
        Entry("expected_sarsa", "tabular", "ExpectedSarsa", "expected SARSA on that grid", learns=True),
        Entry("a2c", "sb3.learners", "A2CAgent", "advantage actor-critic of Stable-Baselines3", learns=True),
        Entry("maskable_ppo", "sb3.learners", "MaskablePPOAgent", "PPO on grids, useless levels masked", learns=True),
        Entry("recurrent_ppo", "sb3.learners", "RecurrentPPOAgent", "PPO with a memory of the sale", learns=True),
        Entry("dqn", "sb3.learners", "DQNAgent", "deep Q-network on the small discrete grid", learns=True),
        Entry("sac", "sb3.learners", "SACAgent", "soft actor-critic", learns=True),
        Entry("td3", "sb3.learners", "TD3Agent", "twin delayed deterministic policy gradient", learns=True),
        Entry("tqc", "sb3.learners", "TQCAgent", "truncated quantile critics", learns=True),
    )
}


def entry(name: str, words: Iterable[str] = ()) -> Entry:
    """An agent by a key of `AGENTS`, by the name of an entry point, or as `module:Class`.

    Args:
        name: of the agent.
        words: other words that the caller understands, for the error that offers the nearest.

    Raises:
        ValueError: there is no such agent.
    """
    if name in AGENTS:
        return AGENTS[name]
    points = entry_points()
    if name in points:
        return Entry(name, "", "", f"entry point {points[name].value}", own=points[name].load())
    if is_reference(name):
        return Entry(name, "", "", f"of {name}", own=import_reference(name))
    raise ValueError(
        unknown_name("agent", name, [*AGENTS, *points, *words])
        + " An agent of yours is module:Class, or registered with agents.register."
    )


def register(name: str, factory: Any, description: str = "", *, replace: bool = False) -> None:
    """Add an agent of yours to `AGENTS`, for this process: benchmarks, `agents.make` and `flashsale` find it by name.

    Args:
        name: by which it is asked for.
        factory: a class or function that is called with a `Scenario`, or an object with `predict`, see `agents.own`.
        description: what it does, in one line.
        replace: whether a name that you registered before may be taken again.

    Raises:
        ValueError: the name is taken, or cannot be one.
    """
    if not name or ":" in name or "/" in name or name.endswith(".zip"):
        raise ValueError(f"the name of an agent must not be empty, a path or hold ':', got {name!r}.")
    if name in AGENTS and not (replace and AGENTS[name].own is not None):
        raise ValueError(f"agent {name!r} is there already: choose another name, or replace=True for one of yours.")
    AGENTS[name] = Entry(name, "", "", description or f"registered {name}", own=factory)


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

    A rule has the values that were tuned for this very game, else its defaults, and then says so in `mark`.

    Args:
        name: a key of `AGENTS`, the name of an entry point, or `module:Class`.
        scenario: name, path or object; tuned values of a path lie beside it.
        population: whom it is to meet, where values were tuned among several; the scenario's own by default.
        device: where a learner's policy lives: "auto" (CUDA when there is one), "cpu", "cuda" or "cuda:N"; heuristics
            compute on the CPU.
        seed: of the agent's own randomness, and for a learner the number of its training run.
        settings: a heuristic's parameters, in place of its tuned or default values; a learner's settings, in place
            of its preset's.

    Raises:
        ValueError: unknown name or setting, or the agent does not apply to the scenario; the message says why.
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
    if known.own is not None:
        agent = build(known.own, sale, seed=seed, settings={**params, **settings}, called=name)
    else:
        agent = known.cls(sale, seed=seed, **{**params, **settings})
    if found is not None and params and not space.keys() <= settings.keys():
        agent.mark = found.mark
    return agent


def load(folder: str | Path, scenario: str | Path | Scenario, device: str = "auto", **options: Any) -> Any:
    """An agent that `save` wrote. Where the scenario is not the one it was made for, a warning names what differs.

    Args:
        folder: where it is, or a name of `REFERENCES`, the trained policies that are shipped.
        scenario: what it is to play.
        device: as for `make`.
        options: of the agent's own `load`: `adviser_params` of a learner that plays other products than it learned on.

    Raises:
        FileNotFoundError: the folder holds no agent.
        ValueError: a file is broken or was swapped, names an unknown agent, or does not fit the scenario.
    """
    check_device(device)
    folder = REFERENCES.get(str(folder), Path(folder))
    name = read_card(folder)["name"]
    if name not in AGENTS:
        raise ValueError(unknown_name(f"agent in {folder}", name, AGENTS))
    return AGENTS[name].cls.load(folder, scenario, device, **options)


def shorter(name: str, scenario: str | Path | Scenario, sales: int) -> dict[str, int]:
    """Settings with which a learner plays so many sales in the whole training: in its own batch, or one as small."""
    own = make(name, scenario, device="cpu").settings
    siblings = getattr(own, "siblings", 1)
    return {"sales": sales, "num_envs": max(min(sales, own.num_envs) // siblings, 1) * siblings}


def tuned(
    name: str, scenario: str | Path | Scenario, population: str | Path | Population | None = None
) -> dict[str, float]:
    """The values of a rule that were tuned for this game; none for a changed or foreign one.

    Args:
        name, scenario, population: as for `make`.
    """
    space = entry(name).space(scenario)
    return find_tuned(name, space, scenario, population).params if space else {}


def labelled(name: str, agent: Any) -> str:
    """How an agent is shown: its name, and in brackets what must be known of it, e.g. that it is untuned here."""
    mark = getattr(agent, "mark", "")
    return f"{name} ({mark})" if mark else name


def __getattr__(name: str) -> Any:
    # Modules are imported when asked for: those of learners load torch.
    if name == "FlashSaleVecEnv":
        return _module("sb3.vec_env").FlashSaleVecEnv
    spec = None if name.startswith("_") else importlib.util.find_spec(f"{__name__}.{name}")
    if spec is not None and spec.origin is not None:
        return _module(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
