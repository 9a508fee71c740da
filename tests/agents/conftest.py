"""Sales that several tests of agents play."""

import pytest

from flashsale_env import load_scenario


@pytest.fixture
def sixty():
    """The periodic sale with 60 epochs."""
    return load_scenario("gvr-periodic").replace(horizon_ticks=60)
