"""Learning during the sale: beliefs against their formulas, regret against the best price, and memory as state."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from scipy.stats import chisquare, gamma, ks_1samp

from flashsale_env import INTENTS, Simulator, agents, load_scenario
from flashsale_env.agents import AGENTS, play, split_seeds
from flashsale_env.agents.rules.bandits import Outcome, Prospect, best_mix, customers_until_sold_out, draw
from flashsale_env.agents.rules.demand_curves import exponential_fit
from flashsale_env.scenario import Arrivals

COUNTING = ["ucb", "thompson", "thompson_lp", "certainty_equivalent"]
LEARNING = [*COUNTING, "exp3", "contextual"]


def home(name):
    """A scenario the agent plays."""
    return load_scenario("standard" if name == "contextual" else "gvr-periodic")


def untuned(name, scenario, **settings):
    """An agent at its defaults: shipped values change when they are tuned again."""
    return agents.make(name, scenario, **(agents.AGENTS[name].cls.defaults(load_scenario(scenario)) | settings))


def long_sale(ticks):
    """A stationary sale whose stock hardly binds: five customers a tick, exponential willingness to pay of mean 1."""
    scenario = load_scenario("gvr-periodic")
    ticket = dataclasses.replace(scenario.products[0], initial_stock=int(2.5 * ticks))
    return scenario.replace(
        horizon_ticks=ticks,
        tick_minutes=1.0,
        products=(ticket,),
        arrivals=Arrivals(5.0),
        observe=("time_left", "on_hand"),
    )


def prices_shown(agent, scenario, sales):
    """(T, N) prices of a whole sale, and the last memory."""
    simulator = Simulator(scenario, sales=sales, threads=1)
    observations = simulator.open(split_seeds("validation", 0, sales), np.zeros(sales, np.int64))
    state, shown = None, []
    for tick in range(scenario.horizon_ticks):
        actions, state = agent.predict(observations, state, np.full(sales, tick == 0))
        observations, _, _ = simulator.advance(actions)
        shown.append(simulator.sales["price"][:, 0].copy())
    return np.array(shown), state, observations


def outcome(arm, units, customers, intents=None):
    return Outcome(np.array([[arm]]), np.array([[float(units)]]), np.array([[float(customers)]]), intents)


# Regret


@pytest.mark.parametrize("name", ["ucb", "thompson", "thompson_lp"])
def test_regret_grows_more_slowly_than_time(name):
    """Against the best fixed price on the grid, 1, which earns 1/e a customer; mean of 24 sales.

    From 400 ticks to 1,600 it becomes less than 2.7 times as large: the square root of time would be 2, time itself 4.
    """
    scenario = long_sale(1600)
    prices, _, _ = prices_shown(untuned(name, scenario), scenario, 24)
    regret = 5.0 * np.cumsum(np.exp(-1.0) - prices * np.exp(-prices), axis=0).mean(axis=1)
    ladder = np.array(scenario.products[0].price_levels)
    even = 5.0 * (np.exp(-1.0) - ladder * np.exp(-ladder)).mean()  # a tick, of prices drawn evenly
    assert 0 < regret[1599] < 2.7 * regret[399]
    assert regret[1599] < 0.5 * even * 1600


def test_exponential_weights_shift_to_the_better_prices():
    """Exp3 assumes nothing and learns slowly: in the end its regret is a quarter below that of uniform prices."""
    scenario = long_sale(1600)
    prices, _, _ = prices_shown(
        untuned("exp3", scenario, exploration=0.2, learning_rate=0.1, reward_scale=1.5), scenario, 24
    )
    ladder = np.array(scenario.products[0].price_levels)
    regret = np.exp(-1.0) - (prices * np.exp(-prices)).mean(axis=1)
    even = np.exp(-1.0) - (ladder * np.exp(-ladder)).mean()
    assert regret[-400:].mean() < 0.75 * even
    assert regret[-400:].mean() < regret[:400].mean()


def test_forced_exploration_prevents_incomplete_learning():
    """The decline is 1 per unit of currency. Prices that only follow the estimate stop identifying it.

    Keskin & Zeevi (2014), section 3; root mean square error of the decline over 24 sales of 400 ticks.
    """
    scenario = long_sale(400)
    error = {}
    for exploration in (0.0, 0.4):
        agent = untuned("certainty_equivalent", scenario, exploration=exploration, prior_units=0.2)
        _, state, _ = prices_shown(agent, scenario, 24)
        decline = agent.fit(state.belief)[1]
        error[exploration] = np.sqrt(((decline - 1.0) ** 2).mean())
    assert error[0.4] < 0.15 < error[0.0]
    assert np.median(decline) == pytest.approx(1.0, abs=0.06)


def test_certainty_equivalent_prices_keep_their_distance_from_the_average():
    """In every tick after the first, by exploration · range · t^(-1/4)."""
    scenario = long_sale(50)
    agent = untuned("certainty_equivalent", scenario, exploration=0.2)
    prices, _, _ = prices_shown(agent, scenario, 16)
    ticks = np.arange(1, 50)[:, None]
    average = np.cumsum(prices, axis=0)[:-1] / ticks  # customers come evenly
    assert (np.abs(prices[1:] - average) >= 0.2 * 2.5 * ticks**-0.25 - 1e-4).all()


@pytest.mark.parametrize("name", ["ucb", "thompson", "thompson_lp"])
def test_a_belief_carried_from_earlier_sales_earns_more(name):
    """The last four of a row's 16 sales against its first four; paired, 256 rows, z = 3.29."""
    agent = untuned(name, "gvr-periodic", carry=1.0, **{"prior_sales[ticket]": 0.33, "prior_slope[ticket]": 3.3})
    sales = play(agent, "gvr-periodic", seeds=split_seeds("validation", 0, 16 * 256), batch=256)["profit"]
    gain = sales.reshape(16, 256)[-4:].mean(axis=0) - sales.reshape(16, 256)[:4].mean(axis=0)
    assert gain.mean() > 3.29 * gain.std(ddof=1) / 16


# Beliefs


def test_the_posterior_is_the_conjugate_one():
    """Gamma(a + units, b + customers) in the arm played, the prior elsewhere; draws follow that distribution."""
    agent = untuned("thompson", "gvr-periodic", prior_units=2.0)
    prior = agent.prior()
    np.testing.assert_allclose(prior["shape"] / prior["customers"], agent.prior_demand()[None])
    belief = agent.update(agent.update(prior, outcome(4, 3, 5.0)), outcome(4, 0, 2.5))
    arm = np.arange(11) == 4
    np.testing.assert_allclose(belief["shape"][0, 0], 2.0 + 3.0 * arm)
    np.testing.assert_allclose(belief["customers"][0, 0], prior["customers"][0, 0] + 7.5 * arm)
    rng = np.random.default_rng(5)
    draws = rng.standard_gamma(np.repeat(belief["shape"], 4000, axis=0)) / belief["customers"]
    law = gamma(5.0, scale=1.0 / (prior["customers"][0, 0, 4] + 7.5)).cdf
    assert ks_1samp(draws[:, 0, 4], law).pvalue > 1e-3


def test_the_upper_bound_is_the_formula_and_falls_with_evidence():
    agent = untuned("ucb", "gvr-periodic", exploration=0.7, prior_units=1.5)
    belief = agent.prior()
    for _ in range(8):
        belief = agent.update(belief, outcome(6, 1, 3.0))
    customers, units = belief["customers"][0, 0, 6], 9.5
    width = 0.7 * np.log(9.0) / customers
    upper = agent.optimistic(belief)[0, 0]
    assert upper[6] == pytest.approx(units / customers + np.sqrt(width * units / customers) + width)
    assert (agent.optimistic(agent.update(belief, outcome(6, 0, 0.0)))[0, 0] == upper).all()
    assert (
        np.diff([agent.optimistic(agent.update(belief, outcome(6, c / 3, c)))[0, 0, 6] for c in (1, 9, 99)]) < 0
    ).all()


def test_the_stock_caps_what_a_price_can_earn():
    """With one unit and many customers the dearest price is best, with plenty the one that earns most a customer."""
    agent = untuned("thompson", "gvr-periodic")
    demand = np.exp(-agent.prices)[None]
    for stock, best in ((1.0, 3.0), (1e6, 1.0)):
        prospect = Prospect(np.full((1, 1, 1), stock), np.full((1, 1, 1), 1000.0), None)
        assert agent.prices[0, agent.best_arm(demand, prospect)[0, 0]] == best


def test_exp3_is_its_formula():
    """Probabilities sum to one; only the weight of the arm played grows, by exp(rate·x / probability)."""
    agent = untuned("exp3", "standard", exploration=0.25, learning_rate=0.7, reward_scale=2.0)
    belief = agent.prior()
    belief["log_weight"] = np.random.default_rng(0).normal(size=(3, *agent.prices.shape))
    chances = agent.chances(belief)
    np.testing.assert_allclose(chances.sum(axis=2), 1.0)
    weight = np.exp(belief["log_weight"])
    np.testing.assert_allclose(chances, 0.75 * weight / weight.sum(axis=2, keepdims=True) + 0.25 / 8)
    arm = np.tile([0, 1, 2, 3, 4, 5, 6, 7], (3, 1))
    tick = Outcome(arm, np.full((3, 8), 2.0), np.full((3, 8), 150.0), None)
    grown = agent.update(belief, tick)["log_weight"] - belief["log_weight"]
    for j, product in enumerate(agent.scenario.products):
        margin = product.price_levels[j] - product.salvage_value
        most = 2.0 * (product.list_price - product.salvage_value) * (product.initial_stock + product.reserve) / 12_000
        reward = min(margin * 2.0 / 150.0 / most, 1.0)
        expected = np.zeros((3, 8))
        expected[:, j] = 0.7 * reward / chances[:, j, j]
        np.testing.assert_allclose(grown[:, j], expected)


def test_arms_are_drawn_with_their_probabilities():
    """Chi-square over 20,000 draws at 0.1 %; an arm of probability 0 never."""
    share = np.array([0.5, 0.0, 0.2, 0.3])
    drawn = draw(np.broadcast_to(share, (20_000, 1, 4)), np.random.default_rng(1))
    counts = np.bincount(drawn[:, 0], minlength=4)
    assert counts[1] == 0
    assert chisquare(counts[[0, 2, 3]], 20_000 * share[[0, 2, 3]]).pvalue > 1e-3


def test_the_mix_of_prices_solves_the_linear_programme():
    """60 random programmes against scipy's solver, and one by hand: half the customers at 2, half at 1.

    By hand: demand .2 at price 2 and .6 at price 1, supply .4: .5·.2 + .5·.6 = .4 units earn .5.
    """
    mix = best_mix(np.array([[[0.2, 0.6]]]), np.array([[2.0, 1.0]]), np.array([[0.4]]))
    np.testing.assert_allclose(mix, [[[0.5, 0.5]]])
    rng = np.random.default_rng(2)
    demand, supply = rng.exponential(1.0, (60, 2, 5)), rng.exponential(1.0, (60, 2))
    margins = rng.normal(1.0, 1.0, (2, 5))
    mixes = best_mix(demand, margins, supply)
    assert mixes.min() >= 0
    assert mixes.sum(axis=2).max() < 1 + 1e-12
    assert ((mixes * demand).sum(axis=2) < supply + 1e-12).all()
    for n in range(60):
        for j in range(2):
            limits = np.array([demand[n, j], np.ones(5)])
            solved = linprog(-demand[n, j] * margins[j], A_ub=limits, b_ub=[supply[n, j], 1.0])
            assert (mixes[n, j] * demand[n, j] * margins[j]).sum() == pytest.approx(-solved.fun, abs=1e-9)


def test_where_the_mix_offers_nothing_the_list_price_is_shown():
    agent = untuned("thompson_lp", "gvr-periodic")
    belief = {key: np.repeat(value, 500, axis=0) for key, value in agent.prior().items()}
    prospect = Prospect(np.ones((500, 1, 1)), np.full((500, 1, 1), 1e4), None)
    assert (agent.choose(belief, prospect, np.random.default_rng(0)) == 0).mean() > 0.9


def test_a_demand_curve_is_recovered():
    """From expected sales exactly; from Poisson sales it is where scipy's optimiser finds the largest likelihood."""
    price = np.array([1.0, 1.5, 2.0, 3.0])
    customers = np.array([30.0, 0.0, 50.0, 20.0])
    exact = exponential_fit(customers * np.exp(0.4 - 0.9 * price), customers, price)
    np.testing.assert_allclose(exact, (0.4, 0.9), rtol=1e-8)
    units = np.random.default_rng(3).poisson(customers * np.exp(0.4 - 0.9 * price)).astype(float)

    def minus_likelihood(x):
        rate = np.exp(x[0] - x[1] * price)
        return (customers * rate).sum() - (units * np.log(rate)).sum()

    best = minimize(minus_likelihood, [0.0, 1.0], tol=1e-12).x
    np.testing.assert_allclose(exponential_fit(units, customers, price), best, atol=1e-4)
    rising = exponential_fit(np.array([1.0, 9.0]), np.array([10.0, 10.0]), np.array([1.0, 2.0]))
    assert rising[1] == pytest.approx(0.05)


def test_linear_demand_is_ridge_regression():
    """The weights after three ticks are those of the closed form, and the bound is their standard deviation above."""
    agent = untuned("contextual", "standard", exploration=1.3, prior_units=2.0)
    rng = np.random.default_rng(4)
    belief, prior = agent.prior(), agent.prior()
    precision, response = prior["precision"][0, 0].copy(), prior["response"][0, 0].copy()
    np.testing.assert_allclose(precision, 2.0 * np.eye(10))
    unit = agent.unit[0]
    for _ in range(3):
        mix, arm = rng.dirichlet(np.ones(9)), rng.integers(8, size=8)
        units, customers = rng.poisson(3.0, 8).astype(float), np.full(8, 180.0)
        belief = agent.update(belief, Outcome(arm[None], units[None], customers[None], mix[None]))
        x = np.append(mix, agent.prices[0, arm[0]] / agent.prices[0, 0])
        precision += 180.0 * unit * np.outer(x, x)
        response += 180.0 * unit * x * (units[0] / 180.0 / unit)
    mix = rng.dirichlet(np.ones(9))
    prospect = Prospect(np.ones((1, 8, 1)), np.ones((1, 1, 1)), mix[None])
    covariance = np.linalg.inv(precision)
    for a in range(8):
        x = np.append(mix, agent.prices[0, a] / agent.prices[0, 0])
        expected = x @ covariance @ response + 1.3 * np.sqrt(x @ covariance @ x)
        assert agent.optimistic(belief, prospect)[0, 0, a] == pytest.approx(max(expected, 0.0) * unit)


def test_the_prior_depends_on_the_intent_mix():
    """A lift of one intent raises expected demand where that intent prevails, and nowhere else."""
    plain, lifted = untuned("contextual", "standard"), untuned("contextual", "standard", **{"lift[gift]": 2.0})
    only = np.eye(9)
    prospect = Prospect(np.ones((9, 8, 1)), np.ones((9, 1, 1)), only)

    def expected(agent):
        return agent.optimistic({k: np.repeat(v, 9, axis=0) for k, v in agent.prior().items()}, prospect)

    differs = (expected(lifted) > expected(plain) + 1e-12).all(axis=(1, 2))
    assert [INTENTS[i] for i in np.flatnonzero(differs)] == ["gift"]


# What is seen


def test_a_sold_out_tick_counts_the_customers_until_the_last_unit():
    """Against simulated arrivals: exponential gaps at .3 buyers a customer, the third before customer 8; z = 3.29."""
    times = np.random.default_rng(6).exponential(1 / 0.3, (200_000, 3)).sum(axis=1)
    times = times[times <= 8.0]
    expected = customers_until_sold_out(np.array(3.0), np.array(8.0), np.array(0.3))
    assert abs(times.mean() - expected) < 3.29 * times.std() / len(times) ** 0.5
    assert customers_until_sold_out(np.array(50.0), np.array(2.0), np.array(1e-9)) == pytest.approx(2.0 * 50 / 51)
    assert customers_until_sold_out(np.array(2.0), np.array(0.0), np.array(0.3)) == 0.0


@pytest.mark.parametrize("name", COUNTING)
def test_the_memory_counts_what_the_sale_sold(name):
    """Units of all arms but the last tick's, which the next call would count; customers up to the last unit."""
    scenario, agent = load_scenario("gvr-periodic"), untuned(name, "gvr-periodic")
    _, state, observations = prices_shown(agent, scenario, 64)
    _, after = agent.predict(observations, state, np.zeros(64, np.bool_))
    prior = agent.prior()
    units = (after.belief["shape"] - prior["shape"]).sum(axis=(1, 2))
    customers = (after.belief["customers"] - prior["customers"]).sum(axis=(1, 2))
    left = np.rint(observations[:, agent.layout["on_hand"]][:, 0] * 10)
    np.testing.assert_allclose(units, 10 - left, atol=1e-9)
    expected = scenario.customers_per_tick.sum()
    np.testing.assert_allclose(customers[left > 0], expected, rtol=1e-5)
    assert (customers[left == 0] < expected).all()


def test_a_tick_without_stock_changes_no_belief():
    agent = untuned("thompson", "gvr-periodic")
    simulator = Simulator("gvr-periodic", sales=1)
    observations = simulator.open(np.zeros(1, np.uint64), np.zeros(1, np.int64))
    simulator.sales["on_hand"] = 0
    _, state = agent.predict(simulator.observe(), None, np.ones(1, np.bool_))
    actions, _ = agent.predict(observations, None)
    simulator.advance(actions)
    _, after = agent.predict(simulator.observe(), state, np.zeros(1, np.bool_))
    np.testing.assert_array_equal(after.belief["customers"], state.belief["customers"])


# Memory


def memory_arrays(memory):
    return {**{k: v for k, v in vars(memory).items() if isinstance(v, np.ndarray)}, **memory.belief}


@pytest.mark.parametrize("name", LEARNING)
def test_predict_is_a_function_of_its_arguments(name):
    """The same observation and state give the same action and memory, and neither is modified."""
    agent, twin = untuned(name, home(name), seed=2), untuned(name, home(name), seed=2)
    simulator = Simulator(home(name), sales=5)
    observations, state = simulator.open(np.arange(5, dtype=np.uint64), np.zeros(5, np.int64)), None
    for tick in range(6):
        start = np.full(5, tick == 0)
        kept = None if state is None else {k: v.copy() for k, v in memory_arrays(state).items()}
        actions, after = agent.predict(observations, state, start)
        for other in (agent, twin):
            again, after_again = other.predict(observations, state, start)
            np.testing.assert_array_equal(actions, again)
            for key, value in memory_arrays(after).items():
                np.testing.assert_array_equal(value, memory_arrays(after_again)[key])
        if state is not None:
            for key, value in memory_arrays(state).items():
                np.testing.assert_array_equal(value, kept[key])
        observations, _, _ = simulator.advance(actions)
        state = after


@pytest.mark.parametrize("name", LEARNING)
def test_a_new_sale_starts_from_the_prior_and_the_carried_belief(name):
    scenario = home(name)
    simulator = Simulator(scenario, sales=2)
    for carry in (0.0, 0.5, 1.0):
        agent = untuned(name, scenario, carry=carry)
        observations, state = simulator.open(np.arange(2, dtype=np.uint64), np.zeros(2, np.int64)), None
        opening = observations.copy()
        for _ in range(5):
            actions, state = agent.predict(observations, state, np.full(2, state is None))
            observations, _, _ = simulator.advance(actions)
        observations[0] = opening[0]
        _, reopened = agent.predict(observations, state, np.array([True, False]))
        for key, prior in agent.prior().items():
            learned = state.belief[key][0]
            np.testing.assert_allclose(reopened.belief[key][0], carry * learned + (1 - carry) * prior[0], rtol=1e-12)
        assert any((state.belief[key][0] != prior[0]).any() for key, prior in agent.prior().items())


@pytest.mark.parametrize("name", LEARNING)
def test_a_state_of_other_sales_is_an_error(name):
    agent = untuned(name, home(name))
    observations = np.zeros((3, agent.layout.size), np.float32)
    _, state = agent.predict(observations)
    with pytest.raises(ValueError, match="the state is of 3 sales and the observations are of 1"):
        agent.predict(observations[0], state)


def test_the_carry_is_saved(tmp_path):
    agent = untuned("thompson", "gvr-periodic", carry=0.25, seed=4)
    loaded = agents.load(agent.save(tmp_path), "gvr-periodic")
    assert loaded.params == agent.params
    with pytest.raises(ValueError, match=r"carry must lie in 0\.\.1, got 2"):
        untuned("thompson", "gvr-periodic", carry=2.0)


def test_seeds_draw_differently():
    """Agents that draw play other prices with another seed; the others the same."""
    scenario, shown = load_scenario("gvr-periodic"), {}
    for name in ("thompson", "thompson_lp", "exp3", "ucb"):
        shown[name] = [prices_shown(untuned(name, scenario, seed=seed), scenario, 8)[0] for seed in (0, 1)]
    assert all((a != b).any() for name, (a, b) in shown.items() if name != "ucb")
    np.testing.assert_array_equal(*shown["ucb"])


def test_they_give_the_reason_where_they_do_not_apply():
    for name in LEARNING:
        assert AGENTS[name].applies("lost-sales") == "the scenario has no product with a second price"
    assert "willingness to pay drifts" in AGENTS["ucb"].applies("gvr-two-phase")
    assert "reads intent_mean" in AGENTS["contextual"].applies("gvr-periodic")
    blind = load_scenario("gvr-periodic").replace(observe=("time_left", "stock_pressure"))
    assert "reads on_hand" in AGENTS["exp3"].applies(blind)
