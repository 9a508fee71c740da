"""The table of agents: yours beside ours, and modules imported on first access."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from flashsale_env import agents
from flashsale_env.agents import play, registry
from tests.agents.policies import SCENARIO, SEEDS, Quiet, level


def test_a_registered_agent_is_found_by_name(monkeypatch):
    monkeypatch.setattr(registry, "AGENTS", dict(registry.AGENTS))
    agents.register("quiet", lambda scenario: Quiet(), "never lowers a price")
    np.testing.assert_array_equal(play(agents.make("quiet", SCENARIO), SCENARIO, seeds=SEEDS)["profit"], level(0))
    with pytest.raises(ValueError, match="'quiet' is there already"):
        agents.register("quiet", Quiet)
    agents.register("quiet", Quiet(), replace=True)
    for name in ("ppo", "a:b", "", "x.zip"):
        with pytest.raises(ValueError, match=r"there already|the name of an agent"):
            agents.register(name, Quiet, replace=True)


def test_modules_are_reached_as_the_readme_writes_them():
    code = textwrap.dedent(
        """
        import sys
        from flashsale_env import agents
        assert not {"torch", "stable_baselines3"} & set(sys.modules)
        print(agents.exact.evaluate_exactly.__name__, agents.exact.__name__)
        assert not hasattr(agents, "nothing_such")
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["evaluate_exactly", "flashsale_env.agents.exact"]
