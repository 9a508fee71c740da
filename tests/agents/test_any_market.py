"""Properties of every agent in any market, not only in the shipped scenarios."""

import copy
import dataclasses
import re
import tempfile
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.agents import AGENTS
from flashsale_env.agents.rules.levers import LEVERS
from flashsale_env.core.compiler import JIT_DISABLED
from flashsale_env.spaces.decisions import decision_rows
from tests.agents.markets import any_market, market_of_all_mechanisms, with_storage
from tests.core.strategies import SALES, markets

RULES = [name for name, entry in AGENTS.items() if not entry.learns]
LEARNERS = [name for name, entry in AGENTS.items() if entry.learns]
EPISODES = np.zeros(SALES, np.int64)
# Seeds of generated scenarios, in which every lever occurs.
GENERATED = range(12)


def examples(number):
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    return settings(max_examples=number, deadline=None, derandomize=True, suppress_health_check=slow)


def decisions(agent, market, rows=slice(None), state=None):
    """(T, N, C) decisions of the agent in whole sales, and its last state; a warning of numpy is an error."""
    scenario, population, seeds, _ = market
    simulator = fs.Simulator(scenario, population, sales=len(seeds[rows]), actions=agent.encoding, threads=1)
    observations, start = simulator.open(seeds[rows], EPISODES[rows]), np.ones(len(simulator), np.bool_)
    taken = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for _ in range(scenario.horizon_ticks):
            observations.flags.writeable = False
            before = copy.deepcopy(state)
            actions, after = agent.predict(observations, state, start)
            assert same(before, state), "the state that was handed in has changed"
            assert actions.shape == (len(simulator), *simulator.codec.space.shape)
            assert actions.dtype == simulator.codec.space.dtype
            assert all(simulator.codec.space.contains(action) for action in actions)
            taken.append(actions.copy())
            state = after
            observations, _, _ = simulator.advance(actions)
            start = np.zeros(len(simulator), np.bool_)
    return np.array(taken), state


def same(one, other):
    """Whether two states are the same, number by number."""
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return np.array_equal(one, other)


def of_first_call(state):
    """The state, with its random stream reset."""
    if isinstance(state, int):
        return 0
    return dataclasses.replace(state, calls=0) if hasattr(state, "calls") else state


def made(name, scenario, **options):
    """The agent, or None if it does not apply, with a reason that ends a sentence."""
    reason = AGENTS[name].applies(scenario)
    if reason is None:
        return agents.make(name, scenario, **options)
    assert re.fullmatch(r"[a-z][^\n]*[^.\s]", reason), reason
    with pytest.raises(ValueError, match=re.escape(f"does not apply to scenario {scenario.name!r}: {reason}.")):
        agents.make(name, scenario, **options)
    return None


@pytest.mark.parametrize("name", RULES)
@examples(10)
@given(market=any_market())
def test_a_rule_plays_any_market_or_gives_a_reason(name, market):
    """Whole sales of valid actions. The same seed gives the same decisions, whatever was played before; a batch decides
    as its rows do; a loaded agent decides as the saved one; arguments are not modified."""
    agent = made(name, market[0], seed=3)
    if agent is None:
        return
    taken, state = decisions(agent, market)
    np.testing.assert_array_equal(taken, decisions(agent, market, state=of_first_call(state))[0])
    with tempfile.TemporaryDirectory() as folder:
        loaded = agents.load(agent.save(folder), market[0])
    np.testing.assert_array_equal(taken, decisions(loaded, market)[0])
    draws = any((taken != decisions(made(name, market[0], seed=seed), market)[0]).any() for seed in (4, 5, 6))
    if not draws:  # a draw for a batch is no draw for its rows
        np.testing.assert_array_equal(taken[:, 2:3], decisions(agent, market, rows=slice(2, 3))[0])


@pytest.mark.uncompiled
@pytest.mark.skipif(not JIT_DISABLED, reason="each combination would compile: set NUMBA_DISABLE_JIT=1")
@pytest.mark.parametrize("seed", GENERATED)
def test_a_rule_plays_a_sale_of_all_mechanisms_or_gives_a_reason(seed):
    """Every rule, with whatever levers the scenario has."""
    market = market_of_all_mechanisms(seed)
    for name in RULES:
        agent = made(name, market[0], seed=3)
        if agent is not None:
            decisions(agent, market)


def test_every_lever_occurs_in_a_sale_of_all_mechanisms():
    rows = [row for seed in GENERATED for row in decision_rows(market_of_all_mechanisms(seed)[0])]
    assert {row.decision for row in rows if row.column >= 0} >= LEVERS.keys()


@pytest.mark.parametrize("name", RULES)
@examples(8)
@given(market=any_market(), spare=st.integers(0, 10_000))
def test_a_storage_that_never_binds_changes_no_decision_of_a_rule(name, market, spare):
    roomy = with_storage(market[0], spare)
    if roomy is None:
        return
    # The sale may have a storage of its own, which may bind.
    endless = market[0].replace(products=tuple(dataclasses.replace(p, storage=0) for p in market[0].products))
    market = endless, *market[1:]
    agent = made(name, endless)
    if agent is None:
        return
    limited = agents.make(name, roomy)
    assert limited.params == agent.params
    np.testing.assert_array_equal(decisions(agent, market)[0], decisions(limited, (roomy, *market[1:]))[0])


def empty_shelves(name, supply):
    """A small sale with every option, without initial stock if the agent can order."""
    if AGENTS[name].module == "tabular":
        product = {"initial_stock": 9}
        options = {}
    else:
        product = {"initial_stock": 0, "unit_cost": 2.0, "order_levels": (0, 5, 10)}
        product |= {"storage": 40} if supply == "unlimited" else {"reserve": 30}
        options = {
            "replenishment": fs.Replenishment(6.0, 1.0, 0.5, supply == "unlimited"),
            "coupon": fs.Coupon((0.0, 0.2), 20.0),
            "shocks": fs.Shocks(0.3, 0.3, 0.3, 0.3),
            "messages": fs.Messages(0.5, 5.0),
        }
    titles = ("product 0", "product 1")
    scenario = fs.Scenario(
        name="any",
        horizon_ticks=8,
        tick_minutes=2.0,
        products=tuple(fs.Product(title, (10.0, 8.0, 5.0), **product) for title in titles),
        arrivals=fs.Arrivals(5.0, burst_share=0.3),
        **options,
    )
    rng = np.random.default_rng(0)
    population = fs.Population(
        products=titles,
        utterances=("",) * 6,
        languages=("en",) * 6,
        intent_probabilities=rng.dirichlet(np.ones(len(fs.INTENTS)), 6),
        latent_class=np.arange(6) % 3,
        relevance=np.zeros((6, 2)),
        price_sensitivity=rng.uniform(1.0, 3.0, 6),
        coupon_affinity=rng.uniform(0.2, 1.0, 6),
        weight=np.ones(6),
    )
    return scenario, population, np.arange(SALES, dtype=np.uint64), rng


def learner(name, scenario):
    """A learner so small that a whole training takes a moment."""
    small = {"sales": 16, "num_envs": 8, "net_arch": (4,), "validation_sales": 4, "validate_every": 1, "batch_size": 32}
    small |= {"learning_starts": 20, "n_quantiles": 3, "dropped_quantiles": 1, "memory": 4, "potential": ""}
    known = {field.name for field in dataclasses.fields(agents.make(name, scenario, device="cpu").settings)}
    return agents.make(name, scenario, device="cpu", **{key: small[key] for key in small if key in known})


@pytest.mark.parametrize("supply", ["unlimited", "reserve"])
@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_learns_without_initial_stock(name, supply):
    """It plays, learns from finite rewards, and plays again."""
    market = empty_shelves(name, supply)
    agent = learner(name, market[0])
    decisions(agent, market)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        curve = agent.learn(market[1], threads=1)
    assert all(np.isfinite(list(row.values())).all() for row in curve)
    taken, _ = decisions(agent, market)
    np.testing.assert_array_equal(taken, decisions(agent, market)[0])
    with tempfile.TemporaryDirectory() as folder:
        loaded = agents.load(agent.save(folder), market[0], device="cpu")
    np.testing.assert_array_equal(taken, decisions(loaded, market)[0])


@examples(30)
@given(market=markets(), spare=st.integers(0, 10_000))
def test_the_inputs_of_a_learner_do_not_depend_on_a_storage_that_never_binds(market, spare):
    """Nor do the observations, see `test_units`: hence neither training nor policy does."""
    pytest.importorskip("stable_baselines3")
    from flashsale_env.agents.sb3.base import reward_scale
    from flashsale_env.agents.sb3.policy import NETWORKS

    scenario, roomy = market[0], with_storage(market[0], spare)
    assert 0 < reward_scale(scenario) < np.inf
    for reads in {network.reads for network in NETWORKS.values()}:
        taken = reads.of_scenario(scenario)
        assert np.isfinite(taken["customers"]).all()
        assert roomy is None or taken == reads.of_scenario(roomy)
    assert roomy is None or reward_scale(roomy) == reward_scale(scenario)


@pytest.mark.parametrize("name", ["sell_through", "standard-ppo"])
def test_room_for_2000_units_of_every_product_changes_nothing_on_the_standard_sale(name):
    """More than all units of any product. With observations as shares of the storage, sell_through fell from 39,081 to
    23,428 and the shipped policy from 40,276 to 24,922."""
    scenario = fs.load_scenario("standard")
    roomy = scenario.replace(products=tuple(dataclasses.replace(p, storage=2000) for p in scenario.products))
    seeds = agents.split_seeds("validation", 0, 8)
    earned = []
    for sale in (scenario, roomy):
        if name in AGENTS:
            agent = AGENTS[name].cls(sale, **agents.tuned(name, scenario))
        else:
            pytest.importorskip("stable_baselines3")
            agent = agents.load(name, scenario, device="cpu")
        earned.append(agents.play(agent, sale, seeds=seeds)["ret"])
    np.testing.assert_array_equal(*earned)
