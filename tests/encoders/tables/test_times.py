"""Weeks of time stamps and of week numbers, in every form that is declared, and refusals of the others."""

import datetime

import numpy as np
import pandas as pd
import pytest

from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.times import weeks_of_numbers, weeks_of_times

MONDAY = datetime.date(1970, 1, 5)


def weeks(values, **form):
    return weeks_of_times(pd.Series(values), FileFormat(**form), "sales.csv: column 'time'")


def week_of(day, start=0):
    return ((datetime.date.fromisoformat(day) - MONDAY).days - start) // 7


@pytest.mark.parametrize(
    ("text", "form", "day"),
    [
        ("2024-05-31", {}, "2024-05-31"),
        ("2024-05-31T18:04:00", {}, "2024-05-31"),
        ("2024-05-31 18:04", {}, "2024-05-31"),
        ("2024-05-31 18:04:00.123456", {}, "2024-05-31"),
        ("20240531", {}, "2024-05-31"),
        ("2024-05-31T18:04:00Z", {}, "2024-05-31"),
        ("2024-05-31 18:04:00 UTC", {}, "2024-05-31"),
        ("2024-05-31 18:04:00 +0200", {}, "2024-05-31"),
        ("2024/5/31", {}, "2024-05-31"),
        ("2024/05/31 18:04:00", {}, "2024-05-31"),
        ("2024.05.31", {}, "2024-05-31"),
        ("2024年5月31日", {}, "2024-05-31"),
        ("31/05/2024", {"date_format": "%d/%m/%Y"}, "2024-05-31"),
        ("3/4/2024", {"date_format": "%d/%m/%Y"}, "2024-04-03"),
        ("3/4/2024", {"date_format": "%m/%d/%Y"}, "2024-03-04"),
        ("1717178640", {"date_format": "epoch-s"}, "2024-05-31"),
        ("1717178640000", {"date_format": "epoch-ms"}, "2024-05-31"),
        ("45443.75", {"date_format": "excel"}, "2024-05-31"),
    ],
)
def test_a_time_is_read_in_the_form_that_was_said(text, form, day):
    assert weeks([text], **form).values.tolist() == [week_of(day)]


def test_numbers_and_time_stamps_have_types_of_their_own():
    assert weeks([1717178640], date_format="epoch-s").values.tolist() == [week_of("2024-05-31")]
    assert weeks([20240531]).values.tolist() == [week_of("2024-05-31")]
    assert weeks(pd.to_datetime(["2024-05-31", None])).blank.tolist() == [False, True]
    mixed = pd.Series([datetime.datetime(2024, 5, 31, 18), "2024-06-03", None], dtype=object)
    assert weeks(mixed).values[:2].tolist() == [week_of("2024-05-31"), week_of("2024-06-03")]


@pytest.mark.parametrize(
    ("texts", "option"),
    [
        (["03/04/2024", "05/06/2024"], "cannot be told apart: give --date-format %d/%m/%Y or --date-format %m/%d/%Y"),
        (["13/01/2025", "03/02/2025"], "give --date-format %d/%m/%Y."),
        (["01/13/2025"], "give --date-format %m/%d/%Y."),
        (["31.05.2024"], "give --date-format %d.%m.%Y."),
        (["31.05.2024 18:04"], "give --date-format '%d.%m.%Y %H:%M'."),
        (["12/1/2010 8:26", "12/13/2010 8:26"], "give --date-format '%m/%d/%Y %H:%M'."),
        (["31 May 2024"], "give --date-format '%d %b %Y'"),
        (["May 31, 2024"], "give --date-format '%b %d, %Y'"),
        (["1717178640", "1717178641"], "give --date-format epoch-s."),
        (["1717178640000"], "give --date-format epoch-ms."),
        (["45443", "45444.5"], "give --date-format excel."),
        (["2024", "2023"], "are years, not times"),
        (["12", "13"], "are numbers, not times"),
        (["yesterday"], "not in ISO 8601"),
        (["2024-05"], "not in ISO 8601"),
    ],
)
def test_a_form_that_was_not_said_is_refused_with_its_option(texts, option):
    with pytest.raises(ValueError, match=r"^sales.csv: column 'time': ") as refusal:
        weeks(texts)
    assert option in str(refusal.value)


def test_a_wrong_format_is_refused_and_one_odd_value_is_not():
    with pytest.raises(ValueError, match=r"%d/%m/%Y|no value reads"):
        weeks(["13/01/2025", "14/01/2025"], date_format="%m/%d/%Y")
    assert weeks(["2024-05-31", "31/12/2024", "2024-06-01"]).unreadable.tolist() == [False, True, False]


def test_a_week_begins_at_midnight_of_the_shop():
    """Sunday 23:30 UTC is Monday in Berlin, so a week later."""
    sunday = "2024-06-02T23:30:00Z"
    utc, berlin = weeks([sunday]), weeks([sunday], time_zone="Europe/Berlin")
    assert berlin.values[0] == utc.values[0] + 1
    assert "begin at midnight UTC; --time-zone" in utc.note
    assert not berlin.note
    aware = pd.Series(pd.to_datetime([sunday], utc=True))
    assert weeks(aware, time_zone="Europe/Berlin").values[0] == berlin.values[0]
    epoch = int(pd.Timestamp(sunday).timestamp())
    assert weeks([epoch], date_format="epoch-s", time_zone="Europe/Berlin").values[0] == berlin.values[0]
    # A time without an offset is the shop's own clock already.
    assert weeks(["2024-06-02T23:30:00"], time_zone="Europe/Berlin").values[0] == utc.values[0]


def test_weeks_can_begin_on_another_day():
    saturday, sunday = "2024-06-01", "2024-06-02"
    by_monday, by_sunday = weeks([saturday, sunday]), weeks([saturday, sunday], week_start="sunday")
    assert np.ptp(by_monday.values) == 0
    assert np.ptp(by_sunday.values) == 1


def numbered(week, year=None, **form):
    year = None if year is None else pd.Series(year)
    return weeks_of_numbers(pd.Series(week), year, FileFormat(**form), "sales.csv: column 'week'")


def test_week_numbers_stay_as_they_are():
    cells = numbered(["5", "7.0", "", "x", "1.5"])
    assert cells.values[:2].tolist() == [5, 7]
    assert cells.blank.tolist() == [False, False, True, False, False]
    assert cells.unreadable.tolist() == [False, False, False, True, True]


@pytest.mark.parametrize(
    "week",
    [
        ["202052", "202053", "202101"],
        [202052, 202053, 202101],
        ["2020-W52", "2020-W53", "2021-W01"],
        ["2020W52", "2020W53", "2021W1"],
        ["2020-52", "2020-53", "2021-01"],
    ],
)
def test_year_and_week_in_one_number_count_on_over_new_year(week):
    cells = numbered(week)
    assert np.diff(cells.values).tolist() == [1, 1]
    assert "2020" in cells.note


def test_a_week_may_be_called_one_and_a_date_is_none():
    assert numbered(["W05", "KW 6", "week 7", "1e300"]).values[:3].tolist() == [5, 6, 7]
    assert numbered(["5", "1e300"]).unreadable.tolist() == [False, True]
    with pytest.raises(ValueError, match="holds dates such as '2024-05-31', not weeks: map it as time=COLUMN"):
        numbered(["2024-05-31", "2024-06-07"])


def test_the_week_of_the_year_beside_the_year_counts_on():
    assert np.diff(numbered([52, 1, 2, 1], [2023, 2024, 2024, 2025]).values).tolist() == [1, 1, 51]
    # 2022 has no week 53 in ISO 8601, but a trader's calendar may have one.
    assert np.diff(numbered([52, 53, 1], [2022, 2022, 2023]).values).tolist() == [1, 1]
    with pytest.raises(ValueError, match="want weeks 1 to 53"):
        numbered([0, 1], [2024, 2024])
    with pytest.raises(ValueError, match="of the years 1900 to 2100"):
        numbered([5], [24])
