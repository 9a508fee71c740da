"""One sale as a Gymnasium environment: the batch with N = 1."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from flashsale_env.envs.infos import info_of_sale
from flashsale_env.envs.registration import spec_of_sale
from flashsale_env.errors import unknown_name
from flashsale_env.population import Population
from flashsale_env.scenario import REWARD_TERMS, Scenario
from flashsale_env.seeds import checked_seed, fresh_seeds
from flashsale_env.simulator import Simulator
from flashsale_env.spaces.actions import ActionCodec
from flashsale_env.spaces.masks import ActionMasks
from flashsale_env.spaces.observations import Layout
from flashsale_env.tables import as_declared
from flashsale_env.views.picture import render_rgb
from flashsale_env.views.text import render_text

RENDER_MODES = ("ansi", "rgb_array")
RENDER_FPS = 4


def observation_space(layout: Layout) -> spaces.Box:
    """The flat Box of a layout, (D,) float32."""
    return spaces.Box(layout.low, layout.high, dtype=np.float32)


def checked_render_mode(mode: str | None) -> str | None:
    """The render mode.

    Raises:
        ValueError: unknown mode.
    """
    if mode is not None and mode not in RENDER_MODES:
        raise ValueError(f"render_mode must be None, 'ansi' or 'rgb_array', got {mode!r}.")
    return mode


def checked_scale(scale: float) -> float:
    """The factor on rewards as a float; positive, so it preserves the order of policies.

    Raises:
        ValueError: not a finite number above 0.
    """
    number: float = as_declared(float, scale, "reward_scale")
    if number <= 0:
        raise ValueError(f"reward_scale must be above 0, got {number}.")
    return number


def check_options(options: Any, known: Sequence[str] = ()) -> None:
    """Refuse unknown reset options.

    Raises:
        ValueError: an option that is not `known`.
    """
    for name in options or ():
        if name not in known:
            if known:
                raise ValueError(unknown_name("reset option", name, known))
            raise ValueError(f"reset of a single sale takes no options, got {name!r}; leave it out.")


def frame(scenario: Scenario, sale: Any, mode: str | None) -> Any:
    """One sale as text ("ansi") or as an (H, W, 3) uint8 picture ("rgb_array"); None without a mode."""
    if mode == "ansi":
        return render_text(scenario, sale)
    return render_rgb(scenario, sale) if mode == "rgb_array" else None


class FlashSaleEnv(gym.Env[npt.NDArray[np.float32], Any]):
    """A flash sale: a limited time, a hard stock, a burst of customers; one agent sets price, orders and coupon.

    **Action** (`actions="box"`, the default): Box[-1, 1], one number per decision. The range is cut into cells of equal
    width, one per level. A decision with a single level is left out.

    | columns | decides | -1 | +1 |
    |---|---|---|---|
    | price[product], one per product | price of the coming tick | list price | lowest price level |
    | order[product], one per product that can be ordered | units ordered from the reserve | none | largest order |
    | coupon | depth of the coupon on offer | none | deepest |
    | targeted[intent], one per intent | depth of the offer to customers of that predicted intent | none | deepest |

    `actions="multidiscrete"` takes level indices. `actions="discrete"` takes an index into a small grid in which all
    products move together; action 0 is list price, no order, no coupon. `codec.names` names every column.

    **Observation**: one flat float32 Box with finite bounds. `layout[name]` is the slice of a feature, and
    `layout.entries` names every number with its unit and bounds; docs/environment.md prints the table. It contains what
    a shop sees: time, stock, sales, traffic, coupon, and the encoder's intent probabilities of customers' messages. It
    never contains tastes, true intents or the shocks of the sale.

    **Reward**: currency earned in the tick, the sum of the `reward_terms/...` of the info, times `reward_scale`. The
    opening stock was bought before the sale, so its cost is in `info["profit"]` and not in the reward. The penalty for
    lost sales is in the reward and not in the profit.

    **Info**: flat, one number per key: `profit`, `metrics/NAME`, `reward_terms/NAME`, see `flashsale_env.envs.infos`.
    Money is in unscaled currency.

    **End**: `terminated` at the close of the sale; never `truncated`. `spec.max_episode_steps` is the horizon + 1.

    **Seeds**: `reset(seed=s)`, s in 0..2^64 - 1, opens the sale (s, episode 0); each later `reset()` opens the next
    episode of s. Without any seed, the first `reset()` draws one from the system's entropy; it is `np_random_seed`.

    Args:
        scenario: name of a shipped scenario, path of a TOML file, or a `Scenario`.
        population: "learned", "reference", "homogeneous", a folder, or a `Population`; the scenario's by default.
        actions: "box", "multidiscrete" or "discrete".
        render_mode: None, "ansi" or "rgb_array".
        reward_scale: factor on the rewards, above 0. Infos stay in currency.
        clip_actions: whether box actions are clipped to [-1, 1]; otherwise an action outside is refused. NaN is always
            refused.
    """

    metadata = {"render_modes": list(RENDER_MODES), "render_fps": RENDER_FPS}  # noqa: RUF012  (Gymnasium's own form)
    _simulator_class: type[Simulator] = Simulator

    def __init__(
        self,
        scenario: str | Scenario = "standard",
        population: str | Population | None = None,
        actions: str = "box",
        render_mode: str | None = None,
        reward_scale: float = 1.0,
        clip_actions: bool = False,
    ) -> None:
        self.render_mode = checked_render_mode(render_mode)
        self.reward_scale = checked_scale(reward_scale)
        self.simulator = self._simulator_class(
            scenario, population, actions=actions, clip_actions=clip_actions, threads=1
        )
        self.action_space = self.codec.space
        self.observation_space: spaces.Box = observation_space(self.layout)  # type: ignore[assignment]
        self._masks: ActionMasks | None = None
        self._spec: EnvSpec | None = None
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

    @property
    def spec(self) -> EnvSpec | None:
        """The spec from `gymnasium.make`, with the step limit and the known optimum of this sale."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = spec_of_sale(spec, self.simulator, self.simulator.episode_ticks + 1, self.reward_scale)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Open the next sale.

        Args:
            seed: of the sale, which is its episode 0; None for the next episode of the current seed.
            options: none are known.

        Returns:
            The first observation, (D,) float32, and the info.

        Raises:
            ValueError: the seed is not a whole number in 0..2^64 - 1, or options are given.
        """
        check_options(options)
        if seed is not None:
            seed = checked_seed(seed)
        elif self._episode < 0:
            seed = int(fresh_seeds(1)[0])
        super().reset(seed=seed)
        if seed is not None:
            self._seed, self._episode = seed, -1
        self._episode += 1
        observations = self.simulator.open(np.array([self._seed], np.uint64), np.array([self._episode], np.int64))
        return observations[0], info_of_sale(self.simulator.measure()[0], np.zeros(len(REWARD_TERMS)))

    def step(self, action: Any) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Play one tick.

        Args:
            action: (C,), or a single index in the discrete encoding.

        Returns:
            Observation (D,) float32, reward, terminated (the sale closed), truncated (always False), info.

        Raises:
            ValueError: the action has a wrong shape or type, is not finite, or is out of range; nothing was played.
            gymnasium.error.ResetNeeded: the sale is closed, or was never opened.
        """
        sales, horizon = self.simulator.sales, self.simulator.scenario.horizon_ticks
        if self._episode < 0 or sales["tick"][0] >= horizon:
            raise gym.error.ResetNeeded("the sale is closed or was never opened: call reset() to open one.")
        observations, rewards, terms = self.simulator.advance(self.simulator.codec.batch_of_one(action))
        closed = bool(sales["tick"][0] >= horizon)
        info = info_of_sale(self.simulator.measure()[0], terms[0])
        return observations[0], float(rewards[0]) * self.reward_scale, closed, False, info

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """(A,) the actions that can still make a difference, see `flashsale_env.spaces.masks`.

        Raises:
            ValueError: the actions have the box encoding.
        """
        if self._masks is None:
            self._masks = ActionMasks(self.scenario, self.codec.encoding)
        return np.asarray(self._masks(self.simulator.observe())[0])

    def render(self) -> Any:
        """The state of the sale as text ("ansi") or as an (H, W, 3) uint8 picture ("rgb_array"); None without a mode.

        Raises:
            gymnasium.error.ResetNeeded: no sale was ever opened.
        """
        if self.render_mode is not None and self._episode < 0:
            raise gym.error.ResetNeeded("the sale was never opened: call reset() first.")
        return frame(self.scenario, self.simulator.sales[0], self.render_mode)
