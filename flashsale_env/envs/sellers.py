"""N sales with several sellers: a native batch in which every seller is an agent.

Owns    the view of each seller: its decisions, what it sees, and its money.
Leaves  the sales to `simulator`, the rivals that follow a script to `market.rivals`, PettingZoo's interface to
        `envs.parallel`.
Axes    N sales; D numbers of an observation and C_a columns of the action of agent a; K reward terms.
Units   currency.

All sellers move at once, and all meet the same customers. The sale is played once, by the rules of the shop. The books
of another seller are the same functions of the same sale, by rules in which the two have changed places.

    batch = SellersBatch(1024, "duopoly")
    observations, infos = batch.reset(seed=0)                       # {"shop": (1024, D), "rival": (1024, D)}
    observations, rewards, closed, infos = batch.step(actions)      # actions {"shop": (1024, 1), "rival": (1024, 1)}
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from flashsale_env.envs.infos import info_of_batch
from flashsale_env.envs.sale import checked_scale, observation_space
from flashsale_env.errors import unknown_name
from flashsale_env.market.rivals import SHOP, Rivals
from flashsale_env.population import Population
from flashsale_env.scenario import REWARD_TERMS, Scenario, load_scenario
from flashsale_env.seeds import checked_seed, consecutive_seeds, fresh_seeds, seed_array
from flashsale_env.simulator import Simulator, checked_count
from flashsale_env.spaces.actions import ActionCodec
from flashsale_env.spaces.observations import Layout

Floats = npt.NDArray[np.float64]
Observations = npt.NDArray[np.float32]


def with_agents(scenario: Scenario, scripted: Sequence[str] = ()) -> Scenario:
    """The scenario with an agent in the place of every script, but for the sellers that are named.

    Raises:
        ValueError: no rivals, an unknown seller, or no seller left for an agent.
    """
    if scenario.rivals is None:
        raise ValueError(
            f"scenario {scenario.name!r} has one seller. Add [[rivals.sellers]] and give products an owner; "
            f"'duopoly' has two."
        )
    names = [seller.name for seller in scenario.rivals.sellers]
    for name in scripted:
        if name not in names:
            raise ValueError(unknown_name("scripted seller", name, names))
    if set(names) <= set(scripted):
        raise ValueError(
            f"scripted names every rival of scenario {scenario.name!r}, so the shop would be the only agent: leave one "
            f"out, or take gymnasium.make."
        )
    sellers = (
        seller if seller.name in scripted else dataclasses.replace(seller, script="agent", share=0.0)
        for seller in scenario.rivals.sellers
    )
    return scenario.replace(rivals=Rivals(tuple(sellers)))


def seen_by(scenario: Scenario, seller: str) -> Scenario:
    """The scenario in which a seller and the shop have changed places: "" is the owner of the seller's products."""
    if seller == SHOP:
        return scenario
    places = {seller: "", "": seller}
    products = (dataclasses.replace(p, owner=places.get(p.owner, p.owner)) for p in scenario.products)
    return scenario.replace(products=tuple(products))


class SellersBatch:
    """A batch of N sales in which the shop and its rivals are agents; sale i of `reset(seed=s)` has seed s + i.

    All sales of a batch close in the same tick. Then `reset` opens the next ones.

    Args:
        num_envs: N.
        scenario: name of a shipped scenario, path of a TOML file, or a `Scenario`; with [rivals]. An agent takes the
            place of each script.
        population, actions, reward_scale, clip_actions: as for `FlashSaleEnv`.
        scripted: names of rivals that keep their script.
        threads: as for `FlashSaleVectorEnv`.

    Attributes:
        agents: names of the sellers with an agent; the shop is "shop".
        views: agent -> the scenario from its side, in which the shop's products are its own.
        layouts, codecs: agent -> the meaning of its observations, and of its actions.
        observation_spaces, action_spaces: agent -> the space of a single sale.
        simulator: the sales.

    Raises:
        ValueError: unknown names, wrong counts, or a scenario with one seller.
    """

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Scenario = "duopoly",
        population: str | Population | None = None,
        actions: str = "box",
        scripted: Sequence[str] = (),
        threads: int | None = None,
        reward_scale: float = 1.0,
        clip_actions: bool = False,
    ) -> None:
        self.num_envs = checked_count("num_envs", num_envs, 1)
        self.reward_scale = checked_scale(reward_scale)
        self.scenario = with_agents(load_scenario(scenario), scripted)
        self.simulator = Simulator(
            self.scenario,
            population,
            sales=self.num_envs,
            # Levels of any kind reach the core in the same way.
            actions="box" if actions == "box" else "multidiscrete",
            threads=threads,
            several_sellers=True,
        )
        assert self.scenario.rivals is not None
        sellers = self.scenario.rivals.sellers
        self.agents = (SHOP, *(seller.name for seller in sellers if seller.script == "agent"))
        self.views = {agent: seen_by(self.scenario, agent) for agent in self.agents}
        self.layouts = {agent: Layout(view) for agent, view in self.views.items()}
        self.codecs = {
            agent: ActionCodec(view, actions, clip=clip_actions, own_only=True) for agent, view in self.views.items()
        }
        self.observation_spaces: dict[str, spaces.Box] = {a: observation_space(self.layouts[a]) for a in self.agents}
        self.action_spaces: dict[str, Any] = {agent: self.codecs[agent].space for agent in self.agents}
        names = self.simulator.codec.names
        self._columns = {a: [names.index(name) for name in codec.names] for a, codec in self.codecs.items()}
        places = [SHOP, *(seller.name for seller in sellers)]
        self._rules = {agent: self._rules_of(places.index(agent)) for agent in self.agents[1:]}
        self._money = {agent: np.zeros((self.num_envs, len(REWARD_TERMS))) for agent in self._rules}
        self._seeds = np.zeros(self.num_envs, np.uint64)
        self._episode = -1

    def _rules_of(self, place: int) -> npt.NDArray[np.void]:
        """The rules in which the seller at this place and the shop have changed places."""
        rules = self.simulator.instance.rules.copy()
        owner = rules["rivals"]["owner"].copy()
        rules["rivals"]["owner"] = np.where(owner == place, 0, np.where(owner == 0, place, owner))
        return rules

    def reset(
        self, *, seed: int | Sequence[int] | npt.NDArray[np.integer[Any]] | None = None
    ) -> tuple[dict[str, Observations], dict[str, dict[str, Any]]]:
        """Open the next sale in every row.

        Args:
            seed: s for the seeds s, s + 1, ...; or one for each row. None is the next episode of the current seeds; the
                first time it is a seed from the system's entropy.

        Returns:
            Agent -> its observations, (N, D) float32; and agent -> its info, see `flashsale_env.envs.infos`.

        Raises:
            ValueError: a seed is not a whole number in 0..2^64 - 1, or the number of seeds is not N.
        """
        if seed is None and self._episode < 0:
            seed = int(fresh_seeds(1)[0])
        if seed is not None:
            one = np.ndim(seed) == 0
            self._seeds = (
                consecutive_seeds(checked_seed(seed), self.num_envs) if one else seed_array(seed, self.num_envs)
            )
            self._episode = -1
        self._episode += 1
        first = self.simulator.open(self._seeds, np.full(self.num_envs, self._episode))
        for money in self._money.values():
            money[:] = 0.0
        nothing = np.zeros((self.num_envs, len(REWARD_TERMS)))
        return self._observations(first), self._infos(dict.fromkeys(self.agents, nothing))

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Observations], dict[str, Floats], npt.NDArray[np.bool_], dict[str, dict[str, Any]]]:
        """Play one tick of every sale.

        Args:
            actions: agent -> (N, C_a), or (N,) in the discrete encoding.

        Returns:
            Agent -> observations (N, D) float32; agent -> rewards (N,) float64; (N,) whether the sale closed; agent ->
            info.

        Raises:
            ValueError: an agent is missing or unknown, or its actions have a wrong shape or type or are out of range;
                nothing was played.
            gymnasium.error.ResetNeeded: the sales are closed, or were never opened.
        """
        observations, rewards, terms = self.advance(actions)
        return observations, rewards, self.simulator.closed, self._infos(terms)

    def advance(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Observations], dict[str, Floats], dict[str, Floats]]:
        """As `step`, without the infos, which take longer than the rest where few customers come.

        Returns:
            Agent -> observations, agent -> rewards, and agent -> reward terms (N, K), currency.
        """
        if self._episode < 0 or self.simulator.closed[0]:
            raise gym.error.ResetNeeded("the sales are closed or were never opened: call reset() to open some.")
        for agent in actions:
            if agent not in self.agents:
                raise ValueError(unknown_name("agent", agent, self.agents))
        whole = np.empty((self.num_envs, len(self.simulator.codec.names)))
        for agent, codec in self.codecs.items():
            if agent not in actions:
                raise ValueError(f"want an action of every agent, {', '.join(self.agents)}; got none of {agent!r}.")
            try:
                whole[:, self._columns[agent]] = codec.check(actions[agent], self.num_envs)
            except ValueError as error:
                raise ValueError(f"agent {agent!r}: {error}") from None
        is_box = self.simulator.codec.encoding == "box"
        first, earned, terms = self.simulator.advance(whole if is_box else whole.astype(np.int64))
        everyone = np.ones(self.num_envs, np.bool_)
        booked, rewards = {SHOP: terms}, {SHOP: earned * self.reward_scale}
        for agent, rules in self._rules.items():
            booked[agent] = self.simulator.settle(rules, everyone)
            self._money[agent] += booked[agent]
            # Summed in order, as the core sums the shop's.
            rewards[agent] = np.add.accumulate(booked[agent], axis=1)[:, -1] * self.reward_scale
        return self._observations(first), rewards, booked

    def _observations(self, of_shop: Observations) -> dict[str, Observations]:
        return {SHOP: of_shop, **{agent: self.simulator.observe(rules) for agent, rules in self._rules.items()}}

    def _infos(self, terms: Mapping[str, Floats]) -> dict[str, dict[str, Any]]:
        everyone = np.ones(self.num_envs, np.bool_)
        metrics = {SHOP: self.simulator.measure()}
        metrics |= {agent: self.simulator.measure(rules, self._money[agent]) for agent, rules in self._rules.items()}
        return {agent: info_of_batch(metrics[agent], terms[agent], everyone) for agent in self.agents}
