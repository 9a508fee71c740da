"""Access: who may ask.

Owns    the bearer token, and the rule that a service which other machines can reach has one.

The token comes from the environment, so that neither the command line nor the list of processes shows it. On loopback a
token is optional. Without one, requests must name this machine as their host: a page in a browser that was led here
under a name of its own (DNS rebinding) is refused.
"""

import hmac
import ipaddress
from collections.abc import Mapping

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN = "FLASHSALE_TOKEN"
LEAST_CHARACTERS = 16


def is_local(host: str) -> bool:
    """Whether only this machine can reach a service at this address.

    >>> [is_local(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "shop.example")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_for(host: str, environment: Mapping[str, str]) -> str:
    """The token that clients must send; "" for none.

    Raises:
        ValueError: other machines can reach the address and there is no token, or it is too short.
    """
    token = environment.get(TOKEN, "")
    if not token and not is_local(host):
        raise ValueError(
            f"--host {host} lets other machines in, so clients must send a token: set the variable {TOKEN}, e.g. "
            f"export {TOKEN}=$(openssl rand -hex 32), or leave --host at 127.0.0.1."
        )
    if token and len(token) < LEAST_CHARACTERS:
        raise ValueError(f"{TOKEN} must have at least {LEAST_CHARACTERS} characters, got {len(token)}.")
    return token


class Access:
    """ASGI middleware that lets nobody in without the token; `free` paths need none."""

    def __init__(self, app: ASGIApp, *, token: str, local: bool, free: frozenset[str] = frozenset()) -> None:
        self.app, self.local, self.free = app, local, free
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            refusal = self._refusal(headers, scope["path"])
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, headers: Mapping[bytes, bytes], path: str) -> JSONResponse | None:
        if self._token:
            scheme, _, sent = headers.get(b"authorization", b"").partition(b" ")
            if path in self.free or (scheme.lower() == b"bearer" and hmac.compare_digest(sent.strip(), self._token)):
                return None
            detail = f"send the token of the service ({TOKEN}) as Authorization: Bearer ..."
            return JSONResponse({"detail": detail}, 401, {"WWW-Authenticate": "Bearer"})
        if self.local and not is_local(_host(headers.get(b"host", b"").decode("latin-1"))):
            return JSONResponse({"detail": "this service answers to 127.0.0.1 and localhost only."}, 421)
        return None


def _host(header: str) -> str:
    """The Host header without its port.

    >>> _host("127.0.0.1:8000"), _host("[::1]:8000"), _host("localhost")
    ('127.0.0.1', '::1', 'localhost')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]
