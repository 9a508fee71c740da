"""Masking: whatever in a message identifies a person is replaced by its kind.

Owns    the kinds of personal details, how each is recognised, and the masked text.
Leaves  the plans of phone numbers to `phonenumbers`, the check digits of cards and identity numbers to `stdnum`.

    >>> mask("call 139 1234 5678 about order A-4471").text
    'call [phone] about order [order number]'

Kinds are tried in the order of `KINDS`, and a later one never cuts into what an earlier one found. A number of nine
digits or more that is nothing else is masked as well: a shop's prices and sizes are shorter.

Names are not recognised. English addresses need a street, a post box or a postcode; Chinese ones a road or a housing
estate with a house number.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import phonenumbers
from stdnum import luhn
from stdnum.cn import ric
from stdnum.exceptions import ValidationError

__all__ = ["KINDS", "Masked", "mask", "mask_all"]

Span = tuple[int, int]
Finder = Callable[[str], Iterable[Span]]

# Countries whose national numbers are recognised without a code; with a code, those of all countries are.
_REGIONS = ("CN", "US", "GB", "DE", "FR", "IN", "AU")
_FEWEST_DIGITS = 7  # of a phone number; shorter texts are not parsed

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_IDENTITY = re.compile(r"(?<!\d)\d{17}[\dXx](?![\dA-Za-z])")
_CARD = re.compile(r"(?<![\d+])(?:\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}|3[47]\d{2}[ -]?\d{6}[ -]?\d{5})(?!\d)")
_CALLED = re.compile(
    r"(?:\b(?:phone|tel|telephone|call|text|mobile|cell|whatsapp|fax)\b|电话|手机|微信|联系方式)\D{0,12}?"
    r"(\+?\d[\d ().-]{5,}\d)",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"(?:\b(?:order|invoice|tracking|parcel|shipment|reference|ref|ticket|case|rma)\b"
    r"[\s:#-]*(?:(?:no|number|num|nr|id|code)\b[\s.:#-]*)?(?:is\s+|was\s+)?"
    r"|(?:订单|运单|单号|快递单|流水|发票)(?:编?号|号码)?[\s是为：:#]*)"
    r"(?P<code>#?(?=[A-Za-z0-9-]*\d{3})[A-Za-z0-9][A-Za-z0-9-]{3,})",
    re.IGNORECASE,
)
_HASH = re.compile(r"(?<![A-Za-z0-9])#(?=[A-Za-z-]*\d)[A-Za-z0-9-]{4,}")
_LONG = re.compile(
    r"(?<![A-Za-z0-9.])(?:\d{9,}[Xx]?|\d{3,}(?:[ -]\d{3,}){2,})(?![A-Za-z0-9])"
)  # Chinese leaves no space

# A street has a house number before it and a kind of street behind; between them no words that numbers often precede.
_NO_STREET = r"(?!(?:a|an|the|on|in|of|for|my|to|and|days?|weeks?|hours?|times?|more|left|years?|months?|x)\b)"
_HOUSE = r"(?<![\w.])\d{1,5}[a-z]?,?\s+"
_STREET_KINDS = r"(?:street|road|rd|avenue|ave|boulevard|blvd|lane)\b\.?"
_CAPITAL_KINDS = r"(?:St|Dr|Drive|Ct|Court|Way|Pl|Place|Sq|Square|Close|Crescent|Terrace|Parkway|Pkwy)\b\.?"
_DOOR = r"(?:\b(?:flat|apt|apartment|unit|suite)\.?\s*#?\w{1,5},?\s+)?"
_STREET = re.compile(rf"{_DOOR}{_HOUSE}(?:{_NO_STREET}[a-z'.-]+\s+){{1,3}}{_STREET_KINDS}", re.IGNORECASE)
_CAPITAL_STREET = re.compile(rf"(?<![\w.])\d{{1,5}}[A-Za-z]?,?\s+(?:[A-Z][\w'.-]*\s+){{1,3}}{_CAPITAL_KINDS}")
_POSTAL = re.compile(
    r"\b[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2}\b"  # United Kingdom
    r"|\b(?:A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]"
    r"|W[AIVY])\s+\d{5}(?:-\d{4})?\b"  # United States
    r"|\b[Pp]\.?\s?[Oo]\.?\s?[Bb]ox\s+\d+"
)
_HAN = r"[\u4e00-\u9fff]"
_ROOM = r"(?:\s*[\dA-Za-z]+\s*(?:号楼|号院|栋|幢|座|单元|室|楼|层|号))*"
_CHINESE = re.compile(
    rf"{_HAN}{{2,24}}(?:路|街|大道|巷|弄|胡同)\s*\d+\s*(?:号|弄){_ROOM}"
    rf"|{_HAN}{{2,20}}(?:小区|花园|公寓|苑|新村|家园)\s*\d+\s*(?:号楼|栋|幢|座|单元|号){_ROOM}"
)
# What stands before an address is not part of it.
_SENT_TO = re.compile(r".*(?:寄到|送到|发到|改到|改成|改为|地址是|地址|住在|寄给|收货|送货|在)")


@dataclass(frozen=True)
class Masked:
    """A message without personal details.

    Args:
        text: with "[kind]" in the place of each detail.
        kinds: of the details, in the order of the text.
    """

    text: str
    kinds: tuple[str, ...]


def _matches(*patterns: re.Pattern[str]) -> Finder:
    return lambda text: (found.span() for pattern in patterns for found in pattern.finditer(text))


def _plain(text: str) -> str:
    """Digits alone, also those that were typed with full width."""
    return re.sub(r"[ -]", "", unicodedata.normalize("NFKC", text))


def _is_identity_number(number: str) -> bool:
    """Whether date of birth and check digit are right; `ric.is_valid` also asks for a county of that year."""
    try:
        ric.get_birth_date(number)
    except ValidationError:
        return False
    return bool(ric.calc_check_digit(number) == number[-1])


def _identity_numbers(text: str) -> Iterator[Span]:
    """Resident identity numbers of China."""
    return (found.span() for found in _IDENTITY.finditer(text) if _is_identity_number(_plain(found[0]).upper()))


def _card_numbers(text: str) -> Iterator[Span]:
    """Payment cards, by Luhn's check digit."""
    return (found.span() for found in _CARD.finditer(text) if luhn.is_valid(_plain(found[0])))


def _phones(text: str) -> Iterator[Span]:
    """Valid numbers of a country's plan, and whatever somebody calls a phone number."""
    if sum(character.isdigit() for character in text) < _FEWEST_DIGITS:
        return
    for region in _REGIONS:
        for found in phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID):
            yield found.start, found.end
    for called in _CALLED.finditer(text):
        yield called.span(1)


def _order_numbers(text: str) -> Iterator[Span]:
    for found in _ORDER.finditer(text):
        yield found.span("code")
    yield from _matches(_HASH)(text)


def _addresses(text: str) -> Iterator[Span]:
    yield from _matches(_STREET, _CAPITAL_STREET, _POSTAL)(text)
    for found in _CHINESE.finditer(text):
        start = found.start()
        if said := _SENT_TO.match(found[0]):
            start += said.end()
        yield start, found.end()


# Kind -> where a text holds details of it.
KINDS: Mapping[str, Finder] = {
    "e-mail": _matches(_EMAIL),
    "identity number": _identity_numbers,
    "order number": _order_numbers,
    "card number": _card_numbers,
    "phone": _phones,
    "address": _addresses,
    "number": _matches(_LONG),
}


def mask(text: str) -> Masked:
    """The message with every personal detail replaced by its kind."""
    found: list[tuple[Span, str]] = []
    for kind, finder in KINDS.items():
        for start, end in sorted(finder(text)):
            if all(end <= first or last <= start for (first, last), _ in found):
                found.append(((start, end), kind))
    found.sort()
    parts, done = [], 0
    for (start, end), kind in found:
        parts += [text[done:start], f"[{kind}]"]
        done = end
    return Masked("".join([*parts, text[done:]]), tuple(kind for _, kind in found))


def mask_all(texts: Sequence[str]) -> list[Masked]:
    """`mask` of each message."""
    return [mask(text) for text in texts]
