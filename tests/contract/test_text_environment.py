"""The text environment: the sale of the numeric one, with words on both sides."""

import dataclasses
import json
import re
import warnings

import gymnasium as gym
import jsonschema
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env, data_equivalence

import flashsale_env as fs
from flashsale_env.envs import text
from flashsale_env.views.report import Extent

pytestmark = pytest.mark.uncompiled

PERIODIC = fs.text_environment_id("gvr-periodic")


def quiet(name):
    """A shipped scenario with about thirty customers a tick, so that it is played quickly without compilation."""
    scenario = fs.load_scenario(name)
    slower = min(1.0, 30.0 / scenario.customers_per_tick.max())
    arrivals = scenario.arrivals
    return scenario.replace(
        arrivals=dataclasses.replace(arrivals, customers_per_minute=arrivals.customers_per_minute * slower)
    )


def refused(env, action):
    """The complaint about an action, which must leave the sale untouched."""
    before = env.sale.simulator.sales.tobytes()
    with pytest.raises(ValueError, match=r".") as error:
        env.step(action)
    assert env.sale.simulator.sales.tobytes() == before
    return str(error.value)


@pytest.mark.parametrize("name", fs.SCENARIOS)
def test_levels_in_words_are_the_same_levels_in_numbers(name):
    """The same customers, states and rewards bit for bit, in every shipped scenario; reports keep their bound."""
    scenario = quiet(name)
    env = fs.FlashSaleTextEnv(scenario, most_ticks=1)
    numeric = fs.FlashSaleEnv(scenario, actions=env.levers.codec.encoding)
    rng = np.random.default_rng(5)
    report, info = env.reset(seed=9)
    _, wanted = numeric.reset(seed=9)
    for _ in range(5):
        assert report in env.observation_space
        assert len(report) <= env.most_characters
        levels = rng.integers(0, env.levers.codec.n_levels)
        action = json.dumps(env.levers.as_json(env.levers.from_levels(levels)))
        jsonschema.validate(json.loads(action), env.schema)
        report, reward, closed, truncated, info = env.step(action)
        _, *same, wanted = numeric.step(numeric.codec.from_levels(levels[None])[0])
        assert [reward, closed, truncated] == same
        assert env.sale.simulator.sales.tobytes() == numeric.simulator.sales.tobytes()
        assert data_equivalence({name: info[name] for name in wanted}, wanted)


@pytest.mark.parametrize("name", ["standard", "full"])
def test_the_quoted_messages_are_those_that_the_encoder_read(name):
    """The sale sums the encoder's probabilities over messages: the voices that wrote give the same sum."""
    env = fs.FlashSaleTextEnv(quiet(name), most_ticks=1, messages=10**6, message_characters=10**4)
    simulator = env.sale.simulator
    customers = simulator.population
    probabilities = dict(zip(customers.utterances, customers.intent_probabilities.astype(float), strict=True))
    memory = float(np.ravel(simulator.instance.rules["memory"])[0])
    report, _ = env.reset(seed=2)
    read, weight = np.zeros(len(fs.INTENTS)), 0.0
    written = 0
    for _ in range(6):
        quoted = re.findall(r'^- "(.*)"$', report, flags=re.MULTILINE)
        written += len(quoted)
        assert f"{len(quoted):,} new" in report
        for message in quoted:
            read = read + probabilities[message]
        weight += len(quoted)
        sale = simulator.sales[0]["messages"]
        assert sale["recent"] == pytest.approx(weight)
        np.testing.assert_allclose(sale["intents"], read, rtol=1e-5)
        report, *_ = env.step("{}")
        read, weight = read * memory, weight * memory
    assert written > 100


def test_a_plan_is_its_ticks_one_by_one(monkeypatch):
    """Reward, state and mail; also where the record of visits has to grow in the middle."""
    monkeypatch.setattr(text, "_FIRST_VISITS", 4)
    scenario = quiet("standard")
    shoes, beans = "Everyday running shoes", "Whole coffee beans, six bags"
    plan = {"plan": [{"price": {shoes: 85}, "order": {beans: 30}, "ticks": 3}, {"coupon": 0.1, "ticks": 2}]}
    single = [{"price": {shoes: 85}, "order": {beans: 30}}, {}, {}, {"coupon": 0.1}, {}]
    at_once, one_by_one = (fs.FlashSaleTextEnv(scenario, messages=10**6) for _ in range(2))
    at_once.reset(seed=4)
    one_by_one.reset(seed=4)
    report, reward, _, _, info = at_once.step(plan)
    steps = [one_by_one.step(action) for action in single]
    assert info["ticks"] == 5
    assert reward == sum(step[1] for step in steps)
    assert at_once.sale.simulator.sales.tobytes() == one_by_one.sale.simulator.sales.tobytes()
    mail = [re.findall(r'^- ".*"$', text, flags=re.MULTILINE) for text in (report, *(step[0] for step in steps))]
    assert mail[0] == [line for lines in mail[1:] for line in lines]
    assert len(mail[0]) > 10
    for name in fs.REWARD_TERMS:
        assert info[f"reward_terms/{name}"] == pytest.approx(sum(step[4][f"reward_terms/{name}"] for step in steps))
    assert at_once.sale.simulator.sales["ordered"][0].sum() == 30, "an order is placed once"
    assert at_once.now["price"][shoes] == 85


def test_a_price_of_a_range_is_any_number_in_it():
    scenario = fs.load_scenario("gvr-periodic")
    scenario = scenario.replace(pricing=fs.Pricing(continuous=True))
    env = fs.FlashSaleTextEnv(scenario)
    env.reset(seed=1)
    env.step('{"price": {"ticket": 1.8125}}')
    assert env.sale.simulator.sales["price"][0, 0] == pytest.approx(1.8125, abs=1e-6)
    assert env.schema["properties"]["price"]["properties"]["ticket"]["maximum"] == 3.0
    assert "must be a number from 0.5 to 3 (currency), got 3.5" in refused(env, {"price": {"ticket": 3.5}})


@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ("", r"must be one JSON object and nothing else: Expecting value at character 0"),
        ('lower the price! {"price": 2}', r"one JSON object and nothing else: .* near 'lower the price"),
        ("[1]", r'must be a JSON object such as \{"price": \{"ticket": 2.75\}\}, got \[1\]'),
        ('{"prize": {"ticket": 2}}', r"unknown decision 'prize'. Did you mean 'price'\? Known: plan, price, ticks"),
        ('{"price": 2}', r'price must be an object by name such as \{"ticket": 3\}, got 2'),
        ('{"price": {"tickets": 2}}', r"unknown name in price 'tickets'. Did you mean 'ticket'"),
        ('{"price": {"ticket": 2.1}}', r"price\[ticket\] must be one of 3, 2.75, .* 0.5 \(currency\), got 2.1"),
        ('{"price": {"ticket": "2"}}', r'price\[ticket\] must be one of .*, got "2". Nothing was played'),
        ('{"price": {"ticket": NaN}}', r"price\[ticket\] must be one of .*, got NaN"),
        ('{"price": {"ticket": true}}', r"price\[ticket\] must be one of .*, got true"),
        ('{"price": {"ticket": 2}, "price": {}}', r"must name everything once, got 'price' twice"),
        ('{"ticks": 0}', r"ticks must be a whole number of ticks, at least 1, got 0"),
        ('{"ticks": 11}', r"may play 10 ticks at most here, got 11"),
        ('{"plan": []}', r"plan must be a list of at least one stage, got \[\]"),
        ('{"plan": [{}], "ticks": 2}', r"'plan' has nothing beside it, got ticks"),
        ('{"plan": [{"ticks": 9}, {"price": {"ticket": 9}}]}', r"plan\[1\].price\[ticket\] must be one of"),
        ('{"plan": [{"ticks": 9}, {"ticks": 2}]}', r"may play 10 ticks at most here, got 11"),
        ('{"plan": [3]}', r"plan\[0\] must be an object such as"),
        ("[" * 10**5, r"nested too deeply"),
    ],
)
def test_a_wrong_action_is_refused_with_what_was_wanted_what_came_and_where(action, complaint):
    env = gym.make(PERIODIC).unwrapped
    env.reset(seed=0)
    assert re.search(complaint, refused(env, action))
    assert action not in env.action_space


def test_a_plan_ends_with_the_sale():
    env = gym.make(PERIODIC)
    env.reset(seed=0)
    env.step('{"ticks": 4}')
    assert "may play 6 ticks at most here, got 7" in refused(env.unwrapped, '{"ticks": 7}')
    report, _, closed, truncated, _ = env.step('{"price": {"ticket": 1}, "ticks": 6}')
    assert closed
    assert not truncated
    assert report.startswith("Tick 10 of 10, closed.")
    with pytest.raises(gym.error.ResetNeeded):
        env.step("{}")


def test_one_tick_a_step_leaves_plans_out():
    env = gym.make(PERIODIC, most_ticks=1).unwrapped
    env.reset(seed=0)
    assert set(env.schema["properties"]) == {"price"}
    assert "may play 1 ticks at most here, got 2" in refused(env, '{"ticks": 2}')
    assert "ticks" not in env.instructions.partition("Answer with")[2]


@pytest.mark.parametrize("name", ["gvr-periodic", "standard"])
def test_gymnasium_accepts_it_without_a_warning(name):
    env = gym.make(fs.text_environment_id(name), scenario=quiet(name), render_mode="ansi").unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)


@pytest.mark.parametrize("name", fs.SCENARIOS)
def test_every_scenario_has_an_id_in_words(name):
    spec = gym.spec(fs.text_environment_id(name))
    assert spec.reward_threshold == gym.spec(fs.environment_id(name)).reward_threshold
    assert spec.version == fs.load_scenario(name).version
    with pytest.raises(ValueError, match="unknown scenario 'standrd'"):
        fs.text_environment_id("standrd")


def test_a_spec_survives_json():
    env = gym.make(PERIODIC, most_ticks=2)
    assert env.spec.max_episode_steps == 11
    again = gym.make(EnvSpec.from_json(env.spec.to_json())).unwrapped
    assert again.most_ticks == 2
    assert again.action_space == env.unwrapped.action_space


@pytest.mark.parametrize("decision", fs.DECISIONS)
def test_every_decision_has_words(decision):
    """A new lever of a mechanism says what it decides and in which unit, so that it can be played in words."""
    assert fs.DECISIONS[decision].unit
    holders = [name for name in fs.SCENARIOS if decision in fs.Levers(fs.load_scenario(name)).names]
    for name in holders:
        scenario = fs.load_scenario(name)
        meaning = fs.DECISIONS[decision].meaning(scenario)
        assert meaning
        assert meaning in fs.Levers(scenario).describe()


@pytest.mark.parametrize("name", fs.SCENARIOS)
def test_samples_fit_the_schema(name):
    """Every value of every lever, over fifty samples."""
    scenario = fs.load_scenario(name)
    levers = fs.Levers(scenario)
    jsonschema.Draft202012Validator.check_schema(levers.schema())
    validator = jsonschema.Draft202012Validator(levers.schema())
    rng = np.random.default_rng(0)
    for _ in range(50):
        settings = levers.random(rng)
        action = json.loads(json.dumps(levers.as_json(settings)))
        validator.validate(action)
        (stage,) = levers.read(action, levers.opening)
        np.testing.assert_array_equal(stage.first, settings)
    assert not validator.is_valid({"plan": [], "ticks": 1})


@pytest.mark.parametrize(("option", "value"), [("messages", -1), ("message_characters", 3), ("most_ticks", 0)])
def test_a_report_of_no_sensible_size_is_refused(option, value):
    with pytest.raises(ValueError, match=f"{option.removeprefix('message_')}.* at least .*, got {value}"):
        fs.FlashSaleTextEnv("gvr-periodic", **{option: value})


def test_a_long_message_is_cut_off():
    assert Extent().characters == 160
    env = fs.FlashSaleTextEnv("gvr-periodic", message_characters=20)
    scenario = fs.load_scenario("standard")
    from flashsale_env.views.report import Earned, report

    sale = fs.Simulator(scenario).sales[0]
    levers = fs.Levers(scenario)
    said = report(scenario, sale, levers, {}, Earned(0, 0, 0, 0.0, np.zeros(1)), ["x" * 30, "a\nb"], env.extent)
    assert said.splitlines()[-2:] == [f'- "{"x" * 19}…"', '- "a b"']


def test_a_level_that_is_no_number_is_a_word():
    """A ranking of the list, whether a product is shown, and a product that is not offered."""
    scenario = fs.load_scenario("mnl-price")
    rankings = (fs.Ranking("catalogue"), fs.Ranking("at random", shuffled=True))
    env = fs.FlashSaleTextEnv(scenario.replace(slate=fs.Slate((1.0, 0.5), rankings)))
    env.reset(seed=0)
    env.step('{"display": "at random"}')
    assert env.now["display"] == "at random"
    assert 'display must be one of "catalogue", "at random" (word), got 1' in refused(env, {"display": 1})
