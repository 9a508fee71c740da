"""The load test: how a rate is applied, and what counts as held."""

import asyncio
import os
import time

import pytest

from flashsale_env.experiments.bench import service
from flashsale_env.experiments.bench.running import check_names
from flashsale_env.experiments.bench.service import WITHIN, Load, _bracket, _request, cpu_seconds, loaded


class Shop:
    """A server that answers after a pause, and refuses while too many requests are in hand."""

    def __init__(self, pause, most_at_once):
        self.pause, self.most, self.in_hand, self.times = pause, most_at_once, 0, []

    async def answer(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
                self.times.append(asyncio.get_running_loop().time())
                if self.in_hand >= self.most:
                    writer.write(b"HTTP/1.1 429 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    break
                self.in_hand += 1
                await asyncio.sleep(self.pause)
                self.in_hand -= 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        except asyncio.IncompleteReadError:
            pass
        writer.close()


def load_on(shop, rate, seconds):
    async def both():
        server = await asyncio.start_server(shop.answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await loaded(port, [_request(port, "/x", b"{}")], rate, seconds)

    return asyncio.run(both())


def test_requests_come_at_the_rate_whether_or_not_earlier_ones_are_answered():
    """100 in a second, although each takes .2 s: 20 in hand on average. A closed loop would send 5."""
    shop = Shop(pause=0.2, most_at_once=1000)
    found = load_on(shop, 100.0, 1.0)
    assert len(found.answered) == len(shop.times) == 100
    assert (found.refused, found.failed) == (0, 0)
    assert found.percentile(0.5) >= 200


def test_what_is_refused_is_counted_apart_and_no_rate_with_refusals_is_held():
    found = load_on(Shop(pause=0.3, most_at_once=3), 100.0, 0.5)
    assert len(found.answered) >= 3
    assert found.refused == 50 - len(found.answered)
    assert found.failed == 0
    assert not found.holds


def test_a_service_that_is_not_there_fails_every_request():
    async def nobody():
        return await loaded(1, [b"x"], 50.0, 0.1)

    found = asyncio.run(nobody())
    assert (len(found.answered), found.failed) == (0, 5)


def test_a_rate_is_held_if_99_of_100_answers_are_in_time():
    fast = [1.0] * 100
    assert Load(10.0, fast, 0, 0).holds
    assert Load(10.0, [*fast[2:], WITHIN, WITHIN], 0, 0).holds
    assert not Load(10.0, [*fast[3:], *[2 * WITHIN] * 3], 0, 0).holds
    assert not Load(10.0, fast, 1, 0).holds
    assert not Load(10.0, fast, 0, 1).holds
    assert not Load(10.0, [], 0, 0).holds


def test_the_highest_rate_lies_below_the_lowest_that_is_missed():
    held, missed = Load(1.0, [1.0], 0, 0), Load(1.0, [99.0], 0, 0)
    at = lambda load, rate: Load(rate, load.answered, 0, 0)  # noqa: E731
    assert _bracket([at(held, 25), at(held, 50), at(missed, 100), at(held, 70)]) == (70, 100)
    assert _bracket([at(missed, 25)]) == (0.0, 25)
    assert _bracket([at(held, 25)]) == (25, 0.0)


def test_the_load_test_is_measured_on_its_own():
    with pytest.raises(ValueError, match="benchmark 'serve' is measured on its own"):
        check_names(["serve", "memory"])


def test_processor_time_is_that_of_the_process():
    before, own = cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() - own < 0.2:
        pass
    assert cpu_seconds(os.getpid()) - before == pytest.approx(0.2, abs=0.06)
    assert cpu_seconds(-1) is None


@pytest.mark.slow
def test_the_shipped_policy_and_encoder_are_measured_from_a_process_of_their_own():
    result = service.run_service_bench(seconds=0.5, quick=True)
    names = [row["name"] for row in result["rows"]]
    assert "policy, highest rate" in names
    assert "encoder fp32, p99 at half of it" in names
    assert all(row["value"] == 0 for row in result["rows"] if row["name"].endswith("failed"))
