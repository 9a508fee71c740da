"""Rewards as vectors: the same sales, and objectives that sum to the one reward."""

import dataclasses

import gymnasium as gym
import mo_gymnasium
import numpy as np
import pytest
from mo_gymnasium.wrappers import LinearReward, MORecordEpisodeStatistics

import flashsale_env as fs
from flashsale_env.envs.objectives import default_objectives, terms_of


def penalised(name, penalty=3.0):
    """The scenario with a penalty for lost sales, so that it has two objectives by default."""
    scenario = fs.load_scenario(name)
    products = tuple(dataclasses.replace(product, lost_sale_penalty=penalty) for product in scenario.products)
    return scenario.replace(products=products)


def each_term(scenario):
    return {term: [term] for term in terms_of(scenario)}


@pytest.mark.parametrize("name", fs.SCENARIOS)
def test_the_objectives_of_every_scenario_sum_to_its_reward(name):
    scenario = penalised(name) if name != "lost-sales" else fs.load_scenario(name)
    one = gym.make_vec(fs.environment_id(name), num_envs=3, scenario=scenario)
    several = gym.make_vec(fs.mo_environment_id(name), num_envs=3, scenario=scenario, objectives=each_term(scenario))
    one.reset(seed=5), several.reset(seed=5)
    one.action_space.seed(0)
    for _ in range(min(scenario.horizon_ticks, 12)):
        action = one.action_space.sample()
        seen, reward, *_ = one.step(action)
        seen_too, rewards, *_ = several.step(action)
        assert np.array_equal(seen, seen_too)
        assert rewards.shape == (3, len(each_term(scenario)))
        assert rewards.sum(axis=1) == pytest.approx(reward, rel=1e-9, abs=1e-6)


def test_a_term_that_a_scenario_cannot_have_is_always_0():
    """The list of terms names all that ever differ from 0: over every scenario, with random actions to the close."""
    for name in fs.SCENARIOS:
        batch = gym.make_vec(fs.environment_id(name), num_envs=2)
        possible = terms_of(batch.unwrapped.scenario)
        batch.reset(seed=0)
        batch.action_space.seed(0)
        for _ in range(min(batch.unwrapped.scenario.horizon_ticks, 60)):
            *_, info = batch.step(batch.action_space.sample())
            for term in fs.REWARD_TERMS:
                assert term in possible or not info[f"reward_terms/{term}"].any(), (name, term)


def test_one_sale_is_a_row_of_the_batch_also_over_the_close():
    scenario = penalised("gvr-periodic")
    batch = fs.FlashSaleMOVectorEnv(2, scenario, reward_scale=0.5)
    single = fs.FlashSaleMOEnv(scenario, reward_scale=0.5)
    batch.reset(seed=3), single.reset(seed=4)
    actions = np.zeros((2, 1), np.float32)
    closed = False
    while not closed:
        _, rewards, terminated, _, _ = batch.step(actions)
        _, reward, closed, _, _ = single.step(actions[1])
        assert reward.dtype == rewards.dtype == np.float64
        assert np.array_equal(rewards[1], reward)
        assert terminated[1] == closed
    assert not batch.step(actions)[1].any(), "the step that opens the next sale is paid nothing"


def test_by_default_money_is_one_objective_and_each_penalty_another():
    full = penalised("full").replace(fairness=fs.Fairness(penalty=5.0))
    found = default_objectives(full)
    assert list(found) == ["money", "lost_sales", "unfairness"]
    assert set(found["money"]) == {term for term in terms_of(full) if fs.REWARD_TERMS[term].is_money}


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        (None, "scenario 'gvr-periodic' has one objective, money: name several, e.g. objectives="),
        ({"a": ["revenu"], "b": []}, "unknown reward term 'revenu'. Did you mean 'revenue'"),
        ({"a": ["revenue"], "b": []}, "objective 'b' has no term"),
        ({"a": ["revenue"], "b": ["service"]}, "the term 'service' is always 0 in scenario 'gvr-periodic'"),
        ({"a": ["revenue"], "b": ["revenue"]}, "got 'revenue' 2 times"),
        ({"a": ["revenue"], "b": ["salvage"]}, "got 'procurement' 0 times"),
    ],
)
def test_objectives_that_do_not_divide_the_reward_are_refused(objectives, message):
    for make in (fs.FlashSaleMOEnv, lambda *words, **more: fs.FlashSaleMOVectorEnv(2, *words, **more)):
        with pytest.raises(ValueError, match=message):
            make("gvr-periodic", objectives=objectives)


def test_mo_gymnasium_makes_weighs_and_records_it():
    scenario = penalised("standard")
    few = tuple(dataclasses.replace(product, initial_stock=5) for product in scenario.products)
    scenario = scenario.replace(products=few)
    env = mo_gymnasium.make(fs.mo_environment_id("standard"), scenario=scenario)
    plain = gym.make(fs.environment_id("standard"), scenario=scenario)
    assert env.unwrapped.reward_space.shape == (2,)
    weighed = LinearReward(env, weight=np.array([1.0, 1.0]))
    weighed.reset(seed=1), plain.reset(seed=1)
    action = plain.action_space.sample()
    _, reward, _, _, info = weighed.step(action)
    assert reward == pytest.approx(plain.step(action)[1])
    assert env.unwrapped.reward_space.contains(info["vector_reward"])

    recorded = MORecordEpisodeStatistics(mo_gymnasium.make(fs.mo_environment_id("standard"), scenario=scenario))
    recorded.reset(seed=1)
    action = np.full(action.shape, -1.0, np.float32)
    action[env.unwrapped.codec.columns("price")] = 1.0  # the lowest prices and no orders
    closed = False
    while not closed:
        _, _, closed, _, info = recorded.step(action)
    assert info["episode"]["r"].shape == (2,)
    assert info["episode"]["r"][0] > 0 > info["episode"]["r"][1], "money earned, and lost sales"
