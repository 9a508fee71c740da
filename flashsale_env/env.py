"""One sale as a Gymnasium environment: the batch with N = 1."""

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from flashsale_env.actions import ActionCodec
from flashsale_env.core.metrics import METRICS
from flashsale_env.core.rewards import REWARD_TERMS
from flashsale_env.observations import Layout
from flashsale_env.population import Population
from flashsale_env.rendering import render_rgb, render_text
from flashsale_env.scenario import Scenario
from flashsale_env.simulator import Simulator


def observation_space(layout: Layout) -> spaces.Box:
    """The flat box of a layout."""
    return spaces.Box(layout.low, layout.high, dtype=np.float32)


class FlashSaleEnv(gym.Env[npt.NDArray[np.float32], Any]):
    """A flash sale: a limited time, a hard stock, a burst of customers; one agent sets price, orders and coupon.

    **Action** (`actions="box"`, the default): Box[-1, 1], one number a decision, cut into cells of equal width, one
    cell a level. A decision with a single level is left out.

    | columns | decides | -1 | +1 |
    |---|---|---|---|
    | price[product], one a product | price of the coming tick | list price | lowest price level |
    | order[product], one a product that can be ordered | units ordered from the reserve | none | largest order |
    | coupon | depth of the coupon on offer | none | deepest |
    | targeted[intent], one an intent | depth of the offer to customers of that predicted intent | none | deepest |

    `actions="multidiscrete"` takes the numbers of the levels, `actions="discrete"` a number of a small grid in which
    all products move together; its action 0 is list price, no order, no coupon. `codec.names` names every column.

    **Observation**: one flat float32 Box with finite bounds. `layout[name]` is the slice of a feature and
    `layout.entries` names every number with its unit and bounds; README.md prints the table. It holds what a shop
    sees: time, stock, sales, traffic, coupon, and what the encoder reads in customers' messages. It never holds
    tastes, true intents or the shocks of the sale.

    **Reward**: currency earned in the tick, the sum of `info["reward_terms"]`. The opening stock was bought before the
    sale, so its cost is in `info["metrics"]["profit"]` and not in the reward; a lost-sale penalty is in the reward and
    not in the profit.

    **End**: `terminated` at the close of the sale; never `truncated`.

    **Seeds**: `reset(seed=s)` opens the sale (s, episode 0); every `reset()` after it the next episode of s.

    Args:
        scenario: name of a shipped scenario, path of a TOML file, or a `Scenario`.
        population: "learned", "reference", "homogeneous", a folder, or a `Population`; the scenario's by default.
        actions: "box", "multidiscrete" or "discrete".
        render_mode: None, "ansi" or "rgb_array".
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012  (Gymnasium's own form)

    def __init__(
        self,
        scenario: str | Scenario = "standard",
        population: str | Population | None = None,
        actions: str = "box",
        render_mode: str | None = None,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode must be None, 'ansi' or 'rgb_array', got {render_mode!r}.")
        self.render_mode = render_mode
        self.simulator = Simulator(scenario, population, actions=actions, threads=1)
        self.action_space = self.codec.space
        self.observation_space: spaces.Box = observation_space(self.layout)  # type: ignore[assignment]
        self._seed = 0
        self._episode = -1

    @property
    def scenario(self) -> Scenario:
        """The scenario being played."""
        return self.simulator.scenario

    @property
    def layout(self) -> Layout:
        """Where each feature lies in the observation."""
        return self.simulator.layout

    @property
    def codec(self) -> ActionCodec:
        """What each column of the action decides."""
        return self.simulator.codec

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Open the next sale; `options` is not used."""
        super().reset(seed=seed)
        if seed is not None or self._episode < 0:
            self._seed = (self.np_random_seed if seed is None else seed) % 2**64
            self._episode = -1
        self._episode += 1
        observations = self.simulator.open(np.array([self._seed], np.uint64), np.array([self._episode], np.int64))
        return observations[0], self._info(np.zeros(len(REWARD_TERMS)))

    def step(self, action: Any) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Play one tick.

        Raises:
            ValueError: the action has a wrong shape or type, is not finite or out of range; nothing was played.
            gymnasium.error.ResetNeeded: the sale is closed, or was never opened.
        """
        sales = self.simulator.sales
        if self._episode < 0 or sales["tick"][0] >= self.scenario.horizon_ticks:
            raise gym.error.ResetNeeded("the sale is closed or was never opened: call reset() to open one.")
        observations, rewards, terms = self.simulator.advance(np.asarray(action)[None])
        closed = bool(sales["tick"][0] >= self.scenario.horizon_ticks)
        return observations[0], float(rewards[0]), closed, False, self._info(terms[0])

    def render(self) -> Any:
        """The state of the sale as text ("ansi") or as an (H, W, 3) uint8 picture ("rgb_array")."""
        if self.render_mode == "ansi":
            return render_text(self.scenario, self.simulator.sales[0])
        if self.render_mode == "rgb_array":
            return render_rgb(self.scenario, self.simulator.sales[0])
        return None

    def _info(self, terms: npt.NDArray[np.float64]) -> dict[str, Any]:
        return {
            "reward_terms": dict(zip(REWARD_TERMS, terms.tolist(), strict=True)),
            "metrics": dict(zip(METRICS, self.simulator.measure()[0].tolist(), strict=True)),
        }
