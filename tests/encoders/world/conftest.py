"""Fixtures of the reference world."""

import pytest

from flashsale_env import load_scenario
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.estimation import held_out_logs, study_reference_world


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("standard")


@pytest.fixture(scope="module")
def encoder():
    return IntentEncoder.default()


@pytest.fixture(scope="module")
def study(encoder, scenario):
    return study_reference_world(
        encoder,
        scenario,
        heldout=lambda: held_out_logs(encoder, scenario, voices=450, visits=60_000, seed=1),
        voices=900,
        visits=60_000,
        seed=1,
    )
