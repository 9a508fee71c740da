"""What the profit of a plan does not promise, in plain sentences.

Owns    the sentences, and the figures in them.
Leaves  the check of a calibrated scenario against its history to `calibrate.replay`, whose card is read here.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import SCENARIOS, Scenario
from flashsale_env.experiments.calibrate.files import CARD_FILE
from flashsale_env.experiments.plan.recording import Record

# Price levels are rounded prices of the history.
_ROUNDING = 0.01


def limits(
    scenario: str, sale: Scenario, made: Record, prices: npt.NDArray[np.float64] | None, own_stock: bool
) -> list[str]:
    """The sentences, the most important first.

    Args:
        scenario: name or path, as the user gave it.
        sale: that was played.
        made: what the agent decided.
        prices: (W, M) of the shop's history; None without one.
        own_stock: whether the stock is another one than the scenario's.
    """
    said = [
        "This is profit in the simulator: simulated customers met these prices, no real ones did.",
        "The interval covers chance from sale to sale. Errors of the estimated or assumed tastes are not in it.",
    ]
    card = _card(scenario)
    if card is not None:
        said += _of_calibration(card)
    elif scenario in SCENARIOS:
        said.append("The scenario is a shipped one: its products, costs and customers are no shop's.")
    if prices is not None:
        said.append(_outside(sale, made, prices))
    if own_stock:
        said.append(
            "The agent was made for the scenario's own stock; scenario.toml of this run has yours, to tune or train on."
        )
    said.append("Only a trial shows what the plan is worth: sales with it and sales without, drawn at random.")
    return said


def _card(scenario: str) -> dict[str, Any] | None:
    """The card of a calibrated scenario's folder."""
    path = Path(scenario).parent / CARD_FILE
    if scenario in SCENARIOS or not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return content if isinstance(content, dict) and {"history", "assumed", "elasticity"} <= content.keys() else None


def _of_calibration(card: dict[str, Any]) -> list[str]:
    assumed, misses = card["assumed"], card["history"]["misses"]
    said = [
        f"Customers are fitted to past sales. Assumed are the unit cost ({assumed['cost_share']:.0%} of the mean "
        f"price), even arrivals over the sale, and equal tastes within a category."
    ]
    if assumed.get("visits"):
        said.append(f"The number of visitors who buy nothing is not in the data ({assumed['visits']}).")
    for name, ratio in misses.items():
        said.append(f"The scenario misses its history: at the same prices {name} sells {ratio:.2f} times its units.")
    for entry in card.get("warnings", ()):
        said.append(f"Warned of in the calibration, {entry['category']}: {entry['warning']}.")
    return said


def _outside(sale: Scenario, made: Record, prices: npt.NDArray[np.float64]) -> str:
    """How much of the plan lies where the history has no prices."""
    outside, shown = 0, 0
    for c, row in enumerate(made.rows):
        if row.decision == "price":
            price = made.values[:, :, c]
            known = prices[:, row.number]
            offered = price > 0
            shown += int(offered.sum())
            low, high = (1 - _ROUNDING) * known.min(), (1 + _ROUNDING) * known.max()
            outside += int(((price < low) | (price > high))[offered].sum())
    share = outside / max(shown, 1)
    if not outside:
        return "All its prices lie within those of the history."
    return f"{share:.1%} of its prices lie outside those of the history, where the answer of customers is extrapolated."
