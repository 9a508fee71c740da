"""Masks of grid actions: they take away what is no use, and nothing else."""

import dataclasses

import numpy as np
import pytest

from flashsale_env import Simulator, agents, load_scenario
from flashsale_env.agents import split_seeds
from flashsale_env.spaces.masks import ActionMasks

ENCODINGS = ("multidiscrete", "discrete")


def states(scenario, encoding, sales=64):
    """Observations and simulator of sales played at random; stock, reserve and budget run out towards the end."""
    simulator = Simulator(scenario, sales=sales, actions=encoding, threads=1)
    observations = simulator.open(split_seeds("validation", 0, sales), np.zeros(sales, np.int64))
    rng = np.random.default_rng(0)
    for _ in range(min(simulator.scenario.horizon_ticks, 60)):
        yield simulator, observations, rng
        actions = draw(simulator.codec, np.ones((sales, outputs(simulator.codec)), bool), rng)
        observations = simulator.advance(actions)[0]


def outputs(codec):
    return codec.space.n if codec.encoding == "discrete" else int(codec.n_levels.sum())


def draw(codec, masks, rng):
    """An action of every sale, at random among the allowed."""
    ends = [masks.shape[1]] if codec.encoding == "discrete" else np.cumsum(codec.n_levels)
    columns = np.split(masks, ends[:-1], axis=1)
    drawn = [(rng.random(part.shape) * part).argmax(axis=1) for part in columns]
    return drawn[0] if codec.encoding == "discrete" else np.stack(drawn, axis=1)


def test_a_sold_out_product_has_only_its_first_price_left():
    gone = 0
    for simulator, observations, _ in states("mnl-stock", "multidiscrete"):
        sold_out = simulator.sales["on_hand"] == 0
        masks = ActionMasks(simulator.scenario, "multidiscrete")(observations)
        for j, part in enumerate(np.split(masks, np.cumsum(simulator.codec.n_levels)[:-1], axis=1)):
            assert (part.sum(axis=1) == np.where(sold_out[:, j], 1, part.shape[1])).all()
            assert part[:, 0].all()
        gone += sold_out.sum()
    assert gone > 100


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_state_leaves_an_action_and_the_first_is_always_one(encoding):
    for name in ("standard", "mnl-stock", "lost-sales", "gvr-periodic"):
        for simulator, observations, _ in states(name, encoding, sales=8):
            masks = ActionMasks(simulator.scenario, encoding)(observations)
            assert masks.shape == (8, outputs(simulator.codec))
            assert masks[:, 0].all()


def test_no_allowed_order_asks_for_more_than_one_level_below_would_bring():
    """An order is cut to what there is: of the levels that bring the same, the smallest is allowed."""
    cut = 0
    for name in ("standard", "lost-sales"):
        for simulator, observations, _ in states(name, "multidiscrete"):
            codec, sales = simulator.codec, simulator.sales
            highest = ActionMasks(simulator.scenario, "multidiscrete").highest_levels(observations)
            for column, j in zip(codec.columns("order"), codec.numbers_of(codec.columns("order")), strict=True):
                product = simulator.scenario.products[j]
                there = sales["reserve"][:, j].astype(float)
                if simulator.scenario.replenishment.unlimited:
                    there = product.storage - sales["on_hand"][:, j] - sales["inbound"][:, :, j].sum(axis=1)
                brings = np.minimum(np.array(codec.levels[column]), there[:, None])
                useful = np.concatenate([np.ones((len(there), 1), bool), np.diff(brings, axis=1) > 0], axis=1)
                np.testing.assert_array_equal(np.arange(len(useful[0])) <= highest[:, column : column + 1], useful)
                cut += (~useful).sum()
    assert cut > 100


def stored(room):
    """The standard sale with storage for so many units more than it opens with."""
    scenario = load_scenario("standard")
    products = [dataclasses.replace(p, storage=p.initial_stock + room) for p in scenario.products]
    return scenario.replace(products=tuple(products))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_storage_that_never_binds_masks_what_no_storage_masks(encoding):
    """Units were read as shares of a storage beside a reserve."""
    roomy, plain = stored(2000), load_scenario("standard")
    for simulator, observations, _ in states(roomy, encoding, sales=4):
        masks = ActionMasks(roomy, encoding)(observations)
        other = Simulator(plain, sales=4, actions=encoding, threads=1)
        other.open(split_seeds("validation", 0, 4), np.zeros(4, np.int64))
        other.sales[:] = simulator.sales
        np.testing.assert_array_equal(masks, ActionMasks(plain, encoding)(other.observe()))
    assert not masks.all()


def test_a_storage_that_binds_allows_no_order_beyond_the_room_in_it():
    scenario = stored(10)
    storage = np.array([product.storage for product in scenario.products])
    bound = 0
    for simulator, observations, _ in states(scenario, "multidiscrete", sales=16):
        codec, sales = simulator.codec, simulator.sales
        highest = ActionMasks(scenario, "multidiscrete").highest_levels(observations)
        room = storage - sales["on_hand"] - sales["inbound"].sum(axis=1)
        for column, j in zip(codec.columns("order"), codec.numbers_of(codec.columns("order")), strict=True):
            there = np.minimum(room[:, j], sales["reserve"][:, j])
            enough = [next(k for k, n in enumerate((*codec.levels[column][:-1], np.inf)) if n >= u) for u in there]
            np.testing.assert_array_equal(highest[:, column], enough)
            bound += (room[:, j] < sales["reserve"][:, j]).sum()
    assert bound > 100


def test_no_coupon_is_allowed_that_the_budget_cannot_honour():
    scenario = load_scenario("standard")
    simulator = Simulator(scenario, sales=4, actions="multidiscrete", threads=1)
    simulator.open(split_seeds("validation", 0, 4), np.zeros(4, np.int64))
    cheapest = min(min(product.price_levels) for product in scenario.products)
    depths = np.array(scenario.coupon.depths)
    simulator.sales["coupon"]["budget"] = np.array([scenario.coupon.budget, depths[2] * cheapest, 0.01, 0.0])
    highest = ActionMasks(scenario, "multidiscrete").highest_levels(simulator.observe())
    np.testing.assert_array_equal(highest[:, simulator.codec.columns("coupon")[0]], [len(depths) - 1, 2, 0, 0])


@pytest.mark.parametrize("name", ["mnl-stock", "lost-sales"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_masked_action_earns_what_an_allowed_one_earns(name, encoding):
    """Without coupons a mask takes nothing away: the next lower allowed level of each decision does the same."""
    for simulator, observations, rng in states(name, encoding, sales=32):
        codec = simulator.codec
        masks = ActionMasks(simulator.scenario, encoding)(observations)
        action = draw(codec, np.ones_like(masks), rng)
        if encoding == "discrete":
            lower = np.array([np.flatnonzero(row[: a + 1])[-1] for row, a in zip(masks, action, strict=True)])
        else:
            lower = np.minimum(action, ActionMasks(simulator.scenario, encoding).highest_levels(observations))
        before = simulator.sales.copy()
        outcomes = []
        for played in (action, lower):
            simulator.sales[:] = before
            outcomes.append(simulator.advance(played)[1])
        simulator.sales[:] = before
        np.testing.assert_array_equal(*outcomes)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("mode", [True, False])
def test_the_masked_learner_plays_only_allowed_actions(encoding, mode):
    """Also untrained, also drawn at random: the policy gives the rest no weight."""
    agent = agents.make("maskable_ppo", "mnl-stock", actions=encoding)
    with_torch = agent.policy.mlp_extractor.networks.correction
    with_torch.weight.data.normal_(0.0, 3.0)  # far from what it starts with
    for simulator, observations, _ in states("mnl-stock", encoding):
        masks = ActionMasks(simulator.scenario, encoding)(observations)
        actions, _ = agent.predict(observations, deterministic=mode)
        if encoding == "discrete":
            assert masks[np.arange(len(actions)), actions].all()
            continue
        for c, part in enumerate(np.split(masks, np.cumsum(simulator.codec.n_levels)[:-1], axis=1)):
            assert part[np.arange(len(actions)), actions[:, c]].all()


def test_box_actions_have_no_masks():
    with pytest.raises(ValueError, match="multidiscrete and discrete actions, got 'box'"):
        ActionMasks(load_scenario("mnl-stock"), "box")
