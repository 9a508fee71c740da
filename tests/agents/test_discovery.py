"""Agents from modules, files and installed packages."""

import importlib
import sys

import numpy as np
import pytest

from flashsale_env import agents
from flashsale_env.agents import play
from tests.agents.policies import SCENARIO, SEEDS, level

POLICY = '''
import numpy as np

class ListPrice:
    """Never lowers a price."""
    encoding = "multidiscrete"

    def __init__(self, scenario, level=0):
        self.columns, self.level = len(scenario.products), level

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.full((len(observation), self.columns), self.level), state

def build(scenario):
    return ListPrice(scenario, 3)

ready = ListPrice(type("Shop", (), {"products": [0]}))
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A user's module in the working folder."""
    (tmp_path / "my_shop_policy.py").write_text(POLICY)
    monkeypatch.chdir(tmp_path)
    yield "my_shop_policy"
    sys.modules.pop("my_shop_policy", None)


@pytest.mark.parametrize(("attribute", "plays"), [("ListPrice", 0), ("build", 3), ("ready", 0)])
def test_a_class_a_function_and_an_object_are_found_by_module_and_name(mine, attribute, plays):
    before = list(sys.path)
    agent = agents.make(f"{mine}:{attribute}", SCENARIO)
    np.testing.assert_array_equal(play(agent, SCENARIO, seeds=SEEDS)["profit"], level(plays))
    assert sys.path == before


def test_settings_reach_a_class_and_wrong_ones_are_named(mine):
    agent = agents.make(f"{mine}:ListPrice", SCENARIO, level=5)
    np.testing.assert_array_equal(play(agent, SCENARIO, seeds=SEEDS)["profit"], level(5))
    with pytest.raises(ValueError, match=r"is called as ListPrice\(scenario, levels=...\)"):
        agents.make(f"{mine}:ListPrice", SCENARIO, levels=5)


def test_a_missing_module_or_name_is_named(mine):
    with pytest.raises(ValueError, match="no module 'my_shop_polic' for the agent"):
        agents.make("my_shop_polic:ListPrice", SCENARIO)
    with pytest.raises(ValueError, match="Did you mean 'ListPrice'"):
        agents.make(f"{mine}:ListPrise", SCENARIO)


def test_an_installed_package_offers_an_agent_by_an_entry_point(mine, tmp_path, monkeypatch):
    info = tmp_path / "my_shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[flashsale_env.agents]\nlist_price = {mine}:ListPrice\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    agent = agents.make("list_price", SCENARIO)
    np.testing.assert_array_equal(play(agent, SCENARIO, seeds=SEEDS)["profit"], level(0))
    with pytest.raises(ValueError, match="Did you mean 'list_price'"):
        agents.make("list_prise", SCENARIO)
