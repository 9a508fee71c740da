"""What `flashsale calibrate` shows: rows, elasticities, visits, and the check against the history."""

from collections.abc import Mapping
from typing import Any

from flashsale_env.experiments.display import notice, show_table
from flashsale_env.experiments.reading import show_rows


def show(records: str, card: Mapping[str, Any]) -> None:
    """The card at the terminal: tables on standard output, warnings on standard error."""
    show_rows(records, card["validation"])
    for note in card["validation"]["read_as"]:
        print(note)
    _show_elasticities(card)
    _show_visits(card)
    _show_history(card["history"])
    for entry in card["warnings"]:
        notice(f"warning, {entry['category']}: {entry['warning']}")
    for name, reason in list(card["unusable"].items())[:5]:
        notice(f"not in the scenario: {name}, {reason}")
    for name, ratio in card["history"]["misses"].items():
        notice(
            f"warning: the scenario misses its history: at the same prices {name} sells {ratio:.2f} times the units of "
            f"the history"
        )
    if card["notice"]:
        notice(card["notice"])


def _show_elasticities(card: Mapping[str, Any]) -> None:
    found = card["elasticity"]
    chosen = {product["category"] for product in card["products"]}
    # Estimates that no scenario can use are shown all the same.
    odd = [name for name in (*found["not_below_0"], *found["inelastic"]) if name not in chosen]
    odd.sort(key=lambda name: -found["categories"][name]["cells"])
    rows = {"(overall)": found["overall"]}
    rows |= {name: found["categories"][name] for name in (*sorted(chosen), *odd[:8])}
    show_table(
        "own-price elasticity, 95 % interval",
        ("category", "elasticity", "interval", "products", "cells", "clusters"),
        [
            (
                name + (" (not below 0)" if name in found["not_below_0"] else ""),
                f"{row['estimate']:.2f}",
                f"{row['low']:.2f} .. {row['high']:.2f}",
                f"{row['products']:,}",
                f"{row['cells']:,}",
                row["clusters"],
            )
            for name, row in rows.items()
        ],
    )
    if len(odd) > 8:
        print(f"{len(odd) - 8} more categories that are inelastic or not below 0: see the card")
    for name in sorted(chosen & found["prices"].keys()):
        print(_prices(name, found["categories"][name]["estimate"], found["prices"][name]))
    for name in sorted(chosen & found["sold_out"].keys()):
        out = found["sold_out"][name]
        print(
            f"{name}: {out['share_of_weeks']:.0%} of the weeks sold out; taking sales for demand would have given "
            f"{out['elasticity_if_ignored']:.2f}"
        )


def _prices(name: str, estimate: float, prices: Mapping[str, Any]) -> str:
    """Whether prices answer demand, in a line."""
    if prices["instruments"]:
        p = prices["p_prices_do_not_answer_demand"]
        verdict = "prices answer demand" if p < 0.05 else "no sign that prices answer demand"
        return (
            f"{name}: instruments {', '.join(prices['instruments'])}, F {prices['first_stage_f']:.1f} (rule of thumb: "
            f"above 10; above {prices['f_wanted']:g} for the interval); Wu-Hausman p {p:.3f}: {verdict}; without them "
            f"{prices['elasticity_without_instruments']:.2f}"
        )
    return (
        f"{name}: not tested, prices are taken as set without regard to demand (no --instrument). A correlation of "
        f"{prices['correlation_that_moves_it_by_half']:.2f} between price and unseen demand would move {estimate:.2f} "
        f"by half"
    )


def _show_visits(card: Mapping[str, Any]) -> None:
    visits = ", ".join(f"{name} {count:,.0f}" for name, count in card["visitors_a_week"].items())
    print(f"visits a week: {visits} ({card['visitors_counted_as']})")
    answers = card["units_at_20_percent_off_by_factor_on_visits"]
    if not answers:
        return
    words = {
        factor: "more units than visits" if answer is None else f"{answer:+.0%}" for factor, answer in answers.items()
    }
    print(
        f"all prices down by 20 %: {words['1']} units; with half the visits {words['0.5']}, with twice as many "
        f"{words['2']}"
    )


def _show_history(history: Mapping[str, Any]) -> None:
    show_table(
        "the scenario at the prices of its history, supply unlimited",
        ("product", "units of history", "simulated", "ratio", "±", "elasticity", "simulated"),
        [
            (
                row["product"],
                f"{row['history']:,.0f}",
                f"{row['simulated']:,.0f}",
                f"{row['ratio']:.3f}",
                f"{1.96 * row['ratio_standard_error']:.3f}",
                f"{row['elasticity']:.2f}",
                "-" if row["simulated_elasticity"] is None else f"{row['simulated_elasticity']:.2f}",
            )
            for row in history["rows"]
        ],
    )
