"""One sale as a Gymnasium environment for language models: reports in, decisions as JSON out.

Owns    the text environment: the single environment with words on both sides, and actions of several ticks.
Leaves  the sale to `envs.sale`, the words of a report to `views.report`, those of an action to `spaces.levers`.
"""

import json
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from flashsale_env.envs.registration import spec_of_sale
from flashsale_env.envs.sale import RENDER_FPS, RENDER_MODES, FlashSaleEnv
from flashsale_env.population import Population
from flashsale_env.scenario import REWARD_TERMS, Scenario, load_scenario
from flashsale_env.simulator import checked_count
from flashsale_env.spaces.levers import Document, Levers, Settings
from flashsale_env.views.report import Earned, Extent, instructions, longest_report, report

# Visits that are recorded at first; the record grows with the sale.
_FIRST_VISITS = 1024


class LeverSpace(gym.Space[str]):
    """JSON texts that `Levers` reads; a sample sets every decision to a level drawn uniformly, for one tick.

    Args:
        levers: the decisions.
        most_ticks: that one action may play.
        seed: of the samples.
    """

    def __init__(self, levers: Levers, most_ticks: int, seed: int | None = None) -> None:
        super().__init__(dtype=str, seed=seed)
        self._levers, self._most_ticks = levers, most_ticks

    @property
    def is_np_flattenable(self) -> bool:
        """A text has no array."""
        return False

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """A random action.

        Raises:
            ValueError: a mask or probabilities; the space has none.
        """
        if mask is not None or probability is not None:
            raise ValueError("actions in words have neither masks nor probabilities.")
        return json.dumps(self._levers.as_json(self._levers.random(self.np_random)), ensure_ascii=False)

    def contains(self, x: Any) -> bool:
        """Whether an action would be played."""
        try:
            self._levers.read(x, self._levers.opening, self._most_ticks)
        except ValueError:
            return False
        return isinstance(x, str)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, LeverSpace)
            and self._levers.scenario == other._levers.scenario
            and self._most_ticks == other._most_ticks
        )

    def __repr__(self) -> str:
        return f"LeverSpace({', '.join(self._levers.names)}; at most {self._most_ticks} ticks)"


class FlashSaleTextEnv(gym.Env[str, Any]):
    """A flash sale in words: the observation is a report that a merchant would read, the action is JSON.

    The sale is that of `FlashSaleEnv`: the same seed gives the same customers bit for bit, and the same levels earn the
    same rewards.

    **Action**: JSON that names what it changes, see `flashsale_env.spaces.levers`; a dictionary is taken as well.
    `schema` is its JSON schema. With "ticks" or "plan" one step plays several ticks, up to the close; its reward is
    their sum.

    **Observation**: time, what was sold and earned since the last report, stock and price of each product, what is set,
    the intents that the encoder reads and the latest messages themselves. No report has more than `most_characters`
    characters. `instructions` says once what never changes: products, decisions and the form of an answer.

    **Reward, info, end, seeds** as for `FlashSaleEnv`; the reward terms of the info are those of all ticks of the step,
    and `info["ticks"]` is their number.

    Args:
        scenario, population, render_mode, reward_scale: as for `FlashSaleEnv`.
        most_ticks: that one action may play; 1 for a decision every tick, the whole sale by default.
        messages: how many of the latest messages a report quotes.
        message_characters: where a longer message is cut off.

    Raises:
        ValueError: as `FlashSaleEnv`, or a number is out of range.
    """

    metadata = {"render_modes": list(RENDER_MODES), "render_fps": RENDER_FPS}  # noqa: RUF012  (Gymnasium's own form)

    def __init__(
        self,
        scenario: str | Scenario = "standard",
        population: str | Population | None = None,
        render_mode: str | None = None,
        reward_scale: float = 1.0,
        most_ticks: int | None = None,
        messages: int = 8,
        message_characters: int = 160,
    ) -> None:
        self.levers = Levers(load_scenario(scenario))
        self.sale = FlashSaleEnv(scenario, population, self.levers.codec.encoding, render_mode, reward_scale)
        self.render_mode = self.sale.render_mode
        horizon = self.scenario.horizon_ticks
        self.most_ticks = horizon if most_ticks is None else checked_count("most_ticks", most_ticks, 1)
        self.extent = Extent(messages, message_characters)
        self.most_characters = longest_report(self.scenario, self.levers, self.extent)
        self.observation_space = spaces.Text(self.most_characters, min_length=1, charset=self._charset())
        self.action_space: LeverSpace = LeverSpace(self.levers, self.most_ticks)
        self._now: Settings = self.levers.opening
        self._spec: EnvSpec | None = None

    @property
    def scenario(self) -> Scenario:
        """The scenario being played."""
        return self.sale.scenario

    @property
    def instructions(self) -> str:
        """What a player has to know before the first report, the same in every sale."""
        return instructions(self.scenario, self.levers, self.most_ticks)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of an action."""
        return self.levers.schema(self.most_ticks)

    @property
    def now(self) -> Document:
        """What is set, as an action."""
        return self.levers.as_json(self._now)

    @property
    def spec(self) -> EnvSpec | None:
        """The spec from `gymnasium.make`, with the step limit and the known optimum of this sale."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = spec_of_sale(spec, self.sale.simulator, self.scenario.horizon_ticks + 1, self.sale.reward_scale)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Open the next sale.

        Args:
            seed, options: as for `FlashSaleEnv`.

        Returns:
            The first report, with the messages that arrived before the start, and the info.
        """
        _, info = self.sale.reset(seed=seed, options=options)
        if seed is not None:
            super().reset(seed=seed)
        self._now = self.levers.opening
        mail = [] if self.scenario.messages is None else self._texts(self.sale.simulator.writers_before())
        nothing = Earned(0, 0, 0, 0.0, np.zeros(len(REWARD_TERMS)))
        return self._report(nothing, mail), {**info, "ticks": 0}

    def step(self, action: Any) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Play the ticks of an action.

        Args:
            action: JSON text, or the object that it stands for.

        Returns:
            Report, reward of all ticks, terminated (the sale closed), truncated (always False), info.

        Raises:
            ValueError: the action does not fit `schema`, or plays beyond the close; nothing was played.
            gymnasium.error.ResetNeeded: the sale is closed, or was never opened.
        """
        left = self.scenario.horizon_ticks - int(self.sale.simulator.sales["tick"][0])
        stages = self.levers.read(action, self._now, min(self.most_ticks, left) or self.most_ticks)
        simulator = self.sale.simulator
        before = simulator.sales[0].copy()
        mail: list[str] = []
        info: dict[str, Any] = {}
        reward, terms, closed, ticks = 0.0, np.zeros(len(REWARD_TERMS)), False, 0
        for stage in stages:
            for number in range(stage.ticks):
                settings = stage.later if number else stage.first
                earned, closed, info = self._play(self.levers.as_actions(settings[None])[0], mail)
                reward += earned
                terms += [info[f"reward_terms/{name}"] for name in REWARD_TERMS]
                ticks += 1
            self._now = stage.later
        sale = simulator.sales[0]
        since = Earned(
            ticks,
            int(sale["customers"] - before["customers"]),
            int((sale["sold"] - before["sold"])[self.scenario.own].sum()),
            reward / self.sale.reward_scale,
            terms,
        )
        info |= {f"reward_terms/{name}": terms[k] for k, name in enumerate(REWARD_TERMS)}
        return self._report(since, mail), reward, closed, False, {**info, "ticks": ticks}

    def render(self) -> Any:
        """As `FlashSaleEnv.render`."""
        return self.sale.render()

    def close(self) -> None:
        """Nothing is held open."""
        self.sale.close()

    def _play(self, action: Any, mail: list[str]) -> tuple[float, bool, dict[str, Any]]:
        """Play one tick, and add its messages to the mail.

        The record of visits grows where it is too short: the tick is then played again from where it began, and is the
        same bit for bit.
        """
        simulator = self.sale.simulator
        writes = self.scenario.messages is not None
        before = simulator.sales.copy() if writes else None
        visits = int(simulator.sales["visits"][0])
        _, reward, closed, _, info = self.sale.step(action)
        if before is not None:
            made = int(simulator.sales["visits"][0])
            if made > simulator.log_rows:
                simulator.record_visits(max(2 * made, _FIRST_VISITS))
                simulator.sales[:] = before
                _, reward, closed, _, info = self.sale.step(action)
            mail += self._texts(simulator.writers_since(visits))
        return reward, closed, info

    def _texts(self, voices: Any) -> list[str]:
        utterances = self.sale.simulator.population.utterances
        return [utterances[voice] for voice in voices]

    def _report(self, since: Earned, mail: list[str]) -> str:
        sale = self.sale.simulator.sales[0]
        return report(self.scenario, sale, self.levers, self.now, since, mail, self.extent)

    def _charset(self) -> frozenset[str]:
        """Every character that a report may contain."""
        texts = [*self.scenario.titles, *self.sale.simulator.population.utterances, self.levers.describe()]
        return frozenset(map(chr, range(32, 127))) | {"\n", "…"} | frozenset("".join(texts))
