"""Several objectives: the reward of a sale as a vector, by the interface of MO-Gymnasium.

Owns    which terms of the reward make up which objective, a single sale and a native batch with vector rewards.
Leaves  everything else to `envs.sale` and `envs.vector`: the same sales, observations and actions.
Axes    N sales, J objectives, K reward terms.

    env = gym.make("FlashSaleMO/Full-v0")                             # or mo_gymnasium.make
    batch = gym.make_vec("FlashSaleMO/Full-v0", num_envs=1024)        # rewards (1024, J)

The vector sums to the reward of the environment with one objective, up to rounding.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from flashsale_env.envs.infos import TERM_KEYS
from flashsale_env.envs.sale import FlashSaleEnv
from flashsale_env.errors import unknown_name
from flashsale_env.scenario import MECHANISMS, REWARD_TERMS, Scenario, load_scenario

MONEY = "money"

Objectives = Mapping[str, Sequence[str]]
Floats = npt.NDArray[np.float64]


def terms_of(scenario: Scenario) -> list[str]:
    """The terms of the reward that a sale of this scenario can have."""
    return [
        name
        for entry in MECHANISMS.values()
        if entry.present(scenario)
        for name, term in entry.mechanism.terms.items()
        if term.applies(scenario)
    ]


def default_objectives(scenario: Scenario) -> dict[str, list[str]]:
    """`money`, and each penalty that is no money."""
    terms = terms_of(scenario)
    money = [name for name in terms if REWARD_TERMS[name].is_money]
    return {MONEY: money} | {name: [name] for name in terms if not REWARD_TERMS[name].is_money}


def checked_objectives(scenario: Scenario, objectives: Objectives | None) -> dict[str, list[str]]:
    """The terms of each objective.

    Args:
        scenario: of the sale.
        objectives: name -> terms; None for `default_objectives`.

    Raises:
        ValueError: an objective without a term, a term that does not exist or is always 0 here, one that is named twice
            or not at all, or fewer than two objectives.
    """
    known = terms_of(scenario)
    if objectives is None:
        chosen = default_objectives(scenario)
    else:
        chosen = {name: list(terms) for name, terms in objectives.items()}
    for name, terms in chosen.items():
        if not terms:
            raise ValueError(f"objective {name!r} has no term: name some of {', '.join(known)}.")
        for term in terms:
            if term not in REWARD_TERMS:
                raise ValueError(f"objective {name!r}: {unknown_name('reward term', term, REWARD_TERMS)}")
            if term not in known:
                raise ValueError(
                    f"objective {name!r}: the term {term!r} is always 0 in scenario {scenario.name!r}, which has "
                    f"{', '.join(known)}."
                )
    times = Counter(term for terms in chosen.values() for term in terms)
    if wrong := [term for term in known if times[term] != 1]:
        raise ValueError(
            f"every term belongs to exactly one objective, so that they sum to the reward; got {wrong[0]!r} "
            f"{times[wrong[0]]} times. The terms are {', '.join(known)}."
        )
    if len(chosen) < 2:
        raise ValueError(
            f"scenario {scenario.name!r} has one objective, {next(iter(chosen))}: name several, e.g. "
            f"objectives={{'revenue': ['revenue'], 'rest': {[term for term in known if term != 'revenue']}}}, or give "
            f"its products a lost_sale_penalty."
        )
    return chosen


def weights(chosen: Objectives) -> Floats:
    """(K, J) 1 where a term counts towards an objective."""
    return np.array([[float(term in terms) for terms in chosen.values()] for term in REWARD_TERMS])


def reward_space(chosen: Objectives) -> spaces.Box:
    """(J,) float64, without bounds."""
    return spaces.Box(-np.inf, np.inf, (len(chosen),), np.float64)


def vector_reward(info: Mapping[str, Any], weighed: Floats, scale: float) -> Floats:
    """(J,) or (N, J) from the terms in the info of a sale or of a batch, `weights` (K, J) and `reward_scale`."""
    return np.asarray(np.stack([info[key] for key in TERM_KEYS], axis=-1) @ weighed * scale)


class FlashSaleMOEnv(FlashSaleEnv):
    """A flash sale with a vector reward, (J,) float64: one number for each objective, in `objectives`' order.

    `reward_space` is its space, as MO-Gymnasium names it.

    Args:
        scenario: as for `FlashSaleEnv`.
        objectives: name -> terms of the reward; by default `money` and each penalty that is no money. Every term that
            the scenario can have belongs to exactly one objective.
        options: the other arguments of `FlashSaleEnv`.

    Raises:
        ValueError: see `checked_objectives`.
    """

    def __init__(
        self, scenario: str | Scenario = "full", *, objectives: Objectives | None = None, **options: Any
    ) -> None:
        sale = load_scenario(scenario)
        self.objectives = checked_objectives(sale, objectives)
        super().__init__(sale, **options)
        self._weights = weights(self.objectives)
        self.reward_space = reward_space(self.objectives)

    def step(self, action: Any) -> tuple[Any, Floats, bool, bool, dict[str, Any]]:  # type: ignore[override]
        """As for `FlashSaleEnv`, with the reward (J,)."""
        observation, _, closed, truncated, info = super().step(action)
        return observation, vector_reward(info, self._weights, self.reward_scale), closed, truncated, info
