"""The form of a lever: a rule for one decision, which every pricing rule shares.

Owns    the interface, the constant level of decisions without a rule of their own, and names of parameters.
Leaves  the rules to the other files of this folder, and which decision has which to its table `LEVERS`.
Axes    N sales, C columns of one decision in the action.
"""

from collections.abc import Mapping

import numpy as np

from flashsale_env import ActionCodec, Scenario
from flashsale_env.agents.base import Space
from flashsale_env.agents.rules.view import Integers, View
from flashsale_env.spaces.decisions import decision_rows


class Lever:
    """A rule that decides by the current observation alone.

    Args:
        decision: that it takes, a key of `flashsale_env.scenario.DECISIONS`; its parameters begin with this name.
    """

    def __init__(self, decision: str) -> None:
        self.decision = decision

    def needs(self, scenario: Scenario) -> tuple[str, ...]:
        """Quantities of `UnitReader` that it reads; where one is not shown, the rules do not apply."""
        return ()

    def space(self, scenario: Scenario) -> Space:
        """Its parameters, with the ranges that tuning searches."""
        raise NotImplementedError

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        """Untuned values of the parameters; more than those of `space` are allowed."""
        raise NotImplementedError

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        """(N, C) levels for the next tick, or an array that broadcasts to it."""
        raise NotImplementedError


class Constant(Lever):
    """One level for the whole sale, the parameter `level[NAME]`, found by tuning.

    Where the rows of a decision have different numbers of levels, shorter ones take their last.

    Args:
        decision: as for `Lever`.
        usual: the untuned level.
    """

    def __init__(self, decision: str, usual: int = 0) -> None:
        super().__init__(decision)
        self._usual = usual

    def space(self, scenario: Scenario) -> Space:
        return {own("level", self.decision): (0, highest_level(scenario, self.decision))}

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        return {own("level", self.decision): self._usual}

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        last = codec.n_levels[codec.columns(self.decision)] - 1
        return np.minimum(int(params[own("level", self.decision)]), last)


def highest_level(scenario: Scenario, decision: str) -> int:
    """The highest level of any row of a decision."""
    return max(len(row.levels) - 1 for row in decision_rows(scenario) if row.decision == decision)


def own(name: str, title: str) -> str:
    """Name of the parameter of one product, intent or decision, e.g. "base[air fryer]"."""
    return f"{name}[{title}]"
