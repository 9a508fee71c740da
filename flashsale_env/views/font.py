"""A 5x7 bitmap font: labels in pictures without a drawing library.

Owns    capital letters, digits and signs. Lower case is drawn as capitals, any other character as a box.
Units   pixels; a glyph is 5 wide and 7 high and is followed by one empty column.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

GLYPH_HEIGHT, GLYPH_WIDTH = 7, 5
GLYPH_ADVANCE = GLYPH_WIDTH + 1

_BANDS = (
    (
        "ABCDEFGHIJKLM",
        """
        .###. ####. .###. ####. ##### ##### .###. #...# .###. ..### #...# #.... #...#
        #...# #...# #...# #...# #.... #.... #...# #...# ..#.. ...#. #..#. #.... ##.##
        #...# #...# #.... #...# #.... #.... #.... #...# ..#.. ...#. #.#.. #.... #.#.#
        ##### ####. #.... #...# ####. ####. #.### ##### ..#.. ...#. ##... #.... #.#.#
        #...# #...# #.... #...# #.... #.... #...# #...# ..#.. ...#. #.#.. #.... #...#
        #...# #...# #...# #...# #.... #.... #...# #...# ..#.. #..#. #..#. #.... #...#
        #...# ####. .###. ####. ##### #.... .###. #...# .###. .##.. #...# ##### #...#
        """,
    ),
    (
        "NOPQRSTUVWXYZ",
        """
        #...# .###. ####. .###. ####. .#### ##### #...# #...# #...# #...# #...# #####
        #...# #...# #...# #...# #...# #.... ..#.. #...# #...# #...# #...# #...# ....#
        ##..# #...# #...# #...# #...# #.... ..#.. #...# #...# #...# .#.#. .#.#. ...#.
        #.#.# #...# ####. #...# ####. .###. ..#.. #...# #...# #.#.# ..#.. ..#.. ..#..
        #..## #...# #.... #.#.# #.#.. ....# ..#.. #...# #...# #.#.# .#.#. ..#.. .#...
        #...# #...# #.... #..#. #..#. ....# ..#.. #...# .#.#. #.#.# #...# ..#.. #....
        #...# .###. #.... .##.# #...# ####. ..#.. .###. ..#.. .#.#. #...# ..#.. #####
        """,
    ),
    (
        "0123456789+-=",
        """
        .###. ..#.. .###. ##### ...#. ##### ..##. ##### .###. .###. ..... ..... .....
        #...# .##.. #...# ...#. ..##. #.... .#... ....# #...# #...# ..#.. ..... .....
        #..## ..#.. ....# ..#.. .#.#. ####. #.... ...#. #...# #...# ..#.. ..... #####
        #.#.# ..#.. ...#. ...#. #..#. ....# ####. ..#.. .###. .#### ##### ##### .....
        ##..# ..#.. ..#.. ....# ##### ....# #...# .#... #...# ....# ..#.. ..... #####
        #...# ..#.. .#... #...# ...#. #...# #...# .#... #...# ...#. ..#.. ..... .....
        .###. .###. ##### .###. ...#. .###. .###. .#... .###. .##.. ..... ..... .....
        """,
    ),
    (
        ".,:;!?'\"/%&#*",
        """
        ..... ..... ..... ..... ..#.. .###. ..#.. .#.#. ..... ##..# .##.. .#.#. .....
        ..... ..... .##.. .##.. ..#.. #...# ..#.. .#.#. ....# ##..# #..#. .#.#. ..#..
        ..... ..... .##.. .##.. ..#.. ....# ..... ..... ...#. ...#. #.#.. ##### #.#.#
        ..... ..... ..... ..... ..#.. ...#. ..... ..... ..#.. ..#.. .#... .#.#. .###.
        ..... .##.. .##.. .##.. ..#.. ..#.. ..... ..... .#... .#... #.#.# ##### #.#.#
        .##.. ..#.. .##.. ..#.. ..... ..... ..... ..... #.... #..## #..#. .#.#. ..#..
        .##.. .#... ..... .#... ..#.. ..#.. ..... ..... ..... #..## .##.# .#.#. .....
        """,
    ),
    (
        "()[]<>_|@$€£ ",
        """
        ...#. .#... .###. .###. ...#. .#... ..... ..#.. .###. ..#.. ..### ..##. .....
        ..#.. ..#.. .#... ...#. ..#.. ..#.. ..... ..#.. #...# .#### .#... .#..# .....
        .#... ...#. .#... ...#. .#... ...#. ..... ..#.. #.### #.#.. ####. .#... .....
        .#... ...#. .#... ...#. #.... ....# ..... ..#.. #.#.# .###. .#... ###.. .....
        .#... ...#. .#... ...#. .#... ...#. ..... ..#.. #.### ..#.# ####. .#... .....
        ..#.. ..#.. .#... ...#. ..#.. ..#.. ..... ..#.. #.... ####. .#... .#... .....
        ...#. .#... .###. .###. ...#. .#... ##### ..#.. .###. ..#.. ..### ##### .....
        """,
    ),
)


def _glyphs() -> dict[str, npt.NDArray[np.bool_]]:
    glyphs = {}
    for characters, drawing in _BANDS:
        rows = [line.split() for line in drawing.strip().splitlines()]
        for column, character in enumerate(characters):
            glyphs[character] = np.array([[dot == "#" for dot in row[column]] for row in rows])
    return glyphs


GLYPHS = _glyphs()

_BOX = np.ones((GLYPH_HEIGHT, GLYPH_WIDTH), np.bool_)
_BOX[1:-1, 1:-1] = False


def text_width(text: str, scale: int = 1) -> int:
    """Width of one line of text, pixels, without the gap after its last glyph."""
    return scale * max(0, GLYPH_ADVANCE * len(text.upper()) - 1)


@lru_cache(maxsize=1024)
def text_mask(text: str, scale: int = 1) -> npt.NDArray[np.bool_]:
    """One line of text as a mask of pixels.

    Args:
        text: the line.
        scale: pixels per dot of a glyph, along one edge.

    Returns:
        (7 scale, text_width) read-only; True where there is ink.
    """
    characters = text.upper()
    mask = np.zeros((GLYPH_HEIGHT, text_width(text)), np.bool_)
    for i, character in enumerate(characters):
        mask[:, i * GLYPH_ADVANCE : i * GLYPH_ADVANCE + GLYPH_WIDTH] = GLYPHS.get(character, _BOX)
    mask = mask.repeat(scale, axis=0).repeat(scale, axis=1)
    mask.flags.writeable = False
    return mask
