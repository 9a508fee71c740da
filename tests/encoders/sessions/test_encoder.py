"""The session encoder learns what the events say, and comes back from its files as it was."""

import dataclasses
import json

import numpy as np
import pytest

from flashsale_env.encoders.sessions.baselines import PastPurchases, RecencyFrequency, recency_and_frequency
from flashsale_env.encoders.sessions.encoder import HEADS, SessionEncoder, Size
from flashsale_env.theory.customer_base import fit
from tests.encoders.sessions.made import CUT, made
from tests.encoders.sessions.test_events import WORDS

SMALL = Size(hidden=16, layers=1, attention_heads=2, epochs=4, batch=16, learning_rate=5e-3)


@pytest.fixture(scope="module")
def trained():
    return SessionEncoder.train(WORDS, *made(), size=SMALL, seed=1)


def test_it_tells_customers_who_stay_from_those_who_left(trained):
    found, labels = made(200, seed=9)
    predicted = trained.predict(found)
    assert set(predicted) == set(HEADS)
    stays = np.arange(200) % 2 == 0
    for name, sign in (("click", 1), ("stays away", -1)):
        assert (sign * predicted[name])[stays].min() > (sign * predicted[name])[~stays].max(), name
        assert predicted[name].mean() == pytest.approx(labels[name].mean(), abs=0.1)
    assert min(trained.card["held_out_loss"]) < trained.card["held_out_loss"][0]


def test_it_comes_back_from_its_files_as_it_was(trained, tmp_path):
    found, _ = made(50, seed=3)
    folder = trained.save(tmp_path / "encoder")
    loaded = SessionEncoder.load(folder)
    for name, values in trained.predict(found).items():
        assert loaded.predict(found)[name].tobytes() == values.tobytes()
    assert json.dumps(loaded.card) == json.dumps(trained.card)
    with pytest.raises(FileExistsError, match="already holds something"):
        trained.save(folder)
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(ValueError, match="damaged or was changed"):
        SessionEncoder.load(folder)
    (folder / "card.json").write_text('{"kind": "intent encoder"}', encoding="utf-8")
    with pytest.raises(ValueError, match="not the card of a session encoder"):
        SessionEncoder.load(folder)
    with pytest.raises(ValueError, match="holds no session encoder"):
        SessionEncoder.load(tmp_path)


def test_the_same_seed_gives_the_same_weights_and_a_customer_is_read_alone():
    small = dataclasses.replace(SMALL, epochs=1)
    (found, labels), (probe, _) = made(60), made(8, seed=5)
    one, again, other = (SessionEncoder.train(WORDS, found, labels, size=small, seed=seed) for seed in (1, 1, 2))
    first = one.predict(probe)["click"]
    assert first.tobytes() == again.predict(probe)["click"].tobytes()
    assert not np.array_equal(first, other.predict(probe)["click"])
    alone, _ = made(2, seed=5)  # the first two customers, without the longer ones
    alone = dataclasses.replace(alone, price=probe.price[: len(alone.price)])
    assert one.predict(alone)["click"] == pytest.approx(first[:2], abs=1e-5)


def test_wrong_labels_and_sizes_are_refused():
    found, labels = made(30)
    with pytest.raises(ValueError, match="want 30 labels for each of click, purchase, stays away"):
        SessionEncoder.train(WORDS, found, {"click": labels["click"]})
    with pytest.raises(ValueError, match="at least 20 customers, got 4"):
        SessionEncoder.train(WORDS, *made(4))
    with pytest.raises(ValueError, match="must be a multiple of attention_heads"):
        Size(hidden=10, attention_heads=4)
    with pytest.raises(ValueError, match="at least one epoch"):
        Size(epochs=0)


def test_recency_and_frequency_are_what_the_history_says():
    found, labels = made()
    assert recency_and_frequency(found)[0].tolist() == [2, CUT, 3, 0, 4]  # bought in sales 0 and 1, last seen in sale 4
    assert recency_and_frequency(found)[1].tolist() == [2, 2, 3, 3, 4]
    predicted = RecencyFrequency(found, labels).predict(found)
    stays = np.arange(len(found)) % 2 == 0
    assert predicted["click"][stays].min() > predicted["click"][~stays].max()
    with pytest.raises(ValueError, match=r"label 'click' is the same for all 400 customers"):
        RecencyFrequency(found, {**labels, "click": np.ones(400, bool)})


def test_past_purchases_are_read_by_the_bg_nbd_model():
    found, _ = made(40)
    once = dataclasses.replace(found, pays=found.pays & ((found.customer < 30) | (found.sale == 0)))
    purchases, last, observed = once.repeats()
    assert purchases.tolist() == [1.0] * 30 + [0.0] * 10
    assert last.tolist() == purchases.tolist()
    assert (observed == CUT - 1).all()
    base, predicted = fit(purchases, last, observed), PastPurchases(once).predict(once)
    assert predicted["stays away"] == pytest.approx(1.0 - base.alive(purchases, last, observed))
    assert predicted["purchase"] == pytest.approx(base.expected_after(purchases, last, observed, 1.0))
