"""The decisions of a scenario, row by row: what is decided, from which levels, in which column of an action."""

from dataclasses import dataclass

from flashsale_env.scenario import DECISIONS, MECHANISMS, Scenario


@dataclass(frozen=True)
class Row:
    """One decision.

    Args:
        decision: a key of `DECISIONS`.
        number: of the row among those of its decision, e.g. that of the product.
        name: as a column of an action is called, e.g. "price[air fryer]".
        levels: values to choose from.
        column: of the action, -1 where there is a single level and so nothing to decide.
    """

    decision: str
    number: int
    name: str
    levels: tuple[float, ...]
    column: int


def decision_rows(scenario: Scenario) -> list[Row]:
    """All rows, in the order of the mechanisms."""
    rows: list[Row] = []
    columns = 0
    for entry in MECHANISMS.values():
        if not entry.present(scenario):
            continue
        for name in entry.mechanism.decisions:
            decision = DECISIONS[name]
            labels = decision.labels(scenario)
            for number, (label, levels) in enumerate(zip(labels, decision.levels(scenario), strict=True)):
                is_open = len(levels) > 1
                title = f"{name}[{label}]" if label else name
                rows.append(Row(name, number, title, tuple(levels), columns if is_open else -1))
                columns += is_open
    return rows
