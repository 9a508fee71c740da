"""The JSON object in what a model writes: models explain, and fence their code."""

import json

_DECODER = json.JSONDecoder()


def json_in(text: str) -> str:
    """The last JSON object in a text, as text; the whole text where it holds none.

    >>> json_in('Cheaper, then: ```json {"price": {"ticket": 2}} ``` That should do.')
    '{"price": {"ticket": 2}}'
    """
    found, at = text.strip(), text.find("{")
    while at >= 0:
        try:
            _, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        found, at = text[at:end], text.find("{", end)
    return found
