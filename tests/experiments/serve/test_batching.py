"""The queue in front of a model: batches, its bound, and stopping."""

import asyncio
import threading

import pytest

from flashsale_env.experiments.serve.batching import Batcher, QueueFull, Stopping


class Doubling:
    """A model that doubles numbers, keeps the batches that it saw, and waits at a gate; it cannot double -1."""

    version = "1"

    def __init__(self):
        self.batches = []
        self.gate = threading.Event()
        self.gate.set()

    def answer(self, rows):
        self.gate.wait()
        self.batches.append(list(rows))
        if -1 in rows:
            raise ValueError("cannot double -1")
        return [2 * row for row in rows]


def run(scenario, **limits):
    model = Doubling()

    async def whole():
        batcher = Batcher(lambda: model, **{"most_rows": 4, "most_waiting": 8, **limits})
        batcher.start()
        try:
            return await scenario(batcher, model)
        finally:
            model.gate.set()
            await batcher.stop()

    return asyncio.run(whole()), model


async def first_holds_the_model(batcher, model):
    """Close the gate, and wait until one request is being computed."""
    model.gate.clear()
    first = asyncio.create_task(batcher.ask([0]))
    await asyncio.sleep(0)
    while batcher.waiting:
        await asyncio.sleep(0.001)
    return first


def test_requests_that_wait_while_a_batch_is_computed_make_up_the_next_batches():
    async def scenario(batcher, model):
        first = await first_holds_the_model(batcher, model)
        others = [asyncio.create_task(batcher.ask([k])) for k in range(1, 7)]
        await asyncio.sleep(0)  # the tasks begin
        model.gate.set()
        return [answers for answers, _ in await asyncio.gather(first, *others)]

    answers, model = run(scenario)
    assert answers == [[0], [2], [4], [6], [8], [10], [12]]
    assert model.batches == [[0], [1, 2, 3, 4], [5, 6]], "at most four rows, in the order of arrival"


def test_a_request_that_does_not_fit_into_the_queue_is_refused_and_told_when_to_come_back():
    async def scenario(batcher, model):
        first = await first_holds_the_model(batcher, model)
        waiting = [asyncio.create_task(batcher.ask([k, k])) for k in range(4)]
        await asyncio.sleep(0)  # the tasks begin
        with pytest.raises(QueueFull) as refused:
            await batcher.ask([1])
        model.gate.set()
        await asyncio.gather(first, *waiting)
        assert (await batcher.ask([1]))[0] == [2], "there is room again"
        return refused.value.retry_after

    retry_after, _ = run(scenario)
    assert retry_after >= 1


def test_one_request_that_cannot_be_answered_does_not_fail_its_neighbours():
    async def scenario(batcher, model):
        first = await first_holds_the_model(batcher, model)
        others = [asyncio.create_task(batcher.ask([k])) for k in (5, -1, 6)]
        await asyncio.sleep(0)  # the tasks begin
        model.gate.set()
        await first
        return await asyncio.gather(*others, return_exceptions=True)

    (five, bad, six), _ = run(scenario)
    assert five[0] == [10]
    assert six[0] == [12]
    assert isinstance(bad, ValueError)


def test_stopping_answers_what_waits_and_refuses_what_comes():
    async def scenario(batcher, model):
        first = await first_holds_the_model(batcher, model)
        waiting = asyncio.create_task(batcher.ask([3]))
        await asyncio.sleep(0)  # the tasks begin
        stopping = asyncio.create_task(batcher.stop())
        await asyncio.sleep(0)  # the tasks begin
        with pytest.raises(Stopping):
            await batcher.ask([4])
        model.gate.set()
        await stopping
        return (await first)[0], (await waiting)[0]

    answers, _ = run(scenario)
    assert answers == ([0], [6])


def test_a_client_that_has_gone_costs_no_computation():
    async def scenario(batcher, model):
        first = await first_holds_the_model(batcher, model)
        gone, stays = (asyncio.create_task(batcher.ask([k])) for k in (7, 8))
        await asyncio.sleep(0)  # the tasks begin
        gone.cancel()
        await asyncio.sleep(0)  # the tasks begin
        model.gate.set()
        await asyncio.gather(first, stays)

    _, model = run(scenario)
    assert model.batches == [[0], [8]]
