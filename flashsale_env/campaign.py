"""N campaigns at once, without Gymnasium: sales in a row, each with its own key.

Owns    the sequence: when a sale of a campaign closes, the next one opens.
Leaves  a sale to `simulator`, what it hands over to `market.campaign` and `market.retention`.
Axes    as in `simulator`; every row of the batch is one campaign, and holds the sale in progress.

Sale n of episode e of a campaign of S sales is the sale (seed, episode e·S + n), so the first one is also the sale that
is played alone, and all have different customers.
"""

import dataclasses
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env.population import Population
from flashsale_env.sale import opening
from flashsale_env.scenario import MECHANISMS, METRICS, Scenario, load_scenario
from flashsale_env.simulator import Simulator

# The mechanisms whose features vary from sale to sale of a campaign only.
_PARTS = ("campaign", "retention")
_PROFIT = list(METRICS).index("profit")


def campaign_of(scenario: str | os.PathLike[str] | Scenario) -> Scenario:
    """The scenario as a campaign plays it: observations end with the sales left, goodwill, and past customers expected.

    Raises:
        ValueError: the scenario has no [campaign].
    """
    sale = load_scenario(scenario)  # type: ignore[arg-type]
    if sale.campaign is None:
        raise ValueError(
            f"scenario {sale.name!r} has no [campaign], so it is a single sale: give it one, e.g. [campaign] sales = "
            f"6, or play it by its FlashSale id."
        )
    shown = [
        name
        for part in _PARTS
        if MECHANISMS[part].present(sale)
        for name in MECHANISMS[part].mechanism.features
        if name not in sale.features
    ]
    return sale.replace(observe=(*sale.features, *shown))


class CampaignSimulator(Simulator):
    """A batch of N campaigns of one scenario; as `Simulator`, with the sales of a campaign one after another.

    `advance` plays one tick. At a close that another sale follows it opens that sale: the observation is its first one.
    `measure` gives the sale in progress, right after a close the sale that closed; `profit` is that of the campaign so
    far, `closed` whether its last sale is.

    Args:
        scenario: with a [campaign].
        population, options: as for `Simulator`.

    Raises:
        ValueError: as `Simulator`, or the scenario has no [campaign].
    """

    def __init__(
        self,
        scenario: str | os.PathLike[str] | Scenario,
        population: str | os.PathLike[str] | Population | None = None,
        **options: Any,
    ) -> None:
        sale = campaign_of(scenario)
        assert sale.campaign is not None
        self.sales_each = sale.campaign.sales
        super().__init__(sale, population, **options)
        rules = self.instance.rules.copy()
        rules["campaign"]["sales"] = self.sales_each
        self.instance = dataclasses.replace(self.instance, rules=rules)
        self._bind()
        self._just_closed = np.zeros(len(self), np.bool_)
        self._last_metrics = np.zeros((len(self), len(METRICS)))
        self._visits: list[npt.NDArray[np.void]] = []

    @property
    def episode_ticks(self) -> int:
        """Ticks of a whole campaign."""
        return self.sales_each * self.scenario.horizon_ticks

    @property
    def elapsed(self) -> npt.NDArray[np.int64]:
        """(N,) ticks of the campaign that were played."""
        return np.asarray(self.sales["tick"] + self.sales["campaign"]["number"] * self.scenario.horizon_ticks)

    def open(
        self,
        seeds: npt.NDArray[np.uint64],
        episodes: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.float32]:
        """As `Simulator.open`, for whole campaigns."""
        self._just_closed[slice(None) if rows is None else rows] = False
        opened = self._everyone if rows is None else rows
        others = (kept[~np.isin(kept["row"], opened)] for kept in self._visits)
        self._visits = [kept for kept in others if len(kept)]
        return super().open(seeds, np.asarray(episodes, np.int64) * self.sales_each, rows)

    def advance(
        self, actions: object
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """As `Simulator.advance`; a sale that closes is followed by the next one of its campaign."""
        observations, rewards, terms = super().advance(actions)
        closes = (self.sales["tick"] >= self.scenario.horizon_ticks) & (
            self.sales["campaign"]["number"] + 1 < self.sales_each
        )
        self._just_closed[:] = False
        if closes.any():
            metrics = self.measure()
            rows = np.flatnonzero(closes)
            before = self.sales[rows]
            self._keep_visits(rows)
            super().open(before["seed"], before["episode"] + 1, rows)
            self.ask_core(opening.carry_over, before, metrics[rows, _PROFIT], rows)
            observations[rows] = self.observe()[rows]
            self._just_closed, self._last_metrics = closes, metrics
        return observations, rewards, terms

    def _keep_visits(self, rows: npt.NDArray[np.int64]) -> None:
        """Keep the recorded visits of sales that close; visits beyond `log_rows` are missed in `campaign_log`."""
        if self.log_rows:
            self._visits.append(self._recorded(rows))

    def campaign_log(self) -> npt.NDArray[np.void]:
        """Every visit of all campaigns so far, campaign by campaign in time order.

        Returns:
            As `choice_log`, which holds the sale in progress alone. `episode` modulo the sales of a campaign is the
            number of the sale; `person` is the same in all sales where the scenario has [persons].

        Raises:
            ValueError: a sale had more visits than `log_rows`.
        """
        log = np.concatenate([*self._visits, self.choice_log()])
        whole = np.unique(log[["row", "episode"]], return_counts=True)[1]
        if len(whole) and whole.max() >= self.log_rows:
            raise ValueError(
                f"a sale had at least log_rows = {self.log_rows:,} visits, so some may not be recorded: make the "
                f"simulator with more log_rows and play the campaigns again."
            )
        return log[np.lexsort((log["episode"], log["row"]))]

    def measure(
        self, rules: npt.NDArray[np.void] | None = None, money: npt.NDArray[np.float64] | None = None
    ) -> npt.NDArray[np.float64]:
        """As `Simulator.measure`; of the sale that just closed, where one did."""
        metrics = super().measure(rules, money)
        metrics[self._just_closed] = self._last_metrics[self._just_closed]
        return metrics
