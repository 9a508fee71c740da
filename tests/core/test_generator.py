"""Random scenarios: the same on any machine, other ones in every split, and nothing in them without an effect."""

import dataclasses
import hashlib
import typing
import warnings

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env import generator
from flashsale_env.intents import ByIntent
from flashsale_env.market.mechanism import Between, OneOf
from flashsale_env.seeds import SPLITS

pytestmark = pytest.mark.uncompiled

SCENARIOS = 60
# Settings that every random scenario leaves at their default, each with the reason.
FIXED = {
    ("arrivals", "law"): "the other one, at most one customer a tick, belongs to the textbook cases",
    ("bundles", "sets"): "titles of the scenario's products; without them there is one set of all products",
    ("fairness", "by"): "languages are those of the customers, who may all write in one",
}


@pytest.fixture(scope="module")
def drawn():
    return {split: [fs.generate(seed, split) for seed in range(SCENARIOS)] for split in SPLITS}


def inside(value, values):
    """Whether a value may come of this range."""
    if isinstance(value, ByIntent):
        return all(inside(number, values) for number in value)
    return value in values.values if isinstance(values, OneOf) else values.low <= value <= values.high


def test_the_same_seed_and_split_give_the_same_scenario(drawn):
    assert fs.generate(3, "test") == drawn["test"][3]
    assert repr(fs.generate(np.uint64(3), "test")) == repr(drawn["test"][3])
    assert drawn["test"][3].name == "test 3"


def test_draws_come_from_the_bits_of_a_hash_and_not_from_a_distribution_of_numpy():
    """SHA-256 and Philox are the same on every machine; the first draw of one stream, by hand."""
    stream = generator._Stream("train", 1, "sale")
    key = int.from_bytes(hashlib.sha256(b"train/1/sale").digest()[:16], "little")
    bits = int(np.random.Philox(key=key).random_raw())
    assert stream.uniform() == (bits >> 11) / 2**53


def test_no_two_splits_share_a_scenario(drawn):
    """Nor do two seeds. The name holds the split, so it is left out of the comparison."""
    found = [repr(dataclasses.replace(scenario, name="")) for split in SPLITS for scenario in drawn[split]]
    assert len(set(found)) == len(found) == len(SPLITS) * SCENARIOS


def test_every_mechanism_is_there_in_some_scenarios_and_absent_in_others(drawn):
    scenarios = [scenario for split in SPLITS for scenario in drawn[split]]
    for name, entry in fs.MECHANISMS.items():
        there = sum(getattr(scenario, name) is not None for scenario in scenarios)
        if entry.optional or name == "replenishment":
            assert len(scenarios) / 50 < there < 49 * len(scenarios) / 50, name
        else:
            assert there == len(scenarios), name
    assert {scenario.choice.model for scenario in scenarios} == set(fs.CHOICE_MODELS)
    assert {len(scenario.products) for scenario in scenarios} == set(range(1, 9))


def test_every_setting_has_a_range_and_takes_values_of_it(drawn):
    scenarios = [scenario for split in SPLITS for scenario in drawn[split]]
    for name, entry in fs.MECHANISMS.items():
        ranges = entry.mechanism.ranges
        settings = {field.name: field for field in dataclasses.fields(entry.mechanism.settings)}
        assert settings.keys() - ranges.keys() == {setting for part, setting in FIXED if part == name}, name
        assert ranges.keys() <= settings.keys(), name
        hints = typing.get_type_hints(entry.mechanism.settings)
        for setting, values in ranges.items():
            if hints[setting] is int and isinstance(values, Between):
                assert isinstance(values.low, int), f"{name}.{setting}"
            seen = [getattr(part, setting) for part in (getattr(s, name) for s in scenarios) if part is not None]
            default = settings[setting].default
            assert all(inside(value, values) or value == default for value in seen), f"{name}.{setting}"
            assert len(set(seen)) > 1, f"{name}.{setting} never varies"


def test_they_play_without_a_warning_and_have_a_decision(drawn):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scenario in drawn["validation"][:20]:
            simulator = fs.Simulator(scenario)
            assert simulator.codec.names
            simulator.open(np.zeros(1, np.uint64), np.zeros(1, np.int64))


def test_the_draws_of_a_mechanism_do_not_depend_on_the_others(monkeypatch):
    """Without one mechanism, whatever does not depend on it is drawn as before."""
    with_it = [fs.generate(seed) for seed in range(20)]
    without = {name: entry for name, entry in fs.MECHANISMS.items() if name != "coupon"}
    monkeypatch.setattr(generator, "MECHANISMS", without)
    for before, scenario in zip(with_it, (fs.generate(seed) for seed in range(20)), strict=True):
        assert scenario.coupon is None
        for name in ("products", "arrivals", "choice", "shocks", "messages", "horizon_ticks", "population"):
            assert getattr(scenario, name) == getattr(before, name), name


def test_unknown_splits_and_seeds_are_refused():
    with pytest.raises(ValueError, match=r"unknown split 'tets'.*'test'"):
        fs.generate(1, "tets")
    with pytest.raises(ValueError, match=r"seed must be a whole number in 0\.\.2\^64 - 1"):
        fs.generate(-1)


def test_a_population_is_played_with_some_of_its_products_in_any_order():
    titles = fs.load_scenario("standard").titles
    whole = fs.load_population("learned", titles)
    some = fs.load_population("learned", titles[3:0:-1])
    assert some.products == titles[3:0:-1]
    assert (some.relevance == whole.relevance[:, 3:0:-1]).all()
    assert some.utterances == whole.utterances


def test_a_mechanism_without_ranges_for_what_it_needs_is_left_out(monkeypatch):
    """E.g. one that a user adds: its required settings could not be drawn."""
    entry = fs.MECHANISMS["coupon"]
    bare = dataclasses.replace(entry, mechanism=dataclasses.replace(entry.mechanism, ranges={}))
    monkeypatch.setattr(generator, "MECHANISMS", {**fs.MECHANISMS, "coupon": bare})
    assert all(fs.generate(seed).coupon is None for seed in range(10))
