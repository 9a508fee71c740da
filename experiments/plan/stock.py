"""The shop's own stock in place of the scenario's: `--stock TITLE=UNITS`."""

import dataclasses
from collections.abc import Sequence

from flashsale_env import Scenario
from flashsale_env.errors import unknown_name


def with_stock(scenario: Scenario, words: Sequence[str]) -> Scenario:
    """The scenario with these units of its products on hand at the start.

    Raises:
        ValueError: a word of another form, an unknown product or one that is named twice, or units that the scenario
            refuses.
    """
    given: dict[str, int] = {}
    for word in words:
        title, _, number = (part.strip() for part in word.rpartition("="))
        if not title or not number.isdecimal():
            example = f'"{scenario.titles[0]}={scenario.products[0].initial_stock}"'
            raise ValueError(f"--stock wants TITLE=UNITS, whole units, e.g. --stock {example}, got {word!r}.")
        if title not in scenario.titles:
            raise ValueError(unknown_name("product in --stock", title, scenario.titles))
        if title in given:
            raise ValueError(f"--stock gives {title!r} twice.")
        given[title] = int(number)
    products = tuple(
        dataclasses.replace(product, initial_stock=given.get(product.title, product.initial_stock))
        for product in scenario.products
    )
    return scenario.replace(products=products) if given else scenario
