"""How a file writes its cells: what a user says about it, because it cannot be told from the file.

Owns    the options of reading, and their checks.
Leaves  what follows from them to the other files of this folder.

None means that nothing was said. Then only the one form is read that nobody can misread: a decimal point, no thousands
separators, dates in ISO 8601. Any other form is refused by the name of the option that would read it.
"""

import codecs
import dataclasses
import difflib
import zoneinfo
from dataclasses import dataclass

from flashsale_env.errors import unknown_name

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Unit of a count since 1970-01-01 UTC, and the serial numbers of a spreadsheet.
COUNTED_TIMES = {"epoch-s": "s", "epoch-ms": "ms", "epoch-us": "us", "epoch-ns": "ns", "excel": "D"}
ISO = "iso"

_SPACES = " \u00a0\u202f\u2009"  # plain, no-break, narrow no-break, thin


@dataclass(frozen=True)
class FileFormat:
    """What a user says about a file.

    Args:
        separator: between the cells of a text file: one character, or "tab". By default a comma in .csv, a tab in .tsv.
        decimal: "." or ",".
        thousands: ".", ",", "'", "_" or " " (any kind of space).
        date_format: "iso", a format of strptime such as %d/%m/%Y, or one of `COUNTED_TIMES`.
        time_zone: of the shop, e.g. Europe/Berlin: weeks begin at its midnight.
        week_start: day on which weeks of time stamps begin.
        skip_rows: rows above the header; None if the header is the first row that is not blank.
        sheet: of a workbook, by name or by number from 1; "*" for all, one below the other.
        encoding: of a text file; None if it may be guessed.
        currency: code of the currency whose rows are used, where a file has several.

    Raises:
        ValueError: a value that no file can have.
    """

    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    date_format: str | None = None
    time_zone: str | None = None
    week_start: str = "monday"
    skip_rows: int | None = None
    sheet: str | None = None
    encoding: str | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        if self.separator is not None and self.separator not in ("tab", r"\t") and len(self.separator) != 1:
            raise ValueError(f"--separator wants one character or the word tab, got {self.separator!r}.")
        if self.separator in ('"', "\n", "\r", ""):
            raise ValueError(f"--separator cannot be {self.separator!r}: it quotes cells or ends rows.")
        if self.decimal not in (None, ".", ","):
            raise ValueError(f"--decimal must be . or , (a point or a comma), got {self.decimal!r}.")
        if self.thousands not in (None, ".", ",", "'", "_", *_SPACES):
            raise ValueError(f"--thousands must be one of . , ' _ or a space, got {self.thousands!r}.")
        if self.thousands is not None and self.thousands == (self.decimal or "."):
            other = "," if self.thousands == "." else "."
            raise ValueError(
                f"--thousands {self.thousands} needs another --decimal, e.g. --decimal {other}: no sign can be both."
            )
        if self.week_start not in WEEKDAYS:
            raise ValueError(unknown_name("--week-start", self.week_start, WEEKDAYS))
        if self.skip_rows is not None and self.skip_rows < 0:
            raise ValueError(f"--skip-rows must be 0 or more, got {self.skip_rows}.")
        if self.time_zone is not None:
            _check_time_zone(self.time_zone)
        if self.date_format is not None:
            _check_date_format(self.date_format)
        if self.encoding is not None:
            check_encoding(self.encoding)

    @property
    def spaces_are_thousands(self) -> bool:
        """Whether any kind of space separates thousands."""
        return self.thousands is not None and self.thousands in _SPACES

    def or_else(self, default: "FileFormat") -> "FileFormat":
        """This format, with what it does not say taken from another."""
        said = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
        return dataclasses.replace(default, **said)


def check_encoding(name: str) -> None:
    """Refuse an encoding that Python does not know, or that is none of text.

    Raises:
        ValueError: unknown.
    """
    try:
        # Codecs such as base64 turn bytes into bytes.
        known = codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):
        known = False
    if not known:
        raise ValueError(f"unknown encoding {name!r}: use a name such as utf-8, cp1252 or gb18030.")


def _check_time_zone(name: str) -> None:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(name, zoneinfo.available_timezones(), n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"--time-zone wants a name such as Europe/Berlin, got {name!r}.{hint}") from None


def _check_date_format(name: str) -> None:
    if name == ISO or name in COUNTED_TIMES:
        return
    if "%" not in name:
        near = difflib.get_close_matches(name, (ISO, *COUNTED_TIMES), n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(
            f"--date-format wants a format of strptime such as %d/%m/%Y, or one of {ISO}, {', '.join(COUNTED_TIMES)}; "
            f"got {name!r}.{hint}"
        )
    signs = {name[i + 1 : i + 2] for i, sign in enumerate(name) if sign == "%" and name[i - 1 : i] != "%"}
    day = "d" in signs or "j" in signs or {"G", "V", "u"} <= signs or "c" in signs or "x" in signs
    if not (day and signs & set("yYGcx")):
        raise ValueError(f"--date-format {name} has no day or no year: a time needs both, e.g. %d/%m/%Y.")
