"""Weights shared across products: independent of their number, equivariant in their order, and transferable."""

import dataclasses
import json

import numpy as np
import pytest
import torch

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.agents import play, split_seeds
from flashsale_env.agents.sb3.on_policy import PPOAgent
from flashsale_env.agents.sb3.settings import CUSTOMERS, EVERYTHING
from flashsale_env.variants import variants

SMALL = {"sales": 64, "num_envs": 32, "batch_size": 480, "validation_sales": 16, "net_arch": (8,), "siblings": 4}


@pytest.fixture(scope="module")
def narrow():
    """The standard sale with its first two products, and its customers."""
    standard = fs.load_scenario("standard")
    population = fs.load_population("reference", [product.title for product in standard.products])
    # Orders arrive at once: the simulator is compiled for this shape of sale in other tests too.
    at_once = dataclasses.replace(standard.replenishment, lead_minutes=0.0)
    scenario = standard.replace(
        name="two products", products=standard.products[:2], horizon_ticks=15, replenishment=at_once
    )
    columns = {"products": population.products[:2], "relevance": population.relevance[:, :2]}
    return scenario, dataclasses.replace(population, **columns)


@pytest.fixture(scope="module")
def wide(narrow):
    return variants(*narrow, copies=4)[:2]


def learner(scenario, **settings):
    return agents.make("ppo", scenario, device="cpu", **{"policy": "per_product", **SMALL, **settings})


def scramble(agent):
    """Random weights, with which no correction is zero."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for parameter in agent.policy.mlp_extractor.networks.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return agent


def observations(agent, sales=6):
    layout = agent.layout
    shares = np.random.default_rng(2).random((sales, layout.size))
    return (layout.low + shares * (layout.high - layout.low)).astype(np.float32)


@pytest.mark.parametrize("reacts_to", [EVERYTHING, CUSTOMERS])
def test_no_parameter_has_the_number_of_products_in_its_shape(narrow, wide, reacts_to):
    few, many = (learner(scenario, reacts_to=reacts_to).policy.state_dict() for scenario, _ in (narrow, wide))
    assert {name: value.shape for name, value in few.items()} == {name: value.shape for name, value in many.items()}


def test_before_the_first_update_it_plays_the_advice(wide):
    seeds = split_seeds("test", 0, 8)
    players = learner(wide[0]), agents.make("sell_through", wide[0])
    ours, advice = (play(player, *wide, seeds=seeds)["profit"] for player in players)
    np.testing.assert_array_equal(ours, advice)


@pytest.mark.parametrize("reacts_to", [EVERYTHING, CUSTOMERS])
def test_swapping_products_swaps_their_corrections(wide, reacts_to):
    """Up to the order of sums; the coupon does not change."""
    scenario, _ = wide
    order = np.array([2, 0, 1, 3, 7, 5, 6, 4])
    moved_scenario = scenario.replace(products=tuple(scenario.products[j] for j in order))
    agent = scramble(learner(scenario, adviser="", reacts_to=reacts_to))
    moved = learner(moved_scenario, adviser="", reacts_to=reacts_to)
    moved.policy.load_state_dict(agent.policy.state_dict())
    shown = observations(agent)
    moved_shown = shown.copy()
    for name in agent.layout:
        if fs.FEATURES[name].per == "product":
            moved_shown[:, agent.layout[name]] = shown[:, agent.layout[name]][:, order]
    actions, moved_actions = agent.predict(shown)[0], moved.predict(moved_shown)[0]
    columns = np.concatenate([order, 8 + order, [16]])
    np.testing.assert_allclose(moved_actions, actions[:, columns], atol=1e-5)
    assert np.ptp(actions[:, :8], axis=1).min() > 1e-3  # the products differ


def test_a_correction_follows_from_the_products_own_numbers_and_from_the_sale(narrow):
    agent = scramble(learner(narrow[0], adviser="", reacts_to=EVERYTHING))
    shown = observations(agent, 1)
    before, _ = agent.predict(shown)
    for name in ("on_hand", "price", "conversion", "intent_mean", "time_left"):
        other = shown.copy()
        other[:, agent.layout[name].start] = 1.0 - other[:, agent.layout[name].start]
        assert (agent.predict(other)[0] != before).any(), name


def test_all_prices_share_one_standard_deviation_all_orders_another_and_the_coupon_a_third(narrow):
    agent = learner(narrow[0], log_std=-1.0, log_std_orders=-2.0)
    shown = torch.as_tensor(agent.advise(observations(agent)))
    deviations = agent.policy.get_distribution(shown).distribution.stddev.log()[0]
    assert agent.policy.log_std.tolist() == [-1.0, -2.0, -1.0]
    np.testing.assert_allclose(deviations.detach(), [-1.0, -1.0, -2.0, -2.0, -1.0], atol=1e-6)


def test_a_policy_trained_on_two_products_plays_eight(narrow, wide, tmp_path):
    """With the means and standard deviations of the training, not those of the new sale."""
    agent = learner(narrow[0])
    agent.learn(narrow[1], folder=tmp_path)
    moved = agents.load(tmp_path, wide[0], device="cpu")
    for name, value in agent.policy.state_dict().items():
        assert torch.equal(value, moved.policy.state_dict()[name]), name
    assert play(moved, *wide, seeds=split_seeds("test", 0, 4))["revenue"].min() > 0


def test_a_resumed_training_is_the_uninterrupted_one(narrow, tmp_path):
    def stop(done, total, row):
        raise KeyboardInterrupt

    whole, resumed = learner(narrow[0]), learner(narrow[0])
    whole.learn(narrow[1])
    with pytest.raises(KeyboardInterrupt):
        learner(narrow[0]).learn(narrow[1], folder=tmp_path, progress=stop)
    resumed.learn(narrow[1], folder=tmp_path)
    for name, value in whole.policy.state_dict().items():
        assert torch.equal(value, resumed.policy.state_dict()[name]), name


def test_the_adviser_is_that_of_the_scenario_it_is_loaded_for(narrow, wide, tmp_path):
    title = narrow[0].products[0].title
    learner(narrow[0], adviser_params={"gain": 7.0, f"base[{title}]": 0.9}).save(tmp_path)
    assert agents.load(tmp_path, narrow[0])._adviser.params[f"base[{title}]"] == 0.9
    own = agents.make("sell_through", wide[0]).params
    assert agents.load(tmp_path, wide[0])._adviser.params == own
    given = PPOAgent.load(tmp_path, wide[0], adviser_params={"gain": 3.0})
    assert given._adviser.params == {**own, "gain": 3.0}


@pytest.mark.parametrize(
    ("change", "differs"),
    [({"coupon": None}, "'coupon'"), ({"messages": None}, "'intent_mean'")],
    ids=["other decisions", "other features"],
)
def test_a_sale_with_other_decisions_or_features_is_an_error_that_names_them(narrow, tmp_path, change, differs):
    learner(narrow[0], reacts_to=EVERYTHING).save(tmp_path)
    with pytest.raises(ValueError, match=f"decisions or features differ. Only one of the two has .*{differs}"):
        agents.load(tmp_path, narrow[0].replace(**change))


def test_a_policy_with_weights_for_every_product_does_not_play_more(narrow, wide, tmp_path):
    learner(narrow[0], policy="merchant").save(tmp_path)
    assert json.loads((tmp_path / "agent.json").read_text())["settings"]["policy"] == "merchant"
    with pytest.raises(ValueError, match="was trained on scenario 'two products' and does not fit"):
        agents.load(tmp_path, wide[0])


def test_grids_and_memory_are_refused(narrow):
    with pytest.raises(ValueError, match="policy 'per_product' is for box actions, got 'multidiscrete'"):
        learner(narrow[0], actions="multidiscrete")
    with pytest.raises(ValueError, match="policy 'per_product' has no memory"):
        agents.make("recurrent_ppo", narrow[0], device="cpu", policy="per_product")


@pytest.mark.parametrize("name", ["gvr-periodic", "mnl-stock", "lost-sales", "intent"])
def test_it_is_built_for_every_kind_of_scenario(name):
    """One product and several, prices only and orders only, targeted offers."""
    agent = agents.make("ppo", name, device="cpu", policy="per_product")
    actions, _ = agent.predict(observations(agent))
    assert actions.shape == (6, len(agent.codec.names))
    assert np.isfinite(actions).all()
