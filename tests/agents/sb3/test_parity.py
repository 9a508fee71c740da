"""A limit on the gap between groups: what it charges, how its multiplier moves, and what the training keeps."""

import json

import numpy as np
import pytest
import torch

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.agents import play, split_seeds
from flashsale_env.agents.sb3.parity import Multiplier, Parity, gap_of
from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv
from flashsale_env.agents.training import TRAINING
from flashsale_env.market.fairness import OUTCOMES, counts

SALES = 64
PLAIN = fs.load_scenario("intent")
SCENARIO = PLAIN.replace(fairness=fs.Fairness(), horizon_ticks=5)
CUSTOMERS = fs.load_population("intent", ["voucher"])
EVERYBODY = tuple(range(len(fs.INTENTS)))
SMALL = {"sales": 6 * 64, "num_envs": 64, "siblings": 8, "batch_size": 320, "validation_sales": 64, "net_arch": (8,)}
SMALL |= {"validate_every": 2, "learning_rate": 1e-2, "log_std": -1.0, "final_log_std": -1.0}


def offers(by_intent, default=45):
    """Box action: the level of the offer to each intent."""
    levels = np.full((1, len(fs.INTENTS)), default)
    for intent, level in by_intent.items():
        levels[0, fs.INTENTS.index(intent)] = level
    return fs.ActionCodec(SCENARIO).from_levels(levels)


DEAR = offers({"urgent_purchase": 25, "brand_loyal": 25, "bulk": 50})


@pytest.fixture(scope="module")
def batch():
    return FlashSaleVecEnv(SCENARIO, CUSTOMERS, num_envs=SALES)


def one_sale(batch, action, charge=None):
    """(N, T) rewards of the learner, and the counts of the closed sales."""
    seen = []

    def look(sales, closed):
        if closed:
            seen.append(counts(sales))
        return np.zeros(SALES) if charge is None else charge(sales, closed)

    batch.charge = look
    batch.seed(0)
    batch.reset()
    rewards = [batch.step(np.repeat(action, SALES, axis=0))[1] for _ in range(SCENARIO.horizon_ticks)]
    batch.charge = None
    return np.stack(rewards, axis=1), seen[0]


def test_nothing_is_charged_until_the_multiplier_has_moved(batch):
    multiplier = Multiplier(Parity(0.0), SCENARIO, CUSTOMERS)
    free, _ = one_sale(batch, DEAR)
    charged, _ = one_sale(batch, DEAR, multiplier.charge)
    np.testing.assert_array_equal(free, charged)
    assert multiplier.value > 0


def test_a_sale_is_charged_for_its_part_in_the_gap_tick_by_tick(batch):
    """The charges of the ticks add up, and those of the sales to the change of the gap of the two groups, exactly."""
    parity = Parity(0.0, "mean_price")
    multiplier = Multiplier(parity, SCENARIO, CUSTOMERS)
    _, before = one_sale(batch, DEAR, multiplier.charge)
    state = multiplier.state()
    other = offers({"urgent_purchase": 35, "brand_loyal": 35, "bulk": 48})
    free, _ = one_sale(batch, other)
    charged, after = one_sale(batch, other, multiplier.charge)
    per_gap = state["value"] * state["scale"][0] / state["scale"][1]
    paid = (charged - free).sum(axis=1)
    assert (np.abs(charged - free).max(axis=0) > 0).all(), "every tick is charged for what happens in it"
    part, whole = (numbers.mean(axis=0) for numbers in OUTCOMES["mean_price"].of(after))
    outcome, old = part / whole, parity.outcomes(before, EVERYBODY)
    (high, _, high_whole), (low, _, low_whole) = state["high"], state["low"]
    high, low = int(high), int(low)
    assert (high, low) == (int(old.argmax()), int(old.argmin()))
    change = (outcome - old)[high] * whole[high] / high_whole - (outcome - old)[low] * whole[low] / low_whole
    assert change < 0, "the gap has narrowed"
    assert paid.mean() == pytest.approx(-per_gap * change, rel=1e-3)  # rewards are single precision


def test_the_charge_is_neither_profit_nor_return(batch):
    multiplier = Multiplier(Parity(0.0), SCENARIO, CUSTOMERS)
    one_sale(batch, DEAR, multiplier.charge)
    batch.seed(0)
    batch.reset()
    batch.charge = multiplier.charge
    for _ in range(SCENARIO.horizon_ticks):
        *_, infos = batch.step(np.repeat(DEAR, SALES, axis=0))
    batch.charge = None
    assert [info["episode"]["r"] for info in infos] == pytest.approx([info["profit"] for info in infos])


def test_a_reward_that_is_paid_at_the_close_holds_the_whole_charge(batch):
    late = FlashSaleVecEnv(SCENARIO, CUSTOMERS, num_envs=SALES, pay_at_close=True)
    sums = []
    for played in (batch, late):
        multiplier = Multiplier(Parity(0.0), SCENARIO, CUSTOMERS)
        one_sale(played, DEAR, multiplier.charge)
        rewards, _ = one_sale(played, DEAR, multiplier.charge)
        sums.append(rewards.sum(axis=1))
    assert (rewards[:, :-1] == 0).all()
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-5)


def test_the_multiplier_rises_above_the_limit_and_falls_to_zero_below_it(batch):
    multiplier = Multiplier(Parity(1e-3, damping=0.0, step=0.1), SCENARIO, CUSTOMERS)
    values = []
    for action in (DEAR, DEAR, offers({}), offers({}), offers({})):
        one_sale(batch, action, multiplier.charge)
        values.append(multiplier.value)
    assert 0 < values[0] < values[1]
    assert values[1] == pytest.approx(2 * values[0])
    assert values[2] < values[1]
    tight = Multiplier(Parity(10.0, damping=0.0), SCENARIO, CUSTOMERS)
    one_sale(batch, DEAR, tight.charge)
    assert tight.value == 0.0


def test_damping_answers_to_the_excess_of_the_moment(batch):
    plain, damped = (Multiplier(Parity(0.0, damping=d), SCENARIO, CUSTOMERS) for d in (0.0, 1.0))
    for multiplier in (plain, damped):
        one_sale(batch, DEAR, multiplier.charge)
    _, found = one_sale(batch, DEAR)
    outcomes = plain.parity.outcomes(found, EVERYBODY)
    assert damped.value - plain.value == pytest.approx(gap_of(outcomes) / plain.state()["scale"][1])


def test_only_the_named_groups_count(batch):
    _, found = one_sale(batch, DEAR)
    everybody = Parity(0.0).outcomes(found, EVERYBODY)
    alone = Parity(0.0, groups=("gift", "browsing"))
    two = alone.outcomes(found, alone.among(SCENARIO, CUSTOMERS))
    assert np.isnan(two).sum() == len(fs.INTENTS) - 2
    assert gap_of(two) < gap_of(everybody)
    assert gap_of(np.full(3, np.nan)) == 0.0


def learner(name="ppo", scenario=SCENARIO, **settings):
    advice = {f"offer[{intent}]": 42 for intent in fs.INTENTS}
    return agents.make(name, scenario, device="cpu", adviser_params=advice, **{**SMALL, **settings})


def weights(agent):
    return torch.cat([value.flatten() for value in agent.policy.state_dict().values()])


def test_a_limit_narrows_the_gap_and_what_is_kept_is_within_it():
    """256 fresh sales. Without a limit the gap grows with the training."""
    seeds = split_seeds("test", 0, 256)
    gaps = {}
    for most in (None, 0.03):
        agent = learner(sales=24 * 64, validate_every=6)
        curve = agent.learn(CUSTOMERS, parity=None if most is None else Parity(most, step=0.1, damping=2.0))
        played = play(agent, SCENARIO, CUSTOMERS, seeds=seeds, read=counts)
        assert (played.more["customers"].sum(axis=1) == played["customers"]).all(), "each under its own name"
        outcomes = Parity(0.0).outcomes(played.more, EVERYBODY)
        gaps[most] = gap_of(outcomes)
    within = [row for row in curve if row["gap"] <= 0.03]
    assert max(row["multiplier"] for row in curve) > 0
    assert within
    assert gaps[0.03] < 0.05 < gaps[None]  # the limit, and the noise of validation and test


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path):
    """Bit for bit, the multiplier included; and with another limit it is another training."""
    parity = Parity(0.02, step=0.5)
    whole = learner()
    curve = whole.learn(CUSTOMERS, folder=tmp_path / "whole", parity=parity)

    def stop(done, total, row):
        if done == 3 * 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner().learn(CUSTOMERS, folder=tmp_path / "parts", progress=stop, parity=parity)
    for other in (None, Parity(0.03, step=0.5)):
        with pytest.raises(ValueError, match="holds a training with another parity"):
            learner().learn(CUSTOMERS, folder=tmp_path / "parts", parity=other)
    resumed = learner()
    assert [{**row, "seconds": 0} for row in resumed.learn(CUSTOMERS, folder=tmp_path / "parts", parity=parity)] == [
        {**row, "seconds": 0} for row in curve
    ]
    assert torch.equal(weights(whole), weights(resumed))
    assert curve[-1]["multiplier"] > 0
    states = [json.loads((tmp_path / part / TRAINING).read_bytes())["multiplier"] for part in ("whole", "parts")]
    assert states[0] == states[1]
    assert json.loads((tmp_path / "whole" / "agent.json").read_bytes())["parity"]["most"] == 0.02
    loaded = agents.load(tmp_path / "whole", SCENARIO)
    assert torch.equal(weights(loaded), weights(whole))


def test_what_cannot_be_limited_is_refused():
    parity = Parity(0.1)
    with pytest.raises(ValueError, match=r"'sac' replays old transitions.*e\.g\. 'ppo'"):
        agents.make("sac", SCENARIO, sales=64).learn(CUSTOMERS, parity=parity)
    with pytest.raises(ValueError, match=r"counts nobody by group: a limit on a gap needs \[fairness\]"):
        learner(scenario=PLAIN).learn(CUSTOMERS, parity=parity)
    with pytest.raises(ValueError, match=r"unknown group by intent 'gifts'\. Did you mean 'gift'"):
        learner().learn(CUSTOMERS, parity=Parity(0.1, groups=("gifts", "bulk")))
    for settings, message in (
        ({"outcome": "mean_prise"}, "unknown outcome 'mean_prise'. Did you mean 'mean_price'"),
        ({"most": -1.0}, "want a limit of at least 0"),
        ({"step": 0.0}, "a step above 0"),
        ({"damping": -1.0}, "damping of at least 0"),
        ({"groups": ("gift",)}, "between two groups or more, got 'gift' alone"),
    ):
        with pytest.raises(ValueError, match=message):
            Parity(**{"most": 0.1, **settings})
