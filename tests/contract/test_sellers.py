"""Several sellers: every agent has its own side of one and the same sale, by PettingZoo's interface and as a batch."""

import dataclasses
import importlib
import sys

import gymnasium as gym
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test
from pettingzoo.utils import parallel_to_aec

import flashsale_env as fs
from flashsale_env.envs import parallel
from flashsale_env.envs.parallel import FlashSaleParallelEnv
from flashsale_env.envs.sellers import SellersBatch, seen_by, with_agents

SALES, TICKS = 4, 5
LEVELS = (4.0, 3.5, 3.0, 2.5, 2.0)  # sums of them are exact

pytestmark = pytest.mark.uncompiled


def product(title, owner, **settings):
    settings = {"initial_stock": 12, "unit_cost": 1.0, "salvage_value": 0.5, "holding_cost": 7.5} | settings
    return fs.Product(title, LEVELS, reference_price=1.0, quality=2.0, owner=owner, **settings)


def market(first="", second="rival", orders=True):
    """Two sellers with scarce stock; both order more, one of them may withhold its product."""
    more = {"reserve": 10, "order_levels": (0, 2, 4)} if orders else {}
    return fs.Scenario(
        name="two sellers",
        horizon_ticks=TICKS,
        tick_minutes=1.0,
        products=(product("a", first, **more), product("b", second, may_be_withheld=True, unit_cost=0.5, **more)),
        arrivals=fs.Arrivals(10.0),
        replenishment=fs.Replenishment(1.0, order_cost=0.5, freight_per_unit=0.25) if orders else None,
        rivals=fs.Rivals((fs.Rival("rival", "agent"),)),
        shocks=fs.Shocks(0.3),
    )


def levels_of(batch, tick):
    """Agent -> levels (N, C_a), the same for batches of all sizes."""
    rng = np.random.default_rng(tick)
    drawn = {
        agent: rng.integers(0, codec.n_levels, (SALES, len(codec.n_levels))) for agent, codec in batch.codecs.items()
    }
    return {agent: levels[: batch.num_envs] for agent, levels in drawn.items()}


def played(scenario, sales=SALES, turned=False):
    """(batch, first observations, [result of every step]); `turned` gives each agent the other one's actions."""
    batch = SellersBatch(sales, scenario, actions="multidiscrete")
    first, _ = batch.reset(seed=3)
    ticks = []
    for tick in range(scenario.horizon_ticks):
        actions = levels_of(SellersBatch(sales, market(), actions="multidiscrete"), tick)
        if turned:
            actions = {"shop": actions["rival"], "rival": actions["shop"]}
        ticks.append(batch.step(actions))
    return batch, first, ticks


def test_both_sellers_together_earn_what_one_shop_with_both_products_earns():
    """The same customers at the same prices and orders: each term of the reward adds up, currency."""
    batch, _, ticks = played(market())
    products = tuple(dataclasses.replace(p, owner="") for p in market().products)
    alone = fs.Simulator(market().replace(products=products, rivals=None), sales=SALES, actions="multidiscrete")
    alone.open(np.arange(3, 3 + SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    names = alone.codec.names
    terms = {name: column for column, name in enumerate(fs.REWARD_TERMS)}
    for tick, (_, rewards, _, infos) in enumerate(ticks):
        both = levels_of(batch, tick)
        whole = np.zeros((SALES, len(names)), np.int64)
        for agent, codec in batch.codecs.items():
            whole[:, [names.index(name) for name in codec.names]] = both[agent]
        _, earned, booked = alone.advance(whole)
        assert rewards["shop"] + rewards["rival"] == pytest.approx(earned)
        for name, column in terms.items():
            parts = [infos[agent][f"reward_terms/{name}"] for agent in batch.agents]
            assert sum(parts) == pytest.approx(booked[:, column]), name
    for name in ("on_hand", "sold", "reserve", "inbound"):
        assert np.array_equal(alone.sales[name], batch.simulator.sales[name])
    metrics = dict(zip(fs.METRICS, alone.measure().T, strict=True))
    for name in ("profit", "revenue", "units_sold", "units_ordered"):
        assert sum(ticks[-1][3][agent][f"metrics/{name}"] for agent in batch.agents) == pytest.approx(metrics[name])
    assert all((ticks[-1][3][agent]["metrics/units_sold"] > 0).all() for agent in batch.agents)


def test_sellers_who_change_places_change_everything():
    """Whoever is called the shop: the same product brings the same observations, rewards and infos, bit for bit."""
    _, first, ticks = played(market())
    _, first_turned, turned = played(market("rival", ""), turned=True)
    places = {"shop": "rival", "rival": "shop"}
    for agent, other in places.items():
        assert first[agent].tobytes() == first_turned[other].tobytes()
        for (seen, earned, _, infos), (seen_too, earned_too, _, infos_too) in zip(ticks, turned, strict=True):
            assert seen[agent].tobytes() == seen_too[other].tobytes()
            assert earned[agent].tobytes() == earned_too[other].tobytes()
            assert all(np.array_equal(infos[agent][key], infos_too[other][key]) for key in infos[agent])


def test_the_shop_is_the_same_whether_an_agent_or_a_script_sets_the_other_price():
    """An agent that does what the script does leads to the sale of the single-agent environment, bit for bit."""
    scripted = market(orders=False)
    goods = tuple(dataclasses.replace(p, may_be_withheld=False) for p in scripted.products)
    scripted = scripted.replace(products=goods, rivals=fs.Rivals((fs.Rival("rival", "constant", 0.25),)))
    env = gym.make_vec("FlashSale/Duopoly-v0", num_envs=SALES, scenario=scripted, actions="multidiscrete")
    batch = SellersBatch(SALES, scripted, actions="multidiscrete")
    assert env.reset(seed=3)[0].tobytes() == batch.reset(seed=3)[0]["shop"].tobytes()
    for tick in range(TICKS):
        levels = np.full((SALES, 1), tick % len(LEVELS))
        one = env.step(levels)
        several = batch.step({"shop": levels, "rival": np.full((SALES, 1), LEVELS.index(3.0))})
        assert one[0].tobytes() == several[0]["shop"].tobytes()
        assert one[1].tobytes() == several[1]["shop"].tobytes()
        assert np.array_equal(one[2], several[2])
        for key in ("profit", "metrics/market_share", "reward_terms/salvage"):
            assert np.array_equal(one[4][key], several[3]["shop"][key])


def test_a_seller_sees_its_own_stock_and_no_other():
    batch, first, ticks = played(market())
    for agent, j in (("shop", 0), ("rival", 1)):
        layout, reader = batch.layouts[agent], fs.UnitReader(batch.views[agent])
        for name in ("on_hand", "in_transit", "reserve"):
            assert [entry.constant for entry in layout.entries[layout[name]]] == [j == 1, j == 0]
        assert (reader.on_hand(first[agent]) == np.array([12, 12]) * (np.arange(2) == j)).all()
        owned = reader.owned(ticks[-1][0][agent]) - reader.position(ticks[-1][0][agent])
        assert np.array_equal(owned[:, j], batch.simulator.sales["sold"][:, j])
        assert not owned[:, 1 - j].any()
        assert list(batch.codecs[agent].names) == [f"price[{'ab'[j]}]", f"order[{'ab'[j]}]"]
        assert batch.observation_spaces[agent].contains(first[agent][0])


def test_one_sale_is_a_slice_of_many_and_of_the_parallel_environment():
    _, first, ticks = played(market())
    env = FlashSaleParallelEnv(market(), actions="multidiscrete")
    seen, _ = env.reset(seed=3)
    assert all(np.array_equal(seen[agent], first[agent][0]) for agent in env.possible_agents)
    for tick, (observations, rewards, closed, infos) in enumerate(ticks):
        actions = {agent: levels[0] for agent, levels in levels_of(env.batch, tick).items()}
        seen, earned, terminations, truncations, info = env.step(actions)
        for agent in env.possible_agents:
            assert np.array_equal(seen[agent], observations[agent][0])
            assert earned[agent] == rewards[agent][0]
            assert terminations[agent] == closed[0] == (tick == TICKS - 1)
            assert not truncations[agent]
            assert info[agent]["profit"] == infos[agent]["profit"][0]
    assert env.agents == []


def test_the_next_reset_is_the_next_episode_and_a_seed_starts_again():
    batch = SellersBatch(2, market())
    one, two = batch.reset(seed=9)[0]["shop"], batch.reset()[0]["shop"]
    for _ in range(2):
        key = batch.simulator.sales["key"].copy()
        batch.reset(seed=[9, 10])
        batch.reset()
        assert np.array_equal(batch.simulator.sales["key"], key)
    assert np.array_equal(one, two), "the first observation holds no draw"
    assert batch.simulator.sales["episode"].tolist() == [1, 1]


@pytest.mark.parametrize("actions", fs.ENCODINGS)
def test_pettingzoos_own_tests_pass(actions):
    parallel_api_test(FlashSaleParallelEnv(market(), actions=actions), num_cycles=3 * TICKS)
    parallel_seed_test(lambda: FlashSaleParallelEnv(market(), actions=actions), num_cycles=2 * TICKS)


def test_it_also_plays_agent_by_agent():
    """PettingZoo's conversion to its sequential interface."""
    env = parallel_to_aec(FlashSaleParallelEnv(market(), actions="discrete"))
    env.reset(seed=0)
    turns = 0
    for agent in env.agent_iter():
        *_, terminated, truncated, _ = env.last()
        env.step(None if terminated or truncated else env.action_space(agent).sample())
        turns += 1
    assert turns == 2 * TICKS + 2


def test_a_rival_may_keep_its_script():
    goods = (product("a", ""), product("b", "rival"), product("c", "third"))
    sellers = (fs.Rival("rival", "undercut", 0.1), fs.Rival("third", "follow", 0.5))
    scenario = market(orders=False).replace(products=goods, rivals=fs.Rivals(sellers))
    batch = SellersBatch(1, scenario, scripted=["third"])
    assert batch.agents == ("shop", "rival")
    assert with_agents(scenario, ["third"]).rivals.sellers[1].script == "follow"
    batch.reset(seed=0)
    batch.step({"shop": np.ones((1, 1)), "rival": np.ones((1, 1))})
    batch.step({"shop": np.ones((1, 1)), "rival": np.ones((1, 1))})
    assert batch.simulator.sales["price"][0].tolist() == [2.0, 2.0, 3.0]
    assert [p.owner for p in seen_by(scenario, "third").products] == ["third", "rival", ""]
    for scripted, says in (("rivel", "'rivel'.*'rival'"), ("rival third", "leave one out")):
        with pytest.raises(ValueError, match=says):
            SellersBatch(1, scenario, scripted=scripted.split())


@pytest.mark.parametrize(
    ("actions", "says"),
    [
        ({"shop": [[0, 0]]}, "want an action of every agent, shop, rival; got none of 'rival'"),
        ({"shop": [[0, 0]], "rivl": [[0, 0]]}, "unknown agent 'rivl'.*'rival'"),
        ({"shop": [[0, 0]], "rival": [[0]]}, r"agent 'rival': actions of 1 sales .* must have shape \(1, 2\)"),
        ({"shop": [[0, 9]], "rival": [[0, 0]]}, r"order\[a\]\) must be a level in 0..2, got 9"),
        ({"shop": [[0, 0]], "rival": [[0.5, 0]]}, "agent 'rival': a multidiscrete action must hold numbers"),
    ],
)
def test_a_wrong_action_names_the_agent_or_the_decision(actions, says):
    batch = SellersBatch(1, market(), actions="multidiscrete")
    batch.reset(seed=0)
    before = batch.simulator.sales.copy()
    with pytest.raises(ValueError, match=says):
        batch.step(actions)
    assert batch.simulator.sales.tobytes() == before.tobytes()


def test_a_closed_sale_wants_a_reset():
    batch, _, _ = played(market(), sales=1)
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        batch.step(levels_of(batch, 0))
    with pytest.raises(gym.error.ResetNeeded, match="never opened"):
        FlashSaleParallelEnv(market()).step({})
    with pytest.raises(gym.error.ResetNeeded, match="never opened"):
        FlashSaleParallelEnv(market(), render_mode="ansi").render()


def test_an_environment_with_one_agent_refuses_sellers_that_want_one_each():
    for make in (gym.make, lambda name, **options: gym.make_vec(name, num_envs=2, **options)):
        with pytest.raises(
            ValueError, match="an agent decides for seller 'rival', and here the shop is the only agent"
        ):
            make("FlashSale/Duopoly-v0", scenario=market())
    with pytest.raises(ValueError, match="scenario 'gvr-periodic' has one seller"):
        SellersBatch(1, "gvr-periodic")


def test_rewards_are_scaled_and_box_actions_clipped_on_request():
    plain, scaled = SellersBatch(2, market()), SellersBatch(2, market(), reward_scale=0.5, clip_actions=True)
    far = {agent: np.full((2, 2), 3.0) for agent in plain.agents}
    near = {agent: np.ones((2, 2)) for agent in plain.agents}
    plain.reset(seed=0), scaled.reset(seed=0)
    with pytest.raises(ValueError, match=r"agent 'shop'|must lie in \[-1, 1\]"):
        plain.step(far)
    one, half = plain.step(near)[1], scaled.step(far)[1]
    assert all(np.array_equal(0.5 * one[agent], half[agent]) for agent in plain.agents)


def test_the_view_of_the_shop_is_rendered():
    env = FlashSaleParallelEnv(market(), render_mode="ansi")
    env.reset(seed=0)
    assert "a " in env.render()
    assert FlashSaleParallelEnv(market()).render() is None


def test_without_pettingzoo_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pettingzoo", None)
    with pytest.raises(ImportError, match=r"pip install 'flashsale-env\[sellers\]'"):
        importlib.reload(parallel)
