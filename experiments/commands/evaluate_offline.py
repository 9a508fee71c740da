"""`flashsale evaluate-offline`: another agent on a log, without playing it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env.experiments.display import notice, notice_untuned, print_json, progress_bar, show_table
from flashsale_env.experiments.exits import CHECK_FAILED, DONE, on_interrupt
from flashsale_env.experiments.formats import low_to_high, money
from flashsale_env.experiments.options import AnySeed, Device, Json, TestSales

Logged = Annotated[Path, typer.Argument(metavar="LOG", help="Folder that `flashsale log` wrote.")]
Other = Annotated[str, typer.Option("--agent", metavar="AGENT", help="Whose worth is estimated.")]
Explore = Annotated[
    float, typer.Option("--explore", metavar="E", min=0.0, max=1.0, help="Exploration that it is evaluated with.")
]
Truth = Annotated[bool, typer.Option("--truth", help="Play the agent too, to see how far the estimates are off.")]

EXAMPLES = ("flashsale evaluate-offline runs/log --agent fixed_price --truth",)


@on_interrupt("Nothing was written.")
def command(
    log: Logged,
    agent: Other,
    explore: Explore = 0.0,
    truth: Truth = False,
    episodes: TestSales = 10_000,
    seed: AnySeed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> int:
    """Estimate another agent's profit from a log.

    Intervals are 95 %, over sales. Estimates from too few effective sales are refused; exit code 1 if all are.
    """
    from flashsale_env.experiments.evaluate import find_agent
    from flashsale_env.experiments.offline.logs import home_of, read_log
    from flashsale_env.experiments.offline.running import as_json as as_plain
    from flashsale_env.experiments.offline.running import as_logged, evaluate
    from flashsale_env.experiments.offline.target import on_log
    from flashsale_env.experiments.offline.truth import played_truth

    logged = read_log(log)
    among = logged.card["population"]
    home = home_of(logged, log)
    player = find_agent(agent, home, population=among, device=device, seed=seed)
    notice_untuned(agent, player, home, among)
    target = on_log(player, logged, 1.0 if agent == "random" else explore)
    found = evaluate(logged, target)
    behaviour = as_logged(logged)
    result: dict[str, Any] = {
        "log": str(log),
        "agent": agent,
        "sales": logged.sales,
        "logged": {"mean": behaviour.mean, "ci_low": behaviour.low, "ci_high": behaviour.high},
        "estimates": as_plain(found),
    }
    if truth:
        with progress_bar(f"playing {agent}") as advance:
            result["truth"] = played_truth(player, logged, target.explore, episodes, advance)
    if as_json:
        print_json(result)
    else:
        show(result)
    return DONE if any(row.value is not None for row in found.values()) else CHECK_FAILED


def show(result: Mapping[str, Any]) -> None:
    """The estimates as a table."""
    scale = result["logged"]["mean"]
    rows = [("as logged", money(scale, scale), low_to_high(result["logged"], scale), f"{result['sales']:,}")]
    for name, row in result["estimates"].items():
        if row["refused"]:
            notice(f"{name}: refused, {row['refused']}")
        value = "refused" if row["value"] is None else money(row["value"], scale)
        interval = "" if row["value"] is None else low_to_high(row, scale)
        rows.append((name, value, interval, f"{row['effective_sales']:,.1f}"))
    if "truth" in result:
        rows.append(("truth", money(result["truth"]["mean"], scale), low_to_high(result["truth"], scale), ""))
    title = f"return a sale of {result['agent']}, from {result['sales']:,} logged sales"
    show_table(title, ("estimate", "mean", "95 % interval", "effective sales"), rows)
