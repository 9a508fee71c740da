"""What each key of a scenario's file means, from the docstring of the part that holds it.

Owns    the reading of those docstrings, for the tables of the documentation and for files that are begun.
Leaves  the words to the parts.
"""

import dataclasses
import inspect
import re
import typing
from functools import cache

from flashsale_env import Scenario


@cache
def parts() -> dict[str, type]:
    """Table of a scenario's file -> the part that it becomes, in the order of the file."""
    found: dict[str, type] = {}
    for name, hint in typing.get_type_hints(Scenario).items():
        for part in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(part) and isinstance(part, type):
                found[name] = part
    return found


def meanings_of(part: type) -> dict[str, str]:
    """Field -> meaning, from the section "Args" of a docstring; names before a colon share one meaning.

    >>> meanings_of(parts()["coupon"])["budget"]
    'limit on the sum of all discounts, currency.'
    """
    text = inspect.getdoc(part) or ""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    found: dict[str, str] = {}
    if section is not None:
        entry = re.compile(r"^    (\w[\w, ]*): (.*?)(?=^    \w|\Z)", re.MULTILINE | re.DOTALL)
        for names, meaning in entry.findall(section[1]):
            found |= dict.fromkeys(names.split(", "), " ".join(meaning.split()))
    undescribed = [field.name for field in dataclasses.fields(part) if field.name not in found]
    if len(undescribed) == 1 and not found:  # a part of one setting is described by its first sentence
        found[undescribed[0]] = text.partition("\n\n")[0].replace("\n", " ")
    return found


def gist_of(part: type) -> str:
    """The first sentence of a part's docstring."""
    return (inspect.getdoc(part) or "").partition("\n\n")[0].replace("\n", " ")
