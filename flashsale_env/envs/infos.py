"""The info of a sale and of a batch: flat, one numpy number a key, so that any tool can read or store it.

    profit                  what the sale came to so far, see `METRICS`; the number to log
    metrics/NAME            every metric of `METRICS`
    reward_terms/NAME       every term of `REWARD_TERMS`, currency of the tick

A batch has an array (N,) for each key and Gymnasium's mask `_KEY`, the rows that the key is meant for.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env.scenario import METRICS, REWARD_TERMS

PROFIT = list(METRICS).index("profit")
TERM_KEYS = tuple(f"reward_terms/{name}" for name in REWARD_TERMS)
METRIC_KEYS = tuple(f"metrics/{name}" for name in METRICS)
KEYS = ("profit", *METRIC_KEYS, *TERM_KEYS)
MASK_KEYS = tuple(f"_{key}" for key in KEYS)


def info_of_sale(metrics: npt.NDArray[np.float64], terms: npt.NDArray[np.float64]) -> dict[str, Any]:
    """The info of one sale: its metrics so far and the reward terms of the tick, (numbers,) each."""
    return {
        "profit": metrics[PROFIT],
        **dict(zip(METRIC_KEYS, metrics, strict=True)),
        **dict(zip(TERM_KEYS, terms, strict=True)),
    }


def info_of_batch(
    metrics: npt.NDArray[np.float64], terms: npt.NDArray[np.float64], mask: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """The info of N sales; rows outside the mask hold 0, as Gymnasium's own loops leave them."""
    columns = np.concatenate([metrics[:, [PROFIT]], metrics, terms], axis=1).T.copy()
    if not mask.all():
        columns[:, ~mask] = 0.0
    masks = np.tile(mask, (len(KEYS), 1))
    return {**dict(zip(KEYS, columns, strict=True)), **dict(zip(MASK_KEYS, masks, strict=True))}
