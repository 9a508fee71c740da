"""The MCP server, driven by the official package's own client."""

import asyncio
import json
import sys

import jsonschema
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

import flashsale_env as fs
from flashsale_env.experiments.adapters.mcp import MOST_SALES, build_server

pytestmark = pytest.mark.uncompiled


def content(result):
    assert not result.is_error, result.content
    return json.loads(result.content[0].text)


def talk(conversation, server=None):
    """Run a conversation with a server of gvr-periodic, in memory."""

    async def run():
        async with Client(build_server("gvr-periodic") if server is None else server) as client:
            return await conversation(client)

    return asyncio.run(run())


def test_a_client_plays_a_sale_of_the_numeric_environment():
    async def conversation(client):
        opened = content(await client.call_tool("open_sale", {"seed": 5}))
        turns = [opened]
        for price in (2.0, 1.5):
            action = {"price": {"ticket": price}, "ticks": 5}
            turns.append(content(await client.call_tool("decide", {"sale": opened["sale"], "action": action})))
        return turns

    opened, first, last = talk(conversation)
    assert opened["text"].startswith("Tick 0 of 10")
    assert not first["closed"]
    assert last["closed"]
    env = fs.FlashSaleEnv("gvr-periodic", actions="multidiscrete")
    env.reset(seed=5)
    rewards = [env.step([level])[1] for level in [4] * 5 + [6] * 5]
    assert first["reward"] == sum(rewards[:5])
    assert last["reward"] == sum(rewards[5:])


def test_the_tool_carries_the_schema_of_the_scenario():
    async def conversation(client):
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        resource = (await client.read_resource("flashsale://instructions")).contents[0].text
        return tools, resource

    tools, resource = talk(conversation)
    assert set(tools) == {"open_sale", "decide", "close_sale"}
    schema = tools["decide"].input_schema
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "2.75" in json.dumps(schema)
    assert "ticket: one of 3, 2.75" in resource


def test_a_wrong_action_and_a_wrong_sale_are_errors_that_say_what_would_do():
    async def conversation(client):
        sale = content(await client.call_tool("open_sale", {}))["sale"]
        wrong = await client.call_tool("decide", {"sale": sale, "action": {"price": {"ticket": 9}}})
        missing = await client.call_tool("decide", {"sale": 99, "action": {}})
        seed = await client.call_tool("open_sale", {"seed": -1})
        content_after = content(await client.call_tool("decide", {"sale": sale, "action": {}}))
        closed = await client.call_tool("close_sale", {"sale": sale})
        gone = await client.call_tool("decide", {"sale": sale, "action": {}})
        return wrong, missing, seed, content_after, closed, gone

    wrong, missing, seed, after, closed, gone = talk(conversation)
    assert wrong.is_error
    assert "price[ticket] must be one of 3, 2.75" in wrong.content[0].text
    assert missing.is_error
    assert "there is no open sale 99; open ones: 1" in missing.content[0].text
    assert seed.is_error
    assert "-1" in seed.content[0].text
    assert after["text"].startswith("Tick 1 of 10")
    assert not closed.is_error
    assert gone.is_error


def test_a_server_keeps_so_many_sales_and_no_more(monkeypatch):
    monkeypatch.setattr("flashsale_env.experiments.adapters.mcp.MOST_SALES", 2)
    assert MOST_SALES > 2

    async def conversation(client):
        return [await client.call_tool("open_sale", {"seed": seed}) for seed in range(3)]

    *opened, refused = talk(conversation)
    assert [result.is_error for result in opened] == [False, False]
    assert refused.is_error
    assert "2 sales are open" in refused.content[0].text


def test_the_command_speaks_over_standard_input_and_output():
    async def run():
        command = [sys.executable, "-m", "flashsale_env.experiments", "mcp", "gvr-periodic", "--ticks", "1"]
        server = StdioServerParameters(command=command[0], args=command[1:], env={"NUMBA_DISABLE_JIT": "1"})
        async with Client(stdio_client(server)) as client:
            sale = content(await client.call_tool("open_sale", {"seed": 1}))["sale"]
            refused = await client.call_tool("decide", {"sale": sale, "action": {"ticks": 2}})
            return content(await client.call_tool("decide", {"sale": sale, "action": {}})), refused

    turn, refused = asyncio.run(run())
    assert turn["text"].startswith("Tick 1 of 10")
    assert refused.is_error
