"""One sale as a short report that a merchant would read: the observation of the text environment.

Owns    the instructions that never change during a sale, the report of a moment, and the bound on its length.
Leaves  what a shop sees to `scene`, decisions in words to `spaces.levers`.
Units   money in the scenario's currency; lengths in characters. A tokenizer that works on bytes, as those of language
        models do, makes at most one token of a byte, and about one of four characters of English.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env.scenario import MECHANISMS, REWARD_TERMS, Scenario
from flashsale_env.spaces.levers import Document, Levers
from flashsale_env.views import scene

# No number of a sale is longer: 64-bit counts have 26 characters, money at most 10^12 a unit for 10^8 customers.
_LONGEST_NUMBER = 32
_LIKELIEST = 3  # number of intents named
_TERMS = [(name, number) for number, (name, term) in enumerate(REWARD_TERMS.items()) if term.is_money]


@dataclass(frozen=True)
class Extent:
    """How many messages a report quotes, and the length of each.

    Args:
        messages: the latest ones are quoted.
        characters: a longer message is cut off there.
    """

    messages: int = 8
    characters: int = 160

    def __post_init__(self) -> None:
        for name, least in (("messages", 0), ("characters", 20)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} of a report must be a whole number of at least {least}, got {value!r}.")


def briefing(scenario: Scenario, levers: Levers) -> str:
    """What never changes during a sale: its length, the products and the decisions."""
    return "\n".join(
        (
            f'You run the flash sale "{scenario.name}": {scenario.description or "a limited time, a hard stock"}.',
            f"It lasts {scenario.horizon_ticks} ticks of {_minutes(scenario.tick_minutes)}. Earn as much as you can: "
            f"the reward is the money earned, less penalties for customers who found a product sold out.",
            "",
            "Products (money in currency; a salvage value is paid for each unit left at the close):",
            *(f"- {line}" for line in _products(scenario)),
            "",
            "Decisions. What you leave out stays as it is. At the start: list price, no order, no promotion, the first "
            "value of everything.",
            levers.describe(),
        )
    )


def instructions(scenario: Scenario, levers: Levers, most_ticks: int) -> str:
    """What a player is told once: the briefing and the form of an answer.

    Args:
        scenario: the scenario.
        levers: its decisions.
        most_ticks: that one answer may play.
    """
    lines = [
        briefing(scenario, levers),
        "",
        f"Answer with one JSON object and nothing else, e.g. {levers.example()}; an empty object changes nothing.",
    ]
    if most_ticks > 1:
        example = json.loads(levers.example())
        plan = json.dumps({"plan": [{**example, "ticks": 2}, {"ticks": 1}]}, ensure_ascii=False)
        lines.append(
            f'It plays one tick. "ticks": N plays N ticks before you are asked again, and a plan plays several stages: '
            f"{plan}. One answer may play {most_ticks} ticks at most."
        )
    return "\n".join(lines)


def report(
    scenario: Scenario,
    sale: np.void,
    levers: Levers,
    now: Document,
    earned: "Earned",
    mail: Sequence[str],
    extent: Extent,
) -> str:
    """The report of this moment.

    Args:
        scenario: of the sale.
        sale: one record of `composition.sale_dtype`.
        levers: the decisions of the scenario.
        now: what is set, as `Levers.as_json` gives it.
        earned: since the last report.
        mail: the messages since the last report, the latest last.
        extent: how many messages are quoted.
    """
    left = scenario.horizon_ticks - int(sale["tick"])
    state = "closed" if not left else f"{_minutes(left * scenario.tick_minutes)} left"
    lines = [f"Tick {sale['tick']} of {scenario.horizon_ticks}, {state}."]
    if earned.ticks:
        lines.append(earned.line())
    figures = [f"{caption} {value}" for caption, value in scene.facts(scenario, sale)[2:]]
    lines.append(f"So far: {', '.join(figures)}.")
    stock = _stock(scenario, sale)
    lines.append(f"product | price now | {' | '.join(stock)}")
    for product, price, units in zip(
        scenario.products, scene.prices(scenario, sale), np.column_stack(list(stock.values())), strict=True
    ):
        lines.append(f"{product.title} | {price} | {' | '.join(f'{count:,}' for count in units)}")
    others = {name: value for name, value in now.items() if name in levers.standing}
    if others:
        lines.append(f"set: {json.dumps(others, ensure_ascii=False)}")
    if scenario.messages is not None:
        lines += _mail(scene.intent_shares(sale), mail, extent)
    return "\n".join(lines)


def longest_report(scenario: Scenario, levers: Levers, extent: Extent) -> int:
    """Characters that no report of this scenario exceeds."""
    number = _LONGEST_NUMBER
    facts = [caption for entry in _present(scenario) for caption, _, _ in entry.facts]
    head = 60 + 4 * number
    earned = 60 + 4 * number + sum(len(name) + 3 + number for name, _ in _TERMS)
    so_far = 60 + 4 * number + sum(len(caption) + 3 + number for caption in facts)
    parts = 4 + (scenario.carts is not None)
    widest = number if scenario.replenishment is not None and scenario.replenishment.unlimited else 0
    products = 80
    for product, units in zip(scenario.products, scenario.stock_scale, strict=True):
        count = widest or len(f"{int(units):,}")
        price = max(len(scene.money(product.list_price)), len("withheld"))
        products += len(product.title) + price + 4 + parts * (count + 3)
    total = head + earned + so_far + products + len("set: ") + levers.longest(levers.standing)
    if scenario.messages is not None:
        total += 160 + 2 * number + _LIKELIEST * 40 + extent.messages * (extent.characters + 6)
    return total


@dataclass(frozen=True)
class Earned:
    """What the ticks since the last report brought.

    Args:
        ticks: played.
        customers: who came.
        sold: units.
        reward: currency, unscaled.
        terms: (K,) terms of the reward, currency.
    """

    ticks: int
    customers: int
    sold: int
    reward: float
    terms: npt.NDArray[np.float64]

    def line(self) -> str:
        """The sentence for the report."""
        parts = [f"{name} {scene.money(self.terms[k])}" for name, k in _TERMS if self.terms[k]]
        since = "Last tick" if self.ticks == 1 else f"Last {self.ticks} ticks"
        earned = f" ({', '.join(parts)})" if parts else ""
        reward = scene.money(self.reward)
        return f"{since}: {self.customers:,} customers, {self.sold:,} units sold, reward {reward}{earned}."


def _minutes(minutes: float) -> str:
    return f"{minutes:,.6g} minute{'' if minutes == 1 else 's'}"


def _present(scenario: Scenario) -> list[Any]:
    return [entry.mechanism for entry in MECHANISMS.values() if entry.optional and entry.present(scenario)]


def _products(scenario: Scenario) -> list[str]:
    lines = []
    for product in scenario.products:
        if product.owner:
            lines.append(f"{product.title}: sold by {product.owner}, list price {scene.money(product.list_price)}")
            continue
        facts = [
            f"list price {scene.money(product.list_price)}",
            f"unit cost {scene.money(product.unit_cost)}",
            f"{product.initial_stock:,} units",
        ]
        if product.reserve:
            facts.append(f"{product.reserve:,} more in reserve")
        for caption, value in (
            ("salvage value", product.salvage_value),
            ("holding cost a unit and hour", product.holding_cost),
            ("penalty for a lost sale", product.lost_sale_penalty),
        ):
            if value:
                facts.append(f"{caption} {scene.money(value)}")
        lines.append(f"{product.title}: {', '.join(facts)}")
    return lines


def _stock(scenario: Scenario, sale: np.void) -> dict[str, npt.NDArray[np.int64]]:
    """The parts of the stock, without those that are empty in every sale of the scenario."""
    empty = () if scenario.replenishment is not None else ("transit", "reserve")
    return {name: units for name, units in scene.stock(scenario, sale).items() if name not in empty}


def _mail(shares: npt.NDArray[np.float64], mail: Sequence[str], extent: Extent) -> list[str]:
    """What customers write: their number, the intents that the encoder reads, and the latest messages."""
    likeliest = np.argsort(-shares, kind="stable")[:_LIKELIEST]
    read = ", ".join(f"{scene.intent_name(i)} {shares[i]:.0%}" for i in likeliest)
    written = [text for text in mail if text]
    quoted = written[max(0, len(written) - extent.messages) :]
    lines = [
        f"Recent messages ask for: {read if shares.any() else 'nothing yet'}. {len(mail):,} new, {len(quoted)} quoted:"
    ]
    return lines + [f'- "{_cut(" ".join(text.split()), extent.characters)}"' for text in quoted]


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1]}…"
