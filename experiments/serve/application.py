"""The application: everything that a service answers, as one ASGI application for any server.

Owns    the table of kinds, which folder serves which, the routes that all kinds share, and the replies to a request
        that cannot be answered now.
Leaves  a kind's own routes to its file, running to `running` and `cluster`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from flashsale_env import __version__
from flashsale_env.experiments.display import notice
from flashsale_env.experiments.serve.access import Access
from flashsale_env.experiments.serve.batching import Batcher, QueueFull, Stopping
from flashsale_env.experiments.serve.encoder import ENCODERS
from flashsale_env.experiments.serve.limits import Limits
from flashsale_env.experiments.serve.metrics import CONTENT_TYPE, Metrics, Timed
from flashsale_env.experiments.serve.policy import POLICIES
from flashsale_env.experiments.serve.reload import Holder, watch
from flashsale_env.experiments.serve.served import Kind, Settings

KINDS = (POLICIES, ENCODERS)
# What a load balancer asks; it has no token, and asks often.
FREE = frozenset({"/health", "/ready"})
_DESCRIPTION = "Policies and encoders of flash sales: observations in, actions out; texts in, intents out."


@dataclass(frozen=True)
class Found:
    """A model that will be served: its kind, its folder, and the folder as it was named."""

    kind: Kind
    folder: Path
    named: str


def find(folders: Sequence[str]) -> list[Found]:
    """The models in these folders; nothing is loaded.

    Raises:
        ValueError, FileNotFoundError: a folder is missing or holds no model, or two hold one of the same kind.
    """
    found: dict[str, Found] = {}
    for named in folders:
        here = [Found(kind, path, named) for kind in KINDS if (path := kind.find(named)) is not None]
        if not here and not Path(named).is_dir():
            raise FileNotFoundError(f"no folder at {named}: want a run of `flashsale train`, an encoder, or both.")
        if not here:
            raise ValueError(
                f"{named} holds neither a policy, as `flashsale train` writes it, nor an encoder, as `flashsale encode "
                f"--labels` and `flashsale demo` do. The shipped ones are standard-ppo and default."
            )
        for model in here:
            if model.kind.name in found:
                other = found[model.kind.name].named
                raise ValueError(f"{other} and {named} both hold one {model.kind.name}: a service has one, run two.")
            found[model.kind.name] = model
    return list(found.values())


class Service:
    """The models of an application, each with its queue.

    Args:
        settings: of the service.

    Raises:
        ValueError, OSError: as `find`, or a model cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.holders = [Holder(model.kind, model.folder, model.named, settings) for model in find(settings.folders)]
        self.routers: list[APIRouter] = []  # the endpoints of each model
        self.ready = False

    def open(self) -> dict[str, Batcher]:
        """A queue for each model; inside the event loop."""
        batchers = {}
        for holder in self.holders:
            name = holder.kind.name
            batchers[name] = Batcher(
                lambda holder=holder: holder.current,  # type: ignore[misc]
                most_rows=self.settings.most_rows,
                most_waiting=self.settings.most_waiting,
                note=lambda rows, seconds, name=name: self._note_batch(name, rows, seconds),  # type: ignore[misc]
            )
            self.metrics.waiting.labels(name).set_function(lambda b=batchers[name]: b.waiting)  # type: ignore[misc]
        return batchers

    def _note_batch(self, name: str, rows: int, seconds: float) -> None:
        self.metrics.batch_rows.labels(name).observe(rows)
        self.metrics.batch_seconds.labels(name).observe(seconds)

    def note_reload(self, holder: Holder, taken: bool) -> None:
        """Count a new version, and tell the operator."""
        self.metrics.reloads.labels(holder.kind.name, "yes" if taken else "no").inc()
        said = f"{holder.kind.name} {holder.current.version[:12]} took over" if taken else holder.failure
        notice(f"flashsale serve: {said}")

    def report(self) -> dict[str, Any]:
        """Versions, and what is wrong with a version that was refused."""
        return {
            "ready": self.ready,
            "models": {
                holder.kind.name: {
                    "version": holder.current.version,
                    "reloads": holder.reloads,
                    **({"refused": holder.failure} if holder.failure else {}),
                }
                for holder in self.holders
            },
        }


def application(settings: Settings) -> FastAPI:
    """Load the models and build the application around them.

    Raises:
        ValueError, OSError: as `Service`.
    """
    service = Service(settings)
    queues: dict[str, Batcher] = {}

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        queues.update(service.open())
        for queue in queues.values():
            queue.start()
        seconds = settings.reload_seconds
        looking = [asyncio.create_task(watch(h, seconds, service.note_reload)) for h in service.holders if seconds]
        service.ready = True
        yield
        service.ready = False
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        for queue in queues.values():
            await queue.stop()

    app = FastAPI(
        title="flashsale_env",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # these pages fetch scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    _add_shared_routes(app, service)
    for holder in service.holders:
        kind = holder.kind
        ask = _asking(queues, kind.name)
        router = kind.routes(ask, lambda holder=holder: holder.current, settings.most_rows)  # type: ignore[misc]
        service.routers.append(router)
        app.include_router(router)
    _add_refusals(app, service)
    # The last one added is the first to see a request.
    app.add_middleware(
        Limits,
        most_bytes=settings.most_bytes,
        rate=settings.rate,
        most_at_once=settings.most_at_once,
        free=FREE,
    )
    app.add_middleware(Access, token=settings.token, local=settings.local, free=FREE)
    app.add_middleware(Timed, metrics=service.metrics)
    return app


def _asking(queues: Mapping[str, Batcher], name: str) -> Any:
    """The queue of a model opens when the server starts."""

    async def ask(rows: Sequence[Any]) -> tuple[list[Any], Any]:
        return await queues[name].ask(rows)

    return ask


def _add_shared_routes(app: FastAPI, service: Service) -> None:
    @app.get("/health", tags=["service"], summary="Whether the process lives")
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/ready", tags=["service"], summary="Whether requests are answered, and by which versions")
    async def ready() -> JSONResponse:
        return JSONResponse(service.report(), 200 if service.ready else 503)

    @app.get("/metrics", tags=["service"], summary="For Prometheus", response_class=Response)
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    @app.post("/reload", tags=["service"], summary="Look for new versions now")
    async def reload() -> dict[str, Any]:
        for holder in service.holders:
            failure = holder.failure
            taken = await holder.look()
            if taken or holder.failure != failure:
                service.note_reload(holder, taken)
        return service.report()


def _add_refusals(app: FastAPI, service: Service) -> None:
    @app.exception_handler(QueueFull)
    async def full(request: Request, error: QueueFull) -> JSONResponse:
        service.metrics.refused.labels(request.url.path.split("/")[1]).inc()
        return JSONResponse({"detail": str(error)}, 429, {"Retry-After": str(error.retry_after)})

    @app.exception_handler(Stopping)
    async def stopping(request: Request, error: Stopping) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "1"})

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        """The first complaint of each field, in one line."""
        lines = {".".join(map(str, e["loc"])): str(e["msg"]) for e in reversed(error.errors())}
        said = "; ".join(f"{where}: {message}" for where, message in list(reversed(lines.items()))[:5])
        return JSONResponse({"detail": said}, 422)
