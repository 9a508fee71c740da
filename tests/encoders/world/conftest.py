"""Fixtures of the reference world."""

import pytest

from flashsale_env import load_scenario
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.estimation import study_reference_world


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("standard")


@pytest.fixture(scope="module")
def encoder():
    return IntentEncoder.default()


@pytest.fixture(scope="module")
def study(encoder, scenario):
    return study_reference_world(
        encoder, scenario, voices=900, heldout_voices=450, visits=60_000, heldout_visits=60_000, seed=1
    )
