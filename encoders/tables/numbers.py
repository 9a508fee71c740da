"""Numbers as shops write them: 12.5, 1,234.50, 1.234,50, 1'234.50, €12, 12 kr, (5.00), 5-.

Owns    decimal and thousands signs, currency signs, and the signs of negative numbers.
Leaves  which numbers make sense to `records`.

Without an option only the decimal point is read. A column that another form would read better is an error that names
the option of that form, and so is one that reads in two ways: nothing is guessed, and no row is lost to a format.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.encoders.tables.cells import Cells, by_distinct, distinct, is_text, spread
from flashsale_env.encoders.tables.fileformat import FileFormat

_CODES = (
    "AED AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR JPY KRW KZT MXN MYR NGN NOK NZD PEN "
    "PHP PKR PLN RON RSD RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR"
)
# Sign -> code, or the sign itself where several currencies share it.
CURRENCIES = {code: code for code in _CODES.split(" ")} | {
    "€": "EUR", "£": "GBP", "$": "$", "¥": "¥", "₹": "INR", "₽": "RUB", "₩": "KRW", "₺": "TRY", "₴": "UAH",
    "₫": "VND", "฿": "THB", "₪": "ILS", "₱": "PHP", "₦": "NGN", "元": "CNY", "円": "JPY", "원": "KRW", "kr": "kr",
    "kr.": "kr", "zł": "PLN", "Kč": "CZK", "Ft": "HUF", "lei": "RON", "лв": "BGN", "лв.": "BGN", "руб": "RUB",
    "руб.": "RUB", "R$": "BRL", "US$": "USD", "A$": "AUD", "AU$": "AUD", "C$": "CAD", "CA$": "CAD", "NZ$": "NZD",
    "HK$": "HKD", "NT$": "TWD", "S$": "SGD", "MX$": "MXN", "Rs": "INR", "Rs.": "INR", "Rp": "IDR", "RM": "MYR",
    "Fr.": "CHF", "CN¥": "CNY", "JP¥": "JPY",
}  # fmt: skip
_MINUS = {"\u2212": "-", "\u2012": "-", "\u2013": "-", "\uff0d": "-"}
_SPACE = "[ \u00a0\u202f\u2009]"
_SIGN = r"[^\d\s()+.,'_-][^\d\s()+,'_-]{0,3}"
_AROUND = re.compile(
    rf"(?P<open>[(]?)\s*(?P<first>[-+]?)\s*(?P<before>{_SIGN})?\s*(?P<second>[-+]?)\s*"
    rf"(?P<number>[\d.,][\d.,'_eE+\u00a0\u202f\u2009 -]*?)\s*(?P<after>{_SIGN})?\s*(?P<last>-?)\s*(?P<close>[)]?)"
)
# Forms that are tried to find out which option a column needs: (decimal, thousands).
_FORMS = ((".", ","), (",", None), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"), (".", "_"))
_TRIED = 5000  # distinct values


@dataclass(frozen=True, eq=False)
class Money(Cells):
    """A column of amounts.

    Args:
        currency: (rows,) number of the currency in `currencies`, -1 where none is written.
        currencies: codes or signs that are written in the cells.
    """

    currency: npt.NDArray[np.int64] | None = None
    currencies: tuple[str, ...] = ()


def numbers(column: pd.Series, form: FileFormat, where: str) -> Money:
    """The numbers of a column.

    Args:
        column: numbers, text or both.
        form: the signs that text uses.
        where: file and column, for errors.

    Raises:
        ValueError: another form would read more of the column, or it reads in two ways.
    """
    if not is_text(column):
        if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
            blank = column.isna().to_numpy(bool)
            return Money(np.full(len(column), np.nan), blank)
        values = column.to_numpy(np.float64, na_value=np.nan)
        return Money(np.where(np.isfinite(values), values, np.nan), np.isnan(values))
    if column.dtype == object:
        return _mixed(column, form, where)
    return _texts(column, form, where)


def _mixed(column: pd.Series, form: FileFormat, where: str) -> Money:
    """Cells that are numbers count as such; only text has a form."""
    typed = column.map(lambda value: isinstance(value, int | float | np.number) and not isinstance(value, bool))
    is_typed = typed.to_numpy(bool) | column.isna().to_numpy(bool)
    values = np.full(len(column), np.nan)
    values[is_typed] = pd.to_numeric(column[is_typed], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    values[~np.isfinite(values)] = np.nan
    rest = _texts(column.mask(is_typed), form, where)
    blank = np.where(is_typed, np.isnan(values), rest.blank)
    return Money(np.where(is_typed, values, rest.values), blank, rest.currency, rest.currencies)


def _texts(column: pd.Series, form: FileFormat, where: str) -> Money:
    currencies: dict[str, int] = {}
    found: dict[str, str] = {}  # word -> currency

    def read(words: pd.Series) -> npt.NDArray[np.float64]:
        bare, negative = _bare(words, found)
        values = _read(bare, form)
        _check_form(bare, values, form, where)
        return np.where(negative, -values, values)

    cells = by_distinct(column, read)
    if not found:
        return Money(cells.values, cells.blank)
    codes, words = distinct(column)
    number = np.array([currencies.setdefault(found[w], len(currencies)) if w in found else -1 for w in words])
    return Money(cells.values, cells.blank, spread(codes, number.astype(np.int64), -1), tuple(currencies))


def _bare(words: pd.Series, currencies: dict[str, str]) -> tuple[pd.Series, npt.NDArray[np.bool_]]:
    """Digits and their signs alone, and which numbers are negative. Currencies are entered by word."""
    simple = words.str.fullmatch(r"[+-]?[0-9.,]+([eE][+-]?[0-9]+)?").to_numpy(bool)
    negative = np.zeros(len(words), bool)
    if simple.all():
        return words, negative
    bare = words.to_numpy(object).copy()
    for i in np.flatnonzero(~simple):
        bare[i], negative[i], currency = _strip(str(words.iloc[i]))
        if currency:
            currencies[str(words.iloc[i])] = currency
    return pd.Series(bare, dtype=words.dtype), negative


def _strip(word: str) -> tuple[str, bool, str]:
    """(number without currency and brackets, whether it is negative, currency); the word itself if it is of no form."""
    text = unicodedata.normalize("NFKC", word) if not word.isascii() else word
    for sign, hyphen in _MINUS.items():
        text = text.replace(sign, hyphen)
    match = _AROUND.fullmatch(text.strip())
    if match is None:
        return text, False, ""
    part = match.groupdict("")
    signs = [part[name] for name in ("before", "after") if part[name]]
    if any(sign not in CURRENCIES for sign in signs) or bool(part["open"]) != bool(part["close"]):
        return text, False, ""
    if {CURRENCIES[sign] for sign in signs[1:]} - {CURRENCIES[signs[0]]} if signs else False:
        return text, False, ""
    minus = (part["first"] + part["second"] + part["last"]).count("-") + bool(part["open"])
    return part["number"], minus % 2 == 1, CURRENCIES[signs[0]] if signs else ""


def _read(words: pd.Series, form: FileFormat) -> npt.NDArray[np.float64]:
    """Values of bare numbers in one form; NaN for any other."""
    decimal, thousands = form.decimal or ".", form.thousands
    point = re.escape(decimal)
    group = "" if thousands is None else _SPACE if form.spaces_are_thousands else f"[{re.escape(thousands)}’]"
    if thousands not in (None, "'") and not form.spaces_are_thousands:
        group = re.escape(str(thousands))
    grouped = rf"[0-9]{{1,3}}(?:{group}[0-9]{{2,3}})*{group}[0-9]{{3}}|" if group else ""
    fits = words.str.fullmatch(
        rf"[+-]?(?:(?:{grouped}[0-9]+)(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    ).to_numpy(bool)
    values = np.full(len(words), np.nan)
    good = words[fits]
    if group:
        good = good.str.replace(group, "", regex=True)
    if decimal != ".":
        good = good.str.replace(decimal, ".", regex=False)
    values[fits] = pd.to_numeric(good, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    values[~np.isfinite(values)] = np.nan
    return values


def _check_form(words: pd.Series, values: npt.NDArray[np.float64], form: FileFormat, where: str) -> None:
    """Refuse a column that another form reads better, or that reads in two ways."""
    if form.decimal is None and form.thousands is None:
        pointed = words[words.str.contains(".", regex=False)]
        if len(pointed) and pointed.str.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}").all() and not np.isnan(values).any():
            example = pointed.iloc[0]
            raise ValueError(
                f"{where}: {example} may be {float(example):g} or {int(example.replace('.', '')):,}, and no other "
                f"value tells: give --decimal . or --decimal , --thousands ."
            )
    unread = np.flatnonzero(np.isnan(values))
    if not len(unread):
        return
    sample = words.iloc[np.unique(np.concatenate([unread[:_TRIED], np.arange(min(len(words), _TRIED))]))]
    sample = sample.reset_index(drop=True)
    now = int((~np.isnan(_read(sample, form))).sum())
    better: dict[int, list[tuple[str, str | None]]] = {}
    for decimal, thousands in _FORMS:
        count = int((~np.isnan(_read(sample, FileFormat(decimal=decimal, thousands=thousands)))).sum())
        better.setdefault(count, []).append((decimal, thousands))
    most = max(better)
    if most <= now:
        return
    # The plainest form that reads as much.
    options = list(dict.fromkeys(_option(*form) for form in _plainest(better[most], sample)))
    example = sample[np.isnan(_read(sample, form))].iloc[0]
    told = "give " if len(options) == 1 else "these cannot be told apart: give "
    raise ValueError(
        f"{where}: {len(unread):,} different values such as {example!r} are no numbers with a decimal "
        f"{'comma' if form.decimal == ',' else 'point'}"
        f"{'' if form.thousands is None else f' and thousands separated by {form.thousands!r}'}: {told}"
        f"{' or '.join(options)}."
    )


def _plainest(forms: Sequence[tuple[str, str | None]], sample: pd.Series) -> list[tuple[str, str | None]]:
    """Of forms that read equally many values, the first of each way to read them."""
    seen: list[tuple[npt.NDArray[np.float64], tuple[str, str | None]]] = []
    for decimal, thousands in forms:
        values = _read(sample, FileFormat(decimal=decimal, thousands=thousands))
        if not any(np.array_equal(values, other, equal_nan=True) for other, _ in seen):
            seen.append((values, (decimal, thousands)))
    return [form for _, form in seen]


def _option(decimal: str, thousands: str | None) -> str:
    words = [] if decimal == "." else [f"--decimal {decimal}"]
    if thousands is not None:
        quote = {" ": "'", "'": '"'}.get(thousands, "")
        words.append(f"--thousands {quote}{thousands}{quote}")
    return " ".join(words)
