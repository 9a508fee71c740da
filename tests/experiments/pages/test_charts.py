"""A figure is data: the same numbers on a page, on paper and in its file."""

import json
import math
import re

import numpy as np
import pytest

from flashsale_env import load_scenario
from flashsale_env.experiments.pages import pictures
from flashsale_env.experiments.pages.charts import AGENTS, INTENTS, PRODUCTS, Chart
from flashsale_env.experiments.pages.document import document, figure
from flashsale_env.experiments.pages.drawn import keep
from flashsale_env.experiments.pages.interactive import as_plotly
from tests.experiments.pages.figures import charts, curve, trace_of

CHARTS = charts()


def plots_of(page):
    """The JSON of every figure of a page, as the browser reads it."""
    return [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page)]


@pytest.mark.parametrize("name", CHARTS)
def test_every_figure_has_data_and_named_axes(name):
    (found,) = plots_of(figure(CHARTS[name]))
    assert found["panels"]
    for panel in found["panels"]:
        assert panel["data"]
        for trace in panel["data"]:
            values = trace.get("z") or [trace["x"], trace["y"]]
            assert all(len(row) == len(values[0]) > 0 for row in values)
            assert all(math.isfinite(value) for row in values for value in row)
        assert panel["layout"]["xaxis"]["title"]["text"]
    assert CHARTS[name].caption.endswith(".")


@pytest.mark.parametrize("name", CHARTS)
def test_a_figure_in_a_file_is_the_figure(name):
    chart = CHARTS[name]
    assert Chart.from_json(chart.to_json(), "file") == chart


def test_a_broken_figure_is_named():
    with pytest.raises(ValueError, match=r"^sale.json is no figure of this version: want 'flashsale_env figure 1'"):
        Chart.from_json(b"{}", "sale.json")


def test_a_figure_for_a_paper_is_svg_and_png_and_the_same_bytes_again(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        keep(tmp_path / folder / "learning", CHARTS["learning"])
    svg, png = ((tmp_path / "a" / f"learning.{ending}").read_bytes() for ending in ("svg", "png"))
    assert svg.startswith(b"<?xml")
    assert b"</svg>" in svg
    assert png.startswith(b"\x89PNG")
    for ending in ("svg", "png", "json"):
        first, second = ((tmp_path / folder / f"learning.{ending}").read_bytes() for folder in ("a", "b"))
        assert first == second, ending


def test_a_page_fetches_nothing_and_forbids_it():
    page = document("figures", [figure(chart) for chart in CHARTS.values()]).decode()
    assert len(plots_of(page)) == len(CHARTS)
    assert "default-src 'none'" in page
    bundle = re.search(r"<script>(/\*\*\n\* plotly.*?)</script>", page, re.DOTALL)[1]
    rest = page.replace(bundle, "")
    assert not re.search(r"https?:|//cdn|url\(|@import|<link|\bsrc=|srcset", rest)
    assert "<i>" not in rest.replace("b <i>", ""), "names are data, not markup"


def test_a_far_reference_does_not_squash_the_curve():
    """`random` earns a third of the others: it is named with its profit, and the axis stays with the curve."""
    panel = CHARTS["learning"].panels[0]
    assert panel.y.low > 29_000
    assert "random, below the axis: 12,000" in [series.name for series in panel.series]
    near = pictures.learning_curve("ppo", curve(), {"random": 29_000.0}, 64).panels[0]
    assert near.y.low < 29_000


def test_the_band_of_a_learning_curve_is_the_interval_of_its_mean():
    line = CHARTS["learning"].panels[0].series[0]
    half = (np.array(line.high) - np.array(line.low)) / 2
    assert half == pytest.approx(1.99834 * 100.0, rel=1e-4)  # Student's t with 63 degrees of freedom
    assert "validation customers" in CHARTS["learning"].caption
    assert "EUR" in CHARTS["learning"].panels[0].y.title


def test_a_sale_shows_prices_in_currency_and_stock_as_steps():
    sale = CHARTS["sale"]
    assert sale.scrub
    by_axis = {panel.y.title: panel for panel in sale.panels}
    price = by_axis["price, share of list price"].series[0]
    assert price.kind == "step"
    assert {"withheld"} < set(price.told)
    assert any(text.startswith("79.00, 100%") for text in price.told)
    assert by_axis["units on hand"].series[0].kind == "step"
    assert len(as_plotly(sale)["xs"]) == load_scenario("standard").horizon_ticks


def test_products_intents_and_agents_share_no_colour():
    colours = [*PRODUCTS, *INTENTS, *AGENTS]
    assert len(set(colours)) == len(colours)


def test_a_sale_without_messages_and_coupons_has_no_panel_for_them():
    scenario = load_scenario("gvr-periodic")
    trace = trace_of(scenario, scenario.horizon_ticks)
    del trace["intent_mean"]
    trace["coupon_depth"][:] = 0.0
    assert len(pictures.one_sale(trace, scenario).panels) == 4
