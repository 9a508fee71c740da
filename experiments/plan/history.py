"""The shop's own prices: those of a period of its history, held over the sale.

Owns    reading `history.csv` of `flashsale calibrate`, and the policy that plays it.
Axes    W periods, M products.
Units   prices in the scenario's currency.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import Scenario
from flashsale_env.errors import unknown_name
from flashsale_env.experiments.calibrate.files import HISTORY_COLUMNS
from flashsale_env.experiments.realism.playing import ListPrices
from flashsale_env.spaces.levers import Levers

Floats = npt.NDArray[np.float64]

_COLUMNS = HISTORY_COLUMNS[:3]  # the units are not needed


def read_history(path: Path, scenario: Scenario) -> Floats:
    """The prices (W, M) of a scenario's products; one that was not on sale in a period has its mean price.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is missing, a price is no number above 0, or a product of the scenario has no price.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no history at {path}: want a CSV file with the columns {', '.join(_COLUMNS)}.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path} has no column {missing[0]!r}; a history has {', '.join(_COLUMNS)}.")
        found: dict[str, dict[str, float]] = {}
        for number, row in enumerate(reader, start=2):
            try:
                price = float(row["price"])
            except (TypeError, ValueError):
                price = 0.0
            if not 0 < price < float("inf"):
                raise ValueError(f"{path}, line {number}: want a price above 0, got {row['price']!r}.")
            found.setdefault(row["product"], {})[row["period"]] = price
    for title in scenario.titles:
        if title not in found:
            raise ValueError(f"{path}: {unknown_name('product', title, found)} A history has every product.")
    periods = list(dict.fromkeys(period for title in scenario.titles for period in found[title]))
    prices = np.array([[found[title].get(period, np.nan) for title in scenario.titles] for period in periods])
    return np.where(np.isnan(prices), np.nanmean(prices, axis=0), prices)


class HistoryPrices(ListPrices):
    """Sale k is sold at the prices of period k, 0 following the last, each at the nearest price that the sale has.

    No orders, no promotions; everything but the prices as in `ListPrices`.
    """

    def __init__(self, scenario: Scenario, prices: Floats) -> None:
        super().__init__(scenario)
        self._levers = Levers(scenario)
        self.encoding = self._levers.codec.encoding
        codec = self._levers.codec
        columns = codec.columns("price")
        settings = np.tile(self._levers.from_levels(self._levels), (len(prices), 1))
        for column, product in zip(columns, codec.numbers_of(columns), strict=True):
            wanted, levels = prices[:, product], np.asarray(codec.levels[column])
            if scenario.pricing.continuous:
                settings[:, column] = np.clip(wanted, levels.min(), levels.max())
            else:
                settings[:, column] = np.abs(wanted[:, None] - levels).argmin(axis=1)
        self._actions = self._levers.as_actions(settings)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[npt.NDArray[Any], Any]:
        """The prices of a period for each sale of the batch."""
        return self._actions[np.arange(len(observation)) % len(self._actions)], state
