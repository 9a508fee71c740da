"""One sale as a table of text."""

import numpy as np

from flashsale_env.scenario import Scenario
from flashsale_env.views import scene

_SIGNS = dict(zip(scene.STOCK_PARTS, "#>. ", strict=True))
_BAR = 24  # characters
_LIKELIEST = 3  # intents named


def render_text(scenario: Scenario, sale: np.void) -> str:
    """The sale as a table.

    Args:
        scenario: whose sale it is.
        sale: one record of `composition.sale_dtype`.

    Returns:
        A line on the sale, the names of the columns, a line a product and, where customers write messages, a
        line on the intents that the encoder finds likeliest. No newline at the end.
    """
    left = max(len("product"), *(len(product.title) for product in scenario.products))
    captions = "".join(f"{f'{name} {sign}'.strip():>11}" for name, sign in _SIGNS.items())
    lines = [
        " | ".join([scenario.name, *(f"{caption} {value}" for caption, value in scene.facts(scenario, sale))]),
        f"{'product':<{left}}{'price':>11}{'list':>11}  {'stock':<{_BAR + 2}}{captions}",
    ]
    for product, price, units in zip(scenario.products, sale["price"], scene.stock(sale), strict=True):
        edges = scene.edges(units, _BAR)
        bar = "".join(
            sign * (end - begin) for sign, begin, end in zip(_SIGNS.values(), edges, edges[1:], strict=False)
        ).ljust(_BAR)
        counts = "".join(f"{count:>11,}" for count in units)
        lines.append(
            f"{product.title:<{left}}{scene.price(price):>11}{scene.money(product.list_price):>11}  [{bar}]{counts}"
        )
    if scenario.messages is not None:
        shares = scene.intent_shares(sale)
        likeliest = np.argsort(-shares, kind="stable")[:_LIKELIEST]
        read = ", ".join(f"{scene.intent_name(i)} {shares[i]:.0%}" for i in likeliest)
        lines.append(f"messages: {read if shares.any() else 'none yet'}")
    return "\n".join(lines)
