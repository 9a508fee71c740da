"""What a shop would do with an agent, and what that promises: `flashsale plan`.

Owns    the order of the steps, the baseline, and the files of the result.
Leaves  decisions to `recording` and `states`, the shop's prices to `history`, its stock to `stock`, profits and
        intervals to `evaluate`, the page to `pages.plan`.
Units   money in the scenario's currency.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import DECISIONS, SCENARIOS, Population, Scenario, agents, load_population, load_scenario
from flashsale_env.agents.play import play
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.calibrate.files import HISTORY_FILE, SCENARIO_FILE
from flashsale_env.experiments.evaluate import difference, figures, find_agent, is_trained
from flashsale_env.experiments.plan.history import HistoryPrices, read_history
from flashsale_env.experiments.plan.limits import limits
from flashsale_env.experiments.plan.recording import Record, record
from flashsale_env.experiments.plan.states import states
from flashsale_env.experiments.plan.stock import with_stock
from flashsale_env.experiments.runs import RESULT, Run, write_json
from flashsale_env.experiments.toml_writer import beside, scenario_toml
from flashsale_env.files import write_atomically

PLAN_FILE, STATES_FILE = "plan.csv", "states.csv"
OWN_PRICES, BASELINE = "the shop's own prices", "fixed_price"
# Quantiles over sales, at every tick; inverse of the distribution, so that each is a level.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

# Work of a plan, in parts of the bar: the agent, the baseline, the states.
_PARTS = (45, 35, 20)

Floats = npt.NDArray[np.float64]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Asked:
    """What a plan is asked for.

    Args:
        scenario: name, or path of a TOML file.
        agent: anything that `evaluate` plays.
        population: its customers; the scenario's own by default.
        stock: TITLE=UNITS of each product whose stock is another one.
        history: file of the shop's own prices; by default `history.csv` beside the scenario's file.
        against: another baseline.
        episodes: test sales.
        device, seed: of the agent.
    """

    scenario: str
    agent: str
    population: str | None = None
    stock: Sequence[str] = ()
    history: Path | None = None
    against: str | None = None
    episodes: int = 1000
    device: str = "auto"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Prepared:
    """A plan whose input has been checked.

    Args:
        asked: for what.
        sale: with the shop's stock.
        customers: who come.
        player, rival: the agent, and its baseline.
        rival_name: of the baseline.
        prices: (W, M) of the history; None without one.
    """

    asked: Asked
    sale: Scenario
    customers: Population
    player: Any
    rival: Any
    rival_name: str
    prices: Floats | None = None

    @property
    def mark(self) -> str:
        """What to say beside the agent's name, e.g. that it is untuned here."""
        return str(getattr(self.player, "mark", ""))


def prepare(asked: Asked) -> Prepared:
    """Check all that is asked for, before anything is played.

    Raises:
        ValueError, FileNotFoundError: something does not exist or does not fit; the message names it.
    """
    if asked.history is not None and asked.against is not None:
        raise ValueError("--history and --against are two baselines: give one of them.")
    own = load_scenario(asked.scenario)
    among = asked.population or own.population
    sale = with_stock(own.replace(population=among) if asked.population else own, asked.stock)
    customers = load_population(among, sale.titles)
    path = asked.history
    if path is None and asked.against is None and asked.scenario not in SCENARIOS:
        found = Path(asked.scenario).parent / HISTORY_FILE
        path = found if found.is_file() else None
    prices = None if path is None else read_history(path, sale)
    player = _agent(asked, asked.agent, sale)
    if prices is not None:
        return Prepared(asked, sale, customers, player, HistoryPrices(sale, prices), OWN_PRICES, prices)
    name = asked.against or BASELINE
    return Prepared(asked, sale, customers, player, _agent(asked, name, sale), name)


def _agent(asked: Asked, name: str, sale: Scenario) -> Any:
    """An agent for this stock; a rule keeps the values that were tuned with the stock of the scenario."""
    more: dict[str, Any] = {"population": asked.population, "device": asked.device, "seed": asked.seed}
    if not asked.stock:
        return find_agent(name, asked.scenario, **more)
    tuned = {} if is_trained(name) else agents.tuned(name, asked.scenario, asked.population)
    return find_agent(name, sale, settings=tuned, **more)


def plan(prepared: Prepared, run: Run, progress: Progress) -> dict[str, Any]:
    """Play, and write the folder; the content of `result.json`."""
    asked, sale, customers = prepared.asked, prepared.sale, prepared.customers
    seeds = split_seeds("test", 0, asked.episodes)
    made = record(prepared.player, sale, customers, seeds, _part(progress, 0, asked.agent))
    rival = play(prepared.rival, sale, customers, seeds=seeds, progress=_part(progress, 1, prepared.rival_name))
    columns, rows = states(prepared.player, sale, customers, _part(progress, 2, "states"))
    result = {
        "scenario": asked.scenario,
        "population": asked.population or sale.population,
        "episodes": asked.episodes,
        "stock": {product.title: product.initial_stock for product in sale.products},
        "agent": {"name": asked.agent, "mark": prepared.mark, **figures(made.table)},
        "baseline": {"name": prepared.rival_name, **figures(rival)},
        "difference": difference(made.table, rival),
        "typical_sale": _typical(made, sale),
        "typical_seed": int(seeds[made.typical]),
        "limits": limits(asked.scenario, sale, made, prepared.prices, bool(asked.stock)),
    }
    run.begin()
    _write_csv(run.folder / PLAN_FILE, *_by_tick(made, sale))
    _write_csv(run.folder / STATES_FILE, columns, rows)
    if asked.stock:
        text = scenario_toml(beside(sale, run.folder), comments=[f"{asked.scenario} with the stock of --stock."])
        write_atomically(run.folder / SCENARIO_FILE, text.encode())
    write_json(run.folder / RESULT, result)
    return result


def _part(progress: Progress, number: int, note: str) -> Callable[[int, int], None]:
    """Progress inside a part."""
    start, size = sum(_PARTS[:number]), _PARTS[number]
    return lambda done, total: progress(start + size * done // total, sum(_PARTS), note)


def _by_tick(made: Record, sale: Scenario) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of `plan.csv`: each decision, and the units on hand, at every tick."""
    quantiles = [f"q{100 * share:02.0f}" for share in QUANTILES]
    columns = ["tick", "minute", "what", "product", "unit", "typical_sale", "mean", *quantiles]
    told = [(row.decision, row.label, DECISIONS[row.decision].unit) for row in made.rows]
    values = made.values
    if made.on_hand is not None:
        told += [("on_hand", title, "units") for title in sale.titles]
        values = np.concatenate([values, made.on_hand], axis=2)
    spread = np.quantile(values, QUANTILES, axis=0, method="inverted_cdf")  # (quantiles, T, C)
    typical, mean = values[made.typical], values.mean(axis=0)
    rows = []
    for tick in range(sale.horizon_ticks):
        for c, words in enumerate(told):
            numbers = (typical[tick, c], mean[tick, c], *spread[:, tick, c])
            rows.append([tick, tick * sale.tick_minutes, *words, *map(float, numbers)])
    return columns, rows


def _typical(made: Record, sale: Scenario) -> list[dict[str, Any]]:
    """The typical sale as the screen shows it: the decisions at a few moments."""
    ticks = sorted({round(share * (sale.horizon_ticks - 1)) for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)})
    chosen = made.values[made.typical]
    return [
        {
            "decision": row.decision,
            "for": row.label,
            "unit": DECISIONS[row.decision].unit,
            "values": {f"{tick * sale.tick_minutes:g}": float(chosen[tick, c]) for tick in ticks},
        }
        for c, row in enumerate(made.rows)
    ]


def _write_csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    write_atomically(path, table.getvalue().encode())
