"""Agents: heuristics, and Stable-Baselines3 learners, all behind `predict`.

    agent = agents.make("sell_through", "standard")
    actions, state = agent.predict(observations, state, episode_start)

`AGENTS` lists what there is. Listing and heuristics need neither torch nor Stable-Baselines3.
"""

import importlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flashsale_env import SCENARIOS, Scenario, load_scenario
from flashsale_env.agents.base import read_card
from flashsale_env.agents.play import SaleTable, play, trace
from flashsale_env.agents.seeding import SPLITS, split_seeds
from flashsale_env.errors import unknown_name

if TYPE_CHECKING:
    from flashsale_env.agents.sb3_vec_env import FlashSaleVecEnv

__all__ = [
    "AGENTS",
    "REFERENCES",
    "SPLITS",
    "Entry",
    "FlashSaleVecEnv",
    "SaleTable",
    "load",
    "make",
    "play",
    "shorter",
    "split_seeds",
    "trace",
    "tuned",
]

_TUNED = Path(__file__).parent / "tuned"

# Trained policies that are shipped: folders as `save` writes them, each with a card of its command and its figures.
REFERENCES_FOLDER = Path(__file__).parent / "trained"
REFERENCE_CARD = "card.json"
REFERENCES: dict[str, Path] = {path.parent.name: path.parent for path in REFERENCES_FOLDER.glob(f"*/{REFERENCE_CARD}")}


@dataclass(frozen=True)
class Entry:
    """One line of `AGENTS`: a class, the module of this package that holds it, and what it does."""

    name: str
    module: str
    class_name: str
    description: str
    learns: bool = False

    @property
    def cls(self) -> Any:
        """The class; importing a learner's loads torch."""
        return getattr(importlib.import_module(f"{__name__}.{self.module}"), self.class_name)

    def applies(self, scenario: str | Path | Scenario) -> str | None:
        """Why the agent cannot play this scenario, or None where it can."""
        if self.module == "sb3":  # asked where no torch has to be loaded for the answer
            reason = importlib.import_module(f"{__name__}.sb3_presets").why_not(self.name, load_scenario(scenario))
            return reason  # type: ignore[no-any-return]
        return self.cls.applies(load_scenario(scenario))  # type: ignore[no-any-return]


AGENTS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("random", "heuristics", "Random", "uniform over the levels of every decision"),
        Entry("fixed_price", "heuristics", "FixedPrice", "the best constant price of each product"),
        Entry("linear_markdown", "heuristics", "LinearMarkdown", "prices that come down evenly in time"),
        Entry(
            "sell_through",
            "heuristics",
            "SellThrough",
            "chases the sell-through curve: marks down what sells behind it, up what sells ahead",
        ),
        Entry("step_markdown", "heuristics", "StepMarkdown", "prices that step down at two moments"),
        Entry("clearance", "heuristics", "Clearance", "holds the price, then clears what is left by its cover"),
        Entry("proportional", "heuristics", "Proportional", "a price proportional to mean willingness to pay"),
        Entry("slump_coupon", "heuristics", "SlumpCoupon", "fixed prices, and a coupon when trade slumps"),
        Entry(
            "estimated_myopic",
            "estimating",
            "EstimatedMyopic",
            "the prices that earn most with the next customer, by demand estimated in the sale",
        ),
        Entry(
            "lp_resolve",
            "estimating",
            "LpResolve",
            "the deterministic problem of all products, by demand estimated in the sale, solved anew every tick",
        ),
        Entry("fluid", "fluid", "Fluid", "the fluid problem's price, solved once at the opening"),
        Entry("fluid_resolve", "fluid", "FluidResolve", "the fluid problem's price, solved anew every tick"),
        Entry("gvr", "fluid", "GallegoVanRyzin", "Gallego and van Ryzin's optimal price of continuous time"),
        Entry("myopic", "fluid", "Myopic", "the prices that earn most with the next customer"),
        Entry("base_stock", "fluid", "BaseStock", "orders up to one level of units on hand and coming"),
        Entry("s_S", "fluid", "ReorderPoint", "orders up to S when units on hand and coming fall to s"),
        Entry("order_up_to", "estimating", "OrderUpTo", "fixed prices, orders up to a forecast"),
        Entry("ucb", "bandits", "UpperConfidence", "learns demand in the sale: upper confidence bounds"),
        Entry("thompson", "bandits", "Thompson", "learns demand in the sale: Thompson sampling"),
        Entry("thompson_lp", "bandits", "ThompsonLp", "Thompson sampling with a linear programme of the stock"),
        Entry("exp3", "bandits", "Exp3", "learns prices in the sale by exponential weights, without a model"),
        Entry("contextual", "demand_curves", "Contextual", "learns demand by intent mix and price (LinUCB)"),
        Entry(
            "certainty_equivalent",
            "demand_curves",
            "CertaintyEquivalent",
            "the fluid price of the demand curve estimated in the sale, with forced exploration",
        ),
        Entry("dp", "optimal", "DynamicProgramming", "the exact optimum, where it can be computed"),
        Entry(
            "ppo",
            "sb3",
            "PPOAgent",
            "Stable-Baselines3 PPO that corrects a tuned heuristic by who comes",
            learns=True,
        ),
        Entry("q_learning", "tabular", "QLearning", "Q-learning on a grid of time and stock", learns=True),
        Entry("sarsa", "tabular", "Sarsa", "SARSA on a grid of time and stock", learns=True),
        Entry("expected_sarsa", "tabular", "ExpectedSarsa", "expected SARSA on that grid", learns=True),
        Entry("a2c", "sb3", "A2CAgent", "advantage actor-critic of Stable-Baselines3", learns=True),
        Entry("maskable_ppo", "sb3", "MaskablePPOAgent", "PPO on grids, useless levels masked", learns=True),
        Entry("recurrent_ppo", "sb3", "RecurrentPPOAgent", "PPO with a memory of the sale", learns=True),
        Entry("dqn", "sb3", "DQNAgent", "deep Q-network on the small discrete grid", learns=True),
        Entry("sac", "sb3", "SACAgent", "soft actor-critic", learns=True),
        Entry("td3", "sb3", "TD3Agent", "twin delayed deterministic policy gradient", learns=True),
        Entry("tqc", "sb3", "TQCAgent", "truncated quantile critics", learns=True),
    )
}


def make(name: str, scenario: str | Path | Scenario, *, device: str = "auto", seed: int = 0, **settings: Any) -> Any:
    """An agent by name.

    Args:
        name: a key of `AGENTS`.
        scenario: name, path or object.
        device: where a learner's policy lives: "auto" (CUDA when there is one), "cpu", "cuda"; heuristics compute
            on the CPU.
        seed: of the agent's own randomness, and for a learner the number of its training run.
        settings: a heuristic's parameters, in place of its tuned or default values; a learner's settings, in place
            of its preset's.

    Raises:
        ValueError: unknown name or setting, or the agent does not apply to the scenario; the message says why.
    """
    if name not in AGENTS:
        raise ValueError(unknown_name("agent", name, AGENTS))
    entry, scenario = AGENTS[name], load_scenario(scenario)
    reason = entry.applies(scenario)
    if reason is not None:
        raise ValueError(f"agent {name!r} does not apply to scenario {scenario.name!r}: {reason}.")
    if entry.learns:
        return entry.cls(scenario, device=device, seed=seed, **settings)
    return entry.cls(scenario, seed=seed, **{**tuned(name, scenario), **settings})


def load(folder: str | Path, scenario: str | Path | Scenario, device: str = "auto", **options: Any) -> Any:
    """An agent that `save` wrote.

    Args:
        folder: where it is, or a name of `REFERENCES`, the trained policies that are shipped.
        scenario: what it is to play.
        device: as for `make`.
        options: of the agent's own `load`: `adviser_params` of a learner that plays other products than it learned on.

    Raises:
        FileNotFoundError: the folder holds no agent.
        ValueError: the file is broken, names an unknown agent, or does not fit the scenario.
    """
    folder = REFERENCES.get(str(folder), Path(folder))
    name = read_card(folder)["name"]
    if name not in AGENTS:
        raise ValueError(unknown_name(f"agent in {folder}", name, AGENTS))
    return AGENTS[name].cls.load(folder, load_scenario(scenario), device, **options)


def shorter(name: str, scenario: str | Path | Scenario, sales: int) -> dict[str, int]:
    """Settings with which a learner plays so many sales in the whole training: in its own batch, or one as small."""
    own = make(name, scenario, device="cpu").settings
    siblings = getattr(own, "siblings", 1)
    return {"sales": sales, "num_envs": max(min(sales, own.num_envs) // siblings, 1) * siblings}


def tuned(name: str, scenario: Scenario) -> dict[str, float]:
    """The committed parameters of a heuristic for a shipped scenario; none for a changed or foreign one.

    A copy made by `Scenario.replace` has them as long as it has the same decisions.
    """
    values = _tuned_file(scenario.name).get(name, {}).get("params", {})
    return dict(values) if set(values) == set(AGENTS[name].cls.space(scenario)) else {}


@cache
def _tuned_file(scenario_name: str) -> Any:
    path = _TUNED / f"{scenario_name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if scenario_name in SCENARIOS and path.exists() else {}


def __getattr__(name: str) -> Any:
    # Stable-Baselines3 loads torch: only when asked for.
    if name == "FlashSaleVecEnv":
        return importlib.import_module(f"{__name__}.sb3_vec_env").FlashSaleVecEnv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
