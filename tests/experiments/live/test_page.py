"""The page as a browser shows it: by mouse and by key, in both languages, at the width of a phone."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.browser import Browser, needs_chromium

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def address():
    pytest.importorskip("nicegui", reason="the page needs flashsale-env[live]")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["-m", "flashsale_env.experiments", "play", "gvr-periodic", "--no-browser", "--port", str(port)]
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}  # NiceGUI looks for it
    server = subprocess.Popen([sys.executable, *words], env=own, stderr=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(600):
            assert server.poll() is None, server.stderr.read()
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def minute(number):
    return f"document.querySelector('.live').innerText.includes('Minute {number} of 60')"


def test_a_sale_is_run_by_key_to_its_debrief(address):
    with Browser(390) as browser:
        browser.open(address).wait(minute(0))
        browser.wait("document.querySelector('.live canvas')")
        browser.key("n", "KeyN")
        browser.wait(minute(6))
        for _ in range(4):
            browser.key("+", "Equal")
        browser.key(" ", "Space")
        browser.wait("document.querySelector('.live').innerText.includes('What cost you most')")
        text = browser.evaluate("document.querySelector('.live').innerText")
        assert "hindsight" in text
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert browser.complaints == []
        foreign = [url for url in browser.requests if not url.startswith((address, "ws://127.0.0.1", "data:"))]
        assert foreign == []


def test_the_page_speaks_chinese(address):
    with Browser(1280, dark=True) as browser:
        browser.open(address).wait(minute(0))
        browser.evaluate("[...document.querySelectorAll('button')].find(b => b.innerText.includes('中文')).click()")
        browser.wait("document.querySelector('.live').innerText.includes('经营一场限时抢购')")
        assert browser.complaints == []
