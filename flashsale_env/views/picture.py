"""One sale as a picture.

Axes    M products, one row each; a picture is (HEIGHT, WIDTH, 3) RGB.
Units   boxes in pixels.
"""

import textwrap
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from flashsale_env.scenario import Scenario
from flashsale_env.views import scene
from flashsale_env.views.font import GLYPH_ADVANCE, GLYPH_HEIGHT, text_mask, text_width

Colour = tuple[int, int, int]

HEIGHT, WIDTH = 480, 640

BACKGROUND: Colour = (17, 21, 30)
TRACK: Colour = (37, 45, 59)
TEXT: Colour = (229, 234, 242)
FAINT: Colour = (139, 151, 170)
ALERT: Colour = (240, 96, 96)
TIME: Colour = (240, 200, 90)
PRICE: Colour = (176, 140, 245)
INTENT: Colour = (96, 190, 222)
ON_HAND: Colour = (54, 190, 148)
CARTS: Colour = (214, 190, 84)
IN_TRANSIT: Colour = (92, 150, 246)
RESERVE: Colour = (122, 136, 162)
SOLD: Colour = (243, 154, 74)

_STOCK_COLOURS = {"on hand": ON_HAND, "carts": CARTS, "transit": IN_TRANSIT, "reserve": RESERVE, "sold": SOLD}


def render_rgb(scenario: Scenario, sale: np.void) -> npt.NDArray[np.uint8]:
    """The sale as a picture.

    Args:
        scenario: of the sale.
        sale: one record of `composition.sale_dtype`.

    Returns:
        (HEIGHT, WIDTH, 3) uint8 RGB, a fresh array. If not all products fit, the last row counts the missing ones.
    """
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = BACKGROUND
    margin, inside = 14, WIDTH - 28
    _draw_head(picture, Box(margin, 12, inside, 64), scenario, sale)
    bottom = HEIGHT - 10
    if scenario.messages is not None:
        bottom -= 64
        _draw_intents(picture, Box(margin, bottom + 6, inside, 58), scene.intent_shares(sale))
    _draw_products(picture, Box(margin, 94, inside, bottom - 94), scenario, sale)
    return picture


class Box(NamedTuple):
    """A rectangle of a picture."""

    x: int
    y: int
    width: int
    height: int


def _draw_head(picture: npt.NDArray[np.uint8], box: Box, scenario: Scenario, sale: np.void) -> None:
    """Name of the scenario, countdown bar and the figures of the sale."""
    ticks_left = scenario.horizon_ticks - int(sale["tick"])
    _write(picture, scenario.name, Box(box.x, box.y, box.width - 90, 14), TEXT, 2)
    _write(picture, "open" if ticks_left else "closed", box._replace(height=14), TIME, 2, align=1.0)
    countdown = Box(box.x, box.y + 22, box.width, 8)
    _fill(picture, countdown, TRACK)
    _fill(picture, countdown._replace(width=round(box.width * ticks_left / scenario.horizon_ticks)), TIME)

    facts = scene.facts(scenario, sale)
    x = box.x
    for (caption, value), width in zip(facts, (90, 96, 96, 128, 84, 108), strict=False):
        _write(picture, caption, Box(x, box.y + 38, width, 7), FAINT)
        _write(picture, value, Box(x, box.y + 49, width, 14), TEXT, _scale([value], width - 8, 14))
        x += width


def _draw_products(picture: npt.NDArray[np.uint8], box: Box, scenario: Scenario, sale: np.void) -> None:
    """A row per product: title, stock bar, units on hand, bar of price over list price, price."""
    title, stock, on_hand, bar, price = (
        Box(box.x + x, box.y, width, 7) for x, width in ((0, 138), (146, 222), (372, 48), (432, 96), (534, 78))
    )
    _write(picture, "product", title, FAINT)
    x = stock.x
    parts = scene.stock(scenario, sale)
    colours = [_STOCK_COLOURS[name] for name in parts]
    for name, colour in zip(parts, colours, strict=True):
        _fill(picture, Box(x, box.y, 7, 7), colour)
        _write(picture, name, Box(x + 10, box.y, 48, 7), FAINT)
        x += 10 + text_width(name) + 9
    _write(picture, "on hand", on_hand, FAINT, align=1.0)
    _write(picture, "price / list", bar, FAINT)
    _write(picture, "price", price, FAINT, align=1.0)

    products = scenario.products
    rows = Box(box.x, box.y + 13, box.width, box.height - 13)
    pitch = min(72, rows.height // len(products))
    shown = len(products)
    if pitch < GLYPH_HEIGHT + 2:
        pitch = GLYPH_HEIGHT + 2
        shown = rows.height // pitch - 1
        rest = Box(box.x, rows.y + shown * pitch, box.width, GLYPH_HEIGHT)
        _write(picture, f"+ {len(products) - shown} more products", rest, FAINT)
    height = max(GLYPH_HEIGHT, pitch * 5 // 8)

    units = np.column_stack(list(parts.values()))
    titles = [product.title for product in products]
    prices = scene.prices(scenario, sale)
    title_scale = _scale(titles, title.width, height)
    number_scale = min(
        _scale((str(count) for count in units[:, 0]), on_hand.width, height),
        _scale(prices, price.width, height),
    )
    for j in range(shown):
        y = rows.y + j * pitch + (pitch - height) // 2
        _write_lines(picture, titles[j], title._replace(y=y, height=height), TEXT, title_scale)

        edges = scene.edges(units[j], stock.width)
        _fill(picture, stock._replace(y=y, height=height), TRACK)
        for colour, begin, end, count in zip(colours, edges, edges[1:], units[j], strict=False):
            part = Box(stock.x + begin, y, end - begin, height)
            _fill(picture, part, colour)
            _write_if_it_fits(picture, str(count), part, number_scale)
        left = int(units[j, 0])
        place = on_hand._replace(y=y, height=height)
        if not products[j].owner:
            _write(picture, str(left), place, TEXT if left else ALERT, number_scale, align=1.0)

        share = sale["price"][j] / products[j].list_price
        track = bar._replace(y=y, height=height)
        _fill(picture, track, TRACK)
        full = track._replace(width=round(share * track.width))
        _fill(picture, full, PRICE)
        if 0 < share < 1:
            _write_if_it_fits(picture, f"{100 * (share - 1):.0f}%", full, number_scale)
        _write(picture, prices[j], price._replace(y=y, height=height), TEXT, number_scale, align=1.0)


def _draw_intents(picture: npt.NDArray[np.uint8], box: Box, shares: npt.NDArray[np.float64], columns: int = 3) -> None:
    """A bar per intent, the most probable one brightest; a full bar is probability 1."""
    caption = "what recent messages ask for" if shares.any() else "no messages yet"
    _write(picture, caption, box._replace(height=7), FAINT)
    width, pitch = box.width // columns, 15
    for i, share in enumerate(shares):
        x = box.x + (i % columns) * width
        y = box.y + 15 + (i // columns) * pitch
        colour = TEXT if share > 0 and share == shares.max() else FAINT
        _write(picture, scene.intent_name(i), Box(x, y, 102, 10), colour)
        track = Box(x + 108, y, 56, 10)
        _fill(picture, track, TRACK)
        _fill(picture, track._replace(width=round(float(share) * track.width)), INTENT)
        _write(picture, f"{share:.0%}", Box(x + 168, y, 24, 10), colour, align=1.0)


def _fill(picture: npt.NDArray[np.uint8], box: Box, colour: Colour) -> None:
    picture[box.y : box.y + box.height, box.x : box.x + box.width] = colour


def _scale(texts: Iterable[str], width: int, height: int) -> int:
    """The letter size: 2 if all texts fit, else 1."""
    widest = max(texts, key=text_width)
    return max(1, min(2, height // GLYPH_HEIGHT, width // max(1, text_width(widest))))


def _write(
    picture: npt.NDArray[np.uint8],
    text: str,
    box: Box,
    colour: Colour,
    scale: int = 1,
    align: float = 0.0,
) -> None:
    """One line, vertically centred in its box; `align` 0 is left, 1 is right. A long text is cut off."""
    if text_width(text, scale) > box.width:
        while text and text_width(text + "..", scale) > box.width:
            text = text[:-1]
        text += ".."
    mask = text_mask(text, scale)
    x = box.x + round(align * (box.width - mask.shape[1]))
    y = box.y + (box.height - mask.shape[0]) // 2
    picture[y : y + mask.shape[0], x : x + mask.shape[1]][mask] = colour


def _write_lines(picture: npt.NDArray[np.uint8], text: str, box: Box, colour: Colour, scale: int) -> None:
    """Several lines, as many as fit into the box; the last one is cut off if necessary."""
    pitch = (GLYPH_HEIGHT + 2) * scale
    room = max(1, box.height // pitch)
    lines = textwrap.wrap(text, (box.width + scale) // (GLYPH_ADVANCE * scale))
    if len(lines) > room:
        lines[room - 1 :] = [" ".join(lines[room - 1 :])]
    top = box.y + (box.height - pitch * len(lines)) // 2
    for i, line in enumerate(lines):
        _write(picture, line, Box(box.x, top + i * pitch, box.width, pitch), colour, scale)


def _write_if_it_fits(picture: npt.NDArray[np.uint8], text: str, box: Box, scale: int) -> None:
    """Dark text in the middle of a coloured bar; smaller, or omitted, if the bar is too small."""
    for size in range(scale, 0, -1):
        if text_width(text, size) + 4 <= box.width and GLYPH_HEIGHT * size + 2 <= box.height:
            _write(picture, text, box, BACKGROUND, size, align=0.5)
            return
