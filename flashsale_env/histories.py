"""Histories: what a shop recorded of each customer over the sales of a campaign, up to a cut, and what came after it.

Owns    the map from the visits of a campaign to customers one by one.
Leaves  the recording to `campaign` (`CampaignSimulator.campaign_log`), what can be concluded from a history to
        `theory.returning`, its events as tokens to `encoders.sessions`.
Axes    C customers, n visits of all of them, S sales of a campaign, M products.
Units   prices as shares of the product's reference price, money in currency.

A customer is somebody who has bought before the cut; the history begins with the first purchase.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashsale_env.population import Population
from flashsale_env.scenario import Scenario

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Histories:
    """C customers and their n visits before the cut, customer by customer in time order.

    Args:
        cut: number of sales that were recorded.
        row, person: (C,) the campaign of a customer, and who it is there.
        voice: (C,) row of the population; hidden from the shop.
        first: (C,) number of the sale of the first purchase.
        customer, sale: (n,) whose visit, and in which sale.
        price: (n, M) of each product.
        opened, bought: (n,) page opened, product bought; M for none.
        pays: (n,) whether what was bought is paid, now or later.
        message: (n,) predicted intent of the message that was left; -1 for none.
    """

    cut: int
    row: Ints
    person: npt.NDArray[np.uint64]
    voice: Ints
    first: Ints
    customer: Ints
    sale: Ints
    price: Floats
    opened: Ints
    bought: Ints
    pays: npt.NDArray[np.bool_]
    message: Ints

    def __len__(self) -> int:
        return len(self.row)

    def came(self) -> npt.NDArray[np.bool_]:
        """(C, cut) whether a customer came to a sale."""
        return self._marked(np.ones(len(self.sale), np.bool_))

    def paid(self) -> npt.NDArray[np.bool_]:
        """(C, cut) whether a customer bought something in a sale and pays."""
        return self._marked(self.pays)

    def _marked(self, visits: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        marks = np.zeros((len(self), self.cut), np.bool_)
        marks[self.customer[visits], self.sale[visits]] = True
        return marks

    def repeats(self) -> tuple[Floats, Floats, Floats]:
        """(C,) repeat purchases, time of the last one, and time since the first purchase, in sales.

        As `theory.customer_base.fit` takes them.
        """
        later = self.paid() & (np.arange(self.cut) > self.first[:, None])
        last = np.where(later.any(axis=1), self.cut - 1 - later[:, ::-1].argmax(axis=1), self.first)
        observed = self.cut - 1 - self.first
        return later.sum(axis=1).astype(np.float64), (last - self.first).astype(np.float64), observed.astype(np.float64)


@dataclass(frozen=True, eq=False)
class Later:
    """What C customers do in the sales after the cut, (C, S - cut) each.

    Args:
        came, clicked, paid: whether the customer came; whether it opened a page; whether it bought something that is
            paid.
        margin: of what was paid over unit cost at the prices on the tags, currency.
        revenue: at the prices on the tags, currency.
    """

    came: npt.NDArray[np.bool_]
    clicked: npt.NDArray[np.bool_]
    paid: npt.NDArray[np.bool_]
    margin: Floats
    revenue: Floats


def _check(scenario: Scenario, cut: int) -> int:
    if scenario.persons is None or scenario.campaign is None or scenario.retention is None:
        raise ValueError(
            f"scenario {scenario.name!r} follows nobody from sale to sale: give it [campaign], [retention] and "
            f"[persons]."
        )
    if scenario.retention.customers:
        raise ValueError(
            f"histories begin with a first purchase, and scenario {scenario.name!r} begins with retention.customers "
            f"{scenario.retention.customers:g}, whose first purchase was before it. Leave them out."
        )
    if not 1 <= cut < scenario.campaign.sales:
        raise ValueError(f"the cut must lie in 1..{scenario.campaign.sales - 1}, got {cut}.")
    return scenario.campaign.sales


def histories(log: npt.NDArray[np.void], scenario: Scenario, population: Population, cut: int) -> Histories:
    """The customers of a log, and what was recorded of them in the first `cut` sales.

    Args:
        log: of `CampaignSimulator.campaign_log`.
        scenario, population: of the campaigns.
        cut: number of sales, from 1 to one below those of a campaign.

    Raises:
        ValueError: the scenario follows nobody, has past customers before its first sale, or has fewer sales.
    """
    sales = _check(scenario, cut)
    number = log["episode"] % sales
    seen = log[number < cut]
    number = number[number < cut]
    ids, place = np.unique(seen[["row", "person"]], return_inverse=True)
    first = np.full(len(ids), sales)
    np.minimum.at(first, place[seen["pays"] == 1], number[seen["pays"] == 1])
    known = first < sales
    index = np.cumsum(known) - 1
    kept = known[place] & (number >= first[place])
    order = np.flatnonzero(kept)[np.argsort(place[kept], kind="stable")]
    visits, customer = seen[order], index[place[order]]
    predicted = population.intent_probabilities.argmax(axis=1)
    voice = np.zeros(int(known.sum()), np.int64)
    voice[customer] = visits["voice"]
    return Histories(
        cut=cut,
        row=ids["row"][known].astype(np.int64),
        person=ids["person"][known].astype(np.uint64),
        voice=voice,
        first=first[known],
        customer=customer,
        sale=number[order],
        price=visits["price_share"].astype(np.float64),
        opened=visits["opened"].astype(np.int64),
        bought=visits["bought"].astype(np.int64),
        pays=visits["pays"] == 1,
        message=np.where(visits["wrote"] == 1, predicted[visits["voice"]], -1),
    )


def later(log: npt.NDArray[np.void], found: Histories, scenario: Scenario) -> Later:
    """What the customers of these histories do after the cut, in this log: that of the same campaigns, or of another
    course of them after the cut.

    Raises:
        ValueError: as `histories`.
    """
    sales = _check(scenario, found.cut)
    number = log["episode"] % sales
    after = log[number >= found.cut]
    at = number[number >= found.cut] - found.cut
    ids = np.empty(len(found), after[["row", "person"]].dtype)
    ids["row"], ids["person"] = found.row, found.person
    place = np.searchsorted(ids, after[["row", "person"]])
    known = place < len(ids)
    known[known] = ids[place[known]] == after[["row", "person"]][known]
    after, at, place = after[known], at[known], place[known]
    shape = (len(found), sales - found.cut)
    came, clicked, paid = (np.zeros(shape, np.bool_) for _ in range(3))
    margin, revenue = np.zeros(shape), np.zeros(shape)
    came[place, at] = True
    clicked[place, at] = after["opened"] < len(scenario.products)
    paid[place, at] = after["pays"] == 1
    price = after["price_share"] * np.array([product.reference_price for product in scenario.products])
    cost = np.array([product.unit_cost for product in scenario.products])
    units = after["units"] * (after["pays"] == 1)[:, None]
    revenue[place, at] = (units * price).sum(axis=1)
    margin[place, at] = (units * (price - cost)).sum(axis=1)
    return Later(came, clicked, paid, margin, revenue)
