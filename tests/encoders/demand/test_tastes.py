"""The demand model: its likelihood, its estimates, and data that it refuses."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from flashsale_env.encoders.demand.heldout import likelihood_gap
from flashsale_env.encoders.demand.tastes import (
    ChoiceData,
    DemandModel,
    Reading,
    Tastes,
    elasticity_at_list_price,
    log_likelihood,
)

TITLES = ("a", "b")
VECTORS = np.eye(2, 4, dtype=np.float32)


def visits(n=40_000, seed=0, sensitivity=(1.5, 3.5), relevance=((0.0, 1.0), (1.0, 0.0)), quality=(0.0, 0.0)):
    """Choices of two types of voices at random prices, drawn by Gumbel-max, independent of the simulator."""
    rng = np.random.default_rng(seed)
    voice = rng.integers(0, 2, n)
    price = rng.uniform(0.5, 1.0, (n, 2)).astype(np.float32)
    available = rng.random((n, 2)) < 0.9
    utility = np.asarray(relevance)[voice] + quality - np.asarray(sensitivity)[voice][:, None] * price
    utility = np.column_stack([np.where(available, utility, -np.inf), np.zeros(n)])
    bought = (utility + rng.gumbel(size=(n, 3))).argmax(axis=1)
    offered = rng.random(n) < 0.5
    clipped = offered & (rng.random(n) < np.where(voice == 0, 0.2, 0.7))
    sale = np.arange(n) // 1000
    return ChoiceData(voice, bought, price, available, offered, clipped, sale, np.array(quality, np.float32))


def known():
    """A reading that identifies the voice."""
    return Reading(np.eye(2, dtype=np.float32), np.zeros((2, 2), np.float32))


def test_the_likelihood_of_a_visit_is_the_textbook_one():
    """One visit by hand: product b is out, a coupon was on offer and clipped."""
    tastes = (torch.tensor([[0.8, 2.0]]), torch.tensor([3.0]), torch.tensor([0.4]))
    quality = torch.tensor([0.2, 5.0])
    data = {
        "voice": torch.tensor([0]),
        "bought": torch.tensor([0]),
        "price": torch.tensor([[0.5, 0.5]]),
        "available": torch.tensor([[True, False]]),
        "coupon_offered": torch.tensor([True]),
        "clipped": torch.tensor([True]),
    }
    odds = math.exp(1.0 - 3.0 * 0.5)
    expected = math.log(odds / (1 + odds)) + math.log(1 / (1 + math.exp(-0.4)))
    assert log_likelihood(tastes, quality, data).item() == pytest.approx(expected, rel=1e-6)


def test_gradients_equal_finite_differences():
    """Of the log-likelihood in every taste, in double precision."""
    data = visits(50)
    tensors = {name: torch.from_numpy(np.asarray(getattr(data, name))) for name in vars(data)}
    tensors |= {name: tensors[name].double() for name in ("price", "quality")}
    tastes = (
        torch.randn(2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=False),
        torch.tensor([1.5, 3.0], dtype=torch.float64),
        torch.tensor([0.1, -0.3], dtype=torch.float64),
    )
    tastes = tuple(t.requires_grad_() for t in tastes)
    assert torch.autograd.gradcheck(lambda *t: log_likelihood(t, tensors["quality"], tensors).sum(), tastes)


def test_parameters_of_known_choices_are_recovered():
    """Tastes of both types within 4 % or 0.1 logits from 120,000 visits; the truth is never near the start."""
    sensitivity, relevance = (1.5, 3.5), ((0.0, 1.0), (1.0, 0.0))
    model = DemandModel.fit(known(), VECTORS, TITLES, visits(120_000), steps=300)
    found = model.tastes(known(), VECTORS)
    assert found.price_sensitivity == pytest.approx(sensitivity, abs=0.14)
    assert found.relevance == pytest.approx(np.array(relevance), abs=0.14)
    assert found.coupon_affinity == pytest.approx([0.2, 0.7], abs=0.02)


def test_relevance_is_estimated_net_of_quality():
    """With products of quality 1 and -1 in the log, the tastes are those of the voices, within 0.25 logits."""
    relevance = ((0.0, 1.0), (1.0, 0.0))
    model = DemandModel.fit(known(), VECTORS, TITLES, visits(15_000, quality=(1.0, -1.0)), steps=150)
    assert model.tastes(known(), VECTORS).relevance == pytest.approx(np.array(relevance), abs=0.25)


def test_knowing_the_voice_predicts_better_than_not_knowing_it():
    """On held-out visits, with an interval that excludes 0."""
    train, heldout = visits(60_000, 0), visits(60_000, 1)
    nothing = Reading(np.zeros((2, 0), np.float32), np.zeros((2, 2), np.float32))
    nll = {
        name: DemandModel.fit(reading, VECTORS, TITLES, train).visit_nll(reading, VECTORS, heldout)
        for name, reading in (("known", known()), ("nothing", nothing))
    }
    gap = likelihood_gap(nll["nothing"], nll["known"], np.arange(len(heldout)))
    assert gap.low > 0.01
    assert likelihood_gap(nll["known"], nll["known"], np.arange(len(heldout))).mean == 0.0


def test_elasticity_is_the_slope_of_demand():
    """Against a finite difference of the choice probabilities of each group, one price at a time."""
    rng = np.random.default_rng(0)
    relevance = rng.normal(0, 1, (40, 3)).astype(np.float32)
    tastes = Tastes(relevance, rng.uniform(1, 4, 40).astype(np.float32), np.full(40, 0.5, np.float32))
    groups, quality = np.arange(40) % 2, np.array([0.5, 0.0, -1.0])
    weight = rng.uniform(0.5, 2.0, 40)

    def demand(price):
        odds = np.exp(relevance.astype(np.float64) + quality - tastes.price_sensitivity[:, None] * price)
        probability = weight[:, None] * odds / (1 + odds.sum(axis=1, keepdims=True))
        return np.array([probability[groups == g].sum(axis=0) for g in (0, 1)])

    step, base = 1e-5, demand(np.ones(3))
    slopes = [(demand(np.ones(3) + step * np.eye(3)[j]) - base)[:, j] / step for j in range(3)]
    expected = np.sum(slopes, axis=0) / base.sum(axis=1)
    found = elasticity_at_list_price(tastes, quality, groups, 2, weight=weight)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"price": np.full((40_000, 2), 0.7, np.float32)}, "price sensitivity is not identified"),
        ({"available": np.tile([True, False], (40_000, 1))}, "demand for 'b' is not identified: it was never on hand"),
        ({"bought": np.full(40_000, 2)}, "demand for 'a' is not identified: it was never bought"),
        ({"bought": np.full(40_000, 3)}, "a purchase of product 3"),
        ({"voice": np.full(40_000, 2)}, "must be by one of 2 voices"),
        ({"price": np.ones((40_000, 3), np.float32)}, "2 products, but 2 product vectors, prices of 3"),
        ({"quality": np.zeros(1, np.float32)}, "similarities to 2 and the quality of 1"),
    ],
)
def test_a_quantity_that_is_not_identified_is_named(change, message):
    data = ChoiceData(**{**vars(visits()), **change})
    with pytest.raises(ValueError, match=message):
        DemandModel.fit(known(), VECTORS, TITLES, data)


@pytest.mark.parametrize(("offered", "where"), [(True, "in every visit"), (False, "in no visit")])
def test_a_log_that_does_not_identify_coupon_affinity_is_fitted_with_a_warning(offered, where):
    log = replace(visits(2_000), coupon_offered=np.full(2_000, offered), clipped=np.zeros(2_000, bool))
    with pytest.warns(UserWarning, match=f"coupon affinity is not identified: a coupon was offered {where}"):
        DemandModel.fit(known(), VECTORS, TITLES, log, steps=1)


def test_a_fit_is_reproducible_and_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    a, b = (DemandModel.fit(known(), VECTORS, TITLES, visits(5_000), steps=20, seed=3) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    for x, y in zip(a.network.parameters(), b.network.parameters(), strict=True):
        assert torch.equal(x, y)


def test_a_loaded_model_is_the_saved_one_and_a_damaged_one_is_refused(tmp_path):
    model = DemandModel.fit(known(), VECTORS, TITLES, visits(5_000), steps=20)
    again = DemandModel.load(model.save(tmp_path))
    assert np.array_equal(model.tastes(known(), VECTORS).relevance, again.tastes(known(), VECTORS).relevance)
    assert again.products == TITLES
    weights = tmp_path / "demand.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-8])
    with pytest.raises(ValueError, match="damaged, edited or of another kind"):
        DemandModel.load(tmp_path)
    weights.write_bytes(content)
    card = json.loads((tmp_path / "demand.json").read_text())
    (tmp_path / "demand.json").write_text(json.dumps({**card, "format": 7}))
    with pytest.raises(ValueError, match="damaged, edited or of another kind"):
        DemandModel.load(tmp_path)
    (tmp_path / "demand.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"demand\.json is missing"):
        DemandModel.load(tmp_path)
