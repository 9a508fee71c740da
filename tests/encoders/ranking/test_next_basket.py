"""Lists for the next basket: what they hold, and recall and nDCG against scikit-learn and by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import ndcg_score

from flashsale_env.encoders.ranking.next_basket import (
    RECOMMENDERS,
    gain_at,
    personal_frequency,
    popularity,
    recall_at,
    split,
)

# Three customers, five products.
UNITS = csr_matrix(np.array([[3, 0, 1, 0, 0], [0, 2, 1, 0, 0], [0, 0, 1, 1, 0]], float))
ROWS = np.arange(3)


def test_popularity_is_the_same_list_for_everybody_and_frequency_begins_with_ones_own():
    assert popularity(UNITS, ROWS, 1).tolist() == [[2], [2], [2]]
    lists = personal_frequency(UNITS, ROWS, 3)
    assert lists[:, :2].tolist() == [[0, 2], [1, 2], [2, 3]]
    assert personal_frequency(UNITS, np.array([1]), 2).tolist() == [[1, 2]]


def test_recall_and_gain_are_those_of_scikit_learn_and_by_hand():
    rng = np.random.default_rng(0)
    scores, bought = rng.random((40, 12)), (rng.random((40, 12)) < 0.3).astype(float)
    bought[bought.sum(axis=1) == 0, 0] = 1.0
    lists = np.argsort(-scores, axis=1)
    for places in (1, 3, 12):
        expected = [ndcg_score(bought[[i]], scores[[i]], k=places) for i in range(40)]
        assert gain_at(lists, csr_matrix(bought), places) == pytest.approx(expected)
    after = csr_matrix(np.array([[1, 0, 0, 1, 0], [0, 0, 5, 0, 0]], float))
    lists = np.array([[0, 1], [1, 2]])
    assert recall_at(lists, after, 2).tolist() == [0.5, 1.0]
    assert gain_at(lists, after, 2) == pytest.approx([1 / (1 + 1 / np.log2(3)), 1 / np.log2(3)])


def test_least_squares_recommends_what_others_of_the_same_kind_buy():
    """Of 40 products, half of the customers buy among the first 20, half among the rest."""
    pytest.importorskip("implicit")
    rng = np.random.default_rng(0)
    units = np.zeros((200, 40))
    for i in range(200):
        units[i, 20 * (i % 2) + rng.permutation(20)[:12]] = 1.0
    rows = np.arange(200)
    lists = RECOMMENDERS["als"](csr_matrix(units), rows, 20)
    assert (lists // 20 == (rows % 2)[:, None]).mean() > 0.75
    popular = RECOMMENDERS["popularity"](csr_matrix(units), rows, 20)
    assert (popular // 20 == (rows % 2)[:, None]).mean() == pytest.approx(0.5, abs=1e-9)


def test_receipts_are_split_at_a_day():
    lines = pd.DataFrame(
        {
            "customer": ["a", "a", "b", "a", "c", "b"],
            "product": ["x", "y", "x", "z", "x", "x"],
            "day": pd.to_datetime(["2001-01-05", "2001-01-06", "2001-01-31", "2001-02-01", "2001-02-02", "2001-01-07"]),
            "units": [1, 2, 1, 4, 1, 1],
        }
    )
    found = split(lines, "2001-02-01")
    assert found.products.tolist() == ["x", "y", "z"]
    assert found.before.toarray().tolist() == [[1, 2, 0], [2, 0, 0]]
    assert found.after.toarray().tolist() == [[0, 0, 4]]
    assert found.back.tolist() == [0]
    with pytest.raises(ValueError, match=r"of 2 customers before 2001-03-01, 0 came back"):
        split(lines[lines["customer"] != "c"], "2001-03-01")


def test_lists_that_cannot_be_measured_are_refused():
    with pytest.raises(ValueError, match="a list of 5 places needs more products, got 5"):
        popularity(UNITS, ROWS, 5)
    with pytest.raises(ValueError, match="customer 1 bought nothing"):
        recall_at(np.zeros((2, 1), int), csr_matrix(np.array([[1.0], [0.0]])), 1)
    with pytest.raises(ValueError, match="want 1 lists of at least 3 products"):
        gain_at(np.zeros((1, 2), int), csr_matrix(np.array([[1.0, 0.0]])), 3)
