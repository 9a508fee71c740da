"""Metrics: what Prometheus reads from `/metrics`.

Owns    the names of the metrics, and timing every request.

Routes are labelled by their pattern, so clients cannot add labels. The registry belongs to one application: two in one
process do not count each other's requests.
"""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Seconds: from a policy's single row to a slow encoder behind a full queue.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_ROWS = tuple(float(2**k) for k in range(11))
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("flashsale_requests", "Requests.", ("route", "status"), registry=self.registry)
        self.seconds = Histogram(
            "flashsale_request_seconds", "Time to the end of the answer.", ("route",), buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.batch_rows = Histogram(
            "flashsale_batch_rows", "Rows of a batch.", ("model",), buckets=_ROWS, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "flashsale_batch_seconds", "Time to compute a batch.", ("model",), buckets=_SECONDS, registry=self.registry
        )
        self.waiting = Gauge("flashsale_waiting_rows", "Rows in the queue.", ("model",), registry=self.registry)
        self.refused = Counter("flashsale_refused", "Requests refused: queue full.", ("model",), registry=self.registry)
        self.reloads = Counter("flashsale_reloads", "New versions found.", ("model", "taken"), registry=self.registry)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)


class Timed:
    """ASGI middleware that counts and times every request."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.requests.labels(route, str(status)).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - begin)
