"""Figures of classifiers, against values computed by hand."""

import pytest

from flashsale_env.encoders.text.metrics import scores


def test_macro_f1_counts_the_intents_that_are_present():
    """An intent that is predicted but never true lowers recall; it does not count as a class."""
    found = scores(["gift", "gift", "bulk", "bulk"], ["gift", "gift", "bulk", "browsing"])
    assert found["accuracy"] == 0.75
    assert found["macro_f1"] == pytest.approx((1.0 + 2 / 3) / 2)
