"""Choice tables that make no sense are refused."""

import numpy as np
import pytest

from flashsale_env.encoders.demand.choice_table import ChoiceTable
from tests.encoders.demand.choices import PRODUCTS, counts, visits


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chosen": np.array([1.0, -1.0])}, "chosen must be 0 or more, got -1.0 in row 1"),
        ({"covariates": np.array([[1.0], [np.nan]])}, "covariates is not finite in row 1"),
        ({"outside": np.ones((1, 1))}, r"outside must have shape \(1,\)"),
        ({"effect": np.array([0, 3])}, "effects 0..3, but 2 effect names"),
        ({"choice_set": np.array([-1, 0])}, "choice_set counts from 0, got -1"),
        ({"choice_set": np.zeros(0, np.int64)}, "no rows"),
    ],
)
def test_an_inconsistent_table_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ChoiceTable(**{**vars(counts([30, 70], 100, price=[0.5, 1.0])), **change})


def test_a_purchase_of_what_was_not_available_is_refused():
    data = visits(n=10)
    data["available"][:] = False
    data["bought"][:] = [3] * 9 + [1]
    with pytest.raises(ValueError, match="visit 9 bought 'b', which was not available then"):
        ChoiceTable.from_visits(**data, products=PRODUCTS)
