"""Every learner of Stable-Baselines3: learning, interruption, saving, and where it does not apply."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from flashsale_env import SCENARIOS, Disclosure, Population, Service, agents, load_scenario
from flashsale_env.agents import AGENTS, play, split_seeds
from flashsale_env.agents.exact import evaluate_exactly
from flashsale_env.agents.sb3.base import reward_scale
from flashsale_env.agents.sb3.off_policy import OffPolicyAgent
from flashsale_env.agents.sb3.policy import NETWORKS
from flashsale_env.agents.sb3.potential import Potential
from flashsale_env.agents.sb3.presets import FAMILIES, OPERATIONS, PRESETS, family, preset
from flashsale_env.agents.sb3.settings import OffPolicy
from flashsale_env.agents.training import TRAINING
from flashsale_env.intents import ByIntent

LEARNERS = [name for name, entry in AGENTS.items() if entry.module.startswith("sb3.")]
assert LEARNERS
ROUNDS, SALES = 4, 16
SMALL = {"sales": ROUNDS * SALES, "num_envs": SALES, "net_arch": (8,), "validation_sales": 16, "validate_every": 1}
OF_ONE = {"dqn": {}, "tqc": {"n_quantiles": 3}, "recurrent_ppo": {"memory": 4}}
ENCODINGS = ("box", "multidiscrete", "discrete")
SERVICE = Service((1, 2, 4, 8, 16), 6.0, ByIntent.read(1.0, ""))


def learner(name, scenario="gvr-periodic", **settings):
    small = {**SMALL, "batch_size": 32} if "batch_size" in fields(name) else SMALL
    if "buffer_size" in fields(name):  # the buffer wraps around, and replay begins inside the first round
        small = {**small, "buffer_size": 300, "learning_starts": 40, "checkpoint_every": 1}
    return agents.make(name, scenario, device="cpu", **{**small, **OF_ONE.get(name, {}), **settings})


def fields(name):
    return {field.name for field in dataclasses.fields(preset(load_scenario("gvr-periodic"), name))}


def weights(agent):
    return torch.cat([value.flatten() for value in agent.policy.state_dict().values()])


def stop_after(rounds):
    def progress(done, total, row):
        if done == rounds * SALES:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("name", LEARNERS)
def test_it_learns_saves_and_loads_the_same_policy(name, tmp_path):
    agent = learner(name)
    before = weights(agent)
    curve = agent.learn(folder=tmp_path)
    assert [row["sales"] for row in curve] == [SALES * k for k in range(ROUNDS + 1)]
    assert not torch.equal(before, weights(agent))
    loaded = agents.load(tmp_path, "gvr-periodic", device="cpu")
    assert torch.equal(weights(agent), weights(loaded))
    seeds = split_seeds("test", 0, 8)
    one, other = (play(player, "gvr-periodic", seeds=seeds)["ret"] for player in (agent, loaded))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_resumed_training_is_the_uninterrupted_one(name, tmp_path):
    """Bit for bit: weights of the best policy, every checkpoint of the last one, and the curve."""
    whole, resumed = learner(name), learner(name)
    curve = whole.learn(folder=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        learner(name).learn(folder=tmp_path / "parts", progress=stop_after(2))
    resumed_curve = resumed.learn(folder=tmp_path / "parts")
    for row, other in zip(curve, resumed_curve, strict=True):
        assert {**row, "seconds": 0} == {**other, "seconds": 0}
    assert torch.equal(weights(whole), weights(resumed))
    states = [json.loads((tmp_path / part / TRAINING).read_text()) for part in ("whole", "parts")]
    assert states[0]["counters"] == states[1]["counters"]
    models = [agent.model for agent in (whole, resumed)]
    for variable in models[0]._get_torch_save_params()[0]:
        first, second = (flat(model.get_parameters()[variable]) for model in models)
        if variable != "policy":  # of the last round; the policy is back at the best one
            assert torch.equal(first, second), variable
    if isinstance(whole, OffPolicyAgent):
        files = [next((tmp_path / part).glob("checkpoint-*.safetensors")).read_bytes() for part in ("whole", "parts")]
        assert files[0] == files[1]


def flat(tree):
    """All numbers of a nested dictionary of tensors."""
    if isinstance(tree, dict):
        tree = [tree[key] for key in sorted(tree, key=str)]
    if isinstance(tree, list):
        return torch.cat([torch.zeros(0), *map(flat, tree)])
    return torch.as_tensor([] if tree is None else tree, dtype=torch.float32).flatten()


def test_a_kill_between_checkpoints_loses_only_the_rounds_since(tmp_path):
    """The best policy may be younger than the checkpoint: it is found again."""
    settings = {"checkpoint_every": 2, "validate_every": 1}
    whole = learner("dqn", **settings)
    whole.learn(folder=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        learner("dqn", **settings).learn(folder=tmp_path / "parts", progress=stop_after(3))
    assert json.loads((tmp_path / "parts" / TRAINING).read_text())["rounds"] == 2
    resumed = learner("dqn", **settings)
    resumed.learn(folder=tmp_path / "parts")
    assert torch.equal(weights(whole), weights(resumed))


def test_a_broken_replay_buffer_is_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        learner("dqn").learn(folder=tmp_path, progress=stop_after(2))
    path = next(tmp_path.glob("checkpoint-*.safetensors"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is not the replay buffer of this training"):
        learner("dqn").learn(folder=tmp_path)


@pytest.mark.parametrize("encoding", ["multidiscrete", "discrete"])
@pytest.mark.parametrize("name", ["ppo", "maskable_ppo", "recurrent_ppo"])
def test_on_a_grid_it_also_starts_from_the_advice(name, encoding):
    agent = learner(name, actions=encoding)
    adviser = agents.make("fixed_price", "gvr-periodic")
    assert evaluate(agent) == evaluate(adviser)


def evaluate(agent):
    return play(agent, "gvr-periodic", seeds=split_seeds("test", 0, 64))["profit"].tolist()


def test_the_standard_grid_starts_from_the_advice():
    agent = agents.make("ppo", "standard", device="cpu", adviser="fixed_price", actions="multidiscrete")
    adviser = agents.make("fixed_price", "standard")
    seeds = split_seeds("test", 0, 4)
    ours, theirs = (play(player, "standard", seeds=seeds)["revenue"] for player in (agent, adviser))
    np.testing.assert_array_equal(ours, theirs)


def test_the_memory_of_a_recurrent_policy_is_in_its_state():
    agent = learner("recurrent_ppo")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        # Small enough that no action is clipped.
        torch.nn.init.normal_(agent.policy.mlp_extractor.networks.correction.weight, std=0.1)
    rng = np.random.default_rng(0)
    observations = rng.random((5, agent.layout.size), np.float32)
    first, state = agent.predict(observations)
    assert [part.shape for part in state] == [(1, 5, 4), (1, 5, 4)]
    later, _ = agent.predict(observations, state)
    assert not np.array_equal(first, later)
    anew, _ = agent.predict(observations, state, np.ones(5, np.bool_))
    np.testing.assert_array_equal(first, anew)
    alone = [agent.predict(row, tuple(part[:, i : i + 1] for part in state))[0] for i, row in enumerate(observations)]
    np.testing.assert_allclose(alone, later, atol=1e-6)


def test_a_recurrent_policy_cannot_be_evaluated_state_by_state():
    with pytest.raises(ValueError, match="keeps a state"):
        evaluate_exactly(learner("recurrent_ppo"), "gvr-periodic")


@pytest.mark.parametrize("name", ["ppo", "maskable_ppo", "dqn", "sac"])
def test_a_learner_is_evaluated_exactly(name):
    """Against 2,000 sales, three and a half standard errors: one false alarm in 500 tests of four learners."""
    agent = learner(name)
    played = play(agent, "gvr-periodic", seeds=split_seeds("test", 0, 2000))["revenue"]
    assert abs(played.mean() - evaluate_exactly(agent, "gvr-periodic")) < 3.5 * played.std() / 2000**0.5


@pytest.mark.parametrize("name", LEARNERS)
def test_drawn_actions_repeat_with_the_seed_and_leave_the_global_generator_alone(name):
    observations = np.full((64, 4), 0.5, np.float32)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    drawn = [learner(name, seed=1).predict(observations, deterministic=False)[0] for _ in range(2)]
    assert torch.equal(torch.rand(1), expected)
    np.testing.assert_array_equal(*drawn)


def test_every_sale_of_a_dqn_explores_on_its_own():
    agent = learner("dqn")
    agent.model.exploration_rate = 0.5
    shown = agent.advise(np.full((1000, 4), 0.5, np.float32))
    greedy = agent.model.predict(shown, deterministic=True)[0]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = agent.model.predict(shown, deterministic=False)[0]
    # Half explore, and one in eleven of those draws the greedy action: 455, standard error 16.
    assert abs((drawn != greedy).sum() - 455) < 64


@pytest.mark.parametrize("name", LEARNERS)
def test_an_unknown_setting_is_an_error_that_offers_the_nearest(name):
    with pytest.raises(ValueError, match=f"setting of '{name}'.*Did you mean 'num_envs'"):
        learner(name, num_env=3)


@pytest.mark.parametrize("name", LEARNERS)
def test_an_encoding_that_an_algorithm_does_not_have_is_an_error(name):
    """And the others work."""
    possible = PRESETS[name, FAMILIES[0]].encodings
    for encoding in ENCODINGS:
        if encoding in possible:
            assert learner(name, actions=encoding).encoding == encoding
        else:
            with pytest.raises(ValueError, match=f"unknown actions '{encoding}'"):
                learner(name, actions=encoding)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("sac", {"n_epochs": 2}, "unknown setting of 'sac' 'n_epochs'"),
        ("ppo", {"rollout_ticks": 3}, "must divide the horizon of 10 ticks, got 3"),
        ("ppo", {"policy": "merchand"}, "Did you mean 'merchant'"),
        ("dqn", {"exploration": 2.0}, r"exploration must lie in 0\.0\.\.1\.0"),
        ("tqc", {"dropped_quantiles": -1}, "dropped_quantiles must be at least 0"),
        ("td3", {"gamma": 0.0}, "gamma must lie above 0"),
        ("sac", {"potential": "fixed_prise"}, "unknown potential 'fixed_prise'. Did you mean 'fixed_price'"),
        ("sac", {"potential": "ppo"}, "unknown potential 'ppo'"),
        ("ppo", {"adviser": "a2c"}, "unknown adviser 'a2c'"),
        ("sac", {"correction": 2}, r"correction must lie in 0\.0\.\.1\.0"),
    ],
)
def test_a_wrong_setting_is_an_error(name, settings, message):
    with pytest.raises(ValueError, match=message):
        learner(name, **settings)


def test_a_learner_that_needs_a_small_grid_gives_the_reason_where_there_is_none():
    assert "discrete actions" in AGENTS["dqn"].applies("intent")
    with pytest.raises(
        ValueError, match="agent 'dqn' does not apply to scenario 'intent': the agent needs discrete actions"
    ):
        agents.make("dqn", "intent")
    assert AGENTS["ppo"].applies("intent") is None


def test_every_learner_has_a_preset_for_every_family():
    assert {name for name, _ in PRESETS} == set(LEARNERS)
    for scenario in map(load_scenario, SCENARIOS):
        assert family(scenario) in FAMILIES
        for name in LEARNERS:
            chosen = preset(scenario, name)
            for role in ("adviser", "potential"):
                rule = getattr(chosen, role, "")
                assert not rule or AGENTS[rule].applies(scenario) is None
            assert chosen.actions in chosen.encodings


def test_decisions_about_operations_start_from_a_rule_that_takes_them_all():
    """sell_through, or fixed_price where it does not apply: with a single price."""
    scenario = load_scenario("gvr-periodic").replace(service=SERVICE)
    assert family(scenario) == OPERATIONS
    assert {preset(scenario, name).adviser for name in ("ppo", "recurrent_ppo")} == {"sell_through"}
    product = dataclasses.replace(scenario.products[0], price_levels=(1.0,))
    assert preset(scenario.replace(products=(product,)), "ppo").adviser == "fixed_price"


def test_noise_leaves_a_cell_as_often_whatever_the_number_of_levels():
    """Advice is at the end of its cell, whose width is 2 / levels; prices, orders and coupon have their own noise."""
    pages = Disclosure((0.4, 0.2), plenty=-0.3)
    agent = learner("ppo", load_scenario("gvr-periodic").replace(service=SERVICE, disclosure=pages))
    noise = np.exp(agent._log_stds)
    assert noise[1:] * agent.codec.n_levels[1:] == pytest.approx(4 * np.exp(agent.settings.log_std))
    assert noise[0] == np.exp(agent.settings.log_std)
    standard = learner("ppo", "standard")
    kinds = [name.partition("[")[0] for name in standard.codec.names]
    assert dict(zip(kinds, standard._log_stds, strict=True)) == {"price": -1.5, "order": -1.75, "coupon": -1.5}


def test_learners_that_replay_have_their_rewards_shaped_in_every_family():
    for (name, of), chosen in PRESETS.items():
        assert not isinstance(chosen, OffPolicy) or chosen.potential, (name, of)
    assert preset(load_scenario("gvr-periodic"), "dqn").potential == "fixed_price"


def test_every_preset_writes_checkpoints_on_the_way():
    """A kill costs a quarter of the training at most."""
    for key, chosen in PRESETS.items():
        assert chosen.sales / chosen.num_envs / chosen.checkpoint_every >= 4, key


@pytest.mark.parametrize("gamma", [1.0, 0.9])
def test_replayed_rewards_are_shaped(gamma):
    """Against a training without a potential, the reward of the first tick differs by gamma·F(s') - F(s)."""
    shaped, plain = (learner("sac", potential=rule, gamma=gamma, buffer_size=1000) for rule in ("fixed_price", ""))
    first = []
    for agent in (shaped, plain):
        agent.learn()
        first.append(agent.model.replay_buffer)
    np.testing.assert_array_equal(first[0].observations[0], first[1].observations[0])
    np.testing.assert_array_equal(first[0].actions[0], first[1].actions[0])
    scenario = shaped.scenario
    played = agents.FlashSaleVecEnv(scenario, num_envs=2048, run=0, reward_scale=reward_scale(scenario))
    potential = Potential(agents.make("fixed_price", scenario), played, gamma)
    columns = shaped.layout.size
    before, after = (potential(seen[0][:, :columns]) for seen in (first[0].observations, first[0].next_observations))
    np.testing.assert_allclose(first[0].rewards[0] - first[1].rewards[0], gamma * after - before, atol=1e-5)


@pytest.mark.parametrize("name", ["sac", "td3", "tqc"])
def test_corrections_start_from_the_advice_and_stay_near_it(name, tmp_path):
    agent = learner(name, adviser="fixed_price", correction=0.2, learning_rate=0.1)
    assert evaluate(agent) == evaluate(agents.make("fixed_price", "gvr-periodic"))
    agent.learn(folder=tmp_path)
    weights_before = {key: value.clone() for key, value in agent.policy.state_dict().items()}
    agent.policy.load_state_dict({key: value + 1.0 for key, value in weights_before.items()})
    seen = agents.FlashSaleVecEnv("gvr-periodic", num_envs=8).reset()
    advice = agents.make("fixed_price", "gvr-periodic").predict(seen)[0]
    moved = np.abs(agent.predict(seen)[0] - advice)
    assert 0.1 < moved.max() <= 0.2 + 1e-6
    agent.policy.load_state_dict(weights_before)
    assert evaluate(agents.load(tmp_path, "gvr-periodic", device="cpu")) == evaluate(agent)


def test_even_a_short_training_has_gradient_steps():
    """Whatever number of random transitions the preset starts with."""
    agent = agents.make("dqn", "gvr-periodic", device="cpu", sales=2048, num_envs=1024, validation_sales=16)
    agent.learn()
    assert agent.model._n_updates > 0


def test_a_training_on_another_game_or_other_customers_is_not_continued(tmp_path):
    learner("a2c").learn(folder=tmp_path)
    busier = load_scenario("gvr-periodic").replace(tick_minutes=2.0)
    with pytest.raises(ValueError, match="another scenario_sha256"):
        learner("a2c", busier).learn(folder=tmp_path)
    eager = dataclasses.replace(Population.homogeneous(["ticket"]), price_sensitivity=np.float32([9.0]))
    with pytest.raises(ValueError, match="another population_sha256"):
        learner("a2c").learn(eager, folder=tmp_path)


def test_numbers_of_numpy_are_settings_too(tmp_path):
    agent = learner("ppo", n_epochs=np.int64(2), learning_rate=np.float32(0.5), net_arch=np.array([8]).tolist())
    agent.save(tmp_path)
    assert agents.load(tmp_path, "gvr-periodic", device="cpu").settings == agent.settings


def test_rollouts_shorter_than_a_sale_give_the_same_rounds(tmp_path):
    """Checkpoints still lie between whole sales."""
    agent = learner("ppo", rollout_ticks=5, batch_size=40)
    curve = agent.learn(folder=tmp_path)
    assert [row["sales"] for row in curve] == [SALES * k for k in range(ROUNDS + 1)]
    assert json.loads((tmp_path / TRAINING).read_text())["counters"]["_n_updates"] == 2 * ROUNDS * 4


def test_figures_go_to_tensorboard(tmp_path):
    learner("ppo").learn(tensorboard=tmp_path)
    assert [path.name.startswith("events.out.tfevents") for path in tmp_path.iterdir()] == [True]


def test_every_network_learns():
    for network in NETWORKS:
        agent = learner("ppo", "mnl-stock", policy=network)
        before = weights(agent)
        agent.learn()
        assert not torch.equal(before, weights(agent))


def test_a_replay_buffer_is_no_larger_than_the_training():
    agent = learner("sac", buffer_size=10_000_000)
    agent.learn()
    assert agent.model.replay_buffer.buffer_size * SALES == ROUNDS * SALES * 10
    assert isinstance(agent.settings, OffPolicy)


@pytest.mark.parametrize(("ticks", "steps"), [(60, 6), (10, 1), (4, 1)])
def test_n_step_returns_cover_a_tenth_of_the_sale(ticks, steps):
    scenario = load_scenario("gvr-periodic").replace(horizon_ticks=ticks)
    assert learner("dqn", scenario, n_steps=0).model.n_steps == steps
    assert learner("dqn", scenario, n_steps=3).model.n_steps == 3


def test_exploration_narrows_by_the_same_factor_for_prices_and_orders():
    agent = learner(
        "ppo", "standard", siblings=1, batch_size=120, log_std=-1.0, log_std_orders=-1.5, final_log_std=-3.0
    )
    orders = agent._box.columns("order")
    for done, price, order in ((0.0, -1.0, -1.5), (0.5, -2.0, -2.5), (1.0, -3.0, -3.5)):
        agent.begin_round(done)
        log_std = agent.policy.log_std.detach().numpy()
        np.testing.assert_allclose(np.delete(log_std, orders), price)
        np.testing.assert_allclose(log_std[orders], order)
