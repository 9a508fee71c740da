"""One sale as a table of text."""

import numpy as np

from flashsale_env.scenario import Scenario
from flashsale_env.views import scene

_SIGNS = {"on hand": "#", "carts": "+", "transit": ">", "reserve": ".", "sold": " "}
_BAR = 24  # characters
_LIKELIEST = 3  # number of intents named


def render_text(scenario: Scenario, sale: np.void) -> str:
    """The sale as a table.

    Args:
        scenario: of the sale.
        sale: one record of `composition.sale_dtype`.

    Returns:
        A line for the sale, the column names, a line per product and, if the scenario has messages, a line with the
        most probable intents by the encoder. No newline at the end.
    """
    left = max(len("product"), *(len(product.title) for product in scenario.products))
    stock = scene.stock(scenario, sale)
    signs = [_SIGNS[name] for name in stock]
    captions = "".join(f"{f'{name} {sign}'.strip():>11}" for name, sign in zip(stock, signs, strict=True))
    lines = [
        " | ".join([scenario.name, *(f"{caption} {value}" for caption, value in scene.facts(scenario, sale))]),
        f"{'product':<{left}}{'price':>11}{'list':>11}  {'stock':<{_BAR + 2}}{captions}",
    ]
    for product, price, units in zip(
        scenario.products, scene.prices(scenario, sale), np.column_stack(list(stock.values())), strict=True
    ):
        edges = scene.edges(units, _BAR)
        bar = "".join(sign * (end - begin) for sign, begin, end in zip(signs, edges, edges[1:], strict=False)).ljust(
            _BAR
        )
        counts = "".join(f"{count:>11,}" for count in units)
        lines.append(f"{product.title:<{left}}{price:>11}{scene.money(product.list_price):>11}  [{bar}]{counts}")
    if scenario.messages is not None:
        shares = scene.intent_shares(sale)
        likeliest = np.argsort(-shares, kind="stable")[:_LIKELIEST]
        read = ", ".join(f"{scene.intent_name(i)} {shares[i]:.0%}" for i in likeliest)
        lines.append(f"messages: {read if shares.any() else 'none yet'}")
    return "\n".join(lines)
