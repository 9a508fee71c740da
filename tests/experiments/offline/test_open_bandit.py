"""The Open Bandit Dataset as an outside check: clicks on ZOZOTOWN under two policies, each logged by itself.

Saito et al. (2021), Open Bandit Dataset and Pipeline, NeurIPS. The package `obp` ships a sample of 10,000 rows for each
of three campaigns and two policies, uniform and Bernoulli Thompson sampling. What one policy's log says about the other
can be compared with what the other earned. Only the files are used: the package itself does not run on this Python.
"""

import csv
import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from flashsale_env.experiments.intervals import mean_interval
from flashsale_env.experiments.offline.ips import ips
from flashsale_env.experiments.offline.overlap import effective, why_too_few
from flashsale_env.experiments.offline.snips import snips

pytestmark = pytest.mark.interop

ITEMS = {"all": 80, "men": 34, "women": 46}


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    folder = tmp_path_factory.mktemp("obp")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "obp==0.4.1"]
    subprocess.run(pip, check=True, capture_output=True)
    wheel = zipfile.ZipFile(next(folder.glob("*.whl")))

    def rows(policy, campaign):
        with wheel.open(f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv") as file:
            table = list(csv.DictReader(io.TextIOWrapper(file)))
        assert len(table) == 10_000
        columns = ("item_id", "position", "click", "propensity_score")
        return {name: np.array([float(row[name]) for row in table]) for name in columns}

    return rows


def standard_error(interval):
    return (interval.high - interval.low) / 2 / 1.96


def agree(estimate, truth, errors=3.0):
    """Within three standard errors of the difference: a false alarm in 370."""
    apart = abs(estimate.mean - truth.mean)
    return apart < errors * np.hypot(standard_error(estimate), standard_error(truth))


@pytest.mark.parametrize("campaign", ["all", "men"])
def test_thompson_samplings_log_tells_what_uniform_choice_earned(read, campaign):
    uniform, thompson = read("random", campaign), read("bts", campaign)
    assert np.allclose(uniform["propensity_score"], 1 / ITEMS[campaign])
    ratios = 1 / ITEMS[campaign] / thompson["propensity_score"]
    assert abs(ratios.mean() - 1) < 0.1, "the logged propensities are those of the logged choices"
    assert why_too_few(effective(ratios), 10_000) is None
    truth, clicks = mean_interval(uniform["click"]), thompson["click"][:, None]
    for estimate in (ips, snips):
        assert agree(estimate(clicks, ratios[:, None]), truth)


@pytest.mark.parametrize("campaign", ITEMS)
def test_the_uniform_log_tells_what_thompson_sampling_earned(read, campaign):
    """Its choice at each position is taken from its own log, as a policy without context."""
    uniform, thompson = read("random", campaign), read("bts", campaign)
    share = np.zeros((4, ITEMS[campaign]))
    np.add.at(share, (thompson["position"].astype(int), thompson["item_id"].astype(int)), 1.0)
    share[1:] /= share[1:].sum(axis=1, keepdims=True)
    target = share[uniform["position"].astype(int), uniform["item_id"].astype(int)]
    ratios = target / uniform["propensity_score"]
    assert why_too_few(effective(ratios), 10_000) is None
    truth, clicks = mean_interval(thompson["click"]), uniform["click"][:, None]
    for estimate in (ips, snips):
        assert agree(estimate(clicks, ratios[:, None]), truth)


def test_a_log_with_propensities_of_a_millionth_is_refused(read):
    """In the women's campaign two rows carry nearly all the weight; the weights' mean is 3.1 instead of 1."""
    thompson = read("bts", "women")
    ratios = 1 / ITEMS["women"] / thompson["propensity_score"]
    assert why_too_few(effective(ratios), 10_000).startswith("2.1 effective sales of 10,000")
