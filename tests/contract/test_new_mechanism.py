"""A mechanism of the market is one file and one line: the example of the documentation, in a copy of the package."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
IMPORT = "from flashsale_env.market.packaging import Packaging\n"
FIELD = "    packaging: Packaging | None = None\n"

# A sale in which the fee is the only decision beside the price.
PLAY = """
import json, sys
import numpy as np
import flashsale_env as fs
from flashsale_env.theory.bounds import hindsight_bound

scenario = fs.load_scenario("mnl-price")
with_fee = fs.load_scenario(sys.argv[1])
with_fee = with_fee.replace(observe=(*with_fee.features, "packaging_fee"))
said = {
    "features": list(set(with_fee.features) - set(scenario.features)),
    "same": with_fee.replace(packaging=None, observe=scenario.observe) == scenario,
}

def play(level, scenario, coupon=0):
    simulator = fs.Simulator(scenario, sales=6, actions="multidiscrete")
    simulator.open(np.arange(6, dtype=np.uint64), np.zeros(6, np.int64))
    action = np.zeros((6, len(simulator.codec.names)), np.int64)
    if scenario.packaging is not None:
        action[:, simulator.codec.columns("packaging")] = level
    if scenario.coupon is not None:
        action[:, simulator.codec.columns("coupon")] = coupon
    money = 0.0
    while not simulator.closed.all():
        observations, rewards, terms = simulator.advance(action)
        money += rewards.sum()
    metrics = dict(zip(fs.METRICS, simulator.measure().sum(axis=0).tolist()))
    total = dict(zip(fs.REWARD_TERMS, simulator.sales["money"].sum(axis=0).tolist()))
    if "packaging_fee" in simulator.layout:
        said["observed"] = float(observations[0, simulator.layout["packaging_fee"]][0])
    said["columns"] = list(simulator.codec.names)
    return {"reward": money, "terms": total, "metrics": metrics, "sold": simulator.sales["sold"].tolist()}

said["coupon"] = {}
for fees in ([0.0, 1.0, 2.0], [0.0, 1.0, 4.0]):
    both = with_fee.replace(coupon=fs.Coupon((0.0, 0.2), 500.0), packaging=type(with_fee.packaging)(fees, 0.5))
    said["coupon"][str(fees[-1])] = play(2, both, coupon=1)["metrics"]
try:
    with_fee.replace(targeted=fs.Targeted((0.0, 0.1)), messages=fs.Messages())
    said["refused"] = ""
except ValueError as error:
    said["refused"] = str(error)
said["without"], said["free"], said["fee"] = play(0, scenario), play(0, with_fee), play(2, with_fee)
try:
    hindsight_bound(with_fee, seeds=np.arange(2, dtype=np.uint64))
    said["bound"] = ""
except ValueError as error:
    said["bound"] = str(error)
env = fs.FlashSaleEnv(with_fee, render_mode="ansi", actions="multidiscrete")
env.reset(seed=0)
env.step(np.array([0] * len(said["columns"]))[: len(env.action_space.nvec)])
said["shown"] = env.render().splitlines()[0]
words = fs.FlashSaleTextEnv(with_fee)
words.reset(seed=0)
words.step('{"packaging": 2}')
said["described"] = words.instructions
said["set"] = words.now["packaging"]
said["asked"] = float(words.sale.simulator.sales["packaging"]["fee"][0])
said["table"] = with_fee.packaging.fees
print(json.dumps(said))
"""

PACKAGING = """
[packaging]
fees = [0.0, 1.0, 2.0]
cost = 0.5
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A copy of the package with the new mechanism and no other change."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "flashsale_env", site / "flashsale_env", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "docs" / "examples" / "packaging.py", site / "flashsale_env" / "market" / "packaging.py")
    path = site / "flashsale_env" / "scenario.py"
    source = path.read_text(encoding="utf-8")
    after = "from flashsale_env.market.parts import MOST_CUSTOMERS, Part\n", "    targeted: Targeted | None = None\n"
    assert all(source.count(line) == 1 for line in after)
    path.write_text(source.replace(after[0], IMPORT + after[0]).replace(after[1], after[1] + FIELD), encoding="utf-8")
    shipped = (ROOT / "flashsale_env" / "scenarios" / "mnl-price.toml").read_text(encoding="utf-8")
    (site / "mine.toml").write_text(shipped + PACKAGING, encoding="utf-8")
    return site


def play(site: Path, **environment: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", PLAY, str(site / "mine.toml")],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def said(site) -> dict:
    return play(site, NUMBA_DISABLE_JIT="1")


@pytest.mark.slow
def test_compiled_it_plays_the_same(site, said):
    assert play(site) == said


def test_its_table_is_read_and_its_column_feature_term_and_metric_are_there(said):
    assert said["table"] == [0.0, 1.0, 2.0]
    assert "packaging" in said["columns"]
    assert said["features"] == ["packaging_fee"]
    assert said["observed"] == 1.0
    assert said["fee"]["metrics"]["wrapped"] == sum(map(sum, said["fee"]["sold"])) > 0
    assert "packaging 0.00" in said["shown"]


def test_its_lever_is_there_in_words(said):
    assert (
        "packaging (fee for the packaging of a unit; unit: currency; stays until changed):\n    one of 0, 1, 2"
        in (said["described"])
    )
    assert said["set"] == said["asked"] == 2.0


def test_a_scenario_without_it_plays_as_before_and_free_packaging_changes_no_purchase(said):
    assert said["same"]
    assert said["without"]["sold"] == said["free"]["sold"]
    assert said["without"]["terms"]["packaging"] == 0.0
    wrapped = said["free"]["metrics"]["wrapped"]
    assert said["free"]["reward"] == pytest.approx(said["without"]["reward"] - 0.5 * wrapped)


def test_a_fee_lowers_demand_and_is_part_of_reward_and_profit(said):
    free, fee = said["free"], said["fee"]
    assert fee["metrics"]["units_sold"] < free["metrics"]["units_sold"]
    assert fee["terms"]["packaging"] == pytest.approx(1.5 * fee["metrics"]["wrapped"])
    assert fee["reward"] == pytest.approx(sum(fee["terms"].values()))
    cost = free["metrics"]["profit"] - free["reward"]
    assert fee["metrics"]["profit"] == pytest.approx(fee["reward"] + cost)


def test_customers_with_a_coupon_pay_the_fee_too_and_offers_are_refused(said):
    """All customers of this scenario clip, so the fee is the only difference that they see."""
    low, high = said["coupon"]["2.0"], said["coupon"]["4.0"]
    assert low["coupon_spend"] > 0
    assert high["units_sold"] < low["units_sold"]
    assert "[packaging] and [targeted] cannot be combined" in said["refused"]


def test_every_bound_refuses_it_until_the_bound_is_proved_for_it(said):
    assert "packaging" in said["bound"]
    assert "does not model" in said["bound"]
