"""The service as a server of the Model Context Protocol: a language model asks policies and encoders as tools.

Owns    which endpoints become tools, and their names.
Leaves  what they answer to the kinds, queues and versions to `application`; a sale that a model runs itself is
        `experiments.adapters.mcp`.

A tool is an endpoint of the service: `policy` describes the policy, `policy_actions` asks it, and so on. Its schema,
its checks and its answer are those of the endpoint.
"""

import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.routing import APIRoute

from flashsale_env import __version__
from flashsale_env.experiments.serve.batching import QueueFull, Stopping


def build_server(app: FastAPI) -> Any:
    """The server of an application, an `MCPServer`; `run()` speaks over standard input and output.

    Raises:
        ModuleNotFoundError: the package `mcp` is not installed.
    """
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"--mcp needs the package {error.name!r}: pip install 'flashsale-env[serve,language]'", name=error.name
        ) from None

    @contextlib.asynccontextmanager
    async def while_open(server: Any) -> AsyncIterator[None]:
        async with app.router.lifespan_context(app):
            yield

    def as_tool(endpoint: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(endpoint)
        async def tool(*arguments: Any, **named: Any) -> Any:
            try:
                return await endpoint(*arguments, **named)
            except HTTPException as error:
                raise ToolError(str(error.detail)) from None
            except (QueueFull, Stopping) as error:
                raise ToolError(str(error)) from None

        return tool

    server = MCPServer(
        "flashsale", instructions=app.description, version=__version__, log_level="WARNING", lifespan=while_open
    )
    for router in app.state.service.routers:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            name = route.path.strip("/").replace("/", "_")
            server.add_tool(as_tool(route.endpoint), name=name, description=route.summary)
    return server
