"""Batching: requests that wait while a batch is computed make up the next batch.

Owns    the queue of a model, its bound, and the thread in which the model computes.
Leaves  which version answers to `reload`, the reply to a refused request to `application`.
Units   a row is one observation or one text; seconds.

No request waits for others to come: an idle model begins at once, a busy one takes everything that has gathered, up to
`most_rows`. Latency at low rates is that of one row, throughput at high rates that of full batches.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from flashsale_env.experiments.serve.served import Served

# Weight of the last batch in the running mean of seconds a row.
_LAST = 0.2


class QueueFull(Exception):
    """The queue has no room; `retry_after` is the time in whole seconds that it needs to empty."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the queue is full: try again in {retry_after} s.")
        self.retry_after = retry_after


class Stopping(Exception):
    """The service is shutting down and takes no further request."""


@dataclass(frozen=True, eq=False)
class _Request:
    rows: Sequence[Any]
    answered: "asyncio.Future[tuple[list[Any], Served]]"


class Batcher:
    """The queue in front of one model.

    Args:
        current: the version that answers the next batch.
        most_rows: of a batch, and of a request.
        most_waiting: rows in the queue; a request that does not fit is refused.
        note: called after each batch with its rows and seconds.
    """

    def __init__(
        self,
        current: Callable[[], Served],
        *,
        most_rows: int,
        most_waiting: int,
        note: Callable[[int, float], None] = lambda rows, seconds: None,
    ) -> None:
        self._current, self._note = current, note
        self.most_rows, self.most_waiting = most_rows, most_waiting
        self.waiting = 0
        self._queue: deque[_Request] = deque()
        self._arrived = asyncio.Event()
        self._stopping = False
        self._seconds_a_row = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to answer; inside the event loop."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Answer what is in the queue, and nothing else."""
        self._stopping = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def ask(self, rows: Sequence[Any]) -> tuple[list[Any], Served]:
        """Answers to the rows, and the version that gave them.

        Raises:
            QueueFull: they do not fit into the queue.
            Stopping: the service is shutting down.
        """
        if self._stopping:
            raise Stopping("the service is shutting down.")
        if self.waiting + len(rows) > self.most_waiting:
            raise QueueFull(max(1, math.ceil(self.waiting * self._seconds_a_row)))
        request = _Request(rows, asyncio.get_running_loop().create_future())
        self._queue.append(request)
        self.waiting += len(rows)
        self._arrived.set()
        return await request.answered

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            batch = self._next()
            if batch:
                await self._answer(batch)
            elif self._stopping:
                return
            else:
                self._arrived.clear()

    def _next(self) -> list[_Request]:
        """The oldest requests that fit into one batch, without those whose client has gone."""
        batch: list[_Request] = []
        rows = 0
        while self._queue and (not batch or rows + len(self._queue[0].rows) <= self.most_rows):
            request = self._queue.popleft()
            self.waiting -= len(request.rows)
            if not request.answered.done():
                batch.append(request)
                rows += len(request.rows)
        return batch

    async def _answer(self, batch: Sequence[_Request]) -> None:
        model, rows = self._current(), [row for request in batch for row in request.rows]
        begin = time.perf_counter()
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self._thread, model.answer, rows)
        except Exception as error:
            if len(batch) > 1:  # so that one request that cannot be answered does not fail its neighbours
                for request in batch:
                    await self._answer([request])
            elif not batch[0].answered.done():
                batch[0].answered.set_exception(error)
            return
        seconds = time.perf_counter() - begin
        self._seconds_a_row += _LAST * (seconds / len(rows) - self._seconds_a_row)
        self._note(len(rows), seconds)
        start = 0
        for request in batch:
            end = start + len(request.rows)
            if not request.answered.done():
                request.answered.set_result((answers[start:end], model))
            start = end
