"""Which levels of a grid action are worth considering.

Owns    the map observations -> allowed levels, for `MaskablePPO` and whoever else wants it.
Axes    N sales, D numbers of an observation, C columns of an action, A outputs: the levels of all columns of a
        multidiscrete action one after the other, or the actions of a discrete one.

Everything comes down to a highest useful level of every column. A price of a product that is sold out for good moves
nothing: level 0. An order is useful up to the first level that takes all there is to take. A coupon is useful as deep
as what is left of its budget honours on the cheapest price; deeper ones would be clipped by nobody (all they could do
is to draw customers by a promise that cannot be kept). A discrete action is masked where its predecessor in markdown,
order or coupon amounts to the same.
"""

import numpy as np
import numpy.typing as npt

from flashsale_env.scenario import Scenario
from flashsale_env.spaces.actions import ActionCodec
from flashsale_env.spaces.units import UnitReader

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# The observation holds the budget in single precision: it is known to within this share.
_PRECISION = 1e-5


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
        codec, units = self._codec, self._units
        highest = np.tile(codec.n_levels - 1, (len(observations), 1))
        if "to_order" in units:
            supply = units.to_order(observations)
            for column, j in zip(codec.order_columns, codec.products_of(codec.order_columns), strict=True):
                enough = np.searchsorted(codec.levels[column], supply[:, j])
                highest[:, column] = np.minimum(enough, highest[:, column])
            if "position" in units:
                gone = (units.position(observations) == 0) & (supply == 0)
                of = codec.products_of(codec.price_columns)
                highest[:, codec.price_columns] = np.where(gone[:, of], 0, highest[:, codec.price_columns])
        if "coupon_budget" in units and self._scenario.coupon is not None:
            left = units.coupon_budget(observations)
            cheapest = min(min(product.price_levels) for product in self._scenario.products)
            discounts = np.array(self._scenario.coupon.depths) * cheapest
            for column in codec.coupon_columns:
                highest[:, column] = np.searchsorted(discounts, left * (1 + _PRECISION), side="right") - 1
        return highest

    def _grid_steps(self) -> list[tuple[Ints, Ints]]:
        """For markdown, order and coupon: its columns, and their levels (steps, columns)."""
        codec = self._codec
        actions = np.arange(codec.space.n)  # type: ignore[union-attr]
        levels = np.asarray(codec.check(actions, len(actions)), np.int64)
        parts = [
            columns for columns in (codec.price_columns, codec.order_columns, codec.coupon_columns) if len(columns)
        ]
        return [(columns, np.unique(levels[:, columns], axis=0)) for columns in parts]
