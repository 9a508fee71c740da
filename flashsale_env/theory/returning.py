"""Customers who come back: what follows exactly from the history of each, by the law of the simulator.

Owns    the posterior of a customer's type, life and voice given its history; the probabilities of what it does next,
        and the profit expected of a coupon. No predictor from the same histories does better on average: of all scores,
        the posterior probability has the largest area under the ROC curve (Neyman & Pearson 1933).
Leaves  histories to `flashsale_env.histories`, the law to `market.retention` and `market.persons`.
Axes    C customers, K types, V voices, U different price lists, M products.
Units   prices as shares of the product's reference price, profit in currency.

A history says three things, independent of each other given what was seen. When a customer came, and after which visits
it could have dropped out, tells of its type and life; dropouts come after repeat purchases only:

    alive_k <- alive_k · v_k · (1 - p_k if it paid),   gone_k <- alive_k · v_k · p_k if it paid   a visit
    alive_k <- alive_k · (1 - v_k),                    gone_k <- gone_k                            none

What it opened and bought at which prices tells of its voice, by the multinomial logit, and so does the predicted intent
of its messages. `SCOPE` names what is modelled; stock must be ample.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashsale_env.histories import Histories
from flashsale_env.market.retention import customer_types
from flashsale_env.population import Population
from flashsale_env.scenario import Scenario
from flashsale_env.theory.scope import ANY, Scope, every

Floats = npt.NDArray[np.float64]

_DAYS_OF_A_WEEK = 7.0
_AT_ONCE = 500  # customers whose voices are weighed together: 500 x 4,500 voices are 18 MB
SCOPE = Scope(
    "the posterior of a customer",
    {
        **dict.fromkeys(("name", "version", "description", "currency", "horizon_ticks", "tick_minutes"), ANY),
        **dict.fromkeys(("memory_minutes", "observe"), ANY),
        **every(
            "products", "title", "noun", "price_levels", "reference_price", "quality", "initial_stock", "unit_cost"
        ),
        **every("products", "salvage_value"),
        **every("arrivals", "customers_per_minute", "burst_share", "burst_scale", "late_share", "late_scale"),
        "choice.model": ("mnl",),
        **every("carts", "hold_minutes", "paid_per_minute", "given_up_per_minute"),
        **every("clicks", "curiosity"),
        **every("messages", "share", "before_opening"),
        **every("campaign", "sales", "days_between", "restock", "carrying_cost"),
        **every("retention", "most_returning", "visit_shape", "visit_scale", "dropout_a", "dropout_b"),
        **every("retention", "coupon", "lift", "keeps"),
        **every("persons", "most"),
    },
    (
        *("products", "utterances", "languages", "intent_probabilities", "latent_class", "relevance"),
        *("price_sensitivity", "coupon_affinity", "weight", "card"),
    ),
)


@dataclass(frozen=True, eq=False)
class Visits:
    """What customers of each voice do in a visit at each of U price lists.

    Args:
        clicks: (U, M, V) probability that this page is opened.
        takes: (U, M, V) probability that this product is bought, paid or not.
        pays: (V,) share of what is bought that is paid.
    """

    clicks: Floats
    takes: Floats
    pays: Floats


@dataclass(frozen=True, eq=False)
class Posterior:
    """What the history of each customer says of it.

    Args:
        alive, gone: (C, K) probability of each type and of being alive, or gone for good.
        voices: (C, V) single precision.
    """

    alive: Floats
    gone: Floats
    voices: npt.NDArray[np.float32]

    @property
    def churn(self) -> Floats:
        """(C,) probability of being gone for good."""
        return np.asarray(self.gone.sum(axis=1))


def require(scenario: Scenario, population: Population) -> None:
    """Refuse a scenario that the posterior does not model.

    Raises:
        ValueError: it has another option, or nobody is followed.
    """
    why_not = SCOPE.why_not(scenario, population)
    if why_not is None and scenario.persons is None:
        why_not = f"the scenario has no [persons], which {SCOPE.claim} is about"
    if why_not is not None:
        raise ValueError(f"{why_not[0].upper()}{why_not[1:]}.")


def visit_law(scenario: Scenario, population: Population, prices: Floats) -> Visits:
    """What customers of each voice do at these price lists, (U, M) shares of reference prices."""
    quality = np.array([product.quality for product in scenario.products])
    utility = (population.relevance.astype(np.float64) + quality).T
    utility = utility[None] - prices[:, :, None] * population.price_sensitivity.astype(np.float64)
    curiosity = np.zeros(len(population))
    if scenario.clicks is not None:
        curiosity = np.array(scenario.clicks.curiosity)[population.latent_class]
    takes, clicks = np.exp(utility), np.exp(utility + curiosity)
    takes /= 1.0 + takes.sum(axis=1, keepdims=True)
    clicks /= 1.0 + clicks.sum(axis=1, keepdims=True)
    pays = np.ones(len(population))
    if scenario.carts is not None:
        paid = np.array(scenario.carts.paid_per_minute)[population.latent_class]
        rate = paid + np.array(scenario.carts.given_up_per_minute)[population.latent_class]
        ends = -np.expm1(-rate * scenario.carts.hold_minutes)
        pays = np.divide(paid * ends, rate, out=np.zeros(len(population)), where=rate > 0)
    return Visits(clicks, takes, pays)


def visit_chance(scenario: Scenario) -> tuple[Floats, Floats, Floats]:
    """(K,) each: probability that a living customer comes to a sale, of a dropout, and share of the type."""
    assert scenario.retention is not None
    assert scenario.campaign is not None
    rates, dropouts, shares = customer_types(scenario.retention)
    return -np.expm1(-rates * scenario.campaign.days_between / _DAYS_OF_A_WEEK), dropouts, shares


def posterior(found: Histories, scenario: Scenario, population: Population) -> Posterior:
    """What the histories say of their customers, recorded without a coupon.

    Raises:
        ValueError: the scenario has an option that is not modelled.
    """
    require(scenario, population)
    visits, dropouts, shares = visit_chance(scenario)
    alive = np.tile(shares, (len(found), 1))
    gone = np.zeros_like(alive)
    came, paid = found.came(), found.paid()
    for sale in range(found.cut):
        here = (came[:, sale] & (sale > found.first))[:, None]
        bought = paid[:, [sale]] & here
        absent = (~came[:, sale] & (sale > found.first))[:, None]
        met = alive * visits
        gone = np.where(here, np.where(bought, met * dropouts, 0.0), gone)
        alive = np.where(here, met * np.where(bought, 1.0 - dropouts, 1.0), np.where(absent, alive - met, alive))
    total = (alive + gone).sum(axis=1, keepdims=True)
    return Posterior(alive / total, gone / total, _voices(found, scenario, population))


def _voices(found: Histories, scenario: Scenario, population: Population) -> npt.NDArray[np.float32]:
    """(C, V) probability of each voice: prior times the likelihood of all visits and messages."""
    lists, of_visit = np.unique(found.price, axis=0, return_inverse=True)
    law, none = visit_law(scenario, population, lists), len(scenario.products)
    opened = found.bought if scenario.clicks is None else found.opened
    # Outcome: nothing opened; page j opened in vain; product j bought, not paid or paid.
    logs = np.empty((len(lists), 1 + 3 * none, len(population)), np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs[:, 0] = np.log(1.0 - law.clicks.sum(axis=1))
        logs[:, 1 : 1 + none] = np.log(np.maximum(law.clicks - law.takes, 0.0))
        logs[:, 1 + none : 1 + 2 * none] = np.log(law.takes) + np.log1p(-law.pays)
        logs[:, 1 + 2 * none :] = np.log(law.takes) + np.log(law.pays)
    code = np.where(opened < none, 1 + opened, 0)
    code = np.where(found.bought < none, 1 + none + found.bought + none * found.pays, code)
    predicted = population.intent_probabilities.argmax(axis=1)
    prior = np.log(population.weight / population.weight.sum()).astype(np.float32)
    out = np.empty((len(found), len(population)), np.float32)
    starts = np.searchsorted(found.customer, np.arange(len(found) + 1))
    for begin in range(0, len(found), _AT_ONCE):
        end = min(begin + _AT_ONCE, len(found))
        rows = slice(starts[begin], starts[end])
        weight = np.tile(prior, (end - begin, 1))
        np.add.at(weight, found.customer[rows] - begin, logs[of_visit[rows], code[rows]])
        wrote = found.message[rows] >= 0
        who, what = found.customer[rows][wrote] - begin, found.message[rows][wrote]
        weight[who] = np.where(predicted[None] == what[:, None], weight[who], -np.inf)
        weight = np.exp(weight - weight.max(axis=1, keepdims=True))
        out[begin:end] = weight / weight.sum(axis=1, keepdims=True)
    return out


def next_sale(known: Posterior, scenario: Scenario, population: Population, prices: Floats) -> tuple[Floats, Floats]:
    """(C,) probability that a customer opens a page in the next sale, and that it buys something and pays.

    Args:
        known: of the customers.
        scenario, population: of the campaigns.
        prices: (U, M) price lists of the next sale, each as likely as the others.
    """
    visits, _, _ = visit_chance(scenario)
    law = visit_law(scenario, population, prices)
    comes = known.alive @ visits
    clicks, pays = law.clicks.sum(axis=1).mean(axis=0), (law.takes.sum(axis=1) * law.pays).mean(axis=0)
    return comes * (known.voices @ clicks), comes * (known.voices @ pays)


def stays_away(known: Posterior, scenario: Scenario, sales: int) -> Floats:
    """(C,) probability that a customer comes to none of the next sales, gone for good or not."""
    visits, _, _ = visit_chance(scenario)
    return np.asarray(known.churn + known.alive @ (1.0 - visits) ** sales)


def coupon_gain(
    known: Posterior, scenario: Scenario, population: Population, prices: Floats, sales: int, *, off: float
) -> Floats:
    """(C,) profit that a coupon for each customer is expected to add over the next sales, currency.

    Args:
        known, scenario, population, prices: as for `next_sale`; the price list is drawn anew in every sale.
        sales: number of sales in which the customer has it.
        off: share off; the deepest level of `retention.coupon` counts as full depth for its lift and what it keeps.
    """
    with_it = _expected_profit(scenario, population, prices, sales, off)
    without = _expected_profit(scenario, population, prices, sales, 0.0)
    return np.asarray(np.einsum("ck,kv,cv->c", known.alive, with_it - without, known.voices, optimize=True))


def _expected_profit(scenario: Scenario, population: Population, prices: Floats, sales: int, off: float) -> Floats:
    """(K, V) margin of a living customer of each type and voice over so many sales."""
    assert scenario.retention is not None
    visits, dropouts, _ = visit_chance(scenario)
    depth = off / (scenario.retention.coupon[-1] or 1.0)
    visits = np.minimum(1.0, visits * (1.0 + scenario.retention.lift * depth))
    dropouts = dropouts * (1.0 - scenario.retention.keeps * depth)
    paying = prices * (1.0 - off)
    law = visit_law(scenario, population, paying)
    reference = np.array([product.reference_price for product in scenario.products])
    margin = paying * reference - np.array([product.unit_cost for product in scenario.products])
    earned = (law.takes * margin[:, :, None]).sum(axis=1).mean(axis=0) * law.pays
    pays = law.takes.sum(axis=1).mean(axis=0) * law.pays
    stays = 1.0 - visits[:, None] * dropouts[:, None] * pays
    return np.asarray(visits[:, None] * earned * sum(stays**n for n in range(sales)))
