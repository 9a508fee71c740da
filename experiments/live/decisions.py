"""Decisions as a person makes them: every column of a box action with its levels in words, and actions as values.

Owns    the controls of a scenario, derived from its codec, and the translation of any agent's action into them.
Axes    N sales, C columns of a box action.
Units   a price in currency, a depth as a share, an order in units; the others as their mechanism declares them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import ActionCodec, Scenario
from flashsale_env.spaces.decisions import decision_rows
from flashsale_env.views import scene

Floats = npt.NDArray[np.float64]

# Decisions whose values are shares off the price.
_SHARES = ("coupon", "targeted")


@dataclass(frozen=True)
class Control:
    """One decision of the coming tick.

    Args:
        column: of the box action.
        decision: its kind, a key of `DECISIONS`.
        label: what it is about, e.g. the title of a product; "" for the sale as a whole.
        levels: the values to choose from.
        texts: the same in words.
    """

    column: int
    decision: str
    label: str
    levels: tuple[float, ...]
    texts: tuple[str, ...]


def controls(scenario: Scenario) -> list[Control]:
    """Every decision that the scenario leaves open, in the order of the action."""
    found = []
    for row in decision_rows(scenario):
        if row.column >= 0:
            texts = tuple(_text(row.decision, value) for value in row.levels)
            found.append(Control(row.column, row.decision, row.label, row.levels, texts))
    return found


def _text(decision: str, value: float) -> str:
    if decision == "price":
        return scene.price(value)
    if decision in _SHARES:
        return scene.discount(value)
    return f"{value:,.6g}"


class Translation:
    """Actions of one encoding as box actions, and as values.

    Args:
        scenario: of the actions.
        encoding: of the actions, a key of `ENCODINGS`.
    """

    def __init__(self, scenario: Scenario, encoding: str) -> None:
        self.codec, self.box = ActionCodec(scenario, encoding), ActionCodec(scenario)
        self.kinds = tuple(dict.fromkeys(control.decision for control in controls(scenario)))

    def to_box(self, actions: Any) -> npt.NDArray[np.float32]:
        """(N, ...) actions of the encoding as box actions (N, C) that play the same decisions."""
        checked = self.codec.check(actions, len(actions))
        if self.codec.encoding == "box":
            return np.asarray(checked, np.float32)
        return np.asarray(self.box.from_levels(checked.astype(np.int64)), np.float32)

    def by_kind(self, boxed: npt.NDArray[np.float32]) -> Floats:
        """(N, kinds) mean of each kind of decision, prices as shares of the highest price of each product."""
        values, means = self.box.to_values(boxed), []
        for kind in self.kinds:
            columns = self.box.columns(kind)
            if kind == "price":
                highest = np.array([max(self.box.levels[column]) for column in columns])
                means.append((values[:, columns] / highest).mean(axis=1))
            else:
                means.append(values[:, columns].mean(axis=1))
        return np.column_stack(means)
