"""Which levels of a grid action are worth considering.

Owns    the map observations -> allowed levels, for `MaskablePPO` and whoever else wants it.
Axes    N sales, D numbers of an observation, C columns of an action, A outputs: the levels of all columns of a
        multidiscrete action one after the other, or the actions of a discrete one.

Each mechanism says up to which level a decision of its own can make a difference (`Decision.highest_useful`): a price
of a product that is sold out for good changes nothing, an order is useful up to the first level that takes all there is
to take, a coupon as deep as what is left of its budget pays for. A discrete action is masked where its predecessor in
one of these decisions amounts to the same.
"""

import numpy as np
import numpy.typing as npt

from flashsale_env.scenario import DECISIONS, Scenario
from flashsale_env.spaces.actions import ActionCodec
from flashsale_env.spaces.units import UnitReader

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class ActionMasks:
    """Allowed levels of a scenario.

    What the scenario does not show masks nothing.

    Args:
        scenario: the scenario.
        encoding: "multidiscrete" or "discrete".

    Raises:
        ValueError: another encoding.
    """

    def __init__(self, scenario: Scenario, encoding: str) -> None:
        if encoding not in ("multidiscrete", "discrete"):
            raise ValueError(f"masks are for multidiscrete and discrete actions, got {encoding!r}.")
        self._scenario, self._units = scenario, UnitReader(scenario)
        self._codec = ActionCodec(scenario, encoding)
        self._steps = self._grid_steps() if encoding == "discrete" else []

    def __call__(self, observations: npt.NDArray[np.float32]) -> Bools:
        """(N, D) -> (N, A)."""
        highest = self.highest_levels(observations)
        if self._codec.encoding == "multidiscrete":
            return np.concatenate(
                [np.arange(n) <= highest[:, c : c + 1] for c, n in enumerate(self._codec.n_levels)], axis=1
            )
        allowed = np.ones((len(highest), 1), np.bool_)
        for columns, levels in self._steps:
            useful = np.minimum(levels, highest[:, None, columns])
            differs = np.ones(useful.shape[:2], np.bool_)
            differs[:, 1:] = (useful[:, 1:] != useful[:, :-1]).any(axis=2)
            allowed = (allowed[:, :, None] & differs[:, None, :]).reshape(len(highest), -1)
        return allowed

    def highest_levels(self, observations: npt.NDArray[np.float32]) -> Ints:
        """(N, C) the highest level of each column that can still make a difference."""
        codec = self._codec
        highest = np.tile(codec.n_levels - 1, (len(observations), 1))
        for name, decision in DECISIONS.items():
            columns = codec.columns(name)
            if not len(columns) or decision.highest_useful is None:
                continue
            useful = decision.highest_useful(self._scenario, self._units, observations)
            if useful is not None:
                highest[:, columns] = np.minimum(useful[:, codec.numbers_of(columns)], highest[:, columns])
        return highest

    def _grid_steps(self) -> list[tuple[Ints, Ints]]:
        """For each decision of the discrete grid: its columns, and their levels (steps, columns)."""
        codec = self._codec
        actions = np.arange(codec.space.n)  # type: ignore[union-attr]
        levels = np.asarray(codec.check(actions, len(actions)), np.int64)
        parts = [codec.columns(name) for name, decision in DECISIONS.items() if decision.discrete_steps != 0]
        return [(columns, np.unique(levels[:, columns], axis=0)) for columns in parts if len(columns)]
