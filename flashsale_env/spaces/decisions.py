"""The decisions of a scenario, row by row: their levels and their columns in an action."""

from dataclasses import dataclass

from flashsale_env.scenario import DECISIONS, MECHANISMS, Scenario


@dataclass(frozen=True)
class Row:
    """One decision.

    Args:
        decision: a key of `DECISIONS`.
        number: index of the row within its decision, e.g. of the product.
        name: of its column, e.g. "price[air fryer]".
        levels: the values to choose from.
        column: index in the action; -1 if there is a single level, so nothing to decide.
    """

    decision: str
    number: int
    name: str
    levels: tuple[float, ...]
    column: int

    @property
    def label(self) -> str:
        """What it is taken for: "air fryer" of "price[air fryer]", "" of "coupon"."""
        return self.name[len(self.decision) + 1 : -1]


def decision_rows(scenario: Scenario, *, own_only: bool = False) -> list[Row]:
    """All rows, in the order of the mechanisms.

    Args:
        scenario: the scenario.
        own_only: whether the products of rivals have no columns, even where agents decide for these sellers.
    """
    rows: list[Row] = []
    columns = 0
    for entry in MECHANISMS.values():
        if not entry.present(scenario):
            continue
        for name in entry.mechanism.decisions:
            decision = DECISIONS[name]
            labels = decision.labels(scenario)
            for number, (label, levels) in enumerate(zip(labels, decision.levels(scenario), strict=True)):
                # Beside rivals every decision is one for each product, see `market.rivals.SPLIT`.
                is_open = len(levels) > 1 and not (own_only and scenario.products[number].owner)
                title = f"{name}[{label}]" if label else name
                rows.append(Row(name, number, title, tuple(levels), columns if is_open else -1))
                columns += is_open
    return rows
