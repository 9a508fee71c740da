"""The layout of the observation: the meaning of every number.

`layout["on_hand"]` is the slice of a feature; `layout.entries` lists every number with its unit and bounds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashsale_env.errors import unknown_name
from flashsale_env.intents import INTENTS
from flashsale_env.scenario import FEATURES, Scenario


@dataclass(frozen=True)
class Entry:
    """One number of the observation. A `constant` one is the same under every policy, e.g. the price of a product with
    one price level.
    """

    index: int
    feature: str
    name: str
    unit: str
    low: float
    high: float
    meaning: str
    constant: bool


class Layout(Mapping[str, slice]):
    """Feature name -> slice of the flat observation of a scenario.

    >>> from flashsale_env import load_scenario
    >>> Layout(load_scenario("gvr-periodic"))["on_hand"]
    slice(2, 3, None)
    """

    def __init__(self, scenario: Scenario) -> None:
        titles = scenario.titles
        ahead = [f"{title}, +{tick}" for title in titles for tick in range(scenario.lead_ticks)]
        labels = {"sale": ("",), "product": titles, "product and tick": ahead, "intent": INTENTS}
        self._slices: dict[str, slice] = {}
        entries: list[Entry] = []
        for name in scenario.features:
            feature = FEATURES[name]
            start = len(entries)
            for k, label in enumerate(labels[feature.per]):
                entries.append(
                    Entry(
                        len(entries),
                        name,
                        f"{name}[{label}]" if label else name,
                        feature.unit,
                        feature.low,
                        feature.high,
                        feature.meaning,
                        feature.constant(scenario, k),
                    )
                )
            self._slices[name] = slice(start, len(entries))
        self.entries = tuple(entries)

    @property
    def size(self) -> int:
        """D, the length of the observation."""
        return len(self.entries)

    @property
    def low(self) -> npt.NDArray[np.float32]:
        """(D,) lower bounds."""
        return np.array([entry.low for entry in self.entries], np.float32)

    @property
    def high(self) -> npt.NDArray[np.float32]:
        """(D,) upper bounds."""
        return np.array([entry.high for entry in self.entries], np.float32)

    def describe(self) -> str:
        """The layout as a Markdown table, one line per feature."""
        lines = ["| index | feature | for each | unit | bounds | meaning |", "|---|---|---|---|---|---|"]
        for name, where in self._slices.items():
            feature = FEATURES[name]
            index = f"{where.start}-{where.stop - 1}" if where.stop - where.start > 1 else f"{where.start}"
            lines.append(
                f"| {index} | `{name}` | {feature.per} | {feature.unit} | [{feature.low:g}, {feature.high:g}] "
                f"| {feature.meaning} |"
            )
        return "\n".join(lines)

    def __getitem__(self, name: str) -> slice:
        try:
            return self._slices[name]
        except KeyError:
            raise KeyError(unknown_name("feature", name, self._slices)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._slices

    def __iter__(self) -> Iterator[str]:
        return iter(self._slices)

    def __len__(self) -> int:
        return len(self._slices)
