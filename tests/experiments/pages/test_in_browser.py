"""Pages as a browser shows them: every figure drawn, no complaint, no request, no sideways scrolling."""

import pytest

from flashsale_env.experiments.formats import AGENT_COLUMNS
from flashsale_env.experiments.pages.document import document, figure, table
from tests.browser import Browser, needs_chromium
from tests.experiments.pages.figures import charts

pytestmark = [pytest.mark.slow, needs_chromium]

ROWS = [("ppo", "37,000", "36,900 .. 37,100", "90,000", "90.0%", "95.0%", "12.0")] * 3


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    body = ["<h1>Agents</h1>", table(AGENT_COLUMNS, ROWS, best=0), *(figure(chart) for chart in charts().values())]
    path.write_bytes(document("page", body))
    return path


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_every_figure_is_drawn_in_silence(page, width, dark):
    with Browser(width, dark=dark) as browser:
        browser.open(page).wait("document.body.dataset.ready")
        assert browser.complaints == []
        assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
        drawn = "[...document.querySelectorAll('figure.chart')].map(f => f.querySelectorAll('svg.main-svg').length)"
        assert all(number > 0 for number in browser.evaluate(drawn))
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(15, 20, 25)" if dark else "rgb(255, 255, 255)")


def test_a_sale_is_scrubbed_tick_by_tick_and_legends_hide_series(page):
    with Browser(390) as browser:
        browser.open(page).wait("document.body.dataset.ready")
        told = "[...document.querySelectorAll('.told div')].map(d => d.textContent).join('|')"
        before = browser.evaluate(told)
        browser.evaluate(
            "const s = document.querySelector('.scrub input'); s.value = 30; s.dispatchEvent(new Event('input'))"
        )
        assert browser.evaluate("document.querySelector('.scrub output').textContent") == "30 min"
        assert browser.evaluate(told) != before
        browser.evaluate("document.querySelector('.legend button').click()")
        browser.wait("document.querySelector('.plot').data.some(t => t.visible === false)")
        browser.evaluate("document.getElementById('theme').click()")
        browser.wait("getComputedStyle(document.body).backgroundColor === 'rgb(15, 20, 25)'")
        assert browser.complaints == []
