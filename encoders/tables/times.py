"""Weeks: of time stamps in any declared form, of week numbers, and of weeks of a year.

Owns    the week that a moment belongs to.
Units   weeks, counted from an arbitrary one; `records` counts them from the first of the data.

Without an option, time stamps are read in ISO 8601, and with the year first also with slashes or points, which no
country reads in two ways. Anything else is refused with the option that would read it, never guessed.
"""

import datetime
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.encoders.tables.cells import Cells, by_distinct, distinct, is_text, spread
from flashsale_env.encoders.tables.fileformat import COUNTED_TIMES, ISO, WEEKDAYS, FileFormat

Floats = npt.NDArray[np.float64]

_DAY = np.timedelta64(1, "D")
_MONDAY = np.datetime64("1970-01-05")
_EXCEL_DAY_0 = np.datetime64("1899-12-30")  # with it, serial numbers from March 1900 on are right

_CLOCK = r"(?:[T ]\d{1,2}(?::?\d{2}(?::?\d{2}(?:[.,]\d+)?)?)?)?"
_OFFSET = r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?"
_ISO = rf"\d{{4}}(?:-\d{{2}}-\d{{2}}|\d{{4}}){_CLOCK}{_OFFSET}"
_YEAR_FIRST = rf"\d{{4}}[-/.年]\d{{1,2}}[-/.月]\d{{1,2}}日?{_CLOCK}{_OFFSET}"
_HAS_OFFSET = r"(?<=\d) ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$"

_DATES = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y"),
    *("%m-%d-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%d%b%Y", "%b %d %Y"),
    *("%a %d %b %Y", "%a, %d %b %Y", "%d %b, %Y", "%Y%m%d"),
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", " %H:%M:%S %z", ", %H:%M", ", %H:%M:%S")
_MOST_WEEK = 1e9  # more is no week, and would not fit into an integer
_TRIED = 2000  # distinct values
_LEAST_READ = 0.5  # share of the values that a form must read to be proposed


@dataclass(frozen=True, eq=False)
class Weeks(Cells):
    """The week of every row, and what to say about how it was read ("" for nothing)."""

    note: str = ""


def weeks_of_times(column: pd.Series, form: FileFormat, where: str) -> Weeks:
    """The week of each time stamp.

    Args:
        column: time stamps, numbers or text.
        form: how text and numbers are meant, the time zone, and the day on which a week begins.
        where: file and column, for errors.

    Raises:
        ValueError: another form would read the column, or none is known.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        stamp, note = column, ""
        if getattr(column.dt, "tz", None) is not None:
            stamp, note = _local(column, form, where)
        return Weeks(_week(stamp, form), column.isna().to_numpy(bool), note)
    notes: list[str] = []

    def read(words: pd.Series) -> Floats:
        stamp, note = _stamps(words, form, where)
        notes.append(note)
        return _week(stamp, form)

    if not is_text(column) and form.date_format not in (None, ISO) and pd.api.types.is_numeric_dtype(column):
        stamp = _counted(column.to_numpy(np.float64, na_value=np.nan), form, where)
        return Weeks(_week(stamp, form), column.isna().to_numpy(bool))
    if column.dtype == object:  # spreadsheets mix time stamps with text
        column = column.map(lambda value: str(value) if isinstance(value, datetime.date) else value)
    cells = by_distinct(_days(column, form), read)
    return Weeks(cells.values, cells.blank, next(filter(None, notes), ""))


def _days(column: pd.Series, form: FileFormat) -> pd.Series:
    """The dates of a column of ISO time stamps without offsets, of which there are far fewer; else the column."""
    if form.date_format not in (None, ISO) or not isinstance(column.dtype, pd.StringDtype):
        return column
    dates = column.str.slice(0, 10)
    iso = pd.Series(dates.unique(), dtype=column.dtype).dropna().str.fullmatch(r"\d{4}-\d{2}-\d{2}|")
    clocks = column.str.slice(10).fillna("")
    return dates if iso.all() and clocks.str.fullmatch(_CLOCK).all() else column


def _week(stamp: pd.Series, form: FileFormat) -> Floats:
    """Whole weeks since the first day of a week in January 1970; NaN for no time."""
    days = stamp.to_numpy("datetime64[D]")
    origin = _MONDAY + WEEKDAYS.index(form.week_start) * _DAY
    week = np.floor((days - origin) / np.timedelta64(7, "D"))
    return np.asarray(np.where(np.isnat(days), np.nan, week), np.float64)


def _local(stamp: pd.Series, form: FileFormat, where: str) -> tuple[pd.Series, str]:
    """Moments as the shop's own clock showed them."""
    if form.time_zone is not None:
        return stamp.dt.tz_convert(form.time_zone).dt.tz_localize(None), ""
    note = (
        f"{where}: the times have offsets from UTC, and weeks begin at midnight UTC; --time-zone gives the shop's own."
    )
    return stamp.dt.tz_convert("UTC").dt.tz_localize(None), note


def _stamps(words: pd.Series, form: FileFormat, where: str) -> tuple[pd.Series, str]:
    """Times of distinct words, NaT where they cannot be read, and a note."""
    if form.date_format in COUNTED_TIMES:
        number = pd.to_numeric(words, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        return pd.Series(_counted(number, form, where)), ""
    if form.date_format not in (None, ISO):
        assert form.date_format is not None
        zoned = "%z" in form.date_format or "%Z" in form.date_format
        stamp = pd.to_datetime(words, format=form.date_format, errors="coerce", utc=zoned)
        if stamp.isna().any():
            _propose(words, stamp.isna().to_numpy(bool), form, where)
        return _local(stamp, form, where) if zoned else (stamp, "")
    stamp, note = _iso(words, form, where)
    if stamp.isna().any():
        _propose(words, stamp.isna().to_numpy(bool), form, where)
    return stamp, note


def _iso(words: pd.Series, form: FileFormat, where: str) -> tuple[pd.Series, str]:
    fits = words.str.fullmatch(_ISO).to_numpy(bool)
    if not fits.all():
        other = words.str.fullmatch(_YEAR_FIRST).to_numpy(bool) & ~fits
        if other.any():
            words = words.mask(other, _as_iso(words[other]))
            fits = fits | other
    zoned = words.str.contains(_HAS_OFFSET, regex=True).to_numpy(bool) & fits & (words.str.len() > 10).to_numpy(bool)
    stamp = np.full(len(words), np.datetime64("NaT"), "datetime64[s]")
    note = ""
    for part, offset in ((fits & ~zoned, False), (zoned, True)):
        if not part.any():
            continue
        text = words[part]
        if not offset and text.str.len().eq(text.str.len().iloc[0]).all() and len(text.iloc[0]) > 10:
            codes, days = pd.factorize(text.str.slice(0, 10))  # the day tells the week
            text = pd.Series(days, dtype=words.dtype)
            stamp[part] = _parsed(text, False).to_numpy("datetime64[s]")[codes]
            continue
        if offset:
            text = text.str.replace(r" ?(?:UTC|GMT)$", "Z", regex=True).str.replace(
                r" (?=[+-]\d{2}:?\d{0,2}$)", "", regex=True
            )
            local, note = _local(_parsed(text, True), form, where)
            stamp[part] = local.to_numpy("datetime64[s]")
        else:
            stamp[part] = _parsed(text, False).to_numpy("datetime64[s]")
    return pd.Series(stamp), note


def _parsed(words: pd.Series, utc: bool) -> pd.Series:
    return pd.to_datetime(words, format="ISO8601", errors="coerce", utc=utc)


def _as_iso(words: pd.Series) -> pd.Series:
    """2024/5/31 and 2024年5月31日 as 2024-05-31."""

    def rewritten(word: str) -> str:
        year, month, day, rest = re.match(r"(\d{4})\D(\d{1,2})\D(\d{1,2})日?(.*)", word, re.DOTALL).groups()  # type: ignore[union-attr]
        return f"{year}-{month:0>2}-{day:0>2}{rest}"

    return words.map(rewritten).astype(words.dtype)


def _counted(number: Floats, form: FileFormat, where: str) -> pd.Series:
    """Times counted from 1970, or days of a spreadsheet."""
    assert form.date_format is not None
    unit = COUNTED_TIMES[form.date_format]
    seconds = number * {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "D": 86400.0}[unit]
    possible = np.abs(seconds) < 1e11  # the year 5138
    whole = np.where(possible, np.floor(np.where(possible, seconds, 0.0)), 0.0).astype("timedelta64[s]")
    if unit == "D":
        stamp = pd.Series(_EXCEL_DAY_0.astype("datetime64[s]") + whole)
    else:
        stamp = pd.Series(np.datetime64("1970-01-01", "s") + whole)
        if form.time_zone is not None:
            stamp, _ = _local(stamp.dt.tz_localize("UTC"), form, where)
    return stamp.where(possible)


def _propose(words: pd.Series, unread: npt.NDArray[np.bool_], form: FileFormat, where: str) -> None:
    """Refuse a column that another form reads better, with its option."""
    sample = words.iloc[np.concatenate([np.flatnonzero(unread)[:_TRIED], np.flatnonzero(~unread)[:_TRIED]])]
    now = int((~unread).sum()) if len(words) == len(sample) else 0
    example = words[unread].iloc[0]
    readable: dict[str, int] = {}
    number = pd.to_numeric(sample, errors="coerce")
    if (number.notna() & (sample.str.len() != 8)).mean() > _LEAST_READ:
        for name, low, high in (
            ("excel", 2e4, 8e4), ("epoch-s", 3e8, 5e9), ("epoch-ms", 3e11, 5e12),
            ("epoch-us", 3e14, 5e15), ("epoch-ns", 3e17, 5e18),
        ):  # fmt: skip
            if number.between(low, high).sum() > max(now, _LEAST_READ * len(sample)):
                readable[name] = 1
        years = number.between(1900, 2100).all()
        if not readable:
            kind = "years" if years else "numbers"
            raise ValueError(
                f"{where}: values such as {example!r} are {kind}, not times: give --date-format "
                f"{', '.join(COUNTED_TIMES)}, or map a column of week numbers: --column week=COLUMN."
            )
    else:
        for date in _DATES:
            for clock in _CLOCKS:
                count = int(
                    pd.to_datetime(sample, format=date + clock, errors="coerce", utc="%z" in clock).notna().sum()
                )
                if count > max(now, _LEAST_READ * len(sample)):
                    readable[date + clock] = count
        readable = {name: count for name, count in readable.items() if count == max(readable.values())}
        if not now and not readable:
            clocks = ", ".join((ISO, *COUNTED_TIMES))
            raise ValueError(
                f"{where}: times such as {example!r} are not in ISO 8601 (2024-05-31 or 2024-05-31T18:04:00): give "
                f"--date-format, a format of strptime such as %d/%m/%Y, or {clocks}."
                if form.date_format is None
                else f"{where}: no value reads as --date-format {form.date_format}, e.g. {example!r}."
            )
    if readable:
        told = "give" if len(readable) == 1 else "these cannot be told apart: give"
        quoted = [f"--date-format '{name}'" if " " in name else f"--date-format {name}" for name in readable]
        raise ValueError(f"{where}: times such as {example!r} are not in ISO 8601: {told} {' or '.join(quoted)}.")


def weeks_of_numbers(week: pd.Series, year: pd.Series | None, form: FileFormat, where: str) -> Weeks:
    """Consecutive week numbers: given as such, as yyyyww, as 2024-W05, or as the week of a year beside the year.

    Weeks of a year are those of ISO 8601 where all of them exist there; else a year has as many as occur in it.

    Raises:
        ValueError: years or weeks of the year out of range.
    """
    codes, words = distinct(week)
    words = words.str.replace(r"^(?i:kw|week|wk|w)[ .]*(?=\d{1,2}$)", "", regex=True)
    dashed = words.str.fullmatch(r"\d{4}[-/ ]?[Ww]?\d{1,2}") & words.str.contains(r"[-/ Ww]", regex=True)
    words = words.mask(dashed, words.map(lambda word: _yyyyww(word) if isinstance(word, str) else word))
    number = spread(codes, pd.to_numeric(words, errors="coerce").to_numpy(np.float64, na_value=np.nan), np.nan)
    nothing = spread(codes, words.str.lower().isin(("", "null", "nan", "none", "na", "n/a", "-")).to_numpy(bool), True)
    number = np.where((np.abs(number) < _MOST_WEEK) & (number == np.round(number)), number, np.nan)
    dates = words[words.str.fullmatch(_YEAR_FIRST).to_numpy(bool)]
    if len(dates) > 0.5 * len(words):
        raise ValueError(f"{where} holds dates such as {dates.iloc[0]!r}, not weeks: map it as time=COLUMN.")
    known = number[~np.isnan(number)]
    if year is not None:
        years = spread(*_year_codes(year), np.nan)
        return Weeks(
            *_of_years(years, number, where), nothing, f"{where}: weeks of the year, counted on over the years."
        )
    century, of_year = known // 100, known % 100
    if len(known) and ((century >= 1900) & (century <= 2100) & (of_year <= 53)).all():
        note = f"{where}: read as year and week, e.g. {int(known[0])} as week {int(of_year[0])} of {int(century[0])}."
        return Weeks(*_of_years(number // 100, number % 100, where), nothing, note)
    return Weeks(number, nothing)


def _year_codes(year: pd.Series) -> tuple[npt.NDArray[np.int64], Floats]:
    codes, words = distinct(year)
    return codes, pd.to_numeric(words, errors="coerce").to_numpy(np.float64, na_value=np.nan)


def _yyyyww(word: str) -> str:
    match = re.fullmatch(r"(\d{4})[-/ ]?[Ww]?(\d{1,2})", word)
    return f"{match[1]}{match[2]:0>2}" if match and re.search(r"[-/ Ww]", word) else word


def _of_years(year: Floats, week: Floats, where: str) -> tuple[Floats]:
    """Consecutive numbers of weeks of years."""
    good = np.isfinite(year) & np.isfinite(week)
    pairs, codes = np.unique(np.column_stack([year[good], week[good]]), axis=0, return_inverse=True)
    wrong = pairs[(pairs[:, 1] < 1) | (pairs[:, 1] > 53) | (pairs[:, 0] < 1900) | (pairs[:, 0] > 2100)]
    if len(wrong):
        raise ValueError(
            f"{where}: want weeks 1 to 53 of the years 1900 to 2100, got week {wrong[0, 1]:g} of {wrong[0, 0]:g}."
        )
    try:
        days = [datetime.date.fromisocalendar(int(y), int(w), 1).toordinal() for y, w in pairs]
        number = np.array(days, np.float64) // 7
    except ValueError:  # a week 53 that ISO 8601 does not have
        last = {
            y: max(52.0, pairs[pairs[:, 0] == y, 1].max())
            for y in np.arange(pairs[0, 0], pairs[-1, 0] + 1)
            if (pairs[:, 0] == y).any()
        }
        start = {y: sum(last.get(z, 52.0) for z in np.arange(pairs[0, 0], y)) for y in last}
        number = np.array([start[y] + w for y, w in pairs])
    out = np.full(len(year), np.nan)
    out[good] = number[codes.ravel()] if len(pairs) else []
    return (out,)
