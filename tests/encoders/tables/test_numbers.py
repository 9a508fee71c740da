"""Numbers as shops write them: what is read, and what is refused by the name of an option."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.numbers import numbers


def read(values, **form):
    return numbers(pd.Series(values), FileFormat(**form), "sales.csv: column 'price'")


@pytest.mark.parametrize(
    ("text", "form", "value"),
    [
        ("12.50", {}, 12.5),
        (" 12.5 ", {}, 12.5),
        (".5", {}, 0.5),
        ("1e3", {}, 1000.0),
        ("-3", {}, -3.0),
        ("\u22123", {}, -3.0),
        ("3-", {}, -3.0),
        ("(3.00)", {}, -3.0),
        ("€12.50", {}, 12.5),
        ("12.50 €", {}, 12.5),
        ("EUR 12.50", {}, 12.5),
        ("-$5", {}, -5.0),
        ("$-5", {}, -5.0),
        ("($5.00)", {}, -5.0),
        ("R$ 12.90", {}, 12.9),
        ("12 kr.", {}, 12.0),
        ("￥1200", {}, 1200.0),
        ("1200円", {}, 1200.0),
        ("１２.５", {}, 12.5),
        ("12,50", {"decimal": ","}, 12.5),
        ("12,50 €", {"decimal": ","}, 12.5),
        ("12,50\u00a0€", {"decimal": ","}, 12.5),
        ("1.234,50", {"decimal": ",", "thousands": "."}, 1234.5),
        ("1,234.50", {"thousands": ","}, 1234.5),
        ("12,34,567.00", {"thousands": ","}, 1234567.0),
        ("1 234,50", {"decimal": ",", "thousands": " "}, 1234.5),
        ("1\u202f234,50", {"decimal": ",", "thousands": " "}, 1234.5),
        ("1'234.50", {"thousands": "'"}, 1234.5),
        ("1’234.50", {"thousands": "'"}, 1234.5),
        ("1.234", {"decimal": "."}, 1.234),
        ("1.234", {"decimal": ",", "thousands": "."}, 1234.0),
    ],
)
def test_a_number_is_read_in_the_form_that_was_said(text, form, value):
    assert read([text], **form).values.tolist() == [value]


@pytest.mark.parametrize(
    ("texts", "form", "option"),
    [
        (["12,50", "3,20"], {}, "give --decimal ,"),
        (["€12,50"], {}, "give --decimal ,"),
        (["1,234.50", "12.00"], {}, "give --thousands ,"),
        (["1.234,50", "12,00"], {}, "give --decimal , --thousands ."),
        (["1 234.50", "12.00"], {}, "give --thousands ' '"),
        (["1'234.50", "7.00"], {}, 'give --thousands "\'"'),
        (["1,234", "950"], {}, "cannot be told apart: give --thousands , or --decimal ,"),
        (["1.234", "2.500"], {}, "may be 1.234 or 1,234.*give --decimal . or --decimal , --thousands ."),
        (["12.50", "1.234.50"], {"decimal": ","}, "no numbers with a decimal comma"),
    ],
)
def test_a_form_that_was_not_said_is_refused_with_its_option(texts, form, option):
    with pytest.raises(ValueError, match=r"^sales.csv: column 'price'.*") as refusal:
        read(texts, **form)
    assert re.search(option, str(refusal.value)), refusal.value


def test_a_quarter_tells_that_the_point_is_decimal():
    """0.250 is no thousand, so 1.250 beside it is none either."""
    assert read(["0.250", "1.250"]).values.tolist() == [0.25, 1.25]


def test_blanks_and_what_is_no_number_are_told_apart():
    cells = read(["", " ", "NULL", r"\N", "n/a", "-", None, "two", "12..5", "5", "Infinity"])
    assert cells.blank.tolist() == [True] * 7 + [False] * 4
    assert cells.unreadable.tolist() == [False] * 7 + [True, True, False, True]


def test_one_misprint_among_many_numbers_is_no_other_form():
    cells = read(["12.50", "3.20", "4,20", "5.00"])
    assert cells.unreadable.tolist() == [False, False, True, False]


def test_currencies_are_known_by_row():
    cells = read(["€5", "5 EUR", "$5", "5"])
    assert [cells.currencies[i] if i >= 0 else "" for i in cells.currency] == ["EUR", "EUR", "$", ""]
    assert read(["5 bananas", "€5$", "(5"]).unreadable.all()


def test_typed_numbers_have_no_form():
    cells = read(pd.Series([1.234, 2.5, np.nan, np.inf]), decimal=",")
    assert cells.values[:2].tolist() == [1.234, 2.5]
    assert cells.blank.tolist() == [False, False, True, False]
    assert cells.unreadable.tolist() == [False, False, False, True]
    mixed = read(pd.Series([1.5, "2,5", None, True, "x"], dtype=object), decimal=",")
    assert mixed.values[:2].tolist() == [1.5, 2.5]
    assert mixed.blank.tolist() == [False, False, True, False, False]
    assert math.isnan(mixed.values[3])


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"decimal": ";"}, "--decimal must be"),
        ({"thousands": ";"}, "--thousands must be"),
        ({"thousands": "."}, "needs another --decimal, e.g. --decimal ,"),
        ({"decimal": ",", "thousands": ","}, "needs another --decimal"),
        ({"separator": ";;"}, "--separator wants one character"),
        ({"date_format": "dd/mm/yyyy"}, "--date-format wants a format of strptime"),
        ({"date_format": "%H:%M"}, "no day or no year"),
        ({"date_format": "epoch"}, "Did you mean epoch-"),
        ({"time_zone": "Europe/Berln"}, "Did you mean Europe/Berlin"),
        ({"week_start": "Sonntag"}, "--week-start"),
        ({"skip_rows": -1}, "--skip-rows must be 0 or more"),
        ({"encoding": "utf-9"}, "unknown encoding 'utf-9'"),
        ({"encoding": "base64"}, "unknown encoding 'base64'"),
    ],
)
def test_a_format_that_no_file_can_have_is_refused(form, message):
    with pytest.raises(ValueError, match=message):
        FileFormat(**form)
