"""A flash sale as a server of the Model Context Protocol, by the official package `mcp`.

Owns    the tools: `open_sale`, `decide`, `close_sale`, and the resource `flashsale://instructions`.
Leaves  sales in words to `turns`, transports to the package.

A client may hold several sales at once, each by its number. The schema of an action is that of the scenario, so that
a client knows every lever beforehand.
"""

import asyncio
import itertools
from dataclasses import asdict
from typing import Annotated, Any

from flashsale_env import Scenario
from flashsale_env.experiments.adapters.turns import Turns

# Sales that a server keeps open for its clients.
MOST_SALES = 64


def build_server(scenario: str | Scenario, **options: Any) -> Any:
    """The server of a scenario, an `MCPServer`; `run()` speaks over standard input and output.

    Args:
        scenario: name, path or object.
        options: further arguments of `FlashSaleTextEnv`.

    Raises:
        ModuleNotFoundError: the package `mcp` is not installed.
        ValueError, FileNotFoundError: as `FlashSaleTextEnv`.
    """
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
        from pydantic import WithJsonSchema
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the server needs the package {error.name!r}: pip install 'flashsale-env[language]'",
            name=error.name,
        ) from None
    first = Turns(scenario, **options)
    sales: dict[int, Turns] = {}
    numbers = itertools.count(1)
    lock = asyncio.Lock()
    server = MCPServer("flashsale", instructions=first.instructions)

    def found(sale: int) -> Turns:
        if sale not in sales:
            raise ToolError(f"there is no open sale {sale}; open ones: {', '.join(map(str, sales)) or 'none'}.")
        return sales[sale]

    @server.tool()
    async def open_sale(seed: int | None = None) -> dict[str, Any]:
        """Open a sale and return its number and first report. The same seed gives the same customers."""
        async with lock:
            if len(sales) >= MOST_SALES:
                raise ToolError(f"{MOST_SALES} sales are open: close one with close_sale first.")
            turns = Turns(first.env.scenario, **options)
            try:
                turn = turns.open(seed)
            except ValueError as error:
                raise ToolError(str(error)) from None
            number = next(numbers)
            sales[number] = turns
            return {"sale": number, **asdict(turn)}

    @server.tool()
    async def decide(sale: int, action: Annotated[Any, WithJsonSchema(first.env.schema)]) -> dict[str, Any]:
        """Play an action in an open sale and return the next report, the reward and the profit so far."""
        async with lock:
            turn = found(sale).act(action)
            if turn.refused:
                raise ToolError(turn.text)
            return {"sale": sale, **asdict(turn)}

    @server.tool()
    async def close_sale(sale: int) -> str:
        """Give up the number of a sale."""
        async with lock:
            found(sale)
            del sales[sale]
            return f"Sale {sale} is put away."

    @server.resource("flashsale://instructions")
    def instructions() -> str:
        """What a player has to know: products, decisions and the form of an action."""
        return first.instructions

    return server
