"""Limits: the size of a body, the requests in hand, and the rate of one address.

Owns    what is refused before a request is read: 413 for a large body, 429 with Retry-After for a client in a hurry and
        for anybody while too many requests are in hand.
Leaves  the bound of the queue to `batching`, tokens to `access`.
Units   bytes; requests a second.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Addresses that are remembered; the one that was quiet for longest is forgotten first.
_MOST_CLIENTS = 10_000
# Between two parts of a body; a client that sends nothing would hold its place for ever.
BODY_SECONDS = 10


class Rate:
    """A token bucket for each client: `rate` requests a second, and as many at once after a quiet second.

    Source:
        Turner (1986), New directions in communications, IEEE Communications Magazine 24(10).
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._room = max(1.0, rate)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> (requests left, at this time)

    def wait(self, client: str) -> float:
        """Take one request; 0 if it is within the rate, else the seconds until one is."""
        now = self._clock()
        left, then = self._left.pop(client, (self._room, now))
        left = min(self._room, left + (now - then) * self._rate)
        wait = 0.0 if left >= 1.0 else (1.0 - left) / self._rate
        self._left[client] = (left - (wait == 0.0), now)
        if len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)
        return wait


class Limits:
    """ASGI middleware that refuses what is beyond the limits.

    Args:
        app: what answers the rest.
        most_bytes: of a body.
        rate: requests a second from one address.
        most_at_once: requests in hand.
        free: paths that are not counted.
    """

    def __init__(
        self, app: ASGIApp, *, most_bytes: int, rate: float, most_at_once: int, free: frozenset[str] = frozenset()
    ) -> None:
        self.app, self.most_bytes, self.most_at_once, self.free = app, most_bytes, most_at_once, free
        self._rate = Rate(rate)
        self._in_hand = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self.free:
            await self.app(scope, receive, send)
            return
        wait = self._rate.wait((scope.get("client") or ("",))[0])
        if wait:
            await _hurried(math.ceil(wait), "too many requests from this address")(scope, receive, send)
            return
        if self._in_hand >= self.most_at_once:
            await _hurried(1, f"{self._in_hand} requests are in hand")(scope, receive, send)
            return
        self._in_hand += 1
        try:
            await self._read(scope, receive, send)
        finally:
            self._in_hand -= 1

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body to its end, or to the limit, and pass it on whole."""
        told = dict(scope["headers"]).get(b"content-length", b"")
        if told.isdigit() and int(told) > self.most_bytes:
            await self._too_large(scope, receive, send)
            return
        body = b""
        while True:  # the body may be longer than it says, or say nothing
            try:
                message = await asyncio.wait_for(receive(), BODY_SECONDS)
            except asyncio.TimeoutError:
                detail = f"nothing more of the body came for {BODY_SECONDS} s."
                await JSONResponse({"detail": detail}, 408, {"Connection": "close"})(scope, receive, send)
                return
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            if len(body) > self.most_bytes:
                await self._too_large(scope, receive, send)
                return
            if not message.get("more_body", False):
                break
        whole: Message | None = {"type": "http.request", "body": body, "more_body": False}

        async def read() -> Message:
            nonlocal whole
            message, whole = whole, None
            return message if message is not None else await receive()

        await self.app(scope, read, send)

    async def _too_large(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"the body must have at most {self.most_bytes:,} bytes: send fewer rows at a time."
        await JSONResponse({"detail": detail}, 413, {"Connection": "close"})(scope, receive, send)


def _hurried(seconds: int, why: str) -> JSONResponse:
    return JSONResponse({"detail": f"{why}: try again in {seconds} s."}, 429, {"Retry-After": str(seconds)})
