"""How good an order is, on a log with a shuffled list: normalised discounted cumulative gain.

Leaves  the measure to scikit-learn (Järvelin & Kekäläinen 2002).
"""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import ndcg_score

Floats = npt.NDArray[np.float64]


def gain_at(scores: Floats, predicted: npt.NDArray[np.int64], log: npt.NDArray[np.void], places: int) -> float:
    """nDCG at `places` of the order by scores, over the visits that bought: the product bought is the relevant one.

    Args:
        scores: (M,), or (I, M) by predicted intent.
        predicted: (V,) predicted intent of each voice of the log.
        log: records of `Simulator.choice_log`.
        places: of the list; a product below them gains nothing.

    Raises:
        ValueError: nobody bought.
    """
    products = scores.shape[-1]
    buyers = log[log["bought"] < products]
    if not len(buyers):
        raise ValueError("nobody bought anything in the log, so no order is better than another.")
    relevant = np.eye(products)[buyers["bought"]]
    of_buyer = scores[predicted[buyers["voice"]]] if scores.ndim == 2 else np.broadcast_to(scores, relevant.shape)
    return float(ndcg_score(relevant, of_buyer, k=places))
