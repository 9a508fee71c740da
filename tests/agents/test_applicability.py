"""Which agent plays which shipped scenario."""

import re

import numpy as np
import pytest

from flashsale_env import SCENARIOS, agents
from flashsale_env.agents import AGENTS, play, split_seeds

PAIRS = [(name, scenario) for name in AGENTS for scenario in SCENARIOS]
RULES = [name for name, entry in AGENTS.items() if entry.module in ("rules.heuristics", "rules.estimating")]
assert RULES


@pytest.mark.parametrize(("name", "scenario"), PAIRS)
def test_every_agent_plays_a_shipped_scenario_or_gives_a_reason(name, scenario):
    """Two whole sales, except for learners, which play where they are trained; or a reason with a subject."""
    reason = AGENTS[name].applies(scenario)
    if reason is not None:
        assert re.fullmatch(r"the [a-z][^\n]*[^.\s]", reason)
        with pytest.raises(ValueError, match=f"agent '{name}' does not apply to scenario '{scenario}': "):
            agents.make(name, scenario)
    elif not AGENTS[name].learns:
        table = play(agents.make(name, scenario), scenario, seeds=split_seeds("validation", 2, 2))
        assert np.isfinite(table["profit"]).all()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_shipped_scenario_has_a_rule_beside_the_random_agent(scenario):
    assert [name for name in RULES if name != "random" and AGENTS[name].applies(scenario) is None]
