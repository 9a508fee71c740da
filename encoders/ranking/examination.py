"""Position bias: how far customers read, from a log with a shuffled list.

Owns    the maximum likelihood of the shares who examine each place, and their intervals.
Axes    n visits, M products, K places.

A customer reads d places with probability e_d - e_(d+1) and chooses among the products there by a multinomial logit
with one attraction a_j for each product:

    P(j at place k) = sum over d >= k of (e_d - e_(d+1)) · a_j / (1 + sum of a over the first d places)

The order is random, so e is not mixed with the attractions. All customers who come are taken to examine place 1, since
a list that nobody looks at and products that nobody wants give the same log. That customers differ in their
attractions is ignored; it matters where many buy.
"""

import numpy as np
import numpy.typing as npt
import torch
from scipy import optimize, stats

from flashsale_env.intervals import CONFIDENCE, Interval

Floats = npt.NDArray[np.float64]


def examined_shares(log: npt.NDArray[np.void], places: int) -> list[Interval]:
    """Share of the customers who examine each place, with intervals from the curvature of the likelihood.

    Args:
        log: records of `Simulator.choice_log` with a shuffled list.
        places: K, at least 2; nobody examines a later one.

    Returns:
        K intervals; the first is exactly 1.

    Raises:
        ValueError: fewer than two places, more than products, or a log without a list or without purchases.
    """
    products = log["place"].shape[1]
    if not 2 <= places <= products:
        raise ValueError(f"places must lie in 2..{products}, the number of products, got {places}.")
    if not log["place"].any():
        raise ValueError("the log has no list: record it in a scenario with [slate].")
    bought = torch.as_tensor(log["bought"].astype(np.int64))
    if not (bought < products).any():
        raise ValueError("nobody bought anything in the log: a place's share cannot be told.")
    at = _product_at(log["place"].astype(np.int64), places)

    def negative(parameters: torch.Tensor) -> torch.Tensor:
        return _negative_log_likelihood(parameters, bought, at, products)

    def value_and_slope(x: Floats) -> tuple[float, Floats]:
        parameters = torch.tensor(x, requires_grad=True)
        value = negative(parameters)
        value.backward()
        assert parameters.grad is not None
        return value.item(), parameters.grad.numpy()

    start = np.concatenate([np.full(products, -3.0), np.full(places - 1, 1.0)])
    best = optimize.minimize(value_and_slope, start, jac=True, method="L-BFGS-B").x
    hessian = torch.autograd.functional.hessian(negative, torch.tensor(best)).numpy()
    covariance = np.linalg.pinv(hessian * len(bought))[products:, products:]
    kept = 1.0 / (1.0 + np.exp(-best[products:]))  # share of those at a place who read on to the next
    shares = np.cumprod(kept)
    # d log(share_k) / d logit(kept_m) = 1 - kept_m for m <= k
    slopes = np.tril(np.broadcast_to(1.0 - kept, (places - 1, places - 1)))
    spread = shares * np.sqrt(np.einsum("km,mn,kn->k", slopes, covariance, slopes))
    half = stats.norm.ppf((1 + CONFIDENCE) / 2) * spread
    found = [Interval(float(s), float(s - h), float(s + h)) for s, h in zip(shares, half, strict=True)]
    return [Interval(1.0, 1.0, 1.0), *found]


def _product_at(place: npt.NDArray[np.int64], places: int) -> torch.Tensor:
    """(n, K) product at each place, M where the list is shorter."""
    visits, products = place.shape
    at = np.full((visits, products + 1), products)
    np.put_along_axis(at, place, np.broadcast_to(np.arange(products), place.shape), axis=1)
    return torch.as_tensor(at[:, 1 : places + 1])  # column 0 took the products that are not on the list


def _negative_log_likelihood(
    parameters: torch.Tensor, bought: torch.Tensor, at: torch.Tensor, products: int
) -> torch.Tensor:
    """Mean over the visits. Parameters: M logarithms of attractions, K - 1 logits of reading on."""
    attraction = torch.cat([parameters[:products].exp(), torch.zeros(1, dtype=parameters.dtype)])
    examined = torch.cat([torch.ones(1, dtype=parameters.dtype), torch.sigmoid(parameters[products:]).cumprod(0)])
    stops = examined - torch.cat([examined[1:], torch.zeros(1, dtype=parameters.dtype)])  # after 1, ..., K places
    listed = attraction[at]
    choice = stops / (1.0 + listed.cumsum(1))  # (n, K), of those who read k places: nothing bought
    reaches = choice.flip(1).cumsum(1).flip(1)  # those who read k places or more
    chosen = ((at == bought[:, None]) * listed * reaches).sum(1)
    nothing = choice.sum(1)
    return -torch.where(bought < products, chosen, nothing).log().mean()
