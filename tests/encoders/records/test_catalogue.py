"""A shop's list of products."""

import pytest

from flashsale_env.encoders.records.catalogue import read_catalogue
from flashsale_env.encoders.tables.fileformat import FileFormat


def test_products_have_a_title_a_price_and_a_phrase(file):
    tea, soda = read_catalogue(file("title,price,noun\nGreen tea 50 g,8.50,tea\nSoda,2,\n"))
    assert (tea.title, tea.reference_price, tea.noun) == ("Green tea 50 g", 8.5, "tea")
    assert (soda.title, soda.reference_price, soda.noun) == ("Soda", 2.0, "")
    (tea,) = read_catalogue(
        file("Artikel;Preis\nTee;1.234,50\n"),
        columns={"title": "Artikel", "price": "Preis"},
        form=FileFormat(separator=";", decimal=",", thousands="."),
    )
    assert tea.price_levels[0] == 1234.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,price\ntea,2\n", "Is it 'name'"),
        ("title,price\ntea,2\ntea,3\n", "1 products have the title of an earlier product, e.g. row 2: title 'tea'"),
        ("title,price\n,2\n", "1 products have no title"),
        ("title,price\ntea,\n", "1 products have no price above 0"),
    ],
)
def test_a_list_that_is_none_is_refused(file, content, message):
    with pytest.raises(ValueError, match=message):
        read_catalogue(file(content))
