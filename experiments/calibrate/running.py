"""From a shop's own records to a scenario with estimated elasticities: `flashsale calibrate`.

Owns    the order of the steps, and the files of the result.
Leaves  reading to `records`, estimation to `encoders.demand`, the choice of products to `market`, visits to `visitors`,
        the scenario to `scenario`, the check against the history to `replay`, the card to `card`.

A customer of the scenario is one visit and one category: the customer buys one unit of one product of that category,
or nothing. So products compete within a category and never across categories, and the number of customers is the
number of visits times the number of categories.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from flashsale_env import Population, Scenario
from flashsale_env.encoders.demand.choices import ChoiceEstimates, estimate_choices
from flashsale_env.encoders.demand.elasticities import Elasticities, Elasticity, estimate_elasticities
from flashsale_env.encoders.demand.inversion import History
from flashsale_env.encoders.demand.panel import Panel, weekly_panel
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.experiments.calibrate.assumptions import Assumptions
from flashsale_env.experiments.calibrate.card import card_of
from flashsale_env.experiments.calibrate.files import (
    CARD_FILE,
    ELASTICITIES_FILE,
    HISTORY_COLUMNS,
    HISTORY_FILE,
    POPULATION_FOLDER,
    PRODUCTS_FILE,
    SCENARIO_FILE,
)
from flashsale_env.experiments.calibrate.market import Market, market_of_choices, market_of_transactions
from flashsale_env.experiments.calibrate.records import Records
from flashsale_env.experiments.calibrate.replay import replay
from flashsale_env.experiments.calibrate.scenario import build_scenario
from flashsale_env.experiments.display import progress_bar
from flashsale_env.experiments.runs import write_json
from flashsale_env.experiments.toml_writer import scenario_toml
from flashsale_env.files import write_atomically
from flashsale_env.versions import versions

PRICE_LEVELS = 8

# Work of a calibration, in parts of the bar: reading, elasticities, market, replay.
_PARTS = (30, 50, 10, 10)


@dataclass(frozen=True, eq=False)
class Calibration:
    """A scenario from data, its customers, and the estimates behind them.

    Args:
        scenario: names no population until it is saved.
        population: one voice without a message for each category.
        elasticities: of all categories, in the scenario or not.
        history: what was sold at which prices, in the order of the scenario's products.
        card: validation, elasticities, products, assumptions, the check against the history, versions.
    """

    scenario: Scenario
    population: Population
    elasticities: Elasticities
    history: History
    card: dict[str, Any]

    def save(self, out: Path) -> Path:
        """Write the population, the scenario, the elasticities, the history and last the card; the scenario's path."""
        out.mkdir(parents=True, exist_ok=True)
        self.population.save(out / POPULATION_FOLDER)
        comments = [
            f"Calibrated on {self.card['validation']['source']}: elasticities, prices, stock and traffic from the "
            f"data; {CARD_FILE} has their intervals.",
            f"Assumed, not measured: unit cost is {self.card['assumed']['cost_share']:.0%} of the mean price.",
            *(
                f"Misses its history: {name} sells {ratio:.2f} times its units."
                for name, ratio in self.card["history"]["misses"].items()
            ),
            *([self.card["notice"]] if self.card["notice"] else []),
        ]
        scenario = self.scenario.replace(population=POPULATION_FOLDER)  # relative to the file, so the folder can move
        write_atomically(out / SCENARIO_FILE, scenario_toml(scenario, comments=comments).encode())
        found = self.elasticities
        rows = [("(overall)", found.overall), *found.categories.items()]
        names = [entry.name for entry in fields(Elasticity)]
        _write_csv(out / ELASTICITIES_FILE, ["category", *names], [[name, *astuple(e)] for name, e in rows])
        if found.details:
            head = ["category", "product", "own", "own_standard_error", "shrunk", "shrunk_standard_error"]
            products = [
                [category, name, *astuple(e)]
                for category, detail in found.details.items()
                for name, e in detail.by_product.items()
            ]
            _write_csv(out / PRODUCTS_FILE, head, products)
        told = zip(self.history.price, self.history.on_sale, self.history.demand, strict=True)
        lines = [
            [period, title, float(price), float(units)]
            for period, row in enumerate(told)
            for title, price, on_sale, units in zip(scenario.titles, *row, strict=True)
            if on_sale
        ]
        _write_csv(out / HISTORY_FILE, HISTORY_COLUMNS, lines)
        write_json(out / CARD_FILE, self.card)
        return out / SCENARIO_FILE


def _write_csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    write_atomically(path, table.getvalue().encode())


@dataclass(frozen=True)
class Options:
    """What a calibration is asked for.

    Args:
        kind: "transactions", in the schema of `TRANSACTION_COLUMNS`, or "choices", in that of `CHOICE_COLUMNS`.
        columns: our name -> the file's name, for columns with other names.
        reader: name of a known export, see `encoders.shops`.
        form: how the files write their cells.
        categories: of the products in the scenario; () for those with the largest revenue.
        products: M, best sellers taken in turn from the categories; None for 8, or fewer where there are not so many.
        price_levels: of a product, at most.
        stores, absent: of the panel of transactions, see `weekly_panel`.
        instruments, controls: columns of transactions that move prices alone, and that move demand.
        assumptions: what the data do not contain.
        command: the command line, for the card.

    Raises:
        ValueError: an option is out of range, or is not for this kind of records.
    """

    kind: str = "transactions"
    columns: Mapping[str, str] | None = None
    reader: str | None = None
    form: FileFormat = field(default_factory=FileFormat)
    categories: Sequence[str] = ()
    products: int | None = None
    price_levels: int = PRICE_LEVELS
    stores: str = "auto"
    absent: str = "auto"
    instruments: Sequence[str] = ()
    controls: Sequence[str] = ()
    assumptions: Assumptions = field(default_factory=Assumptions)
    command: str = ""

    def __post_init__(self) -> None:
        if (self.products is not None and self.products < 1) or self.price_levels < 2:
            raise ValueError(
                f"want at least 1 product and 2 price levels, got {self.products} and {self.price_levels}."
            )
        if both := sorted(set(self.instruments) & set(self.controls)):
            raise ValueError(f"column {both[0]!r} is an instrument and a control: an instrument leaves demand alone.")
        if self.kind == "choices":
            asked = {
                "stores": self.stores != "auto",
                "absent": self.absent != "auto",
                "instruments": bool(self.instruments),
                "controls": bool(self.controls),
            }
            if wrong := [name for name, given in asked.items() if given]:
                raise ValueError(f"{wrong[0]} is an option for transactions; choices have none.")


def calibrate(records: str | Path | Sequence[str | Path], options: Options | None = None) -> Calibration:
    """Estimate elasticities from a shop's records and build a scenario with them.

    Args:
        records: one file or several, see `encoders.tables`; or the name of a reader whose data a package holds.
        options: see `Options`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no scenario follows from the file, the data or an option; the message has the reason.
    """
    asked = options or Options()
    source = Records.named(
        records,
        kind=asked.kind,
        reader=asked.reader,
        columns=asked.columns,
        form=asked.form,
        further=(*asked.instruments, *asked.controls),
    )
    with progress_bar("calibrating") as advance:
        step = _Steps(advance)
        step(0, "reading and checking")
        rows, validation = source.read()
        with validation.told_first():
            estimate = _from_choices if asked.kind == "choices" else _from_transactions
            panel, found, market = estimate(rows, validation.source, asked, step)
            scenario, population = build_scenario(source.name, market, asked.assumptions)
        step(3, "playing the history")
        played = replay(scenario, population, market.history, market.history_visitors, market.elasticity)
        card = {
            "name": source.name,
            "command": asked.command,
            "notice": source.notice,
            **card_of(validation, panel, found, market, asked.assumptions, scenario, played),
            "versions": versions("pandas", *([source.package] if source.package else [])),
        }
        step(4, "")
    return Calibration(scenario, population, found, market.history, card)


def _from_choices(
    rows: pd.DataFrame, source: str, asked: Options, step: "_Steps"
) -> tuple[Panel | None, Elasticities, Market]:
    step(1, "estimating elasticities")
    estimates = estimate_choices(rows, conversion=asked.assumptions.conversion)
    _require_outside(estimates, source)
    step(2, "choosing products")
    market = market_of_choices(rows, estimates, asked.categories, asked.products, asked.price_levels, asked.assumptions)
    return None, estimates.elasticities, market


def _from_transactions(
    rows: pd.DataFrame, source: str, asked: Options, step: "_Steps"
) -> tuple[Panel | None, Elasticities, Market]:
    step(1, "summing weeks")
    panel = weekly_panel(rows, stores=asked.stores, absent=asked.absent, extra=(*asked.instruments, *asked.controls))
    found = estimate_elasticities(panel, instruments=asked.instruments, controls=asked.controls, advance=step.within(1))
    step(2, "fitting the level of demand")
    market = market_of_transactions(
        rows, panel, found, asked.categories, asked.products, asked.price_levels, asked.assumptions
    )
    return panel, found, market


class _Steps:
    """Progress over the parts of a calibration."""

    def __init__(self, advance: Callable[[int, int, str], None]) -> None:
        self._advance = advance

    def __call__(self, part: int, note: str) -> None:
        self._advance(sum(_PARTS[:part]), sum(_PARTS), note)

    def within(self, part: int) -> Callable[[int, int, str], None]:
        """Progress inside a part."""
        start, size = sum(_PARTS[:part]), _PARTS[part]
        return lambda done, total, note: self._advance(start + size * done // total, sum(_PARTS), note)


def _require_outside(estimates: ChoiceEstimates, source: str) -> None:
    """A scenario needs the share of visitors who buy nothing.

    Raises:
        ValueError: the log does not have it; the message has what was estimated.
    """
    if estimates.has_outside:
        return
    found = "; ".join(
        f"{name} {e.estimate:.2f} ({e.low:.2f} to {e.high:.2f})"
        for name, e in list(estimates.elasticities.categories.items())[:5]
    )
    raise ValueError(
        f"{source}: every visit buys, so the log says which product customers take, and not whether they buy: a "
        f"scenario from it would sell to everyone at any price. Elasticities among buyers: {found}. Give the share of "
        f"visitors who buy, e.g. --conversion 0.03, or a log with the visits that bought nothing."
    )
