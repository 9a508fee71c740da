"""Policies and encoders as tools of the Model Context Protocol, asked by the official package's own client."""

import asyncio
import json
import sys

import numpy as np
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from flashsale_env import agents
from flashsale_env.experiments.serve.application import application
from flashsale_env.experiments.serve.mcp import build_server
from flashsale_env.experiments.serve.served import Settings
from tests.experiments.serve.test_policy import GOOD


def talk(conversation, folder):
    """Run a conversation with the service of a folder, in memory."""

    async def run():
        app = application(Settings((str(folder),), device="cpu", reload_seconds=0.0))
        async with Client(build_server(app)) as client:
            return await conversation(client)

    return asyncio.run(run())


def test_a_tool_gives_the_policys_own_actions(table_policy):
    folder = table_policy(3)

    async def conversation(client):
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        described = await client.call_tool("policy", {})
        answered = await client.call_tool("policy_actions", {"body": {"observations": [GOOD]}})
        return tools, json.loads(described.content[0].text), json.loads(answered.content[0].text)

    tools, described, answered = talk(conversation, folder)
    assert set(tools) == {"policy", "policy_actions"}
    assert "observations" in json.dumps(tools["policy_actions"].input_schema)
    agent = agents.load(folder, "gvr-periodic")
    assert np.allclose(answered["actions"], agent.predict(np.array([GOOD], np.float32))[0])
    assert answered["version"] == described["version"]


def test_a_wrong_observation_is_an_error_that_names_the_number(table_policy):
    async def conversation(client):
        return await client.call_tool("policy_actions", {"body": {"observations": [[0.5]]}})

    refused = talk(conversation, table_policy(3))
    assert refused.is_error
    assert "observations[0] must hold" in refused.content[0].text


def test_the_command_speaks_over_standard_input_and_output(table_policy):
    async def run():
        arguments = ["-m", "flashsale_env.experiments", "serve", str(table_policy(3)), "--mcp", "--device", "cpu"]
        server = StdioServerParameters(command=sys.executable, args=arguments, env={"NUMBA_DISABLE_JIT": "1"})
        async with Client(stdio_client(server)) as client:
            return await client.call_tool("policy_actions", {"body": {"observations": [GOOD]}})

    assert not asyncio.run(run()).is_error
